"""What it costs to hold samples to the grammar.

A step of 512 sequences: their states are advanced by a token each and their masks written (`grammar_step_ms_512`), and
the masks applied to the logits (`grammar_apply_ms_512`). Programs are random walks with types; one that ends makes room
for another one.

vLLM with the grammar and the seeds of samples beside vLLM without them (`constrained_ratio`, tokens/s over tokens/s),
which draws by itself: two engines with the same weights and prompts take turns, 512 sequences at once. The policy is
small, so that work of the host shows, which the matrix products of a larger one hide on a CPU. It is untrained, so that
its programs end near the limit; each sample of the engine without a grammar has as many tokens as the same sample of
the other one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.rates import in_turns, ratio, tokens_per_s
from engine.sampler import SamplerConfig, sample_seed
from engine.sampler.constraint import SEED, CompactGrammar, Constraint
from engine.sampler.published import Published
from engine.sampler.vllm.transports import new_transport
from engine.sampler.vllm_sampler import open_engine
from interpreter.language.vocabulary import EOS, LAST_LINE
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.policy import new_policy
from trainer.training import Trainer

if TYPE_CHECKING:
    from vllm.v1.engine.llm_engine import LLMEngine

SEQUENCES = 512
POLICY = "compact-1m"
# Many short turns: what else a machine does is uneven.
MOST_TOKENS = 48
STEPS = 200
# How likely the last line is beside each other one that may begin: about as many lines as programs have.
LAST_LINE_WEIGHT = 20.0

Key = tuple[int, int]  # (prompt, sample)


def measure_grammar(
    prompts: Sequence[Sequence[int]], codec: CompactCodec, options: SamplerConfig, repeats: int
) -> dict[str, Any]:
    """The cost of a step of the grammar, and what vLLM keeps of its speed with it; medians of `repeats` and more."""
    changes = {"max_sequences": SEQUENCES, "max_tokens": min(options.max_tokens, MOST_TOKENS)}
    steps = measure_steps(len(codec.tokens), options.max_tokens)
    return steps | _measure_engines(prompts, codec, options.model_copy(update=changes), 2 * repeats + 1)


def measure_steps(vocabulary: int, max_tokens: int, steps: int = STEPS) -> dict[str, float]:
    """Milliseconds of a step of the grammar over random programs, medians of `steps`.

    Of a processor to advance them; by the clock to apply the masks, which a device may do.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    constraint = Constraint(CompactGrammar(max_tokens, typed=True), SEQUENCES, is_pinned=device == "cuda")
    programs: list[list[int]] = [[] for _ in range(SEQUENCES)]
    for row, program in enumerate(programs):
        constraint.start(row, program)
    generator = torch.Generator().manual_seed(0)
    weights = torch.ones(vocabulary)
    weights[LAST_LINE] = LAST_LINE_WEIGHT
    advancing, applying = [], []
    for _ in range(steps):
        logits = torch.zeros(SEQUENCES, vocabulary, device=device)
        start = time.thread_time()
        constraint.advance(SEQUENCES)
        advancing.append(time.thread_time() - start)
        start = time.perf_counter()
        masked = constraint.forbid(logits).cpu()
        applying.append(time.perf_counter() - start)
        tokens = torch.multinomial(masked.exp() * weights, 1, generator=generator)[:, 0].tolist()
        for row, (program, token) in enumerate(zip(programs, tokens, strict=True)):
            program.append(token)
            if token == EOS:
                programs[row] = []
                constraint.start(row, programs[row])
    return {
        "grammar_step_ms_512": round(1000 * median(advancing), 4),
        "grammar_apply_ms_512": round(1000 * median(applying), 4),
    }


def _measure_engines(
    prompts: Sequence[Sequence[int]], codec: CompactCodec, options: SamplerConfig, repeats: int
) -> dict[str, Any]:
    keys = [(k % len(prompts), k // len(prompts)) for k in range(SEQUENCES)]
    with tempfile.TemporaryDirectory() as folder, _engines(Path(folder), codec, options) as (held, free):
        limits = draw(held, prompts, dict.fromkeys(keys, options.max_tokens), 0.0)
        ways = {
            "held": lambda: [*draw(held, prompts, limits, 0.0).values()],
            "free": lambda: [*draw(free, prompts, limits, options.temperature).values()],
        }
        rates = in_turns(ways, repeats)
    return {
        "constrained_policy": POLICY,
        "constrained_sequences": SEQUENCES,
        "constrained_tokens": np.quantile([*limits.values()], (0.1, 0.5, 0.9)).tolist(),
        "constrained_tokens_per_s": round(tokens_per_s(rates["held"])),
        "unconstrained_tokens_per_s": round(tokens_per_s(rates["free"])),
        "constrained_ratio": ratio(rates["held"], rates["free"]),
    }


@contextmanager
def _engines(folder: Path, codec: CompactCodec, options: SamplerConfig) -> Iterator[tuple[LLMEngine, LLMEngine]]:
    """An engine that is held to the grammar, and one that is free."""
    longest = codec.max_prompt_tokens + options.max_tokens
    policy = new_policy(POLICY, len(codec.tokens), longest, seed=0)
    checkpoint = Published.read(Trainer(policy, codec, TrainerConfig(device="cpu")).publish(folder / "v1", 1))
    engines = []
    try:
        for grammar in (CompactGrammar(options.max_tokens, options.types), None):
            transport = new_transport(options.transfer, None)
            engines.append(open_engine(checkpoint, options, longest, grammar, transport))
        yield tuple(engines)
    finally:
        for engine in engines:
            engine.engine_core.shutdown()


def draw(
    engine: LLMEngine, prompts: Sequence[Sequence[int]], limits: dict[Key, int], temperature: float
) -> dict[Key, int]:
    """How many tokens each sample has that is drawn; no prompt is left in the prefix cache from before.

    An engine that is held to the grammar draws by itself, for vLLM its temperature is 0, and its samples may end before
    their limits.
    """
    from vllm import SamplingParams
    from vllm.inputs import tokens_input
    from vllm.sampling_params import RequestOutputKind

    engine.reset_prefix_cache()
    for (prompt, k), limit in limits.items():
        params = SamplingParams(
            temperature=temperature,
            max_tokens=limit,
            extra_args={SEED: sample_seed(prompt, k)},
            ignore_eos=True,
            stop_token_ids=[] if temperature else [EOS],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        engine.add_request(f"{prompt}.{k}", tokens_input(list(prompts[prompt])), params)
    written = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            written[output.request_id] = len(output.outputs[0].token_ids)
    return {(prompt, k): written[f"{prompt}.{k}"] for prompt, k in limits}
