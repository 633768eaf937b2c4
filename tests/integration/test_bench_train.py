"""`codeit bench train`: the work that it counts is what torch counts."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.train import busy_share, measure, model_flops
from trainer.catalogue import POLICIES
from trainer.codec import CompactCodec
from trainer.examples import Example, Examples
from trainer.policy import new_policy
from trainer.updates.batches import Batch
from trainer.updates.loss import ProgramLoss

CODEC = CompactCodec(320)


def test_operations_are_those_that_torch_counts() -> None:
    """Torch counts attention to what comes later, too: with it, one more product of each pair of tokens."""
    shape = POLICIES["compact-tiny"]
    examples = Examples.of([Example((1,) * 40, (2,) * 9)])
    loss = ProgramLoss(new_policy("compact-tiny", len(CODEC.tokens), 64, seed=0))
    with FlopCounterMode(display=False) as counted, sdpa_kernel(SDPBackend.MATH):
        loss(*Batch.of(examples).parts).backward()
    length = len(examples[0]) - 1
    later = 3 * 4 * shape.layers * shape.width * length * (length - 1) // 2
    assert counted.get_total_flops() == model_flops(shape, examples, len(CODEC.tokens)) + later


def test_it_measures_a_policy_on_this_processor() -> None:
    threads = torch.get_num_threads()
    found = measure("compact-tiny", "cpu", "float32", "off", None, 12, 2048, 1)
    assert (found["device"], found["model_flops_share"], found["examples"]) == ("cpu", None, 12)
    assert found["device_busy_share"] is None
    assert found["model_flops_per_s"] > found["tokens_per_s"] > found["examples_per_s"] > 0
    assert torch.get_num_threads() == threads


def test_the_busy_share_is_that_of_all_kernels_and_the_longest_come_first() -> None:
    kernels = [(f"k{number}", 2, 1000.0 * number) for number in range(1, 21)]
    share, top = busy_share(kernels, seconds=0.42)
    assert share == 0.5
    assert top[0] == {"kernel": "k20", "calls": 2, "share": round(20 / 210, 4)}
    assert len(top) == 16
