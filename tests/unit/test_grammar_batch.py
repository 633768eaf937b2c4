"""The grammar over many programs at once: after every token the masks are those of the readable machine."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from interpreter.language.grammar import Grammar, GrammarError, Phase, State
from interpreter.language.grammar_batch import GrammarBatch, forbid_others
from interpreter.language.grammar_tables import CALLEE, ROOMS, TYPES, WORD_BITS, WORDS, pack, tables
from interpreter.language.program import parse
from interpreter.language.vocabulary import EOS, LAST_LINE, PROGRAM_TOKENS, TOKEN_IDS, VARIABLES, detokenize, tokenize
from interpreter.primitives import PRIMITIVES
from interpreter.primitives.types import Function, may_be

TOKENS = len(PROGRAM_TOKENS)


class Rows:
    """Programs in rows of a batch, and what the readable machine says of each."""

    def __init__(self, grammar: Grammar, rows: int) -> None:
        self.grammar = grammar
        self.batch = GrammarBatch(grammar, rows)
        self.states = [grammar.start()] * rows
        self.programs: list[list[int]] = [[] for _ in range(rows)]

    def write(self, row: int, token: int) -> None:
        self.states[row] = self.grammar.advance(self.states[row], token)
        self.programs[row].append(token)

    def start(self, row: int) -> None:
        self.batch.start(row)
        self.states[row], self.programs[row] = self.grammar.start(), []

    def step(self) -> tuple[int, np.ndarray]:
        """What a step says, and its masks."""
        rows = len(self.programs)
        masks = np.zeros((rows, WORDS), np.int64)
        lengths = np.array([len(program) for program in self.programs])
        tokens = np.array([program[-1] for program in self.programs if program], np.int64)
        return self.batch.step(np.arange(rows), lengths, tokens, masks), masks

    def check(self) -> None:
        """Every row is advanced, and its mask the reference's."""
        done, masks = self.step()
        assert done == len(self.programs)
        assert np.array_equal(masks, pack(np.stack([self.grammar.allowed(state) for state in self.states])))


def choose(mask: np.ndarray, generator: np.random.Generator) -> int:
    """A token that may come next; `O` seldom, so that programs get long."""
    weights = mask * np.where(np.arange(TOKENS) == LAST_LINE, 0.02, 1.0)
    return int(generator.choice(TOKENS, p=weights / weights.sum()))


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("max_tokens", [4, 5, 6, 7, 9, 40, 192, 400])
def test_random_walks_have_the_masks_of_the_reference(max_tokens: int, typed: bool) -> None:
    """Rows are at different places: some wait, and one that is done makes room for another program."""
    rows, generator = Rows(Grammar(max_tokens, typed), 24), np.random.default_rng(max_tokens)
    ended = 0
    for _ in range(max(60, 2 * max_tokens)):
        rows.check()
        for row, state in enumerate(rows.states):
            if state.phase is Phase.DONE:
                rows.start(row)
                ended += 1
            elif generator.random() < 0.8:
                rows.write(row, choose(rows.grammar.allowed(state), generator))
    assert ended > 10


SMALL = ("hmirror", "fill", "ofcolor", "asobject", "compose", "mapply", "merge")


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("max_tokens", [4, 7, 60])
def test_a_smaller_language_has_the_masks_of_the_reference(max_tokens: int, typed: bool) -> None:
    """Whatever is written, a program ends within its limit, and has no other primitives."""
    rows, generator = Rows(Grammar(max_tokens, typed, SMALL), 12), np.random.default_rng(max_tokens)
    others = [TOKEN_IDS[name] for name in PRIMITIVES if name not in SMALL]
    ended = 0
    for _ in range(150):
        rows.check()
        for row, state in enumerate(rows.states):
            if state.phase is Phase.DONE:
                program = detokenize(rows.programs[row])
                assert {name for line in program.lines for name in line.names()} & PRIMITIVES.keys() <= set(SMALL)
                rows.start(row)
                ended += 1
            else:
                assert not rows.grammar.allowed(state)[others].any()
                rows.write(row, choose(rows.grammar.allowed(state), generator))
    assert ended > 10


