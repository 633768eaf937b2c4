"""The verb `run`."""

from __future__ import annotations

import sys
from typing import Annotated, ClassVar

from pydantic import BeforeValidator

from engine.commands.options.declaration import Argument, Cluster, File, Folder, Options, Overrides, Seeds, split_all


class RunOptions(Options):
    """The self-improving loop.

    Fill replay from seed programs, then repeat: draw, train, publish, swap, sample, execute, search, evaluate, store.
    Search is none unless --search.minutes or --search.runs (a meta-iteration) say so, as presets smoke and solve do.
    """

    verb: ClassVar[str] = "run"
    does: ClassVar[str] = "engine.commands.launch:run"
    epilog: ClassVar[str] = (
        "Any option of the configuration can be set as --section.field value; list them with --options."
    )

    preset: Annotated[tuple[str, ...], BeforeValidator(split_all), Argument("PRESET", is_many=True)] = ("cpu",)
    """smoke, cpu, solve, gpu, paper, paper-codet5 or sizes; and, given after it, changes to it: a1-no-expert-iteration,
    a2-no-relabelling, a3-no-priority, a4-no-pretraining, a5-one-demonstration, a6-no-mutation, few-seeds, no-seeds,
    small-language (default: cpu)"""
    config: File | None = None
    """TOML file whose values go before the preset's"""
    seeds: Seeds = None
    run_dir: Folder | None = None
    """the run's folder (default: runs/<preset>-<time>)"""
    resume: bool = False
    """continue the run in --run-dir after its last complete meta-iteration"""
    cluster: Cluster = None
    options: bool = False
    """list all --section.field options, with their defaults in the presets and in --config"""
    overrides: Overrides = ()

    def execute(self) -> int:
        if self.options:
            from engine.config import load_config, options_text

            sys.stdout.write(options_text(load_config(self.preset, self.config, self.overrides)))
            return 0
        return super().execute()
