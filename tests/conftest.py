"""Fixtures of several test files; what is compiled once, and begun first, where files run side by side."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

# The files that take longest: with `--no-loadscope-reorder` none of them is begun when all else is done.
LONGEST = (
    "test_machine",
    "test_sampler",
    "test_transfer",
    "test_t5",
    "test_run",
    "test_text_policies",
    "test_discover",
    "test_training",
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what is missing, a group a process: processes that test side by side would each compile all of it."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None) or config.option.collectonly:
        return
    from interpreter import compilation

    with suppress(OSError, compilation.CompilationError):  # which the tests will meet, and say
        groups = (compilation.MACHINE, compilation.SEARCH, compilation.LEARNING)
        missing = [group for group in groups if not compilation.is_compiled(group)]
        warm = "import sys; from interpreter import compilation; compilation.warm_up(sys.argv[1])"
        root = Path(__file__).parents[1]
        for process in [subprocess.Popen([sys.executable, "-c", warm, group], cwd=root) for group in missing]:
            process.wait()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they were."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch with one thread: small matrices gain nothing from more, which wait for each other on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
