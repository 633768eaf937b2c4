"""Tokens and probabilities of vLLM's T5 beside those of transformers: greedy, sampled, and through swaps of weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import T5ForConditionalGeneration

from bench.device.t5_parity.case import LONGEST_PROMPT, Case, Result, tiny
from bench.device.t5_parity.engine import facts, serving
from bench.device.t5_parity.layers import first_differences
from bench.device.t5_parity.reference import in_type, log_probabilities, new_model, random_ids
from engine.sampler.t5 import make_prompt
from engine.sampler.vllm.transports import InProcess

_LENGTHS = (1, 3, 17, 100, 130, 257, 511, 777, 1000, LONGEST_PROMPT)
"""Tokens of the prompts. All of them begin in one step."""
_SAMPLED = (17, 130, 257)
_SAMPLES, _SAMPLE_TOKENS, _SWAPPED_TOKENS = 24, 48, 64
_FLOAT32_BOUND = 1e-3


def check_case(case: Case) -> Iterator[Result]:
    """Results of a case, one after another."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    lengths, tokens = (_LENGTHS[::3], 5) if tiny() else (_LENGTHS, case.length - 1)
    prompts = [random_ids(seed, length, case) for seed, length in enumerate(lengths)]
    models = [new_model(case, seed) for seed in (0, 1)]
    with tempfile.TemporaryDirectory() as folder:
        models[0].save_pretrained(folder)
        with serving(case, Path(folder)) as llm:
            yield {"step": "opened", **facts(llm)}
            written, result = _greedy(llm, case, models[0], prompts, tokens)
            yield {"step": "greedy A", **result}
            if not result["ok"]:
                steps = min(result["first_wrong"] + 1, 100)
                yield {"step": "where", **first_differences(llm, models[0], prompts, [row[:steps] for row in written])}
            yield {"step": f"n={_SAMPLES}", **_sampled(llm, case, models[0])}
            for turn, which in (("B", 1), ("A again", 0)):
                seconds = _swap(llm, models[which])
                again, result = _greedy(llm, case, models[which], prompts, min(tokens, _SWAPPED_TOKENS))
                if which == 0:
                    result["same_as_before"] = sum(a == b[: len(a)] for a, b in zip(again, written, strict=True))
                yield {"step": f"greedy {turn}", "swap_s": seconds, **result}


@dataclass(frozen=True)
class Beside:
    """One sequence beside the reference's log-probabilities (tokens, vocabulary)."""

    wanted: Tensor
    tokens: list[int]
    given: list[dict[int, float]]
    """What vLLM says of some tokens at each step."""

    @property
    def away(self) -> Tensor:
        """(tokens,) the largest difference of a log-probability, or by how much the reference prefers another token."""
        missed = self.wanted.max(-1).values - self.wanted[range(len(self.tokens)), self.tokens]
        off = [max(abs(row[token].item() - said) for token, said in at.items())
               for row, at in zip(self.wanted.cpu(), self.given, strict=True)]  # fmt: skip
        return torch.stack((missed.cpu(), torch.tensor(off)))


def _greedy(
    llm: Any, case: Case, model: T5ForConditionalGeneration, prompts: list[list[int]], tokens: int
) -> tuple[list[list[int]], Result]:
    """What the engine writes, and its comparison with the reference."""
    outputs, seconds = _generate(llm, prompts, temperature=0, max_tokens=tokens, logprobs=20)
    written = [list(output.outputs[0].token_ids) for output in outputs]
    other, yardstick, away = in_type(model, case), 0.0, []
    for prompt, output, row in zip(prompts, outputs, written, strict=True):
        wanted = log_probabilities(model, prompt, [row])[0]
        if other is not None:
            yardstick = max(yardstick, (log_probabilities(other, prompt, [row])[0] - wanted).abs().max().item())
        given = [{token: said.logprob for token, said in at.items()} for at in output.outputs[0].logprobs]
        away.append(Beside(wanted, row, given).away)
    bound = _FLOAT32_BOUND if other is None else 2 * yardstick
    missed, off = torch.stack(away, dim=1)  # (prompts, tokens) each
    beyond = ~((off <= bound) & (missed <= 2 * bound))  # two probabilities make a preference
    result = {
        "ok": not beyond.any().item(),
        "max_dlogprob": round(off.max().item(), 6),
        "bound": round(bound, 6),
        "wrong": int((missed > 0).sum()),
        "margin": round(missed.max().item(), 6),
        "tokens": missed.numel(),
        "distinct": len({token for row in written for token in row}),
        "seconds": round(seconds, 2),
    }
    if beyond.any():
        result |= {
            "beyond_by_prompt": beyond.sum(1).tolist(),
            "first_wrong": int(beyond.any(0).nonzero()[0]),
        }
    return written, result


def _sampled(llm: Any, case: Case, model: T5ForConditionalGeneration) -> Result:
    """The probabilities of samples: many sequences for vLLM, and one encoder output."""
    lengths, tokens = (_SAMPLED[:1], 3) if tiny() else (_SAMPLED, _SAMPLE_TOKENS)
    prompts = [random_ids(100 + length, length, case) for length in lengths]
    outputs, seconds = _generate(llm, prompts, n=_SAMPLES, temperature=1.0, seed=7, max_tokens=tokens, logprobs=0)
    other, worst, yardstick, distinct = in_type(model, case), 0.0, 0.0, 0
    for prompt, output in zip(prompts, outputs, strict=True):
        rows = [list(sample.token_ids) for sample in output.outputs]
        chosen = torch.tensor(rows)[..., None]
        wanted = log_probabilities(model, prompt, rows).cpu().gather(2, chosen)[..., 0]
        given = [
            [said[token].logprob for said, token in zip(sample.logprobs, sample.token_ids, strict=True)]
            for sample in output.outputs
        ]
        worst = max(worst, (wanted - torch.tensor(given)).abs().max().item())
        if other is not None:
            theirs = log_probabilities(other, prompt, rows).cpu().gather(2, chosen)[..., 0]
            yardstick = max(yardstick, (theirs - wanted).abs().max().item())
        distinct += len(set(map(tuple, rows)))
    bound = _FLOAT32_BOUND if other is None else 2 * yardstick
    return {
        "ok": worst <= bound and distinct > len(prompts),
        "max_dlogprob": round(worst, 6),
        "bound": round(bound, 6),
        "tokens": len(prompts) * _SAMPLES * tokens,
        "distinct": distinct,
        "seconds": round(seconds, 2),
    }


def _generate(llm: Any, prompts: list[list[int]], **options: Any) -> tuple[list[Any], float]:
    """vLLM's outputs, in order, and the seconds that they took."""
    from vllm import SamplingParams

    params = SamplingParams(ignore_eos=True, detokenize=False, **options)
    start = time.monotonic()
    outputs = llm.generate([make_prompt(prompt) for prompt in prompts], params, use_tqdm=False)
    return outputs, time.monotonic() - start


def _swap(llm: Any, model: T5ForConditionalGeneration) -> float:
    """Give the engine the weights of a model; the seconds of it."""
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    start = time.monotonic()
    InProcess().update(llm.llm_engine, weights)
    return round(time.monotonic() - start, 4)
