"""The text grammar over many programs at once: a token of each is a look-up, whatever it is made of.

`grammar` is the readable machine and decides everything. What it said is kept as a graph: a node is a situation
of a program with its mask, an edge a token. A step follows one edge a row, and asks the machine only for edges that no
program has taken before.

Which situations there are depends on the tokenizer, and far fewer are met than can be: hence a graph that grows, and
not the tables of `grammar_tables`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interpreter.language.grammar import GrammarError
from interpreter.language.grammar_tables import Integers, pack
from trainer.text.grammar import Place, TextGrammar, TextState

# Nodes of a graph at most; one more begins a new graph, and the old one goes with the programs that are in it.
_KEPT = 1 << 15


class Node:
    """A situation: programs that are in it may go on alike."""

    __slots__ = ("after", "mask", "place")

    def __init__(self, place: Place, mask: bytes) -> None:
        self.place = place
        self.mask = mask
        """The tokens that may come next, as words."""
        self.after: tuple[dict[int, Node], dict[int, Node]] = ({}, {})
        """Where tokens lead, before new lines must be the last and then."""


class TextGraph:
    """What a grammar has said so far."""

    def __init__(self, grammar: TextGrammar) -> None:
        self.grammar = grammar
        self._nodes: dict[int | Place, Node] = {}
        self.root = self._node(grammar.start())

    def after(self, node: Node, used: int, token: int) -> Node:
        """Where a token leads that follows `used` others. Raises `GrammarError` for one that is not allowed."""
        known = node.after[self.grammar.is_closing(used + 1)]
        found = known.get(token)
        if found is None:
            found = known[token] = self._node(self.grammar.advance(TextState(node.place, used), token))
        return found

    def _node(self, state: TextState) -> Node:
        situation = self.grammar.situation(state)
        found = self._nodes.get(situation)
        if found is None:
            if len(self._nodes) >= _KEPT:
                self._nodes = {}
                self.root = self._node(self.grammar.start())  # without edges into the old graph
            found = self._nodes[situation] = Node(state.place, pack(self.grammar.allowed(state)).tobytes())
        return found


class TextBatch:
    """The states of at most `slots` programs under one grammar; as `interpreter.language.grammar_batch` has them."""

    def __init__(self, graph: TextGraph, slots: int) -> None:
        self._graph = graph
        self._nodes = [graph.root] * slots
        self._used = [0] * slots

    def start(self, slot: int) -> None:
        """A new program is in a slot from now on."""
        self._nodes[slot], self._used[slot] = self._graph.root, 0

    def follow(self, slot: int, tokens: Sequence[int]) -> None:
        """The program in a slot is `tokens` from now on. Raises `GrammarError` over one that is not allowed."""
        node = self._graph.root
        for used, token in enumerate(tokens):
            node = self._graph.after(node, used, token)
        self._nodes[slot], self._used[slot] = node, len(tokens)

    def step(self, slots: Integers, lengths: Integers, tokens: Integers, masks: Integers) -> int:
        """See `GrammarBatch.step`; bits are those of the grammar's `ids`."""
        nodes, used = self._nodes, self._used
        rows, last = slots.tolist(), iter(tokens.tolist())
        for row, (slot, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
            token = next(last) if length else 0
            if length == used[slot]:
                continue
            if length != used[slot] + 1:
                return row
            try:
                nodes[slot] = self._graph.after(nodes[slot], used[slot], token)
            except GrammarError:
                return row
            used[slot] = length
        masks.reshape(-1)[:] = np.frombuffer(b"".join([nodes[slot].mask for slot in rows]), np.int64)
        return len(rows)
