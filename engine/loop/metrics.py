"""The metrics of a meta-iteration: columns that come from the store, and TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from replay.experience import Origin
from replay.store import ReplayStore


def replay_counts(store: ReplayStore) -> dict[str, int]:
    """What a store holds, by column of the metrics."""
    counts = store.counts()
    return {"replay_policy": counts[Origin.POLICY], "replay_mutated": counts[Origin.MUTATED]}


class EventWriter:
    """Writes each number of a metrics row as a scalar; nested ones as `phase_s/train`."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # deferred: slow to import

        # Events of meta-iterations that are run again after a kill are hidden.
        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the row of one meta-iteration."""
        for name, value in row.items():
            values = {f"{name}/{key}": v for key, v in value.items()} if isinstance(value, Mapping) else {name: value}
            for tag, number in values.items():
                if number is not None:
                    self._writer.add_scalar(tag, number, row["meta_iteration"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