@pytest.mark.parametrize("typed", [False, True])
def test_all_variables_can_be_defined_and_no_more(typed: bool) -> None:
    rows = Rows(Grammar(1000, typed), 1)
    for _ in VARIABLES:
        for token in ("hmirror", "I"):
            rows.write(0, TOKEN_IDS[token])
            rows.check()
    assert rows.grammar.allowed(rows.states[0]).sum() == 1
    for token in ("O", "hmirror", VARIABLES[-1], "<eos>"):
        rows.write(0, TOKEN_IDS[token])
        rows.check()


@pytest.mark.skipif("CODEIT_SOLVERS" not in os.environ, reason="CODEIT_SOLVERS is not set")
@pytest.mark.parametrize("typed", [False, True])
def test_solver_programs_have_the_masks_of_the_reference(typed: bool) -> None:
    """All at once, each to its end, or to the first token that types rule out."""
    lines = Path(os.environ["CODEIT_SOLVERS"]).read_text().splitlines()
    texts = [tokenize(parse(json.loads(line)["program"])) for line in lines]
    rows, ended = Rows(Grammar(512, typed), len(texts)), 0
    for place in range(max(map(len, texts))):
        for row, tokens in enumerate(texts):
            if place < len(tokens) and len(rows.programs[row]) == place:
                if rows.grammar.allowed(rows.states[row])[tokens[place]]:
                    rows.write(row, tokens[place])
                    ended += tokens[place] == EOS
                else:
                    refuses_alike(rows.grammar, tokens[: place + 1])
        rows.check()
    assert ended == len(texts) if not typed else len(texts) > ended > 0.9 * len(texts)


def refuses_alike(grammar: Grammar, tokens: Sequence[int]) -> str:
    """The message over the last of some tokens, which is the reference's."""
    state = grammar.start()
    for token in tokens[:-1]:
        state = grammar.advance(state, token)
    with pytest.raises(GrammarError) as expected:
        grammar.advance(state, tokens[-1])
    with pytest.raises(GrammarError) as found:
        GrammarBatch(grammar, 1).follow(0, tokens)
    assert str(found.value) == str(expected.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("written", "token", "message"),
    [
        ((), "I", "token 'I' is not allowed in phase line"),
        (("O",), "O", "token 'O' is not allowed in phase head"),
        (("compose", "hmirror", "hmirror", "call1"), "I", "token 'I' is not allowed in phase callee"),
        (("hmirror",), "x1", "token 'x1' is not allowed in phase argument"),
        (("hmirror",), "ZERO", "token 'ZERO' is not allowed in phase argument"),
        (("O", "hmirror", "I"), "I", "token 'I' is not allowed in phase end"),
        ((), TOKENS, f"token {TOKENS} is not allowed in phase line"),
        ((), -1, "token -1 is not allowed in phase line"),
    ],
)
def test_a_token_that_is_not_allowed_is_named_as_the_reference_names_it(
    written: tuple[str, ...], token: str | int, message: str
) -> None:
    last = token if isinstance(token, int) else TOKEN_IDS[token]
    assert refuses_alike(Grammar(50, typed=True), [*(TOKEN_IDS[name] for name in written), last]) == message


def test_nothing_follows_the_end() -> None:
    batch = GrammarBatch(Grammar(50), 1)
    with pytest.raises(GrammarError, match="token '<eos>' is not allowed in phase done"):
        batch.follow(0, [TOKEN_IDS[name] for name in ("O", "hmirror", "I", "<eos>", "<eos>")])


def test_a_step_stops_at_a_row_that_is_out_of_step_and_goes_on_when_it_was_followed() -> None:
    rows = Rows(Grammar(50), 4)
    for row in (0, 1, 3):
        rows.write(row, TOKEN_IDS["hmirror"])
    rows.check()
    rows.write(0, TOKEN_IDS["I"])
    for token in ("I", "O", "flip"):  # three tokens ahead
        rows.write(3, TOKEN_IDS[token])
    rows.states[1], rows.programs[1] = rows.grammar.start(), []  # one token back
    for row in (1, 3):
        assert rows.step()[0] == row
        rows.batch.follow(row, rows.programs[row])
    rows.check()


