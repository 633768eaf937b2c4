"""Fixtures of several test files; what is compiled or imported once, and begun first, where files run side by side."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from contextlib import suppress

import pytest

from trainer import processes

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
    """Compile what is missing, once: processes that test side by side would each compile all of it."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None) or config.option.collectonly:
        return
    from interpreter import compilation

    with suppress(OSError, compilation.CompilationError):  # which the tests will meet, and say
        if not compilation.is_compiled():
            compilation.warm_up()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they were."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session", autouse=True)
def imported_once() -> Iterator[None]:
    """Processes that serve are forked from one that has imported what they need (`preloaded`): an import of vLLM takes
    longer than most tests. Nor is what was imported looked through as garbage, seven times an engine: what there is
    when the first engine begins stays."""
    freeze, is_frozen = gc.freeze, False

    def freeze_once() -> None:
        nonlocal is_frozen
        if not is_frozen:
            freeze()
        is_frozen = True

    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "CONTEXT", forked)
        patch.setattr(gc, "freeze", freeze_once)
        patch.setattr(gc, "unfreeze", lambda: None)
        yield
    gc.unfreeze()  # or some libraries name at the end what they miss


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch with one thread: small matrices gain nothing from more, which wait for each other on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
