"""Noise that makes a sample of an argmax: a function of a row's key and a token's id, whatever else is in the batch.

The likeliest of `logits / temperature + noise` over some tokens is distributed as the softmax of `logits / temperature`
over them, if the noise is Gumbel's. Here it comes from a hash: `hashed` below is the reference for whoever computes it
elsewhere (`engine.sampler.noise`, with tensors). Integers are int64, which wrap, and shifts keep the sign.
"""

from __future__ import annotations

import math

import numpy as np

from interpreter.language.grammar_tables import WORD_BITS
from interpreter.runtime.native import SEARCH, entry, specialized

# Odd numbers that mix well: the golden ratio's, and those of MurmurHash3's last steps (Austin Appleby, public domain).
SPREAD = -0x61C8864680B583EB
FIRST, SECOND = -0xAE502812AA7333, -0x3B314601E57A13AD
FOLD = 33
# The upper 24 bits, the last of which is set: a number inside (0, 1) that float32 has exactly, and so has 1 - it.
UPPER, UNIFORM_BITS = 40, 24
UNIFORM_MASK, UNIT = (1 << UNIFORM_BITS) - 1, 2.0**-UNIFORM_BITS

_IMPOSSIBLE, _UNIT = np.float32(-np.inf), np.float32(UNIT)


@specialized
def hashed(key, token):
    """A number of UNIFORM_BITS bits, odd."""
    x = key ^ (token * SPREAD)
    x = (x ^ (x >> FOLD)) * FIRST
    x = (x ^ (x >> FOLD)) * SECOND
    return (x >> UPPER) & UNIFORM_MASK | 1


def _arguments_of_perturb() -> tuple:
    row = np.zeros(1, np.int64)
    return np.zeros((1, 1), np.int64), row, row, 0.0, np.zeros((1, 1), np.float32)


@entry(_arguments_of_perturb, group=SEARCH)
def perturb(masks, ids, keys, inverse_temperature, logits):
    """Make logits (rows, vocabulary) a race of which the largest wins, in place.

    `masks` (rows, words) says which of `ids` (ascending) take part, a bit each, `keys` (rows,) what a row's noise is a
    function of. All other logits become minus infinity.
    """
    scale = np.float32(inverse_temperature)
    for k in range(len(logits)):
        after = 0  # the token that came last
        for i in range(len(ids)):
            token = ids[i]
            for other in range(after, token):
                logits[k, other] = _IMPOSSIBLE
            after = token + 1
            if (masks[k, i // WORD_BITS] >> i % WORD_BITS) & 1:
                uniform = np.float32(hashed(keys[k], token)) * _UNIT
                logits[k, token] = logits[k, token] * scale - math.log(-math.log(uniform))
            else:
                logits[k, token] = _IMPOSSIBLE
        for other in range(after, logits.shape[1]):
            logits[k, other] = _IMPOSSIBLE
