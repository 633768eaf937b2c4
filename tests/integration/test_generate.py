"""The baseline of `bench samples`: it writes what the samplers write, batched and padded as it may be."""

from functools import partial

import numpy as np
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from bench.baselines.generate import GrammarRule, LengthRule, generate
from engine.sampler import SamplerConfig, SampleRequest, open_sampler
from engine.sampler.constraint import CompactGrammar
from interpreter.language.vocabulary import BOS, EOS, detokenize
from trainer.checkpoint import publishing, write_vocabulary
from trainer.codec import CompactCodec
from trainer.policy import new_policy

pytestmark = pytest.mark.usefixtures("one_thread")

CODEC = CompactCodec(max_prompt_tokens=100)
OPTIONS = SamplerConfig(backend="transformers", max_tokens=24, types=False, temperature=0.0)


@pytest.fixture(scope="module")
def policy():
    """Random and scaled up, so that choices depend on the prompt and no two tokens tie."""
    policy = new_policy("compact-tiny", len(CODEC.tokens), max_positions=124, seed=0)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
    return policy.eval()


@pytest.fixture(scope="module")
def prompts():
    generator = np.random.default_rng(0)
    first = len(CODEC.tokens) - 100
    return [(*generator.integers(first, first + 100, length).tolist(), BOS) for length in (90, 5, 40, 41, 12)]


def test_greedy_programs_are_those_of_the_sampler(policy, prompts, tmp_path):
    """With batches of two prompts, of which the shorter is padded."""
    rule = partial(GrammarRule, CompactGrammar(OPTIONS.max_tokens))
    found = generate(policy, prompts, 1, 2, OPTIONS.max_tokens, 0.0, rule)
    with publishing(tmp_path / "1", 1) as partial_folder:
        policy.save_pretrained(partial_folder)
        write_vocabulary(partial_folder, CODEC)
    requests = [SampleRequest(prompt, 1, seed=0) for prompt in prompts]
    with open_sampler(tmp_path / "1", OPTIONS, max_model_len=124) as sampler:
        expected = {(sample.request, sample.index): sample.tokens for sample in sampler.sample(requests)}
    assert found == expected
    assert len(set(found.values())) > 1


def test_samples_are_programs_of_many_lengths(policy, prompts):
    torch.manual_seed(0)
    found = generate(policy, prompts, 8, 16, 24, 0.95, partial(GrammarRule, CompactGrammar(24, typed=True)))
    assert sorted(found) == [(number, k) for number in range(5) for k in range(8)]
    for tokens in found.values():
        detokenize(tokens)
    assert len(set(found.values())) > 20
    assert len({len(tokens) for tokens in found.values()}) > 3


def test_samples_of_an_encoder_decoder_end_at_their_own_lengths(prompts):
    config = T5Config(
        vocab_size=len(CODEC.tokens), d_model=32, d_ff=64, num_layers=2, num_heads=2, d_kv=16, decoder_start_token_id=0,
        eos_token_id=EOS,
    )  # fmt: skip
    torch.manual_seed(0)
    lengths = np.random.default_rng(0).integers(1, 12, (len(prompts), 3))
    found = generate(
        T5ForConditionalGeneration(config).eval(), prompts, 3, 6, 12, 0.95,
        lambda rows: LengthRule([lengths[row] for row in rows]),
    )  # fmt: skip
    assert {row: len(tokens) for row, tokens in found.items()} == dict(np.ndenumerate(lengths))
    assert all(tokens[-1] == EOS and EOS not in tokens[:-1] for tokens in found.values())
