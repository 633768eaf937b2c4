"""`bench samples`: what the grammar costs, and what is refused."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from bench import samples
from bench.sampling import grammar
from engine.errors import UsageError
from engine.sampler import SamplerConfig
from trainer.codec import CompactCodec

OPTIONS = SamplerConfig(max_tokens=12, kv_cache_mib=32)


def test_a_step_of_the_grammar_is_timed_over_programs_that_end_and_begin() -> None:
    figures = grammar.measure_steps(300, 9, steps=40)
    assert set(figures) == {"grammar_step_ms_512", "grammar_apply_ms_512"}
    assert all(0 < figure < 1000 for figure in figures.values())


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_both_engines_write_samples_of_the_same_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths, in_turns = [], grammar.in_turns

    def listen(ways: dict, repeats: int) -> dict:
        lengths.extend(draw() for draw in ways.values())
        return in_turns(ways, repeats)

    for name, value in {"SEQUENCES": 10, "STEPS": 3, "POLICY": "compact-tiny", "in_turns": listen}.items():
        monkeypatch.setattr(grammar, name, value)
    codec = CompactCodec(100)
    figures = grammar.measure_grammar([(300, 301, 1), (302, 1)], codec, OPTIONS, repeats=1)
    held, free = lengths
    assert held == free
    assert len(held) == 10
    assert max(held) <= OPTIONS.max_tokens
    assert figures["constrained_sequences"] == 10
    assert figures["constrained_ratio"] > 0


def test_another_device_than_there_is_is_refused() -> None:
    absent = "cpu" if torch.cuda.is_available() else "cuda"
    with pytest.raises(UsageError, match=f"--device is {absent}: auto takes what there is"):
        samples.measure(device=absent)
