"""`python -m interpreter.document > docs/language.md`: the language's reference, made from its tables."""

from __future__ import annotations

import sys
from collections import defaultdict

from interpreter.differences import DIFFERENCES
from interpreter.language.vocabulary import VARIABLES
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS
from interpreter.primitives import CONSTANTS, PRIMITIVES, constant_type
from interpreter.runtime import layout
from interpreter.runtime.outcome import Outcome
from interpreter.runtime.values import COLOR_BIAS, COLOR_LIMIT, COORDINATE_BIAS, INTEGER_LIMIT

_INTRODUCTION = f"""# The grid language

This page is made from the interpreter's tables: `python -m interpreter.document > docs/language.md`.

A program is one call a line. `I` is the input grid, `x1`, `x2`, ... are the results of the lines before, and the
last line defines `O`, the output. Arguments are positional: `I`, an earlier variable, a constant, or the name of a
primitive, which is then a function as a value. A variable that holds a function can be called.

```
x1 = objects(I, T, F, T)
x2 = argmax(x1, size)
x3 = rbind(shift, DOWN)
x4 = x3(x2)
O = paint(I, x4)
```

The primitives and constants are those of arc-dsl (Michael Hodel), with its names, arguments and meaning.

**Canonical text** numbers the variables in order, has single spaces, and no line that `O` does not need. A program
has at most {layout.MAX_VARIABLES} variables (a policy writes at most {
    len(VARIABLES)
}); a variable is called with 1 to {layout.MAX_ARITY} arguments.

**Order of sets.** Sets have one order: reading order for cells and locations, which is (row, column, colour), and
the smallest first elsewhere. `first`, `last`, `extract`, `totuple` and `order` follow it; ties in `argmax`, `argmin`,
`mostcolor`, `mostcommon` and their opposites go to the first. arc-dsl follows CPython's hash order instead.

**Values.** Integers lie within ±2^{INTEGER_LIMIT.bit_length() - 1}, rows and columns within ±2^{
    COORDINATE_BIAS.bit_length() - 1
}, colours of cells within {-COLOR_BIAS}..{COLOR_LIMIT}. Booleans are the integers 0 and 1.

**Limits.** A run has {DEFAULT_FUEL:,} units of fuel and {DEFAULT_WORDS:,} words of memory unless told otherwise. A
call costs {layout.CALL_COST} units, a word of memory 1, an item or cell that is looked at 1; comparing and searching
cost 1 for four or eight. A value may be larger in name than in memory, like a tuple that holds one row 30,000 times:
each look at an item of it is charged. So fuel bounds time, and the same program on the same input ends in the same way
on any machine.
"""


_DIFFERENCES = """## Differences from arc-dsl

Where arc-dsl gives a grid whatever the order of its sets, so do the primitives here, and where it fails, they fail,
ill-typed arguments included: a row stands for the pair of its first two cells, a grid for a patch of its rows, a
container of containers for a grid. `codeit bench differential` counts how often that holds. The rules of what differs:
"""


def document() -> str:
    """The whole page as Markdown."""
    parts = [_INTRODUCTION, _differences(), _outcomes(), _constants(), _primitives()]
    return "\n".join(parts)


def _differences() -> str:
    rows = [f"| {d.name} | {d.primitives} | {d.condition} | {d.theirs} | {d.ours} |" for d in DIFFERENCES]
    head = "| rule | primitives | condition | arc-dsl | here |\n| --- | --- | --- | --- | --- |\n"
    return f"{_DIFFERENCES}\n{head}" + "\n".join(rows) + "\n"


def _outcomes() -> str:
    rows = [f"| `{outcome.label}` | {outcome.meaning} |" for outcome in Outcome]
    return "## Outcomes of a run\n\n| outcome | meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _constants() -> str:
    rows = [f"| `{name}` | {constant_type(name)} | {value} |" for name, value in CONSTANTS.items()]
    return "## Constants\n\n| name | type | value |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _primitives() -> str:
    rooms: dict[str, list[str]] = defaultdict(list)
    for primitive in PRIMITIVES.values():
        names = primitive.source.__code__.co_varnames[1 : 1 + primitive.arity]
        arguments = ", ".join(f"{name}: {type_}" for name, type_ in zip(names, primitive.parameters, strict=True))
        room = primitive.source.__module__.rsplit(".", 1)[-1]
        rooms[room].append(f"| `{primitive.name}({arguments})` | {primitive.returns} | {primitive.meaning} |")
    sections = [
        f"### {room.capitalize()}\n\n| primitive | returns | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
        for room, rows in rooms.items()
    ]
    return f"## Primitives\n\n{len(PRIMITIVES)} in all.\n\n" + "\n".join(sections)


if __name__ == "__main__":
    sys.stdout.write(document())
