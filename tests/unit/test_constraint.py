"""The grammar on logits, and what is checked before an engine sees a request."""

from __future__ import annotations

import pytest
import torch

from engine.sampler import SamplerConfig, SampleRequest, check_requests, open_sampler, sample_seed
from engine.sampler.constraint import CompactGrammar, Constraint
from interpreter.language.grammar import GrammarError
from interpreter.language.vocabulary import EOS, PROGRAM_TOKENS, TOKEN_IDS, detokenize

VOCABULARY = len(PROGRAM_TOKENS) + 40


def hold(grammar: CompactGrammar, programs: list[list[int]]) -> Constraint:
    """A constraint with these programs in its rows."""
    constraint = Constraint(grammar, len(programs))
    for row, program in enumerate(programs):
        constraint.start(row, program)
    return constraint


def masks(constraint: Constraint, rows: int) -> torch.Tensor:
    """Which tokens may come next, (rows, vocabulary)."""
    return constraint.apply(torch.zeros(rows, VOCABULARY)) == 0


def write(grammar: CompactGrammar, generator: torch.Generator, rows: int) -> list[list[int]]:
    """Programs that a policy of random logits writes, all rows in step until each has ended."""
    programs: list[list[int]] = [[] for _ in range(rows)]
    constraint, writing = hold(grammar, programs), list(range(rows))
    while writing:
        logits = constraint.apply(torch.randn(len(writing), VOCABULARY, generator=generator))
        for i, token in zip(writing, logits.argmax(-1).tolist(), strict=True):
            programs[i].append(token)
        kept = [row for row, i in enumerate(writing) if EOS not in programs[i]]
        constraint.keep(kept)
        writing = [writing[row] for row in kept]
    return programs


@pytest.mark.parametrize("max_tokens", [4, 5, 9, 32, 100])
def test_random_logits_write_programs_within_the_limit(max_tokens: int) -> None:
    for program in write(CompactGrammar(max_tokens), torch.Generator().manual_seed(max_tokens), rows=40):
        detokenize(program)
        assert len(program) <= max_tokens


def test_grid_tokens_are_never_allowed() -> None:
    logits = torch.zeros(1, VOCABULARY)
    logits[0, len(PROGRAM_TOKENS) :] = 100.0
    hold(CompactGrammar(32), [[]]).apply(logits)
    assert torch.isneginf(logits[0, len(PROGRAM_TOKENS) :]).all()
    assert logits[0, TOKEN_IDS["O"]] == 0


@pytest.mark.parametrize("kind", ["as vLLM has them", "bfloat16", "not contiguous"])
def test_logits_of_any_kind_are_set_alike(kind: str) -> None:
    """Those of tokens that may come next stay as they are; compiled code does it where it can, tensors elsewhere."""
    grammar, generator = CompactGrammar(32), torch.Generator().manual_seed(0)
    programs = [[TOKEN_IDS["hmirror"]], [], [TOKEN_IDS["hmirror"], TOKEN_IDS["I"]]]
    logits = torch.randn(3, VOCABULARY, generator=generator)
    if kind == "bfloat16":
        logits = logits.bfloat16()
    elif kind == "not contiguous":
        logits = logits.T.contiguous().T
    before = logits.clone()
    assert hold(grammar, programs).apply(logits) is logits
    for program, row, old in zip(programs, logits, before, strict=True):
        state = grammar.start()
        for token in program:
            state = grammar.advance(state, token)
        allowed = torch.zeros(VOCABULARY, dtype=torch.bool)
        allowed[: len(PROGRAM_TOKENS)] = torch.tensor(grammar.allowed(state))
        assert torch.equal(row[allowed], old[allowed])
        assert torch.isneginf(row[~allowed]).all()


def test_a_sequence_that_was_preempted_continues_where_it_was() -> None:
    grammar = CompactGrammar(32)
    (program,) = write(grammar, torch.Generator().manual_seed(1), rows=1)
    written: list[int] = []
    steady = hold(grammar, [written])
    for token in program:
        assert torch.equal(masks(steady, 1), masks(hold(grammar, [list(written)]), 1))
        written.append(token)


def test_a_program_that_loses_tokens_is_followed_from_its_beginning() -> None:
    program = [TOKEN_IDS[token] for token in ("hmirror", "I", "O", "flip")]
    constraint, expected = hold(CompactGrammar(32), [program]), masks(hold(CompactGrammar(32), [program[:2]]), 1)
    assert not torch.equal(masks(constraint, 1), expected)
    del program[2:]
    assert torch.equal(masks(constraint, 1), expected)


def test_a_token_that_was_not_allowed_is_noticed_and_named() -> None:
    constraint = hold(CompactGrammar(32), [[], [TOKEN_IDS["hmirror"], TOKEN_IDS["x1"]]])
    with pytest.raises(GrammarError, match="row 1, 2 tokens long: token 'x1' is not allowed in phase argument"):
        masks(constraint, 2)


def test_a_row_is_named_where_it_is_now() -> None:
    programs = [[TOKEN_IDS["hmirror"]], [TOKEN_IDS["hmirror"]]]
    constraint = hold(CompactGrammar(32), programs)
    masks(constraint, 2)
    constraint.exchange(0, 1)
    programs[0].append(TOKEN_IDS["O"])
    with pytest.raises(GrammarError, match="row 1, 2 tokens long: token 'O'"):
        masks(constraint, 2)


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
