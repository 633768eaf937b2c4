"""What compiled code needs of LLVM: pointers into memory, checked or not, and calls by address.

`native` hands these on; nobody else imports them from here.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable

from llvmlite import ir
from numba import int8, int64, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from interpreter.runtime import layout

CHECKED = os.environ.get("CODEIT_CHECKED", "") == "1"

WORD = ir.IntType(64)


class CheckedPointer(types.Type):
    """An arena pointer whose every access is compared with the arena's size."""

    def __init__(self) -> None:
        super().__init__("CheckedPointer")


@register_model(CheckedPointer)
class _CheckedPointerModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type) -> None:
        super().__init__(manager, fe_type, WORD.as_pointer())


RAW = types.CPointer(int64)
ARENA = CheckedPointer() if CHECKED else RAW


@intrinsic
def _raw(typing_context, arena):
    return RAW(arena), lambda context, builder, signature, args: args[0]


@overload(operator.getitem)
def _checked_get(arena, index):
    if not isinstance(arena, CheckedPointer):
        return None

    def get(arena, index):
        raw = _raw(arena)
        if index < 0 or index >= max(raw[layout.TOP], layout.HEAP):
            raw[layout.ERROR] = layout.VIOLATION
            return 0
        return raw[index]

    return get


@overload(operator.setitem)
def _checked_set(arena, index, value):
    if not isinstance(arena, CheckedPointer):
        return None

    def put(arena, index, value):
        raw = _raw(arena)
        constant = index == layout.SIZE or layout.EMPTY - 1 <= index < layout.REGISTERS
        table = layout.PRIMITIVE_TABLE <= index < layout.HEAP
        if index < 0 or constant or table or index >= max(raw[layout.TOP], layout.HEAP):
            raw[layout.ERROR] = layout.VIOLATION
        else:
            raw[index] = value

    return put


@intrinsic
def arena_pointer(typing_context, address):
    """The arena at a machine address (of an int64 array)."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], WORD.as_pointer())

    return ARENA(int64), generate


@intrinsic
def words_pointer(typing_context, address):
    """A pointer to words outside of the arena at a machine address; never checked."""
    return RAW(int64), lambda context, builder, signature, args: builder.inttoptr(args[0], WORD.as_pointer())


@intrinsic
def ticks(typing_context):
    """The processor's cycle counter."""

    def generate(context, builder, signature, args):
        name = "llvm.readcyclecounter"
        function = builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(WORD, []), name)
        return builder.call(function, [])

    return int64(), generate


@intrinsic
def cells_pointer(typing_context, address):
    """A pointer to int8 cells at a machine address; unlike an array's, its indices are never wrapped."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.CPointer(int8)(int64), generate


def _call(arity: int) -> Callable:
    """Code generation of a call to a machine address, with the arena and `arity` words, as `Addressed` has it.

    Numba's own convention is `int32 f(int64 *result, void *exception, int64 *arena, int64 ...)`. The status and the
    exception stay unused, since compiled code raises none. Numba's C wrapper around it would cost as much as a call.
    """

    def generate(context, builder, signature, args):
        pointer, words = WORD.as_pointer(), [WORD] * arity
        function_type = ir.FunctionType(ir.IntType(32), [pointer, pointer, pointer, *words])
        result = cgutils.alloca_once(builder, WORD)
        function = builder.inttoptr(args[0], function_type.as_pointer())
        builder.call(function, [result, pointer(None), *args[1:]])
        return builder.load(result)

    return generate


# One intrinsic an arity, because Numba reads the arity from the Python signature.
@intrinsic
def indirect1(typing_context, address, A, a):
    return int64(int64, ARENA, int64), _call(1)


@intrinsic
def indirect2(typing_context, address, A, a, b):
    return int64(int64, ARENA, int64, int64), _call(2)


@intrinsic
def indirect3(typing_context, address, A, a, b, c):
    return int64(int64, ARENA, int64, int64, int64), _call(3)


@intrinsic
def indirect4(typing_context, address, A, a, b, c, d):
    return int64(int64, ARENA, int64, int64, int64, int64), _call(4)


@intrinsic
def indirect6(typing_context, address, A, f, n, a, b, c, d):
    return int64(int64, ARENA, int64, int64, int64, int64, int64, int64), _call(6)
