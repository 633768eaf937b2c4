"""`codeit exec`: run the programs of a JSONL file on their inputs.

In, a line: `{"program": "...", "inputs": [grid, ...]}`. Out, in the same order:
`{"outputs": [grid or null, ...], "status": ["ok", ...], "fuel": [int, ...]}`, or `{"error": "..."}` alone for a
line that is no such object, names no program of the language, or holds a grid that is none. A program may also be
Python: one function, or statements with comments, literals and calls inside calls (see `engine.seeds.solver_source`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.commands.options.execute import ExecuteOptions
from engine.files import write_new
from engine.progress import compile_interpreter
from engine.seeds.solver_source import SourceError, read_program
from interpreter.grids import Grid, GridError, GridTable, as_grid
from interpreter.language.bytecode import Code
from interpreter.language.program import Program, ProgramError
from interpreter.machine.machine import Machine, Runs
from interpreter.runtime.outcome import Outcome

# Lines run at a time: memory stays constant, whatever the file's size.
BLOCK = 1000

FORM = 'right is {"program": "...", "inputs": [grid, ...]}'


def execute(options: ExecuteOptions) -> None:
    """Run a file; the results go to `out`, which is there once it is whole, or to standard output."""
    compile_interpreter()
    machine = Machine(options.fuel)
    with options.file.open("rb") as lines:
        results = (json.dumps(result) + "\n" for result in execute_lines(lines, machine))
        if options.out is None:
            sys.stdout.writelines(results)
        else:
            write_new(options.out, results)


def execute_lines(lines: Iterable[bytes], machine: Machine) -> Iterator[dict[str, Any]]:
    """The results of the lines of a file, in order, one for each line that is not blank."""
    rows = (line for line in lines if line.strip())
    while block := list(islice(rows, BLOCK)):
        yield from _execute_block([read_line(line) for line in block], machine)


def read_record(line: bytes) -> dict[str, Any] | str:
    """A line's object, which has a program, or what is wrong with the line."""
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except RecursionError:
        return "not JSON that can be read: nested too deeply"
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        return f"not JSON: {error}"
    return record if isinstance(record, dict) and "program" in record else FORM


def read_line(line: bytes) -> tuple[Program, list[Grid]] | str:
    """A line's program and inputs, or what is wrong with it."""
    record = read_record(line)
    if isinstance(record, str):
        return record
    if "inputs" not in record:
        return FORM
    text, inputs = record["program"], record["inputs"]
    if not isinstance(text, str) or not isinstance(inputs, list):
        return '"program" must be a string and "inputs" a list of grids'
    try:
        return read_program(text), [as_grid(grid, f"input {k}") for k, grid in enumerate(inputs)]
    except (ProgramError, SourceError, GridError) as error:
        return str(error)


def _execute_block(block: list[tuple[Program, list[Grid]] | str], machine: Machine) -> Iterator[dict[str, Any]]:
    work = [item for item in block if not isinstance(item, str)]
    grids = [grid for _, inputs in work for grid in inputs]
    owners = [k for k, (_, inputs) in enumerate(work) for _ in inputs]
    jobs = np.stack([np.array(owners, np.int32), np.arange(len(grids), dtype=np.int32)], axis=1)
    runs = _run_aside(machine, Code.assemble([program for program, _ in work]), GridTable.pack(grids), jobs)
    row = 0
    for item in block:
        if isinstance(item, str):
            yield {"error": item}
            continue
        rows = range(row, row + len(item[1]))
        row = rows.stop
        outputs = [runs.outputs[k] for k in rows]
        yield {
            "outputs": [None if output is None else output.tolist() for output in outputs],
            "status": [Outcome(runs.outcomes[k]).label for k in rows],
            "fuel": [int(runs.fuel[k]) for k in rows],
        }


def _run_aside(machine: Machine, code: Code, grids: GridTable, jobs: npt.NDArray[np.int32]) -> Runs:
    """`Machine.run` in a thread of its own, so that a signal ends the waiting for it at once, and so the process.

    Compiled code sees no signal, and what a run may take is for the user to say (`--fuel`).
    """
    runs: Future[Runs] = Future()

    def work() -> None:
        try:
            runs.set_result(machine.run(code, grids, jobs))
        except BaseException as error:  # raised again where the result is waited for
            runs.set_exception(error)

    Thread(target=work, daemon=True).start()
    return runs.result()
