"""`codeit analyse`: the data of a question, for each folder that is named."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from engine.analysis.analyses import Solvers
from engine.analysis.analyses import analyse as analysed
from engine.analysis.subject import Subject
from engine.commands.launch import mistakes
from engine.commands.options.analyse import AnalyseOptions
from engine.errors import UsageError
from engine.files import check_ours, make_folder, write_text
from engine.progress import compile_interpreter
from engine.seeds.seed import load_seeds
from engine.tasks import training_tasks

SHOWN = 60  # characters of a list that is shown


@mistakes()
def analyse(options: AnalyseOptions) -> None:
    """Write the data of an analysis."""
    subjects = [Subject(path) for path in options.paths]
    if options.solvers is not None and not any(_takes_solvers(options.name, subject) for subject in subjects):
        raise UsageError("--solvers is of failures, and of abstractions of an evaluation: leave it out")
    compile_interpreter()
    results = []
    for subject in subjects:
        solvers = _solvers(options.solvers, subject) if _takes_solvers(options.name, subject) else {}
        results.append(analysed(options.name, subject, solvers))
    if options.as_json:
        sys.stdout.writelines(json.dumps(result) + "\n" for result in results)
        return
    for subject, result in zip(subjects, results, strict=True):
        sys.stdout.write(_in_words(result))
        if options.out is None:
            _write(subject.path / "analysis", options.name, result)
    if options.out is not None:
        _write(options.out, options.name, {"analysis": options.name, "folders": results})


def _takes_solvers(name: str, subject: Subject) -> bool:
    """Whether known programs matter: to abstractions what is known are the seeds of a run or a search."""
    return name == "failures" or (name == "abstractions" and not subject.seeds)


def _write(folder: Path, name: str, result: dict[str, Any]) -> None:
    make_folder(folder)
    check_ours(folder / f"{name}.json", '"analysis":')
    write_text(folder / f"{name}.json", json.dumps(result) + "\n")
    sys.stdout.write(f"written: {folder / f'{name}.json'}\n")


def _solvers(source: str | None, subject: Subject) -> Solvers:
    """Known programs for the tasks of a subject, and of others; none where they are for unknown tasks, if none were
    asked for."""
    found = defaultdict(list)
    known = training_tasks() | subject.tasks
    try:
        for seed in load_seeds(source, known):
            found[seed.task].append(seed.program)
    except UsageError:
        if source is not None:
            raise
    if source is not None and not found.keys() & subject.tasks.keys():
        raise UsageError(f"--solvers {source}: these programs are for other tasks than those of {subject.path}")
    return found


def _in_words(result: dict[str, Any]) -> str:
    """The figures of a result, what is long cut or counted."""
    lines = [f"{result['analysis']}: {result['path']}"]
    for key, value in result.items():
        if key not in ("analysis", "path", "kind"):
            text = json.dumps(value)
            if len(text) > SHOWN and isinstance(value, (list, dict)):
                text = f"{text[:SHOWN]}... ({len(value)})"
            lines.append(f"  {key.replace('_', ' '):<14} {text}")
    return "\n".join(lines) + "\n"
