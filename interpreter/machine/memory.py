"""Memory that several processes see: a file without a name or a folder.

It is gone as soon as the last process that has it is, however that ends, and it needs no room in /dev/shm, which
containers keep small. All of it is reserved when it is made, so that nobody dies of a page that cannot be had.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Field = tuple[type[np.generic], tuple[int, ...]]  # of an array: the kind of its items, its shape


class Region:
    """`size` bytes at the file descriptor `descriptor`, which the region owns."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self._map: mmap.mmap | None = mmap.mmap(descriptor, size)

    @classmethod
    def create(cls, size: int) -> Region:
        """New memory. Raises `MemoryError`, with how much was asked for, where there is not so much."""
        descriptor = os.memfd_create("codeit")
        try:
            os.posix_fallocate(descriptor, 0, size)
            return cls(descriptor, size)
        except OSError as error:
            os.close(descriptor)
            raise MemoryError(
                f"{size:,} bytes of memory that processes share cannot be had ({error.strerror}): use fewer workers"
            ) from None

    def views(self, fields: Sequence[Field]) -> list[npt.NDArray]:
        """The arrays that lie in it one after the other. The memory stays while they live."""
        arrays = []
        at = 0
        for field in fields:
            kind, shape = field
            arrays.append(np.frombuffer(self._map, kind, math.prod(shape), at).reshape(shape))
            at += field_size(field)
        return arrays

    def close(self) -> None:
        """Let it go. Idempotent."""
        if self._map is not None:
            os.close(self.descriptor)
            self._map = None


def field_size(field: Field) -> int:
    """Bytes of an array, in whole words."""
    kind, shape = field
    return -8 * (-np.dtype(kind).itemsize * math.prod(shape) // 8)


def total_size(fields: Sequence[Field]) -> int:
    """Bytes of arrays that lie one after the other, at least one word."""
    return max(sum(map(field_size, fields)), 8)
