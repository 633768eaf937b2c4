"""The compiled side of profiling: calls of primitives that keep account in a tree.

The tree is an array outside of the arena, whose address the header of a profiled arena holds. Its nodes are eight
words: the primitive, the first node below, the next one beside, and what was counted. Calls that lines make are below
the root; calls that primitives make through function values are below those. Closures are no nodes.
"""

from interpreter.machine.machine import BATCH, run_jobs
from interpreter.runtime import layout
from interpreter.runtime.calls import call_primitive, call_value
from interpreter.runtime.native import addressed, entry, inline, ticks, words_pointer

# Words of a node. The root's OPCODE holds the node that we are in, its NEXT the number of nodes.
OPCODE, CHILD, NEXT, CALLS, TICKS, FUEL, WORDS = range(7)
NODE = 8
MAX_NODES = 1 << 16  # when they are used up, further calls count as part of their caller


@inline
def child_of(tree, parent, opcode):
    """The node of a primitive below a node, which is made if need be; the node itself when there is no room."""
    node = tree[parent + CHILD]
    while node != 0:
        if tree[node + OPCODE] == opcode:
            return node
        node = tree[node + NEXT]
    node = tree[NEXT] * NODE
    if tree[NEXT] == MAX_NODES:
        return parent
    tree[NEXT] += 1
    for k in range(NODE):
        tree[node + k] = 0
    tree[node + OPCODE] = opcode
    tree[node + NEXT] = tree[parent + CHILD]
    tree[parent + CHILD] = node
    return node


@inline
def profiled_call(A, opcode, n, a, b, c, d):
    """`call_primitive`, with account."""
    tree = words_pointer(A[layout.PROFILE])
    parent = tree[OPCODE]
    node = child_of(tree, parent, opcode)
    if node == parent:
        return call_primitive(A, opcode, n, a, b, c, d)
    tree[OPCODE] = node
    fuel, top = A[layout.FUEL], A[layout.TOP]
    start = ticks()
    result = call_primitive(A, opcode, n, a, b, c, d)
    tree[node + TICKS] += ticks() - start
    tree[node + CALLS] += 1
    tree[node + FUEL] += fuel - A[layout.FUEL] + layout.CALL_COST
    tree[node + WORDS] += max(A[layout.TOP] - top, 0)
    tree[OPCODE] = parent
    return result


@addressed()
def profiled_invoke(A, f, n, a, b, c, d):
    return call_value(profiled_call, A, f, n, a, b, c, d)


@addressed()
def profiled_invoke_1(A, f, a):
    return call_value(profiled_call, A, f, 1, a, 0, 0, 0)


@addressed()
def profiled_invoke_2(A, f, a, b):
    return call_value(profiled_call, A, f, 2, a, b, 0, 0)


# What takes the place of others in the header of a profiled arena.
INVOKERS = {
    layout.INVOKE: profiled_invoke,
    layout.INVOKE_1: profiled_invoke_1,
    layout.INVOKE_2: profiled_invoke_2,
}


@entry()
def read_ticks():
    return ticks()


@entry(*BATCH)
def profiled_batch(
    arena, rows, starts, cells, cell_starts, shapes, jobs,
    out_cells, out_starts, out_shapes, outcomes, fuel_used, fuel,
):  # fmt: skip
    run_jobs(
        profiled_call, arena, rows, starts, cells, cell_starts, shapes, jobs,
        out_cells, out_starts, out_shapes, outcomes, fuel_used, fuel,
    )  # fmt: skip
