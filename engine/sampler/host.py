"""A vLLM engine in this process, without the disturbance.

vLLM seeds Python's, numpy's and torch's global generators and draws from torch's in each step, replaces
`torch.set_num_threads` on a CPU, writes environment variables that child processes would inherit, and logs much. All of
this is put back or silenced here (what each step draws, by whoever steps); VLLM_LOGGING_LEVEL in the environment brings
the log back. What remains while an engine is open: torch.distributed is initialised with one process, on a CPU memory
is bound to the visible NUMA nodes, and `torch.accelerator.synchronize` does nothing.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.sampler.t5.private import private, warn_if_untested

# In this process, silently, and on the model runner that calls batch-level logits processors.
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    "VLLM_NO_USAGE_STATS": "1",
}


@contextmanager
def hosting() -> Iterator[None]:
    """Import vLLM and open an engine in this block. A version that was not tested is warned of once."""
    with _undisturbed(), packing(), _quiet():
        os.environ.update(_ENVIRONMENT)
        from vllm.triton_utils import dispatcher

        dispatcher.vars = _attributes  # in front of the builtin; a version that does not call it is not harmed
        yield
    warn_if_untested()


@cache
def guard_warm_ups() -> None:
    """Let what vLLM runs before it captures a graph have sequences of at most the model's length, once in a process.

    Before a graph of mixed steps (FULL) it runs one whose sequences are as long as the graph has tokens (0.32,
    `GPUModelRunner._dummy_run`). Where that is longer than the model's length, attention reads behind the rows of the
    block table, and of the last sequences behind its end. The slots of tokens may be there, -1 in such a run, and block
    -1 is in front of the cache. Raises `UntestedVersion`.
    """
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    warm_up = private(GPUModelRunner, "_warmup_and_capture")

    @wraps(warm_up)
    def within_the_model(runner: GPUModelRunner, graph: Any, *arguments: Any, **options: Any) -> None:
        if not graph.uniform and options.get("profile_seq_lens") is None:
            options["profile_seq_lens"] = min(graph.num_tokens, runner.max_model_len)
        warm_up(runner, graph, *arguments, **options)

    GPUModelRunner._warmup_and_capture = within_the_model


@contextmanager
def packing() -> Iterator[None]:
    """Load weights into an engine on a CPU in this block: with as many threads as every engine of this process.

    oneDNN packs a matrix for a number of threads, and the kernels that it keeps are for the first packing of a shape:
    on a processor with AVX2 a matrix that is packed for another number is multiplied wrongly, without an error.
    """
    set_threads, threads = torch.set_num_threads, torch.get_num_threads()
    set_threads(_packing_threads())
    try:
        yield
    finally:
        set_threads(threads)


@cache
def _packing_threads() -> int:
    """Torch's number of threads when this process first opens an engine."""
    return torch.get_num_threads()


def _attributes(value: object) -> Mapping[str, object]:
    """`vars`, for vLLM's search of all loaded modules for kernels: it stumbles over the library handle of llvmlite
    (so, over numba), an object without slots or dict whose `__dict__` is a C function like any other attribute."""
    found = vars(value)
    return found if isinstance(found, Mapping) else {}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put back what vLLM changes in its process: environment, global generators, torch's thread count.

    Progress bars that nobody sees would leave tqdm's monitor thread behind: it is not started.
    """
    environment, python, legacy_numpy = dict(os.environ), random.getstate(), np.random.get_state()
    set_threads, threads = torch.set_num_threads, torch.get_num_threads()
    interval, tqdm.monitor_interval = tqdm.monitor_interval, 0
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        tqdm.monitor_interval = interval
        torch.set_num_threads = set_threads
        torch.set_num_threads(threads)
        random.setstate(python)
        np.random.set_state(legacy_numpy)
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep vLLM's log and warnings off the terminal, also those of its C++ parts. An error carries them as a note."""
    if "VLLM_LOGGING_LEVEL" in os.environ:
        yield
        return
    os.environ["VLLM_LOGGING_LEVEL"] = "CRITICAL"
    logging.getLogger("vllm").setLevel(logging.CRITICAL)
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            file.seek(0)
            error.add_note(file.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
