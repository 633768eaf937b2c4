"""The `codeit` command.

Verbs import what they need when they run, so that `codeit --help` answers at once. A mistake of the user is one
line on stderr and exit status 2; nothing is overwritten.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence

from engine.commands.options import VERBS
from engine.commands.options.parser import parse
from engine.errors import UsageError

DESCRIPTION = (
    "Self-improving program synthesis on ARC: a language model writes programs in a grid language, a compiled virtual "
    "machine runs them, every valid run becomes training data."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return parse(VERBS, DESCRIPTION, arguments).execute()
    except UsageError as error:
        sys.stderr.write(f"codeit: {error}\n")
        return 2
    except KeyboardInterrupt as interrupt:
        sys.stderr.write("\ncodeit: interrupted; a run continues with --resume\n")
        return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, of a scheduler or `docker stop`: what is open is closed as it is after Ctrl-C."""


def _terminate(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one does not disturb the closing
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main())
