"""Replay buffers of other projects, filled with rows of tokens and their priorities; each draws by them.

One that is not there raises ImportError, whose message says what to do.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.baselines.checkout import importable, require

FLOOR = 1e-6  # that a priority of 0 has a chance with
Tokens = npt.NDArray[np.int16]
Draw = Callable[[int], Any]
"""draws so many rows"""


def official(tokens: Tokens, priorities: npt.NDArray[np.float64], checkout: Path | None, _: Path) -> Draw:
    """The buffer of the official CodeIt code (Qualcomm-AI-research/codeit), which draws without replacement.

    Its `sample` as it is; its constructor, which wants a tokenizer and files of tasks, is not run, and what only the
    constructor needs is not imported.
    """
    if checkout is None:
        raise ImportError("no checkout of the official code: --codeit CHECKOUT")
    require(checkout, "codeit/replay_buffer.py", "the official CodeIt code")
    others = {
        "codeit": _stand_in("codeit", __path__=[str(checkout / "codeit")]),
        "codeit.policy": _stand_in("codeit.policy", __path__=[]),
        "codeit.policy.tokenize": _stand_in("codeit.policy.tokenize", TextEncoder=None, tokenize_task=None),
        "codeit.task": _stand_in("codeit.task", Task=None, from_dict=None),
        "codeit.utils": _stand_in("codeit.utils", get_num_pixels=None, get_tokenizer=None),
    }
    before = {name: sys.modules.get(name) for name in others}
    sys.modules.update(others)
    try:
        with importable(checkout):
            module = importlib.import_module("codeit.replay_buffer")
    finally:
        for name, known in before.items():
            if known is None:
                del sys.modules[name]
            else:
                sys.modules[name] = known
    buffer = module.Buffer.__new__(module.Buffer)
    rows = [{"input_ids": row, "attention_mask": row, "labels": row, "task_id": "task"} for row in tokens]
    entries = {
        f"program {number}": {"experience": row, "priority": priority + FLOOR}
        for number, (row, priority) in enumerate(zip(rows, priorities.tolist(), strict=True))
    }
    buffer.entries = {"policy": entries, "mutated": {}}
    return lambda n: buffer.sample(n_samples=n, mode="policy")


def torchrl(tokens: Tokens, priorities: npt.NDArray[np.float64], _: Path | None, scratch: Path) -> Draw:
    """torchrl's prioritized sampler over a memory-mapped storage; with replacement."""
    try:
        from tensordict import TensorDict
        from torchrl.data import LazyMemmapStorage, PrioritizedSampler, TensorDictReplayBuffer
    except ImportError as error:
        raise ImportError(f"torchrl is not installed ({error})") from None
    import torch

    n = len(tokens)
    try:
        sampler = PrioritizedSampler(n, alpha=1.0, beta=0.0, eps=FLOOR)
    except RuntimeError as error:
        raise ImportError(f"torchrl's compiled part is of another torch ({error})") from None
    storage = LazyMemmapStorage(n, scratch_dir=str(scratch / "torchrl"))
    buffer = TensorDictReplayBuffer(storage=storage, sampler=sampler, priority_key="priority")
    indices = buffer.extend(TensorDict({"tokens": torch.from_numpy(tokens)}, batch_size=[n]))
    buffer.update_priority(indices, torch.from_numpy(priorities).float())
    return lambda size: buffer.sample(size)


def cpprb(tokens: Tokens, priorities: npt.NDArray[np.float64], _: Path | None, scratch: Path) -> Draw:
    """cpprb's prioritized buffer; with replacement."""
    try:
        from cpprb import PrioritizedReplayBuffer
    except ImportError as error:
        raise ImportError(f"cpprb is not installed ({error})") from None
    n, longest = tokens.shape
    buffer = PrioritizedReplayBuffer(n, {"tokens": {"shape": longest, "dtype": np.int16}}, alpha=1.0, eps=FLOOR)
    buffer.add(tokens=tokens, priorities=priorities)
    return lambda size: buffer.sample(size, beta=0.0)


PEERS: dict[str, Callable[[Tokens, npt.NDArray[np.float64], Path | None, Path], Draw]] = {
    "codeit": official,
    "torchrl": torchrl,
    "cpprb": cpprb,
}


def _stand_in(name: str, **content: Any) -> ModuleType:
    """A module with what another one imports of it."""
    module = ModuleType(name)
    vars(module).update(content)
    return module
