"""The noise of `interpreter.language.noise` as tensor operations, and the keys of rows, which both ways start from.

A key is a hash of a sample's seed and of how many tokens it has: so a sample depends on what the policy says and on its
seed alone, whatever batch it is in, and a row costs no launch of its own on a device.
"""

from __future__ import annotations

import numpy as np
import torch

from interpreter.language.grammar_tables import Integers
from interpreter.language.noise import FIRST, FOLD, SECOND, SPREAD, UNIFORM_MASK, UNIT, UPPER

_GOLDEN, _FIRST, _SECOND = (
    np.uint64(constant) for constant in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def row_keys(seeds: Integers, positions: Integers) -> Integers:
    """Keys (rows,) of samples with some seeds that have so many tokens: SplitMix64 (Steele et al., 2014)."""
    x = seeds.astype(np.uint64) + (positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return (x ^ (x >> np.uint64(31))).view(np.int64)


def token_codes(ids: torch.Tensor) -> torch.Tensor:
    """What of tokens' ids (k,) enters the hash."""
    return ids * SPREAD


def gumbel(keys: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The noise (rows, k) of rows with some keys (rows,) and of tokens with some codes (k,), negated: to subtract."""
    x = keys[:, None] ^ codes
    for factor in (FIRST, SECOND):
        x ^= x >> FOLD
        x *= factor
    x >>= UPPER
    x &= UNIFORM_MASK
    x |= 1
    return x.float().mul_(UNIT).log_().neg_().log_()
