"""Training on a device: `codeit bench train` in the sizes of a GPU, and whether all ways to train learn the same.

Right: gradients of packed batches, recorded or not, compiled or not, differ from those of padded batches in float32 by
no more than a quarter more than padded ones in bfloat16 do, which rounding does (`errors`: of all gradients as one
vector, relative to its length).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.device.variants import TRAININGS
from bench.device.work import Work
from bench.material.solved import solved_rows
from bench.train import MAX_PROMPT_TOKENS, MAX_TOKENS, measure
from trainer.encoding import encode
from trainer.examples import Examples
from trainer.policy import new_policy
from trainer.updates.batches import Batch, Padding
from trainer.updates.loss import ProgramLoss, compile_layers, skip_masks
from trainer.updates.packing import Packing
from trainer.updates.recording import Recording

BATCH_TOKENS, SMALL = 32768, 2048
_EXAMPLES = 250  # some batches
_TOLERANCE = 1.25


@dataclass(frozen=True)
class Way:
    """How gradients are computed."""

    bf16: bool = True
    packs: bool = False
    compiles: bool = False
    records: bool = False


EXACT, PADDED = "float32", "padded"
WAYS: dict[str, Way] = {
    EXACT: Way(bf16=False),
    PADDED: Way(),
    "padded-compiled": Way(compiles=True),
    "packed": Way(packs=True),
    "packed-compiled": Way(packs=True, compiles=True),
    "recorded": Way(packs=True, records=True),
    "recorded-compiled": Way(packs=True, compiles=True, records=True),
}


def measure_training(work: Work) -> dict[str, Any]:
    """The rates of the case's way to train."""
    given = {"batch_tokens": BATCH_TOKENS, "repeats": 2, "compile": "auto"} | TRAININGS[work.name]
    if work.tiny:
        given |= {"policy": "compact-tiny", "examples": 12, "batch_tokens": SMALL, "repeats": 1, "compile": "off"}
    return measure(device="auto", dtype="auto", seeds=None, **given)


def check_training(work: Work) -> dict[str, Any]:
    """Gradients of the same examples in all ways; on a CPU in those that neither record nor compile."""
    rows, inputs = solved_rows(None)
    chosen = np.random.default_rng(0).integers(0, len(rows), 8 if work.tiny else _EXAMPLES)
    examples = encode(rows.take(chosen), inputs, work.codec, MAX_TOKENS)
    torch.backends.cuda.matmul.allow_tf32 = False
    ways = {name: way for name, way in WAYS.items() if torch.cuda.is_available() or not (way.records or way.compiles)}
    learned = {name: _learned(work, examples, way) for name, way in ways.items()}
    _, exact = learned[EXACT]
    errors = {name: float((found - exact).norm() / exact.norm()) for name, (_, found) in learned.items()}
    return {
        "losses": {name: round(loss, 6) for name, (loss, _) in learned.items()},
        "errors": {name: float(f"{error:.3g}") for name, error in errors.items()},
        "right": all(error <= _TOLERANCE * errors[PADDED] for error in errors.values()),  # not where one is NaN
    }


def _learned(work: Work, examples: Examples, way: Way) -> tuple[float, Tensor]:
    """The loss a program token, and all gradients as one vector, of a policy on examples."""
    policy = new_policy(work.policy, len(work.codec.tokens), MAX_PROMPT_TOKENS + MAX_TOKENS, seed=0)
    policy.to("cuda" if torch.cuda.is_available() else "cpu")
    skip_masks(policy)
    if way.compiles:
        compile_layers(policy, way.packs)
    module, program_tokens = ProgramLoss(policy, way.bf16), int(examples.programs.sum())
    total, recording = 0.0, None
    for batch in _batches(examples, way.packs, SMALL if work.tiny else BATCH_TOKENS):
        if way.records:
            recording = recording or Recording(module, batch)
            total += recording.backward(batch, 1 / program_tokens).item()
        else:
            loss = module(*batch.to(policy.device).parts)
            (loss / program_tokens).backward()
            total += loss.item()
    gradients = torch.cat([parameter.grad.double().flatten() for parameter in policy.parameters()])
    return total / program_tokens, gradients


def _batches(examples: Examples, packs: bool, tokens: int) -> Iterator[Batch]:
    batches = Packing(tokens, torch.cuda.is_available()) if packs else Padding(tokens)
    for indices in batches.plan(examples, None):
        yield batches.batch(examples.take(indices))
