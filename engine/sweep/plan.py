"""What a sweep consists of: read from a TOML file, and checked before anything runs.

    about = "what it is for"
    presets = ["cpu"]                # of all runs
    seeds = [0, 1, 2]
    baseline = "full"                # what the others are compared with; default: the first
    compare = "end"                  # runs as they end; "time": after the seconds that the shortest trained and sampled

    [options.loop]                   # of all runs, as in a file for `codeit run --config`
    meta_iterations = 4

    [[configurations]]
    name = "full"

    [[configurations]]
    name = "no-priority"
    presets = ["a3-no-priority"]
    options.replay.draw_mutated = 3000

Presets of all, options of all, presets of the configuration, its options: each goes before what stands to its left.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, NonNegativeInt, ValidationError, model_validator

from engine.config import Config, load_config, merged, preset_values
from engine.errors import UsageError
from engine.files import make_folder, read_bytes, write_text
from trainer.section import Section

OPTIONS = "options"  # of a sweep's folder, there as soon as it has begun

Tables = dict[str, dict[str, Any]]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class Configuration(Section):
    """One of those that are compared."""

    name: Name
    presets: list[str] = Field([])
    options: Tables = Field({})


class SweepFile(Section):
    """What the file of a sweep says."""

    about: str = ""
    presets: list[str] = Field(["cpu"], min_length=1)
    seeds: list[NonNegativeInt] = Field([0, 1, 2], min_length=1)
    baseline: str | None = None
    compare: Literal["end", "time"] = "end"
    options: Tables = Field({})
    configurations: list[Configuration] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [one.name for one in self.configurations]
        if len(set(names)) < len(names) or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a configuration or a seed is there twice")
        if self.baseline is not None and self.baseline not in names:
            raise ValueError(f"baseline {self.baseline!r} is none of the configurations ({', '.join(names)})")
        return self


@dataclass(frozen=True)
class Run:
    """One configuration with one seed."""

    configuration: str
    seed: int
    presets: tuple[str, ...]
    config: Config
    """with its seed"""
    options: str
    """TOML of what goes before the presets, those of the configuration included"""

    @property
    def name(self) -> str:
        return f"{self.configuration}-{self.seed}"


@dataclass(frozen=True)
class Sweep:
    """Configurations, the first seed of all of them before the second, so that what is done first can be compared."""

    name: str
    file: SweepFile
    runs: tuple[Run, ...]

    @property
    def baseline(self) -> str:
        return self.file.baseline or self.file.configurations[0].name


def shipped() -> list[str]:
    """The names of the sweeps that come with codeit."""
    return sorted(path.name.removesuffix(".toml") for path in files("engine").joinpath("sweeps").iterdir())


def read_sweep(source: str) -> Sweep:
    """The sweep of a file, or of one that comes with codeit. Raises `UsageError` with what is wrong, and where."""
    path = Path(source)
    if source in shipped():
        text = files("engine").joinpath(f"sweeps/{source}.toml").read_text(encoding="utf-8")
    elif path.is_file():
        text = read_bytes(path).decode("utf-8", errors="replace")
    else:
        raise UsageError(f"{source}: no such file, and no sweep of that name (there are {', '.join(shipped())})")
    try:
        file = SweepFile(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{source}: {where + ': ' * bool(where)}{first['msg'].removeprefix('Value error, ')}"
        ) from None
    runs = tuple(_run(source, file, one, seed) for seed in file.seeds for one in file.configurations)
    return Sweep(path.name.removesuffix(".toml"), file, runs)


def write_options(run: Run, folder: Path, seeds: str | None) -> Path:
    """The file of a run's options in a sweep's folder; presets and seed programs stand in it as a comment. Raises
    `UsageError` where another one is there."""
    file = folder / OPTIONS / f"{run.configuration}.toml"
    text = f"# presets: {', '.join(run.presets)}\n# seed programs: {seeds or 'embedded'}\n{run.options}"
    if not file.is_file():
        make_folder(file.parent)
        write_text(file, text)
    elif read_bytes(file) != text.encode():
        raise UsageError(
            f"{file} differs from what the sweep says of {run.configuration} now, --seeds included: what has run "
            "cannot change, give the changed configuration another name or the sweep another --out"
        )
    return file


def _run(source: str, file: SweepFile, one: Configuration, seed: int) -> Run:
    try:
        options = merged(merged(file.options, preset_values(one.presets)), one.options)
        config = load_config(file.presets, None, ["--loop.seed", str(seed)], options)
    except UsageError as error:
        raise UsageError(f"{source}, configuration {one.name}: {error}") from None
    return Run(one.name, seed, tuple(file.presets), config, tomli_w.dumps(options))
