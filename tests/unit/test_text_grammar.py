"""The grammar over a tokenizer's pieces: random pieces that it allows make programs, and canonical programs pass."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import TOKENIZERS, texts

from interpreter.language.grammar import GrammarError
from interpreter.language.grammar_tables import pack, words_of
from interpreter.language.program import ProgramError
from trainer.text import batch as text_batch
from trainer.text.batch import TextBatch, TextGraph
from trainer.text.codec import TextCodec
from trainer.text.grammar import TextGrammar, read


@pytest.fixture(scope="module", params=TOKENIZERS)
def codec(request: pytest.FixtureRequest) -> TextCodec:
    return TextCodec(TOKENIZERS[request.param](), 512, is_seq2seq=request.param == "roberta")


def write(grammar: TextGrammar, generator: np.random.Generator) -> list[int]:
    """A sequence of random pieces that are allowed, each as likely as the others."""
    state, tokens = grammar.start(), []
    while len(tokens) < grammar.max_tokens and grammar.eos not in tokens:
        tokens.append(int(generator.choice(grammar.ids[grammar.allowed(state)])))
        state = grammar.advance(state, tokens[-1])
    return tokens


@pytest.mark.parametrize("max_tokens", [40, 200])
def test_whatever_pieces_are_chosen_what_ends_is_a_program(codec: TextCodec, max_tokens: int) -> None:
    grammar, generator = TextGrammar(codec, max_tokens), np.random.default_rng(max_tokens)
    programs = [write(grammar, generator) for _ in range(60)]
    ended = [program for program in programs if program[-1] == codec.eos]
    assert len(ended) > 0.5 * len(programs)
    assert len({codec.decode(program).text for program in ended}) > 0.9 * len(ended)


def test_the_allowed_tokens_alone_make_hardly_any_programs(codec: TextCodec) -> None:
    """What the grammar is for: the paper's filter knows which tokens programs have, and not where."""
    grammar, generator = TextGrammar(codec, 60), np.random.default_rng(0)
    parsed = 0
    for _ in range(60):
        try:
            codec.decode([*generator.choice(grammar.ids, 12).tolist(), codec.eos])
            parsed += 1
        except ProgramError:
            continue
    assert parsed == 0


def test_canonical_programs_are_allowed_piece_by_piece(codec: TextCodec) -> None:
    grammar = TextGrammar(codec, 1000)
    programs = [text for text in texts() if text.startswith(("x1", "O"))]
    assert len(programs) > 100
    for text in programs:
        state = grammar.start()
        for token in codec.encode_program(text):
            assert grammar.allowed(state)[grammar.ids == token].any(), (text, codec.tokens[token])
            state = grammar.advance(state, token)


def test_near_the_limit_a_new_line_is_the_last(codec: TextCodec) -> None:
    grammar, body = TextGrammar(codec, 120), "\n".join(f"x{k + 1} = hmirror(x{k})" for k in range(1, 59))
    state, used = grammar.start(), []
    for token in codec.encode_program(f"x1 = hmirror(I)\n{body}\nO = hmirror(x59)"):
        if not grammar.allowed(state)[grammar.ids == token].any():
            break
        used.append(token)
        state = grammar.advance(state, token)
    assert 60 <= len(used) < 120
    with pytest.raises(GrammarError, match="cannot follow"):
        grammar.advance(state, token)
    generator, begun = np.random.default_rng(0), codec.text_of(used).count("\n")
    while codec.eos not in used:
        used.append(int(generator.choice(grammar.ids[grammar.allowed(state)])))
        state = grammar.advance(state, used[-1])
    assert codec.text_of(used).count("\n") <= begun + 1
    assert codec.text_of(used).split("\n")[-1].startswith("O = ")
    codec.decode(used)


