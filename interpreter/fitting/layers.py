"""Stacks: layers on each other that together give the outputs.

A layer paints the cells that have, or have not, a colour in a piece, in one colour or in the piece's own. Stacks are
built from the top: what is below a cell that is painted does not show, so that a layer is right if every cell that it
paints and that nothing covers yet is right. The layer that covers most comes next, weighed by the demonstrations that
are cared for and by a factor of each layer, until all cells of the demonstrations are covered or none is right.

Sets of cells are 64-bit words (see `sheet`). A layer covers the less the more is covered, so that what it covered
before bounds what it can cover now, and few layers are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.fitting.sheet import NONE, WORD, Sheet
from interpreter.fitting.tables import COLORS
from interpreter.runtime.hash_table import find_slot
from interpreter.runtime.native import SEARCH, entry, inline
from interpreter.runtime.ordering import mix

# What a layer paints: all cells of a piece, those that have not a colour, those that have it.
ALL, EXCEPT, ONLY = range(3)
OWN = NONE  # a layer is painted in the piece's own colours
LAYER = np.dtype([("piece", np.int64), ("form", np.int64), ("color", np.int64), ("is_new", np.int64)])


@inline
def ones(word):
    """How many bits of a word are set."""
    word = word - ((word >> 1) & 0x5555555555555555)
    word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333)
    word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((word * 0x0101010101010101) >> 56) & 0xFF


@inline
def lowest(word):
    """The number of the lowest bit of a word that is set."""
    return ones((word & -word) - 1)


@inline
def is_free(first, at):
    return first[at] < 0


@inline
def holds_mask(first, at, entry):
    masks, m = entry
    return np.array_equal(masks[first[at]], masks[m])


def _arguments_of_layers() -> tuple:
    rows, row, words = np.zeros((1, 1), np.int8), np.zeros(1, np.int8), np.zeros((1, 1), np.int64)
    return rows, row, np.zeros(1, LAYER), words, words, np.zeros(1, np.int64)


@entry(_arguments_of_layers, group=SEARCH)
def write_layers(rows, wanted, layers, masks, wrong, first):
    """Write all layers of pieces: the cells that they paint, and where their own colours are wrong. How many.

    Of those that paint the same cells the first is new: the others need not be tried with one colour. `first` is a
    hash table, all -1.
    """
    count = 0
    for i in range(len(rows)):
        present = 0
        for k in range(rows.shape[1]):
            if rows[i, k] != NONE:
                present |= 1 << rows[i, k]
        for form in range(3):
            for color in range(COLORS):
                if (form == ALL and color > 0) or (form != ALL and not present & (1 << color)):
                    continue
                if form != ALL and present == 1 << color:  # all of it, or nothing
                    continue
                if count == len(layers):
                    return count
                masks[count] = 0
                wrong[count] = 0
                for k in range(rows.shape[1]):
                    value = rows[i, k]
                    if value == NONE or (form == EXCEPT and value == color) or (form == ONLY and value != color):
                        continue
                    masks[count, k // WORD] |= 1 << (k % WORD)
                    if wanted[k] != NONE and wanted[k] != value:
                        wrong[count, k // WORD] |= 1 << (k % WORD)
                key = 0
                for word in range(masks.shape[1]):
                    key = mix(key + masks[count, word])
                at, found = find_slot(first, key, is_free, holds_mask, (masks, count))
                if not found:
                    first[at] = count
                layers[count].piece, layers[count].form, layers[count].color = i, form, color
                layers[count].is_new = not found
                count += 1
    return count


@inline
def covers(mask, left, weights):
    """The weight of the cells of a mask that are left."""
    total = 0.0
    for word in range(len(weights)):
        total += weights[word] * ones(mask[word] & left[word])
    return total


@inline
def is_right(wrong, left, words):
    """Whether a layer in its own colours is right where nothing covers it."""
    seen = 0
    for word in range(words):
        seen |= wrong[word] & left[word]
    return seen == 0


@inline
def only_color(mask, left, wanted, wanted_masks, words):
    """The one colour that the cells of a mask that are left want, or NONE."""
    color = NONE
    for word in range(words):
        some = mask[word] & left[word]
        if some:
            if color == NONE:
                color = wanted[word * WORD + lowest(some)]
            if some & ~wanted_masks[color, word]:
                return NONE
    return color


def _arguments_of_stack() -> tuple:
    words, row, numbers = np.zeros((1, 1), np.int64), np.zeros(1, np.int8), np.zeros(1)
    return (
        np.zeros(1, LAYER), words, words, row, words, numbers, numbers, numbers, np.zeros((1, 2), np.int64),
        np.zeros(1, np.int64),
    )  # fmt: skip


@entry(_arguments_of_stack, group=SEARCH)
def build_stack(layers, masks, wrong, wanted, wanted_masks, weights, factors, bounds, chosen, left):
    """Choose layers from the top: the number and the colour of each. How many.

    `left` are the cells that are not covered; `bounds` are at first what each layer covers of all cells.
    """
    words = len(weights)
    for depth in range(len(chosen)):
        best, best_layer, best_color = 0.0, -1, OWN
        for m in range(len(layers)):
            if bounds[m] * factors[m] <= best:
                continue
            bounds[m] = covers(masks[m], left, weights)
            gain = bounds[m] * factors[m]
            if gain <= best:
                continue
            if layers[m].form != ONLY and is_right(wrong[m], left, words):
                best, best_layer, best_color = gain, m, OWN
            elif layers[m].form != ALL and layers[m].is_new:
                color = only_color(masks[m], left, wanted, wanted_masks, words)
                if color != NONE:
                    best, best_layer, best_color = gain, m, color
        if best_layer < 0:
            return depth
        chosen[depth, 0], chosen[depth, 1] = best_layer, best_color
        for word in range(len(left)):
            left[word] &= ~masks[best_layer, word]
        is_done = True
        for word in range(words):
            is_done &= left[word] == 0
        if is_done:
            return depth + 1
    return len(chosen)


@dataclass(frozen=True)
class Layer:
    """What paints the cells of piece number `piece` that `form` and `color` say, in colour `paint` or its own."""

    piece: int
    form: int
    color: int
    paint: int


@dataclass(frozen=True)
class Stack:
    """Layers from the top, what they give (a row, 0 where nothing paints), and whether all cells are painted."""

    layers: tuple[Layer, ...]
    row: npt.NDArray[np.int8]
    is_whole: bool


class Stacker:
    """All layers of some pieces, cheap ones first, of which stacks are built."""

    def __init__(self, sheet: Sheet, rows: npt.NDArray[np.int8], wanted: npt.NDArray[np.int8], most: int) -> None:
        self._sheet, self._rows, self._wanted = sheet, rows, wanted
        words = rows.shape[1] // WORD
        layers, masks = np.zeros(most, LAYER), np.zeros((most, words), np.int64)
        wrong = np.zeros((most, words), np.int64)
        first = np.full(1 << int(2 * most - 1).bit_length(), -1, np.int64)
        count = write_layers.compiled()(rows, wanted, layers, masks, wrong, first)
        self._layers, self._masks, self._wrong = layers[:count], masks[:count], wrong[:count]
        self.pieces = self._layers["piece"].copy()
        """the piece of each layer"""
        bits = 1 << np.arange(WORD, dtype=np.uint64)
        is_wanted = wanted.reshape(-1, WORD) == np.arange(COLORS)[:, None, None]
        self._wanted_masks = (is_wanted * bits).sum(axis=2, dtype=np.uint64).view(np.int64)
        self._all = ((rows[0].reshape(-1, WORD) != NONE) * bits).sum(axis=1, dtype=np.uint64).view(np.int64)

    def bounds(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What each layer covers where nothing is covered, by the weight of a cell in each demonstration."""
        words = self._sheet.wanted_words
        counts = np.bitwise_count(self._masks[:, :words].view(np.uint64))
        return counts @ self._by_word(weights)

    def stack(
        self,
        weights: npt.NDArray[np.float64],
        bounds: npt.NDArray[np.float64],
        factors: npt.NDArray[np.float64],
        most: int,
    ) -> Stack:
        """A stack of at most so many layers; `bounds` are those of these weights, and `factors` of every layer."""
        chosen, left = np.zeros((most, 2), np.int64), self._all.copy()
        count = build_stack.compiled()(
            self._layers, self._masks, self._wrong, self._wanted, self._wanted_masks, self._by_word(weights), factors,
            bounds.copy(), chosen, left,
        )  # fmt: skip
        row = np.where(self._rows[0] == NONE, NONE, 0).astype(np.int8)
        layers = []
        for number, paint in chosen[count - 1 :: -1].tolist() if count else ():
            layer = Layer(*(int(self._layers[number][name]) for name in ("piece", "form", "color")), paint)
            cells = self._cells(layer)
            row[cells] = self._rows[layer.piece][cells] if paint == OWN else paint
            layers.append(layer)
        return Stack(tuple(reversed(layers)), row, is_whole=not left.any())

    def _cells(self, layer: Layer) -> npt.NDArray[np.bool_]:
        row = self._rows[layer.piece]
        if layer.form == ALL:
            return row != NONE
        return (row == layer.color) if layer.form == ONLY else (row != NONE) & (row != layer.color)

    def _by_word(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.repeat(weights, np.diff(self._sheet.words[: self._sheet.demonstrations + 1]))
