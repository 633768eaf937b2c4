"""What can be wrong with a checkpoint, training, a prompt or a program's tokens."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A folder that is no complete checkpoint, or not one for what it is used for."""


class Diverged(RuntimeError):
    """Training came to gradients that are not finite: the trainer is of no use, its checkpoints are whole."""


class CodecError(ValueError):
    """Token ids that are no prompt, or a grid that cannot be written as one."""


class PromptTooLong(CodecError):
    """Not even the shortest demonstration fits into the prompt."""
