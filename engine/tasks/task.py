"""One ARC task."""

from __future__ import annotations

from dataclasses import dataclass

from interpreter.grids import Grid


@dataclass(frozen=True)
class Task:
    """One ARC task. Test outputs are for scoring alone; nothing that chooses programs takes a `Task` with them.

    A test output that nobody has is None: such a task can be sampled, searched and submitted, not scored.
    """

    id: str
    inputs: tuple[Grid, ...]  # of the demonstrations
    outputs: tuple[Grid, ...]
    test_inputs: tuple[Grid, ...]
    test_outputs: tuple[Grid | None, ...]
    concept: str | None = None  # the folder that it lies in, where a set has several

    @property
    def demonstrations(self) -> list[tuple[Grid, Grid]]:
        return list(zip(self.inputs, self.outputs, strict=True))

    @property
    def is_scored(self) -> bool:
        """Whether all test outputs are known."""
        return all(output is not None for output in self.test_outputs)
