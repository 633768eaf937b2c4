"""Tokens and the grammar: what the grammar lets through is a program, and every program gets through."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from interpreter.language.grammar import Grammar, GrammarError, Phase
from interpreter.language.program import ProgramError, parse
from interpreter.language.vocabulary import EOS, PROGRAM_TOKENS, TOKEN_IDS, detokenize, has_tokens, tokenize

PROGRAMS = [
    "O = hmirror(I)",
    "x1 = hmirror(I)\nO = vconcat(I, x1)",
    "x1 = objects(I, T, F, F)\nx2 = rbind(colorfilter, ONE)\nx3 = x2(x1)\nO = cover(I, x3)",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_tokens_round_trip(text):
    program = parse(text)
    assert detokenize(tokenize(program)) == program


def test_the_vocabulary_is_that_of_every_checkpoint_so_far():
    """Ids are rows of a policy's weights: a change of this hash makes all published policies useless."""
    digest = hashlib.sha256(json.dumps(PROGRAM_TOKENS).encode()).hexdigest()
    assert digest == "d7aa7c2108168867089b079dd0688052dde278262e42fdf37c1ce2e138ed08c6"


def test_a_program_of_more_variables_has_no_tokens():
    lines = ["x1 = hmirror(I)", *(f"x{k + 1} = hmirror(x{k})" for k in range(1, 64))]
    longest = parse("\n".join([*lines[:63], "O = hmirror(x63)"]))
    assert has_tokens(longest)
    assert detokenize(tokenize(longest)) == longest
    longer = parse("\n".join([*lines, "O = hmirror(x64)"]))
    assert not has_tokens(longer)
    with pytest.raises(ProgramError, match="line 64: more than the 63 variables that a policy writes"):
        tokenize(longer)
    line = [TOKEN_IDS["hmirror"], TOKEN_IDS["I"]]
    assert len(detokenize([*line * 63, TOKEN_IDS["O"], *line, EOS]).lines) == 64
    with pytest.raises(ProgramError, match="line 64: more than the 63 variables that a policy writes"):
        detokenize([*line * 64, TOKEN_IDS["O"], *line, EOS])


def test_a_line_costs_its_names_and_nothing_else():
    tokens = [PROGRAM_TOKENS[token] for token in tokenize(parse("x1 = hmirror(I)\nO = vconcat(I, x1)"))]
    assert tokens == ["hmirror", "I", "O", "vconcat", "I", "x1", "<eos>"]


def test_what_follows_the_end_is_not_read():
    program = parse(PROGRAMS[0])
    assert detokenize([*tokenize(program), -100]) == program


@pytest.mark.parametrize(
    "tokens",
    [
        ["hmirror", "I"],
        ["O", "hmirror", "I"],
        ["O", "hmirror", "x1", "<eos>"],
        ["O", "I", "<eos>"],
        ["O", "hmirror", "I", "hmirror", "I", "<eos>"],
        ["hmirror", "<pad>", "O", "hmirror", "I", "<eos>"],
    ],
)
def test_tokens_that_are_no_program_are_refused(tokens):
    with pytest.raises(ProgramError):
        detokenize([TOKEN_IDS[token] for token in tokens])


def follow(grammar, tokens):
    """The state after some tokens."""
    state = grammar.start()
    for token in tokens:
        state = grammar.advance(state, token)
    return state


def walk(grammar, generator, token_weights):
    """A random walk through the grammar until it is done."""
    state, tokens = grammar.start(), []
    while state.phase is not Phase.DONE:
        weights = token_weights * grammar.allowed(state)
        token = int(generator.choice(len(PROGRAM_TOKENS), p=weights / weights.sum()))
        tokens.append(token)
        state = grammar.advance(state, token)
    return tokens


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("max_tokens", [4, 5, 9, 40, 300])
def test_every_walk_ends_in_a_program_within_the_limit(max_tokens, typed):
    grammar = Grammar(max_tokens, typed)
    generator = np.random.default_rng(max_tokens)
    weights = np.ones(len(PROGRAM_TOKENS))
    weights[TOKEN_IDS["O"]] = 1e-9  # avoids ending early, so that the limit is what ends it
    lengths = []
    for _ in range(30):
        tokens = walk(grammar, generator, weights)
        lengths.append(len(tokens))
        assert tokens[-1] == EOS
        assert tokenize(detokenize(tokens)) == tokens
    assert max(lengths) <= max_tokens
    assert max(lengths) > max_tokens - 6 or max_tokens == 300


def test_programs_pass_through_the_grammar_exactly_when_they_fit():
    for text in PROGRAMS:
        tokens = tokenize(parse(text))
        grammar = Grammar(len(tokens))
        assert follow(grammar, tokens).phase is Phase.DONE
        if len(tokens) > 4:
            with pytest.raises(GrammarError):
                follow(Grammar(len(tokens) - 1), tokens)


def test_unknown_variables_are_not_allowed():
    grammar = Grammar(50)
    state = grammar.advance(grammar.start(), TOKEN_IDS["hmirror"])
    assert not grammar.allowed(state)[TOKEN_IDS["x1"]]
    state = grammar.advance(state, TOKEN_IDS["I"])
    state = grammar.advance(state, TOKEN_IDS["hmirror"])
    assert grammar.allowed(state)[TOKEN_IDS["x1"]]
    assert not grammar.allowed(state)[TOKEN_IDS["x2"]]


def test_declared_types_rule_out_arguments_that_cannot_fit():
    grammar = Grammar(50, typed=True)
    state = follow(grammar, [TOKEN_IDS["hmirror"]])
    assert not grammar.allowed(state)[TOKEN_IDS["ZERO"]]
    assert not grammar.allowed(state)[TOKEN_IDS["flip"]]
    assert Grammar(50).allowed(state)[TOKEN_IDS["ZERO"]]
    state = follow(grammar, [TOKEN_IDS[token] for token in ("size", "I", "asindices", "I", "fill", "I")])
    assert grammar.allowed(state)[TOKEN_IDS["x1"]]
    state = grammar.advance(state, TOKEN_IDS["x1"])
    assert not grammar.allowed(state)[TOKEN_IDS["x1"]]


def test_declared_types_rule_out_heads_without_arguments_and_outputs_that_are_no_grid():
    grammar = Grammar(50, typed=True)
    state = follow(grammar, [TOKEN_IDS["O"]])
    assert grammar.allowed(state)[TOKEN_IDS["hmirror"]]
    assert not grammar.allowed(state)[TOKEN_IDS["size"]]
    assert not grammar.allowed(state)[TOKEN_IDS["paint"]], "there is no object yet"
    state = follow(grammar, [TOKEN_IDS[token] for token in ("asobject", "I", "O")])
    assert grammar.allowed(state)[TOKEN_IDS["paint"]]


@pytest.mark.skipif("CODEIT_SOLVERS" not in os.environ, reason="CODEIT_SOLVERS is not set")
def test_real_programs_pass_through_the_grammar():
    grammar = Grammar(512)
    for row in Path(os.environ["CODEIT_SOLVERS"]).read_text().splitlines():
        program = parse(json.loads(row)["program"])
        assert follow(grammar, tokenize(program)).phase is Phase.DONE


def test_nearly_all_seeds_pass_through_the_typed_grammar():
    from engine.seeds.seed import load_seeds
    from engine.tasks import load_tasks

    grammar = Grammar(512, typed=True)
    seeds = load_seeds(None, {task.id: task for task in load_tasks("arc1-train")})
    refused = 0
    for seed in seeds:
        try:
            follow(grammar, tokenize(seed.program))
        except GrammarError:
            refused += 1
    assert refused <= len(seeds) // 50
