"""The `codeit` command.

Verbs import what they need when they run, so that `codeit --help` answers at once. A mistake of the user, and what the
system refuses, is one line on stderr and exit status 2; nothing is overwritten. Whatever else is raised is a bug, and
keeps its traceback.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
from collections.abc import Sequence

from engine.commands.options import VERBS
from engine.commands.options.parser import parse
from engine.errors import UsageError, exhausted, printable, refused

_STDOUT = 1  # whatever Python's own stands for

DESCRIPTION = (
    "Self-improving program synthesis on ARC: a language model writes programs in a grid language, a compiled virtual "
    "machine runs them, every valid run becomes training data."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        status = parse(VERBS, DESCRIPTION, arguments, _version).execute()
        sys.stdout.flush()
        return status
    except UsageError as error:
        return _mistake(error)
    except BrokenPipeError:
        if not _is_unread():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # or Python finds the closed pipe at its end
        return 0
    except OSError as error:
        line = refused(error)
        if line is None:
            raise
        return _mistake(line)
    except MemoryError as error:
        return _mistake(exhausted(error))
    except KeyboardInterrupt as interrupt:
        sys.stderr.write("\ncodeit: interrupted; a run continues with --resume\n")
        return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


def _version() -> str:
    """What to name beside a figure or a fault, in one line."""
    from engine.run_folder import provenance

    found = provenance()
    names = [name for name, version in found["versions"].items() if version is not None and name != "codeit"]
    stands_on = ", ".join([f"Python {found['python']}", *(f"{name} {found['versions'][name]}" for name in names)])
    return f"codeit {found['versions']['codeit']}, commit {found['commit'] or 'unknown'} ({stands_on})"


def _mistake(error: UsageError) -> int:
    sys.stderr.write(f"codeit: {printable(str(error))}\n")
    return 2


def _is_unread() -> bool:
    """Whether who reads stdout has had enough: the end of another pipe is no reason to end quietly."""
    looking = select.poll()
    looking.register(_STDOUT, 0)
    return any(event & select.POLLERR for _, event in looking.poll(0))


class _Terminated(KeyboardInterrupt):
    """SIGTERM, of a scheduler or `docker stop`: what is open is closed as it is after Ctrl-C."""


def _terminate(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one does not disturb the closing
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main())