@pytest.mark.parametrize(
    ("begun", "follows", "cannot"),
    [
        ("x1 = hmirror(I", [")"], [",", "1"]),  # one argument, and I is a whole name
        ("x1 = hconcat(I", [","], [")"]),
        ("x1 = compose(hmirror, vmirror)\nx2 = x1(I", [",", ")"], ["1"]),  # a variable takes one to four
        ("x1 = hmirror(", ["I"], ["x", "1"]),  # x1 is not known in its own line
        ("O = hmirror(I)", [], ["\n", ")"]),
        ("x1 = hmirror(I)\n", ["x", "O"], ["I"]),
        ("x1 = hmirror(I)\nx", ["2"], ["1", "3"]),
    ],
)
def test_arities_known_names_and_order_are_kept(
    codec: TextCodec, begun: str, follows: list[str], cannot: list[str]
) -> None:
    grammar = TextGrammar(codec, 200)
    state = grammar.start()
    for token in (*codec.program_prefix, *codec.ids_of(begun)):
        state = grammar.advance(state, token)
    anchor = codec.ids_of("(")
    allowed = {codec.text_of([*anchor, int(token)])[1:] for token in grammar.ids[grammar.allowed(state)]}
    assert set(follows) <= allowed
    assert not set(cannot) & allowed


def test_what_may_come_next_is_what_can_be_read(codec: TextCodec) -> None:
    """Piece by piece, whatever beginnings pieces have in common."""
    grammar, generator = TextGrammar(codec, 80), np.random.default_rng(3)
    checked = 0
    for _ in range(4):
        state = grammar.start()
        for token in write(grammar, generator):
            if state.used >= len(codec.program_prefix):
                readable = [piece for piece, text in grammar._pieces.items() if read(state.place, text) is not None]
                assert grammar.ids[grammar.allowed(state)].tolist() == (sorted(readable) or [codec.eos])
                checked += 1
            state = grammar.advance(state, token)
    assert checked > 50


@pytest.mark.parametrize("kept", [1 << 15, 20])
def test_many_programs_at_once_have_the_masks_of_one(
    codec: TextCodec, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs wait, end and begin, near the limit too; also where the graph is begun anew all the time."""
    monkeypatch.setattr(text_batch, "_KEPT", kept)
    grammar, generator, rows = TextGrammar(codec, 70), np.random.default_rng(4), 6
    graph = TextGraph(grammar)
    batch, states, programs = TextBatch(graph, rows), [grammar.start()] * rows, [[] for _ in range(rows)]
    ended = 0
    for _ in range(200):
        lengths, tokens = (
            np.array([*map(len, programs)]),
            np.array([program[-1] for program in programs if program], np.int64),
        )
        words = np.zeros((rows, words_of(len(grammar.ids))), np.int64)
        assert batch.step(np.arange(rows), lengths, tokens, words) == rows
        masks = np.stack([grammar.allowed(state) for state in states])
        assert np.array_equal(words, pack(masks))
        for row, state in enumerate(states):
            if programs[row][-1:] == [codec.eos] or state.used == grammar.max_tokens:
                batch.start(row)
                states[row], programs[row] = grammar.start(), []
                ended += 1
            elif generator.random() < 0.8:
                programs[row].append(int(generator.choice(grammar.ids[masks[row]])))
                states[row] = grammar.advance(state, programs[row][-1])
    assert ended > 5
    assert len(reachable(graph.root)) <= kept


def reachable(node: text_batch.Node) -> set[int]:
    """All nodes that edges lead to, and what is kept with them."""
    found, open_ = set(), [node]
    while open_:
        node = open_.pop()
        if id(node) not in found:
            found.add(id(node))
            open_ += [after for edges in node.after for after in edges.values()]
    return found


def test_a_batch_refuses_what_one_program_is_refused(codec: TextCodec) -> None:
    grammar = TextGrammar(codec, 70)
    batch, program = TextBatch(TextGraph(grammar), 1), codec.encode_program("O = hmirror(I)")
    program[-1] = codec.ids_of(")")[-1]
    row, words = np.zeros(1, np.int64), np.zeros((1, words_of(len(grammar.ids))), np.int64)
    batch.follow(0, program[:-1])
    assert batch.step(row, row + len(program), row + program[-1], words) == 0
    with pytest.raises(GrammarError, match="cannot follow"):
        batch.follow(0, program)
