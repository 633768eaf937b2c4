"""Configuration: presets < `--config FILE.toml` < `--section.field value`; of several presets later ones go before.

The models below are the only declaration of a field: its default, its bounds and its documentation, from which
`codeit run --options` is made. The resolved configuration is written into the run folder.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
    TomlConfigSettingsSource,
)

from engine.augment import MAX_VARIANTS, ColorChoice
from engine.cluster.config import ClusterConfig
from engine.errors import UsageError
from engine.sampler.config import NOT_FOR_TEXT, SamplerConfig
from trainer.config import TrainerConfig
from trainer.section import Section

# Presets that say all of a run, and those that change some options of another, with the one that they stand on where
# none is named.
WHOLE = ("smoke", "cpu", "solve", "gpu", "paper", "paper-codet5", "sizes")
CHANGES = {
    "a1-no-expert-iteration": "cpu",
    "a2-no-relabelling": "cpu",
    "a3-no-priority": "cpu",
    "a4-no-pretraining": "paper-codet5",
    "a5-one-demonstration": "cpu",
    "a6-no-mutation": "cpu",
    "few-seeds": "cpu",
    "no-seeds": "cpu",
    "small-language": "cpu",
}
PRESETS = (*WHOLE, *CHANGES)


class TasksConfig(Section):
    train: str = "arc1-train"
    """Task set of the seeds: a name, or a file or folder of tasks."""
    search: str = "arc1-eval"
    """Task set that the policy is sampled on and evaluated with."""
    task_ids: list[str] = Field([])
    """Only these tasks of the search set."""
    limit: int | None = Field(None, ge=1)
    """Only the first tasks of the search set."""


class SeedsConfig(Section):
    limit: int | None = Field(None, ge=1)
    """Only the first seed programs, in order of task (and of the file, where a task has several)."""
    leave_own_out: bool = False
    """Where tasks are searched that seeds belong to, keep these tasks and their seeds from training; the loss on these
    seeds is `heldout_tasks_loss`."""
    discover_minutes: float = Field(0.0, ge=0)
    """Minutes in which the run finds its own seeds, from none, as `codeit seeds discover` does; 0: none. Another start
    finds others; a run that is resumed keeps its own."""


class FillConfig(Section):
    mutants: int = Field(19_200, ge=0)
    """Distinct mutants of the seed programs (the paper: 19,200); those with a valid output become experiences."""
    compositions: int = Field(0, ge=0)
    """Distinct programs of two functions of grids that seeds have in common or that are there from the start, one after
    the other (docs/searching.md: macros); those with a valid output become experiences like those of mutants."""
    other_tasks: int = Field(2, ge=0)
    """Further training tasks, drawn at random, on whose inputs each seed program and mutant runs, too."""
    search_tasks: int = Field(0, ge=0)
    """Tasks of the search set, drawn at random, on whose demonstration inputs each of them runs, too: the policy meets
    the inputs that it will be asked about, never the tests. What is right on their outputs has a higher priority."""
    heldout: int = Field(200, ge=1)
    """Experiences whose programs never train; their loss is `heldout_loss`."""
    augment: int = Field(0, ge=0, le=MAX_VARIANTS)
    """Augmented copies tried of each experience: grids turned, mirrored or recoloured, where the program allows it."""
    augment_colors: ColorChoice = "keep-0"
    """Colour permutations of augmented copies: none, those that leave 0 (the background, mostly), or all."""
    augment_programs: bool = False
    """Whether augmented copies of other colours are tried with a program's constants recoloured, too."""

    @model_validator(mode="after")
    def _programs_have_copies(self) -> Self:
        if self.augment_programs and (not self.augment or self.augment_colors == "none"):
            raise ValueError("augment_programs is for copies of other colours: it needs augment, and augment_colors")
        return self


