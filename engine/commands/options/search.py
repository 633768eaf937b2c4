"""The verb `search`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from engine.commands.options.declaration import (
    Argument,
    Cluster,
    Folder,
    Limit,
    Minutes,
    Natural,
    Options,
    Positive,
    Seeds,
    TaskIds,
    TaskSet,
    Workers,
    split,
)

ALL_MINUTES = 15.0  # of a search by all methods, which would not end


class SearchOptions(Options):
    """Program search without a model.

    Mutate seed programs, run those that give a grid on their own task on every search task, and rank what matches.
    Writes search.jsonl as it goes; goes on where it stopped.
    """

    verb: ClassVar[str] = "search"
    does: ClassVar[str] = "engine.commands.search:search"
    # What decides the outcome is kept in the folder; a continued search cannot change it.
    fixed: ClassVar[tuple[str, ...]] = (
        "seeds", "tasks", "task_ids", "limit", "seed", "exhaustive", "fuel", "keep_repeats", "rates", "leave_own_out",
        "without",
    )  # fmt: skip

    seeds: Seeds = None
    tasks: TaskSet = "arc1-eval"
    task_ids: TaskIds = None
    limit: Limit = None
    programs: Positive = 150_000
    """distinct executed programs, in all; where --runs or --budget is given, or by compose and all, without limit"""
    runs: Positive | None = None
    """runs of a program on a grid, in all, after a whole batch: an end that does not depend on the machine (a mutant
    that is tried on its own task counts once there)"""
    budget: Minutes | None = None
    """minutes; it ends with whatever comes first (of --method all 15, where none is given)"""
    seed: Natural = 0
    """everything random follows from it"""
    method: Annotated[str, Argument("NAME")] = "mutate"
    """mutate, compose (macros mined from the seeds), all (these and recombine, remutate by turns); with --resume also
    remutate, recombine, enumerate"""
    exhaustive: bool = False
    """run all demonstrations of every task, not only those after a first one that matches"""
    keep_repeats: bool = False
    """run also programs that do nothing new on their own task, as the paper does"""
    leave_own_out: bool = False
    """where seeds belong to tasks of the search, keep what is made of a task's own seeds from it; what is found for a
    task then helps that task alone"""
    without: Annotated[tuple[str, ...], BeforeValidator(split), Argument("NAME,NAME")] = ()
    """what composition does without, to see what that is worth: mined, patterns, colors, depth, symmetries, color-maps,
    pair-tables, stacks"""
    rates: Annotated[str | None, Argument("R")] = None
    """how often to mutate what, e.g. argument=0.3,function=0.3,cut=0.1"""
    fuel: Annotated[Positive, Field(description="work a run may do")] = 200_000
    workers: Workers = None
    out: Folder | None = None
    """the search's folder (default: runs/search-<time>)"""
    resume: bool = False
    """continue the search in --out, by the method and to the end that it was asked for, unless others are given"""
    cluster: Cluster = None

    @property
    def minutes(self) -> float | None:
        """Minutes after which it ends; None where a number of programs alone says when, or nothing being left."""
        is_endless = self.method == "all" and self.budget is None and self.runs is None
        return ALL_MINUTES if is_endless and "programs" not in self.model_fields_set else self.budget

    @property
    def most_programs(self) -> int | None:
        """Programs at which it ends; None where a budget or runs alone say when, or nothing being left."""
        is_open = self.budget is not None or self.runs is not None or self.method in ("compose", "all")
        return None if is_open and "programs" not in self.model_fields_set else self.programs
