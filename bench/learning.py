"""`codeit bench learning`: how fast a policy learns, at equal CPU time, on training tasks alone.

The seeds of every fifth task are kept from training. What is left fills replay as a run does, and is drawn as a run
draws it; the policy trains until its CPU time is spent. Two losses (nats a program token) are taken on the way:

    heldout_loss         mutants whose programs never train, as in a run; they are near programs that do
    heldout_tasks_loss   the solvers of the tasks that were kept, on their own demonstrations: what solving a new task
                         asks for

One configuration is measured; others are other calls, which may run at the same time with a thread each
(OMP_NUM_THREADS=1). Options of `codeit run` for seeds, fill, replay and trainer say what differs:
`--trainer.learning-rate 2e-3`, `--fill.mutants 100000`, `--trainer.policy compact-8m`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import Config, given_options, load_config
from engine.errors import UsageError
from engine.loop.beginning import Beginning
from engine.loop.components import new_codec, new_trainer
from engine.loop.drawing import weight_of
from engine.loop.examples import to_examples
from engine.loop.fill import fill
from engine.progress import Display
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from replay.experience import Origin
from replay.store import ReplayStore
from trainer.codec import Codec
from trainer.examples import Examples

KEPT_EVERY = 5
# Options, or how they begin.
_MEASURED = (
    "fill.", "interpreter.", "loop.seed", "replay.brevity-weight", "replay.draw-mutated", "replay.draw-policy",
    "replay.performance-weight", "replay.priority-", "replay.prioritize-mutated", "replay.recency-weight",
    "replay.task-cap", "sampler.max-tokens", "seeds.limit", "tasks.train", "trainer.",
)  # fmt: skip
SLICE = 500  # examples that are trained between two looks at the clock
POINTS = 8  # losses of the curve


def measure(seeds: str | None, seconds: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Train for `seconds` of CPU time; the curve of the losses as one JSON object."""
    config = load_config("cpu", None, overrides)
    for option in given_options(overrides):
        if not option.startswith(_MEASURED) or option == "trainer.processes":
            raise UsageError(f"--{option} has no effect on this bench")
    tasks = {task.id: task for task in load_tasks(config.tasks.train)}
    programs = load_seeds(seeds, tasks, config.seeds.limit)
    kept = set(sorted({seed.task for seed in programs})[::KEPT_EVERY])
    codec, longest = new_codec(config), config.sampler.max_tokens
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store, heldout_store = (stack.enter_context(ReplayStore(folder / name)) for name in ("replay", "heldout"))
        display = stack.enter_context(Display())
        beginning = Beginning(
            [tasks[name] for name in sorted(kept)],
            {name: task for name, task in tasks.items() if name not in kept},
            programs,
            [seed for seed in programs if seed.task not in kept],
        )
        filled = fill(beginning, config, store, heldout_store, display)
        store.put_tasks({task.id: task.inputs for task in beginning.search_tasks})
        heldout = {
            "heldout_loss": to_examples(list(heldout_store), heldout_store, codec, longest),
            "heldout_tasks_loss": to_examples(beginning.kept, store, codec, longest),
        }
        trainer = new_trainer(config, codec)
        stack.callback(trainer.close)
        curve: list[dict[str, float]] = []
        done, spent, update = 0, 0.0, stack.enter_context(display.phase("train", seconds))
        for examples in _drawn(config, store, {one.program for one in heldout_store}, codec, longest):
            start = time.process_time()
            loss = trainer.train(examples).loss
            spent += time.process_time() - start
            done += len(examples)
            update(int(spent))
            if spent >= seconds * (len(curve) + 1) / POINTS:
                losses = {name: round(trainer.heldout_loss(some), 4) for name, some in heldout.items()}
                curve.append({"cpu_s": round(spent, 1), "examples": done, "loss": round(loss, 4), **losses})
            if spent >= seconds:
                break
    return {"options": list(overrides), "experiences": filled.experiences, "curve": curve} | curve[-1]


def _drawn(
    config: Config, store: ReplayStore, heldout: Container[str], codec: Codec, longest: int
) -> Iterator[Examples]:
    """Examples in slices, drawn anew when those of a draw are used up, as each meta-iteration does."""
    generator, replay = np.random.default_rng(config.loop.seed), config.replay
    n, weight = replay.draw_policy + replay.draw_mutated, weight_of(replay, Origin.MUTATED)
    while True:
        drawn, _ = store.race_rows(generator, n, Origin.MUTATED, weight, replay.task_cap)
        drawn = drawn.take(np.flatnonzero([program not in heldout for program in drawn.programs()]))
        order = generator.permutation(len(drawn))
        for start in range(0, len(drawn), SLICE):
            yield to_examples(drawn.take(order[start : start + SLICE]), store, codec, longest)
