"""What a policy learns from: experiences as tokens."""

from __future__ import annotations

from collections.abc import Sequence

from replay.experience import Experience
from replay.rows import Rows
from replay.store import ReplayStore
from trainer.codec import Codec
from trainer.encoding import Weights, encode
from trainer.examples import Examples


def to_examples(
    experiences: Sequence[Experience] | Rows,
    store: ReplayStore,
    codec: Codec,
    max_tokens: int,
    weights: Weights | None = None,
) -> Examples:
    """The examples of experiences whose tasks are in `store`, in order; `weights` are those of their losses.

    Those whose prompt does not fit the codec, or whose program has more than `max_tokens`, are left out.
    """
    rows = experiences if isinstance(experiences, Rows) else Rows.of(experiences)
    return encode(rows, {task: store.inputs(task) for task in rows.task_ids()}, codec, max_tokens, weights)