class ReplayConfig(Section):
    capacity: int | None = Field(None, ge=1)
    """Experiences kept at most; the lowest priority goes first, then the oldest. A resumed run no longer counts what
    went as solved."""
    draw_policy: int = Field(90_000, ge=0)
    """Experiences from the policy drawn a meta-iteration."""
    draw_mutated: int = Field(10_000, ge=1)
    """Experiences from mutation (seeds included) drawn a meta-iteration."""
    draw_search: int = Field(10_000, ge=0)
    """Experiences from search on the search set drawn a meta-iteration, where there is search."""
    priority_exponent: float = Field(1.0, ge=0, le=20)
    """Experiences are drawn in proportion to their priority (plus 1e-6) to this power: 1 as in the paper, 0 evenly."""
    priority_by_rank: bool = False
    """Take 1 / rank by priority instead of the priority; equal ones share the mean of their ranks."""
    performance_weight: float = Field(1.0, ge=0)
    """Share of demonstration performance in the priority. This and the next two are the official code's; the paper has
    performance alone."""
    recency_weight: float = Field(0.0, ge=0)
    """Share of the meta-iteration that found an experience, from 0 to 1 at the 100th: later ones are drawn more."""
    brevity_weight: float = Field(0.0, ge=0)
    """Share of a program's shortness, from 1 to 0 at 300 characters (about the official code's 100 tokens)."""
    prioritize_mutated: bool = True
    """Whether seeds and mutants are drawn by priority, too. The paper says so, and `paper` keeps it; the official code
    draws them evenly, because it writes their performance under one key and reads it under another."""
    task_cap: int | None = Field(None, ge=1)
    """Experiences of a task drawn at most, of each origin, so that easy tasks do not flood a draw; by default any."""
    importance: float = Field(0.0, ge=0, le=1)
    """Exponent of importance weights: with 1 losses are weighted by 1 / (chance of being drawn), the largest weight
    being 1, which takes back what drawing by priority does; 0 as in the paper: none."""
    relabel: bool = True
    """Whether the policy learns from what its programs did instead of what was asked (hindsight relabelling); without
    it, of its programs and those of search only what is right on all demonstrations is learned from."""

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not self.performance_weight + self.recency_weight + self.brevity_weight:
            raise ValueError("performance_weight, recency_weight and brevity_weight are all 0: one must be more")
        return self


class SearchConfig(Section):
    """Search on the demonstrations of the search set, in each meta-iteration; by default none, as in the paper."""

    minutes: float = Field(0.0, ge=0)
    """Minutes of search a meta-iteration, to the end of a batch; 0: no such limit, and no search without the next."""
    runs: int = Field(0, ge=0)
    """Runs of a program on a grid a meta-iteration, likewise; 0: no such limit. With this alone what is found does not
    depend on the machine; of both the first that is reached ends search."""
    method: Literal["all", "compose", "mutate"] = "all"
    """What proposes programs, see `codeit search --method`; the policy's near misses are parents and pieces of it."""
    leave_own_out: bool = False
    """Where seeds belong to tasks of the search set, keep what search makes of a task's own seeds from it."""

    @property
    def is_on(self) -> bool:
        """Whether there is search."""
        return self.minutes > 0 or self.runs > 0


class InterpreterConfig(Section):
    workers: int | None = Field(None, ge=1)
    """Worker processes; default: one a processor."""
    fuel: int = Field(4_000_000, ge=1, le=10**12)
    """Work a run may do; see docs/language.md."""
    arena_words: int = Field(1 << 20, ge=1 << 16)
    """Memory of a run, in words of 8 bytes."""


class LoopConfig(Section):
    meta_iterations: int = Field(100, ge=1)
    """Rounds of draw, train, sample, execute, store, evaluate."""
    seed: int = Field(0, ge=0)
    """Everything random follows from it."""
    threads: int | None = Field(None, ge=1)
    """Threads of training on a CPU; default: one a processor."""
    max_staleness: int = Field(0, ge=0, le=1)
    """How many meta-iterations old the weights may be that sample. 0: train, then sample, as the paper does. 1: sample
    with the last weights while a process of its own trains the next."""
    stall_minutes: float = Field(10, ge=0)
    """Minutes without progress after which a phase is named as standing still, with where its threads are; 0: never."""


class Config(BaseSettings):
    """The whole configuration of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loop: LoopConfig = LoopConfig()
    tasks: TasksConfig = TasksConfig()
    seeds: SeedsConfig = SeedsConfig()
    fill: FillConfig = FillConfig()
    replay: ReplayConfig = ReplayConfig()
    search: SearchConfig = SearchConfig()
    trainer: TrainerConfig = TrainerConfig()
    sampler: SamplerConfig = SamplerConfig()
    interpreter: InterpreterConfig = InterpreterConfig()
    cluster: ClusterConfig = ClusterConfig()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only values that are passed, below those of the command line: no environment variables, no dotenv files."""
        return (init_settings,)

    @model_validator(mode="after")
    def _language_is_the_policys(self) -> Self:
        if self.sampler.primitives and self.trainer.pretrained is not None and self.trainer.checkpoint is None:
            raise ValueError(NOT_FOR_TEXT)
        if self.sampler.primitives and self.search.is_on:
            raise ValueError(
                "sampler.primitives does not hold for search, which would propose all: search.minutes and search.runs "
                "must be 0"
            )
        return self


