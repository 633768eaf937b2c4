"""How much of everything a search does: two values of one class, for the two kinds of search."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from engine.search.composition.composer import Budget
from engine.search.composition.ingredients import Ingredient
from interpreter.mutation.edits import MAX_LINES
from interpreter.mutation.mutator import Rates

# How parents of one task are recombined: fragments of one in another, several changes.
CROSSING = Rates(argument=0.25, function=0.2, definition=0.25, cut=0.05, splice=0.2, constant=0.05, again=0.35)


@dataclass(frozen=True)
class Growth:
    """Mutants of a batch: `first`, then each time twice as many, up to `largest`."""

    first: int
    largest: int

    def at(self, batch: int) -> int:
        return min(self.first << min(batch, 10), self.largest)


@dataclass(frozen=True)
class Effort:
    """The numbers that sources go by."""

    rates: Rates
    """of mutants that are tried on all tasks"""
    mutants: Growth
    """that are tried on all tasks"""
    crossings: Growth
    """mutants that recombination makes for one task"""
    crossed_at_once: int | None
    """tasks of a batch of recombination, by turns; None: all that are open"""
    calls: tuple[int, ...]
    """of primitives that the enumeration of a task may try, each time that it has its turn"""
    enumerated_at_once: int | None
    """tasks of a batch of enumeration; None: all that are open, the promising ones first"""
    near: int
    """near misses that are taken of an enumeration"""
    kept: int
    """programs of a task that are remembered, as parents: the best"""
    donors: int
    """programs of other tasks that recombination of a task may borrow from"""
    latest: int
    """programs found that are mutated again: the latest"""
    max_lines: int
    """of a mutant"""
    on_own_task: bool
    """whether a mutant must first do something new on the task of its parent; then none is made twice in a search"""
    screen_hardest: bool
    """whether mutants for one task are first tried where most of their parents are wrong, not where acceptance says"""
    compositions: tuple[Budget, ...] = ()
    """what the composition of a task may do, each time that it has its turn"""
    composed_at_once: int = 20
    """tasks of a batch of composition"""
    without: frozenset[Ingredient] = frozenset()
    """what composition does without"""
    keep_repeats: bool = False
    """where it must: whether doing again what another did, or nothing, is enough"""

    def sparing(self, ingredients: Collection[Ingredient]) -> Effort:
        """The same, where composition does without these."""
        budgets = tuple(budget.without(ingredients) for budget in self.compositions)
        return replace(self, compositions=budgets, without=frozenset(ingredients))


# What matches is ranked, and a program that is right on its own task is worth a run on hundreds of others: few of very
# many mutants run. Large batches share more work, small searches need none, and one that is stopped loses at most one.
# Near misses of an enumeration are run on all tasks and compete for attempts, so that few are taken.
RANKED = Effort(
    rates=Rates(), mutants=Growth(25_000, 200_000), crossings=Growth(25_000, 200_000), crossed_at_once=1,
    calls=(300_000, 3_000_000, 30_000_000), enumerated_at_once=10, near=8, kept=200, donors=0, latest=20_000,
    max_lines=MAX_LINES, on_own_task=True, screen_hardest=False,
    compositions=(
        Budget(runs=(900_000,), pieces=4_000, hits=600, near=0, paired=1_200, stacks=100),
        Budget(runs=(1_500_000, 600_000), pieces=6_000, hits=600, near=60, paired=1_500, stacks=200),
        Budget(runs=(4_000_000, 2_000_000), pieces=12_000, hits=600, near=120, paired=2_000, stacks=400),
    ),
)  # fmt: skip
# Seeds start from nothing: a round gives every open task its share, so that what is found helps the others soon; rounds
# of mutants take seconds, composition has small batches. There are few parents, and all of them count; what is right on
# no other program's task is no loss, so that mutants run where they are wanted at once. Seeds are what a policy learns
# from: mutants are short, and where there are several the shortest counts.
SEEDS = Effort(
    rates=CROSSING, mutants=Growth(20_000, 20_000), crossings=Growth(4_000, 4_000), crossed_at_once=None,
    calls=(20_000, 200_000, 2_000_000, 20_000_000), enumerated_at_once=None, near=24, kept=24, donors=40,
    latest=20_000, max_lines=16, on_own_task=False, screen_hardest=True,
    compositions=RANKED.compositions, composed_at_once=8,
)  # fmt: skip
