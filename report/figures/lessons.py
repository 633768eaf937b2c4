"""The paper's questions, as far as a source's own history answers them: forgetting, refinement, generalisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from report.figures.analyses import label_steps
from report.figures.drawing import SERIES, Plot, canvas
from report.model import Source


def lesson_plots(source: Source) -> Iterator[Plot]:
    """The plots of one source; none where it has no history, nor those that its analyses answer better."""
    if len(source.points) > 1 and any(any(result.solved) for result in source.results.values()):
        yield _changes(source)
        if "refinement" not in source.analyses:
            yield _refinement(source)
    if source.generalization and "length" not in source.analyses:
        yield _generalization(source)


def changes(solved: Sequence[bool]) -> list[str]:
    """What each point did to a task: "gained", "gained again", "lost" or "" where nothing changed."""
    found = []
    for k, (before, now) in enumerate(pairwise([False, *solved])):
        if now and not before:
            found.append("gained again" if any(solved[:k]) else "gained")
        else:
            found.append("lost" if before and not now else "")
    return found


def _changes(source: Source) -> Plot:
    names = ("gained", "gained again", "lost")
    by_task = [changes(result.solved) for result in source.results.values()]
    counts = [[sum(marks[k] == name for marks in by_task) for name in names] for k in range(len(source.points))]
    total = [sum(result.solved[k] for result in source.results.values()) for k in range(len(source.points))]
    with canvas("Tasks gained, gained again and lost, by " + source.clock) as drawn:
        axes, places = drawn.axes, range(len(source.points))
        gained, again, lost = ([row[k] for row in counts] for k in range(3))
        axes.bar(places, gained, color=SERIES[2], label="gained")
        axes.bar(places, again, bottom=gained, color=SERIES[0], label="gained again")
        axes.bar(places, [-n for n in lost], color=SERIES[1], label="lost")
        axes.plot(places, total, color=SERIES[5], label="solved")
        label_steps(axes, source.points, source.clock)
        axes.figure.legend(loc="outside upper left", ncols=4)
    rows = [[point, *row, n] for point, row, n in zip(source.points, counts, total, strict=True)]
    text = "what each point in time changed, of all that was found so far"
    return Plot("Gained and lost", text, drawn.svg, [source.clock, *names, "solved"], rows)


def _refinement(source: Source) -> Plot:
    """How long the best programs of the tasks that are solved are, as time goes on."""
    rows = []
    for k, point in enumerate(source.points):
        lengths = [
            step.program.count("\n") + 1
            for result in source.results.values()
            if result.solved[k]
            for step in [s for s in result.history if s.when <= point][-1:]
        ]
        rows.append([point, len(lengths), round(sum(lengths) / len(lengths), 2) if lengths else None])
    with canvas("Mean lines of the best programs of solved tasks, by " + source.clock) as drawn:
        points = [(k, row[2]) for k, row in enumerate(rows) if row[2] is not None]
        drawn.axes.plot([k for k, _ in points], [y for _, y in points], color=SERIES[0], marker="o")
        label_steps(drawn.axes, source.points, source.clock)
        drawn.axes.set_ylabel("lines")
        drawn.axes.set_ylim(bottom=0)
    text = "mean lines of the best programs of the tasks that are solved"
    return Plot("Refinement", text, drawn.svg, [source.clock, "solved tasks", "mean lines"], rows)


def _generalization(source: Source) -> Plot:
    """Of programs that are right on all demonstrations, the share that is right on the tests, by length."""
    rows = [[lines, *source.generalization[lines]] for lines in sorted(source.generalization)]
    with canvas("Share of the programs right on all demonstrations that are right on the tests, by lines") as drawn:
        shares = [right / programs for _, programs, right in rows]
        drawn.axes.bar([row[0] for row in rows], shares, color=SERIES[0])
        drawn.axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        drawn.axes.set_ylim(0, 1)
        drawn.axes.set_xlabel("lines of the program")
    text = "programs right on all demonstrations: share right on the tests"
    return Plot("Length and generalisation", text, drawn.svg, ["lines", "programs", "right on the tests"], rows)
