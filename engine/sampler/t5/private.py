"""What of vLLM is used although it is private: looked up here by name, so that a version without it is told apart.

vLLM does not promise to keep what this plugin and the sampler patch, override or reach into. A version that lacks
something of it is refused where it is needed, before anything runs on a false assumption; one that has all of it runs,
with a warning where nobody has tested it (`warn_if_untested`).
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import Any

TESTED = ("0.32.0",)
"""The versions that the tests have run with. Of 0.33.0 the sending end of `ipc` was run on a CPU from its sources, with
what is CUDA's replaced, and that of `nccl` as far as its handshake; no engine of it."""

log = logging.getLogger(__name__)


class UntestedVersion(ImportError):
    """The installed vLLM lacks something private that is needed."""


def private(owner: Any, name: str) -> Any:
    """The attribute `name` of one of vLLM's objects. Raises `UntestedVersion` where it is missing."""
    try:
        return getattr(owner, name)
    except AttributeError:
        where = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", None) or type(owner).__qualname__
        raise UntestedVersion(
            f"vLLM {installed()} has no {where}.{name}, which is needed here: install a version that was tested "
            f"({', '.join(TESTED)})"
        ) from None


@cache
def warn_if_untested() -> None:
    """Warn, once in a process that has imported vLLM, where its version is not one of `TESTED`."""
    if installed() not in TESTED:
        log.warning("vLLM %s was not tested with this program: %s was", installed(), ", ".join(TESTED))


def installed() -> str:
    """The version of the vLLM that is imported, without what says how it was built (`+cpu`)."""
    return sys.modules["vllm"].__version__.split("+")[0]
