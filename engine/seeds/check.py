"""`codeit seeds check`: what a set of seeds covers, and whether each program still solves its task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median

from engine.errors import printable
from engine.seeds.seed import Seed
from engine.tables import two_columns
from engine.tasks import Task
from engine.verification import try_programs
from interpreter.machine.machine import Machine
from interpreter.primitives import PRIMITIVES

# Primitives named as the most and the least used.
SHOWN = 10


@dataclass(frozen=True)
class SeedCheck:
    """The figures of a set of seeds; these are the fields of the JSON object."""

    seeds: int
    tasks: int  # of the task set
    solved: int  # tasks that at least one seed solves
    solved_by: dict[str, int]  # the same by origin
    seeds_by: dict[str, int]  # by origin
    lines: dict[str, float]  # of a program: min, median, mean, max
    characters: dict[str, float]  # the same of its text
    primitives: int  # of the language
    primitives_used: int
    most_used: dict[str, int]  # primitive -> times it is named in a program
    least_used: dict[str, int]  # of those that are used, the rarest first
    unused: list[str]
    failing: list[dict[str, str]]  # task, origin, program and problem of each seed that does not solve its task

    def as_json(self) -> str:
        """All fields as one JSON object in a line."""
        return json.dumps(asdict(self)) + "\n"

    def as_text(self) -> str:
        """A line for each seed that fails, and a table of the figures."""
        figures = asdict(self)
        failing = "".join(f"{row['task']} ({row['origin']}): {row['problem']}\n" for row in figures.pop("failing"))
        figures["unused"] = ", ".join(self.unused) or "none"
        return printable(failing + two_columns(figures | {"failing": len(self.failing)}))


def check_seeds(seeds: Sequence[Seed], tasks: Mapping[str, Task], machine: Machine) -> SeedCheck:
    """Run every seed on all pairs of its task, and count."""
    trials = try_programs([(tasks[seed.task], seed.program) for seed in seeds], machine)
    tried = list(zip(seeds, trials, strict=True))
    solving = [seed for seed, trial in tried if trial.solves]
    used = Counter(name for seed in seeds for line in seed.program.lines for name in line.names() if name in PRIMITIVES)
    origins = sorted({seed.origin for seed in seeds})
    return SeedCheck(
        seeds=len(seeds),
        tasks=len(tasks),
        solved=len({seed.task for seed in solving}),
        solved_by={origin: len({seed.task for seed in solving if seed.origin == origin}) for origin in origins},
        seeds_by={origin: sum(seed.origin == origin for seed in seeds) for origin in origins},
        lines=_spread([len(seed.program.lines) for seed in seeds]),
        characters=_spread([len(seed.program.text) for seed in seeds]),
        primitives=len(PRIMITIVES),
        primitives_used=len(used),
        most_used={name: used[name] for name in sorted(used, key=lambda name: (-used[name], name))[:SHOWN]},
        least_used={name: used[name] for name in sorted(used, key=lambda name: (used[name], name))[:SHOWN]},
        unused=sorted(set(PRIMITIVES) - set(used)),
        failing=[seed.row | {"problem": str(trial)} for seed, trial in tried if not trial.solves],
    )


def _spread(values: Sequence[int]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "mean": round(mean(values), 1), "max": max(values)}
