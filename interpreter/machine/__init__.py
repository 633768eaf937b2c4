"""Running programs: one machine, a pool of processes, screening in threads, and a profile.

Invariants: the same program on the same input gives the same outcome, output and fuel, wherever it runs; nothing a
program does ends the process. Others import what stands here, and `pool`, `screening`, `profile` and `kinds`.

    machine     batches of runs in this process       pool, worker        in processes of their own
    transport   chunks between pool and worker        memory              what several processes see
    screening   very many programs as digests         profile, call_tree  where the time goes
    kinds       what the values of lines were
"""

from interpreter.language.bytecode import Code, order_by_lines
from interpreter.machine.machine import (
    DEFAULT_FUEL,
    DEFAULT_WORDS,
    Machine,
    Runs,
    warm_up,
)

__all__ = ["DEFAULT_FUEL", "DEFAULT_WORDS", "Code", "Machine", "Runs", "order_by_lines", "warm_up"]