def load_config(
    preset: str | Sequence[str] = "cpu",
    file: Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration of a preset or several, changed by a TOML file, changed by `--section.field value` arguments.

    `options` is what a second such file would say, as tables. Raises `UsageError` for an unknown preset, key or value,
    with what would be right.
    """
    stack = _stack([preset] if isinstance(preset, str) else list(preset))
    values = preset_values(stack) if file is None else _read_toml(file, [_preset_file(name) for name in stack])
    return _config(merged(values, options or {}), overrides)


def preset_values(names: Sequence[str]) -> dict[str, Any]:
    """What presets say together, as tables; later ones go before. Raises `UsageError` for an unknown one."""
    return TomlConfigSettingsSource(Config, [_preset_file(name) for name in names], deep_merge=True)()


def merged(some: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of tables; what is in `others` goes before."""
    found = dict(some)
    for key, value in others.items():
        known = found.get(key)
        is_table = isinstance(known, Mapping) and isinstance(value, Mapping)
        found[key] = merged(known, value) if is_table else value
    return found


def _stack(names: Sequence[str]) -> list[str]:
    """Presets in order, with the one that they stand on where all of them are changes."""
    if any(name not in CHANGES for name in names):
        return list(names)
    return [CHANGES[names[0]] if names else "cpu", *names]


def _preset_file(name: str) -> Traversable:
    if name not in PRESETS:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise UsageError(f"unknown preset {name!r}: one of {', '.join(PRESETS)}{hint}")
    return files("engine").joinpath(f"presets/{name}.toml")


def read_config(file: Path) -> Config:
    """The resolved configuration that a run wrote into its folder."""
    return _config(_read_toml(file))


def overridden(config: Config, overrides: Sequence[str]) -> Config:
    """`config`, changed by `--section.field value` arguments."""
    return _config(config.model_dump(mode="json"), overrides)


def given_options(overrides: Sequence[str]) -> list[str]:
    """The names of the options among command-line arguments, as `fields` names them."""
    return [a[2:].split("=", 1)[0].replace("_", "-") for a in overrides if a.startswith("--")]


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every option as written on the command line (`sampler.n-samples`), with its declaration."""
    for section, info in Config.model_fields.items():
        for name, field in info.annotation.model_fields.items():
            yield f"{section}.{name.replace('_', '-')}", field


def options_text(config: Config) -> str:
    """Every option with its type, its value in `config` and its documentation, for `codeit run --options`."""
    lines = []
    for name, field in fields():
        kind = getattr(field.annotation, "__name__", None) or str(field.annotation).removeprefix("typing.")
        value = attrgetter(name.replace("-", "_"))(config)
        default = f"default {value}" if value not in (None, [], ()) else ""
        lines.append(f"--{name} {kind}  {default}\n    {field.description or ''}\n")
    return "".join(lines)


def _config(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> Config:
    """The configuration of `values`, changed by command-line arguments."""
    try:
        return Config(_cli_settings_source=_command_line(overrides), **values)
    except SettingsError as error:
        raise UsageError(str(error).replace("error parsing CLI: ", "")) from None
    except ValidationError as error:
        raise UsageError(_message(error)) from None


def _read_toml(file: Path, base: Sequence[Traversable] = ()) -> dict[str, Any]:
    """The values of a user's TOML file; those it lacks are of `base`, files of ours."""
    try:
        with file.open("rb"):  # because the source passes over a file that is missing
            return TomlConfigSettingsSource(Config, [*base, file], deep_merge=True)()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from None


def _command_line(arguments: Sequence[str]) -> CliSettingsSource[Config]:
    """The source of the values that arguments set. Option names may have `_` or `-`."""
    known = [name for name, _ in fields()]
    for name in given_options(arguments):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean --{close[0]}?)" if close else " (see codeit run --options)"
            raise UsageError(f"unknown option --{name}{hint}")
    kebab = [_kebab(argument) for argument in arguments]
    return CliSettingsSource(
        Config, cli_parse_args=kebab, cli_kebab_case=True, cli_exit_on_error=False, cli_avoid_json=True
    )


def _kebab(argument: str) -> str:
    """An argument with `-` for `_` in an option's name."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _message(error: ValidationError) -> str:
    """What is wrong with the first wrong value."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if not where:  # what several sections disagree in
        return first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = [name.replace("-", "_") for name, _ in fields()] + list(Config.model_fields)
        close = difflib.get_close_matches(where, known, n=1)
        return f"unknown key {where}" + (f" (did you mean {close[0]}?)" if close else "")
    return f"{where}: {first['msg'].removeprefix('Value error, ').lower()}, not {first['input']!r}"
