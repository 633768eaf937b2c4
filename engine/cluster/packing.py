"""Values as arrays: pickled, with the content of their own arrays out of band.

The object store hands out arrays that nobody may write, which is not the type that compiled code was made for: what is
unpacked has copies of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Packed = list[npt.NDArray[np.uint8]]


def pack(value: Any) -> Packed:
    """A value as arrays of bytes: how it is made, and the content of each of its arrays."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [np.asarray(memoryview(part)) for part in (head, *(buffer.raw() for buffer in buffers))]


def unpack(arrays: Sequence[npt.NDArray[np.uint8]]) -> Any:
    """The value of `pack`; its arrays can be written."""
    head, *rest = arrays
    return pickle.loads(head.tobytes(), buffers=[bytearray(part) for part in rest])
