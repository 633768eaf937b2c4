"""The grammar on logits, and what is checked before an engine sees a request."""

from __future__ import annotations

import pytest
import torch

from engine.sampler import SamplerConfig, SampleRequest, check_requests, open_sampler, sample_seed
from engine.sampler.constraint import CompactGrammar, Tracker, constrain
from interpreter.language.grammar import GrammarError
from interpreter.language.vocabulary import EOS, PROGRAM_TOKENS, TOKEN_IDS, detokenize

VOCABULARY = len(PROGRAM_TOKENS) + 40


def write(grammar: CompactGrammar, generator: torch.Generator, rows: int) -> list[list[int]]:
    """Programs that a policy of random logits writes, all rows in step until each has ended."""
    programs: list[list[int]] = [[] for _ in range(rows)]
    trackers = [Tracker(grammar, program) for program in programs]
    while writing := [i for i, program in enumerate(programs) if EOS not in program]:
        logits = constrain(torch.randn(len(writing), VOCABULARY, generator=generator), [trackers[i] for i in writing])
        for i, token in zip(writing, logits.argmax(-1).tolist(), strict=True):
            programs[i].append(token)
    return programs


@pytest.mark.parametrize("max_tokens", [4, 5, 9, 32, 100])
def test_random_logits_write_programs_within_the_limit(max_tokens: int) -> None:
    for program in write(CompactGrammar(max_tokens), torch.Generator().manual_seed(max_tokens), rows=40):
        detokenize(program)
        assert len(program) <= max_tokens


def test_grid_tokens_are_never_allowed() -> None:
    logits = torch.zeros(1, VOCABULARY)
    logits[0, len(PROGRAM_TOKENS) :] = 100.0
    constrain(logits, [Tracker(CompactGrammar(32), [])])
    assert torch.isneginf(logits[0, len(PROGRAM_TOKENS) :]).all()
    assert logits[0, TOKEN_IDS["O"]] == 0


def test_a_sequence_that_was_preempted_continues_where_it_was() -> None:
    grammar = CompactGrammar(32)
    (program,) = write(grammar, torch.Generator().manual_seed(1), rows=1)
    written: list[int] = []
    steady = Tracker(grammar, written)
    for token in program:
        assert (steady.allowed() == Tracker(grammar, list(written)).allowed()).all()
        written.append(token)


def test_a_token_that_was_not_allowed_is_noticed() -> None:
    tracker = Tracker(CompactGrammar(32), [TOKEN_IDS["I"]])
    with pytest.raises(GrammarError):
        tracker.allowed()


def test_sample_seeds_are_distinct_and_fit_63_bits() -> None:
    seeds = {sample_seed(seed, index) for seed in range(50) for index in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (SampleRequest((5, VOCABULARY), 1, 0), f"request 1: id {VOCABULARY} at position 1"),
        (SampleRequest((5, -1), 1, 0), "request 1: id -1 at position 1"),
        (SampleRequest((), 1, 0), "request 1: a prompt has 1 to 68 tokens"),
        (SampleRequest((5,) * 69, 1, 0), "request 1: a prompt has 1 to 68 tokens"),
        (SampleRequest((5,), 0, 0), "request 1: n must be at least 1"),
    ],
)
def test_a_request_that_cannot_be_sampled_is_named(request_: SampleRequest, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_requests([SampleRequest((5,) * 68, 24, 0), request_], VOCABULARY, max_model_len=100, max_tokens=32)


def test_options_that_leave_no_room_for_a_prompt_are_refused(tmp_path: object) -> None:
    with pytest.raises(ValueError, match="below max_model_len"):
        open_sampler(tmp_path, SamplerConfig(max_tokens=64), max_model_len=64)
