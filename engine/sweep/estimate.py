"""How long a run will take: from runs of the sweep that are done, where there are any, else from measured rates.

The rates are those that one core had (docs/learning.md: training; the rest from a run of `ablations-small`, which took
346 CPU-seconds): a machine that is twice as fast takes half the time, and as soon as one run is done its time scales
what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from engine.config import Config
from engine.sweep.plan import Run
from trainer.catalogue import POLICIES

# Examples a second that a core trains with 0.8M parameters without the embedding (compact-1m), and how they fall with
# more; samples a second of one thread, likewise; seconds a mutant of the fill, and of the rest of a meta-iteration.
_TRAINED, _SAMPLED, _EXPONENT = 44.6, {"vllm": 30.0, "transformers": 20.0}, 0.72
_MILLION = 8e5
_A_MUTANT, _REST = 0.001, 4.0
_START = 25.0
"""seconds of imports and of the report, which a run's own clock leaves out, as it does the search for seeds"""


@dataclass(frozen=True)
class Estimate:
    """Seconds of all that is left, and what they rest on."""

    seconds: float | None
    """None where nothing says it: pretrained policies, none of which is done"""
    rests_on: str


def estimate(
    left: Sequence[Run], done: Mapping[str, Sequence[float]], parallel: int, all_runs: Sequence[Run]
) -> Estimate:
    """Of the runs that are `left`; `done` are the seconds of those that are not, by configuration."""
    before = {run.configuration: _START + 60 * run.config.seeds.discover_minutes for run in all_runs}
    done = {name: [before[name] + seconds for seconds in some] for name, some in done.items()}
    known = [seconds for some in done.values() for seconds in some]
    models = {run.configuration: seconds_of(run.config) for run in all_runs}
    pairs = [(seconds, models[name]) for name, some in done.items() for seconds in some]
    modelled = [(seconds, model) for seconds, model in pairs if model is not None]
    scale = sum(s for s, _ in modelled) / sum(m for _, m in modelled) if modelled else 1.0
    total, from_model = 0.0, 0
    for run in left:
        own, model = done.get(run.configuration), models[run.configuration]
        if not own and model is None and not known:
            return Estimate(None, "no rate is known for a pretrained policy: the first run will tell")
        if own:
            total += mean(own)
        else:
            total += mean(known) if model is None else scale * model
            from_model += 1
    if not known:
        rests_on = "rates that one core had (docs/experiments.md)"
    elif from_model:
        rests_on = f"{len(known)} runs that are done, {from_model} of {len(left)} by rates scaled to these"
    else:
        rests_on = f"{len(known)} runs that are done"
    return Estimate(total / min(parallel, max(len(left), 1)), rests_on)


def seconds_of(config: Config) -> float | None:
    """Seconds of a run with one core to itself; None where no rate is known."""
    if config.trainer.pretrained is not None:
        return None
    size = (POLICIES[config.trainer.policy].weights / _MILLION) ** _EXPONENT
    replay, tasks = config.replay, len(config.tasks.task_ids) or config.tasks.limit or 400
    examples = config.trainer.epochs * (replay.draw_policy + replay.draw_mutated + config.fill.heldout / 3)
    samples = tasks * config.sampler.n_samples
    searched = 60 * config.search.minutes + config.search.runs / 200_000
    each = _REST + size * (examples / _TRAINED + samples / _SAMPLED[config.sampler.backend]) + searched
    start = _START + _A_MUTANT * config.fill.mutants + 60 * config.seeds.discover_minutes
    return start + config.loop.meta_iterations * each


def in_words(seconds: float) -> str:
    """A duration for people."""
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