def test_a_token_that_is_not_allowed_changes_nothing() -> None:
    rows = Rows(Grammar(50), 2)
    rows.write(0, TOKEN_IDS["hmirror"])
    rows.programs[1].append(TOKEN_IDS["x1"])
    assert rows.step()[0] == 1
    rows.programs[1].pop()
    rows.check()


def test_logits_of_others_are_set_whatever_the_number_of_tokens() -> None:
    """And the others are as they were, bit by bit: of whatever sign and size."""
    generator = np.random.default_rng(0)
    values = np.array([-0.0, 1e-40, -3e38, np.inf, np.nan, 0.1], np.float32)
    for tokens in (1, 31, 32, 63, 64, 65, 200):
        members = generator.random((7, tokens)) < 0.5
        logits = generator.choice(values, (7, tokens + 3))
        before = logits.copy()
        forbid_others(pack(members), tokens, logits)
        kept = np.pad(members, [(0, 0), (0, 3)])
        assert np.array_equal(logits[kept].view(np.int32), before[kept].view(np.int32))
        assert np.isneginf(logits[~kept]).all()


# -------------------------------------------------------------------- the same tables as tensor operations


def tensors_of(grammar: Grammar, states: Sequence[State]) -> tuple[torch.Tensor, ...]:
    """What decides the masks of some states, as a device would hold it: (rows,) each, and (rows, types) variables."""
    t = tables(grammar.typed)
    index, at_hand, fitting = [], [], []
    for state in states:
        is_line = state.phase in (Phase.LINE, Phase.HEAD)
        wanted = TYPES.index(Function)
        if state.phase is Phase.ARGUMENT:
            wanted = int(t.parameters[state.head, t.arity[state.head] - state.pending])
        index.append((int(state.phase), grammar._room(state) if is_line else 0, wanted))
        bits = [sum(may_be(given, type_) << k for k, given in enumerate(state.types)) for type_ in TYPES]
        fitting.append(bits)
        at_hand.append(sum((bits[TYPES.index(type_)] > 0) << k for k, type_ in enumerate((*TYPES, Function))))
    phase, room, wanted = torch.tensor(index).T
    return phase, room, wanted, torch.tensor(at_hand), torch.tensor(fitting)


def masks_of(typed: bool, phase: torch.Tensor, room: torch.Tensor, wanted: torch.Tensor, at_hand: torch.Tensor,
             fitting: torch.Tensor) -> torch.Tensor:  # fmt: skip
    """(rows, tokens) bool: gathers, shifts, and, or."""
    t = tables(typed)
    starts, lacking, arguments = map(torch.from_numpy, (t.starts, t.lacking, t.arguments))
    at_line, at_variable = phase <= Phase.HEAD, (phase == Phase.CALLEE) | (phase == Phase.ARGUMENT)
    bits = torch.arange(WORD_BITS)
    begun = starts[phase.clamp(max=1), room]
    missing = t.can_lack & ~at_hand
    for type_ in range(CALLEE + 1):
        begun = begun & ~(lacking[type_] * ((missing >> type_) & 1)[:, None])
    words = begun * at_line[:, None] | arguments[wanted] * (phase == Phase.ARGUMENT)[:, None]
    members = ((words[:, :, None] >> bits) & 1).bool().flatten(1)[:, :TOKENS]
    variables = (fitting.gather(1, wanted[:, None]) >> bits[: len(VARIABLES)]) & 1
    first = TOKEN_IDS[VARIABLES[0]]
    members[:, first : first + len(VARIABLES)] |= variables.bool() & at_variable[:, None]
    members[:, EOS] |= phase >= Phase.END
    return members


@pytest.mark.parametrize("typed", [False, True])
def test_the_tables_serve_tensor_operations_too(typed: bool) -> None:
    grammar, generator, states = Grammar(60, typed), np.random.default_rng(5), []
    while len(states) < 2000:
        state = grammar.start()
        while state.phase is not Phase.DONE:
            states.append(state)
            state = grammar.advance(state, choose(grammar.allowed(state), generator))
    expected = torch.from_numpy(np.stack([grammar.allowed(state) for state in states]))
    assert torch.equal(masks_of(typed, *tensors_of(grammar, states)), expected)
    assert {grammar._room(state) for state in states} == set(range(ROOMS))
