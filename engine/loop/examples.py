"""What a policy learns from: experiences as tokens."""

from __future__ import annotations

from collections.abc import Sequence

from interpreter.language.program import ProgramError
from replay.experience import Experience, stored_program
from replay.store import ReplayStore
from trainer.codec import Codec, Example
from trainer.errors import PromptTooLong


def to_examples(experiences: Sequence[Experience], store: ReplayStore, codec: Codec, max_tokens: int) -> list[Example]:
    """The examples of experiences whose tasks are in `store`, in order.

    Those whose prompt does not fit the codec, or whose program has more than `max_tokens`, are left out.
    """
    inputs = {task: store.inputs(task) for task in {experience.task for experience in experiences}}
    examples = []
    for experience in experiences:
        grids = inputs[experience.task]
        pairs = [(grids[k], output) for k, output in zip(experience.pairs, experience.outputs, strict=True)]
        try:
            example = codec.example(pairs, experience.program)
        except PromptTooLong:
            continue
        except ProgramError:
            stored_program(experience.task, experience.program)  # says what is wrong
            raise
        if len(example.program) <= max_tokens:
            examples.append(example)
    return examples
