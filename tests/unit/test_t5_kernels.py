"""The plugin's Triton kernels, in Triton's interpreter: attention with a bias over a paged cache.

In a process of its own, because the interpreter is chosen when Triton is first imported.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

SCRIPT = """
import json
import sys

import torch

from engine.sampler.t5.kernels import attend, write_cache

HEADS, BLOCK, SCALE = 3, 16, 0.7
LENGTHS, QUERIES = (1, 150, 5, 33), (1, 3, 5, 1)  # a beginning, a resumed, a prompt, a decoding request


def within(tensor):  # a wider matrix, as the parts of one projection are
    return torch.cat((tensor, tensor), 1)[:, : tensor.shape[1]]


def check(size, dtype, layout):
    torch.manual_seed(size)
    shape = {"B": 24, "H": HEADS, "N": BLOCK, "C": 2 * size}
    storage = torch.full([shape[axis] for axis in layout], float("nan"), dtype=dtype)
    cache = storage.permute([layout.index(axis) for axis in "BHNC"])
    free = iter((torch.randperm(23) + 1).tolist())
    table = torch.zeros(len(LENGTHS), 12, dtype=torch.int32)
    everything = []
    for request, length in enumerate(LENGTHS):
        for block in range(-(-length // BLOCK)):
            table[request, block] = next(free)
        keys, values = torch.randn(2, length, HEADS, size).to(dtype)
        slots = [int(table[request, at // BLOCK]) * BLOCK + at % BLOCK for at in range(length)]
        slots.append(-1)  # padding
        padded = [torch.cat((part, torch.full_like(part[:1], 9.0))) for part in (keys, values)]
        write_cache(*map(within, padded), cache, torch.tensor(slots))
        everything.append((keys.float(), values.float()))
    starts = torch.tensor([0, *QUERIES]).cumsum(0).int()
    tokens = int(starts[-1])
    queries = torch.randn(tokens + 2, HEADS, size).to(dtype)  # two are padding
    bias = torch.randn(7, HEADS).to(dtype)
    buckets = (torch.arange(max(LENGTHS)) % 7).int()
    output = torch.full_like(queries, 5.0)
    lengths = torch.tensor(LENGTHS, dtype=torch.int32)
    attend(queries, cache, table, starts, lengths, buckets, bias, SCALE, output)
    worst = output[tokens:].abs().max().item()
    for request, (length, count) in enumerate(zip(LENGTHS, QUERIES)):
        keys, values = everything[request]
        for step in range(count):
            token, position = int(starts[request]) + step, length - count + step
            seen = torch.arange(position + 1)
            score = SCALE * torch.einsum("hd,nhd->hn", queries[token].float(), keys[seen])
            score += bias.float()[buckets[position - seen].long()].T
            wanted = torch.einsum("hn,nhd->hd", score.softmax(-1), values[seen])
            worst = max(worst, (wanted - output[token].float()).abs().max().item())
    return worst


json.dump([check(size, getattr(torch, dtype), layout) for size, dtype, layout in json.loads(sys.argv[1])], sys.stdout)
"""
CASES = [(64, "float32", "BHNC"), (64, "float32", "BNHC"), (48, "float32", "BHNC"), (64, "bfloat16", "BNHC")]


@pytest.fixture(scope="module")
def differences() -> list[float]:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(CASES)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        cwd=root,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda case: "-".join(map(str, CASES[case])))
def test_attention_is_that_of_torch(differences: list[float], case: int) -> None:
    """Whatever layout the cache has, how many queries a request has, and where its blocks lie; padding gets zeros."""
    assert differences[case] < (1e-5 if CASES[case][1] == "float32" else 0.02)
