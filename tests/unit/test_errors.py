"""What the system refuses is a line; what is a bug is none."""

import errno

import pytest

from engine.commands.launch import mistakes
from engine.errors import UsageError, exhausted, refused
from trainer.errors import Diverged
from trainer.processes import LinkError, ProcessDied


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left on device: make room"),
        (errno.EROFS, "read-only file system: name a folder or file that can be written"),
        (errno.EACCES, "permission denied: ask for the permission"),
        (errno.ENOMEM, "cannot allocate memory: close other programs, or use fewer workers"),
        (errno.ELOOP, "links lead in a circle"),
    ],
)
def test_a_refusal_names_the_path_and_a_remedy(number, words):
    line = str(refused(OSError(number, "whatever", "m[/b]/x")))
    assert line.startswith("m[/b]/x: ")
    assert words in line
    assert "\n" not in line


def test_both_ends_of_a_rename_are_named():
    assert str(refused(OSError(errno.EACCES, "", "a", None, "b"))).startswith("a -> b: ")


def test_memory_that_cannot_be_had_is_said_with_how_much_was_asked_for_or_with_a_remedy():
    assert str(exhausted(MemoryError("8 TiB cannot be had"))) == "not enough memory: 8 TiB cannot be had"
    assert str(exhausted(MemoryError())).endswith("close other programs, or use fewer workers")


@pytest.mark.parametrize("error", [OSError("no number"), OSError(errno.EINVAL, "invalid argument"), BrokenPipeError()])
def test_a_bug_is_no_refusal(error):
    assert refused(error) is None


@pytest.mark.parametrize("error", [ProcessDied("the trainer died"), LinkError("weights did not come")])
def test_what_a_run_goes_on_from_is_a_mistake_that_says_how(error):
    with pytest.raises(UsageError, match=f"{error}; what was begun goes on with --resume"), mistakes():
        raise error


def test_training_that_diverged_is_a_mistake_of_its_rate():
    with pytest.raises(UsageError, match="not finite"), mistakes():
        raise Diverged("a gradient was not finite")
