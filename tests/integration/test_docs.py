"""Every command that the docs show works.

A page is a folder: what its shell blocks say is done in order, at a size that a test can afford. `SMALL` says how a
verb is made small, `PARSED` which commands are only read by the parser, and why. A command that neither covers fails.
"""

import ast
import hashlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import pytest

import report.watch
from engine.cli import DESCRIPTION, main
from engine.commands.options import VERBS
from engine.commands.options.declaration import Group
from engine.commands.options.parser import parse
from engine.config import fields, load_config
from engine.search import effort
from engine.search.effort import Growth
from trainer.checkpoint import MANIFEST

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What a page begins with, of what `Material` makes; everything else it makes itself.
BEGINS = {
    "README.md": (),
    "experiments.md": (),
    "cluster.md": (),
    "evaluating.md": ("runs/mine", "runs/base", "programs.jsonl", "solvers.jsonl"),
    "learning.md": ("solvers.jsonl",),
    "reference.md": ("solvers.jsonl",),
    "report.md": ("runs/mine", "runs/base"),
    "results.md": ("solvers.jsonl",),
    "running.md": (),
    "searching.md": ("CHECKOUT",),
    "tutorial.md": (),
}

# ------------------------------------------------------------------------------------------------- sizes

TASK_IDS = "68b67ca3,cd3c21df,90347967,60c09cac"  # of arc1-eval; for these a small search finds something
# A run whose small form has the configuration of another is that run, whatever its preset was.
RUN = {
    "--trainer.policy": "compact-tiny", "--trainer.learning-rate": "1e-3", "--trainer.max-prompt-tokens": "320",
    "--sampler.backend": "transformers", "--sampler.processes": "1", "--sampler.n-samples": "8",
    "--sampler.max-tokens": "32",
    "--fill.mutants": "200", "--seeds.limit": "20", "--replay.draw-mutated": "20", "--replay.draw-policy": "10",
    "--loop.meta-iterations": "1", "--loop.threads": "1", "--interpreter.workers": "1", "--tasks.limit": "3",
    **{f"--{name}": "0" for name, _ in fields() if name in ("search.minutes", "search.runs")},
}  # fmt: skip
SMALL = {
    "run": lambda words: resized(words, {"--loop.meta-iterations": one_more(words)} if "--resume" in words else RUN),
    "search": lambda words: resized(words, {
        "--programs": fewer if "--budget" in words or "--programs" in words else "500",
        "--budget": thousandth, "--workers": "1", "--runs": "1000" if "--runs" in words else None,
        "--task-ids": None if "--resume" in words or "--tasks" in words else TASK_IDS,
    }),
    "eval": lambda words: resized(words, {
        "--samples": "2" if "--samples" in words else None,
        "--sampler.backend": "transformers" if is_sampled(words) else None,
        "--interpreter.workers": "1",
        "--limit": "5" if ("--tasks" in words and "mine" not in words) or "checkpoints" in str(words) else None,
    }),
    "seeds discover": lambda words: resized(words, {"--budget": thousandth, "--limit": "4", "--workers": "1"}),
    "profile": lambda words: words if "--compare" in words else resized(words, {
        "--programs": "3" if "runs/mine" in words else None, "--repeats": "1",
    }),
    "bench eval": lambda words: resized(words, {
        "--programs": "20", "--tasks": "2", "--repeats": "1", "--workers": "1",
    }),
    **dict.fromkeys((
        "report", "show", "exec", "analyse", "macros", "seeds import", "seeds check",
        "replay stats", "replay top", "replay verify", "replay export",
    ), list),
}  # fmt: skip
A_CLUSTER = "a cluster; tests/integration/test_cluster.py and test_cluster_sampler.py"
PARSED = {
    "search --cluster": A_CLUSTER,
    "eval runs/mine --stored --cluster": A_CLUSTER,
    "run --preset cpu --cluster": A_CLUSTER,
    "eval discovered.jsonl --tasks re_arc": "examples that re-arc makes; tests/unit/test_tasks.py has its form",
    "bench cluster": "minutes of vLLM; tests/integration/test_cluster.py",
    "show framed --tasks mine --program O = frame": "the primitive is not there; see the last test of this file",
    "run --preset paper": "a GPU",
    "run --preset sizes": "a GPU, and a download",
    "run --preset cpu --trainer.checkpoint": "tests/integration/test_begun_from_a_checkpoint.py",
    "run --preset cpu --preset": "tests/integration/test_presets.py runs each on top of cpu",
    "sweep": "hours; tests/integration/test_sweep.py",
    "bench samples": "minutes of vLLM; tests/integration/test_sampler.py samples",
    "bench swap": "minutes of vLLM; tests/integration/test_sampler.py swaps",
    "bench learning": "minutes; tests/integration/test_bench_learning.py",
    "bench interpreter": "a minute; with other people's checkouts, more",
    "bench search": "seconds; tests/integration/test_bench_search.py",
    "bench differential": "other people's checkouts; tests/integration/test_reference.py",
    "bench fuzz": "the checked build compiles for minutes; tests/integration/test_fuzzers.py",
}
FOLDERS = {"run": "--run-dir", "search": "--out"}
SHELL = ("mkdir", "cat", "cp")  # which are run as they are
NOT_RUN = {
    "make": "the set-up is older than this test, which is a part of `make test`",
    "source": "is what brings `codeit`",
    "python": "regenerates a page: tests/unit/test_document.py compares it",
}


def resized(words, values):
    """A command with other values of options; a function makes one of the old, None leaves the option alone."""
    words = list(words)
    for option, value in values.items():
        if option in words:
            at = words.index(option) + 1
            words[at] = value(words[at]) if callable(value) else value or words[at]
        elif isinstance(value, str):
            words += [option, value]
    return words


def is_sampled(words):
    """Whether an evaluation has a policy that it samples: of a run, or a checkpoint."""
    kept = [Path(word, name) for word in words for name in ("config.toml", MANIFEST)]
    return "--stored" not in words and any(file.is_file() for file in kept)


def thousandth(minutes):
    return str(float(minutes) / 1000)


def fewer(programs):
    return str(min(max(int(programs) // 300, 100), 700))


def one_more(words):
    """A meta-iteration more than a finished run has, so that there is something to resume."""
    return str(len(Path(words[words.index("--run-dir") + 1], "metrics.jsonl").read_text().splitlines()) + 1)


# ------------------------------------------------------------------------------------------------- pages


@dataclass(frozen=True)
class Statement:
    """One command of a shell block, with the line that it is in."""

    line: int
    text: str

    @property
    def words(self):
        """The command without comment and without what it sets in the environment."""
        words = shlex.split(self.text.splitlines()[0], comments=True)
        while re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        return words


def blocks(page):
    """(language, number of the first line, text) of the fenced blocks of a page."""
    found, start, language = [], None, ""
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            if start is None:
                start, language = number, line[3:].strip()
            else:
                found.append((language, start + 1, "\n".join(lines[start : number - 1]) + "\n"))
                start = None
    assert start is None, f"{page.name}: the block of line {start} does not end"
    return found


def statements(page):
    """The commands of the shell blocks of a page, here-documents included."""
    for language, first, text in blocks(page):
        if language != "sh":
            continue
        lines = iter(enumerate(text.splitlines(), first))
        for number, line in lines:
            while line.endswith("\\"):
                line = line[:-1] + next(lines)[1]
            if mark := re.search(r"<<'(\w+)'$", line):
                body = takewhile(lambda row, end=mark[1]: row[1] != end, lines)
                line = "\n".join([line, *(row[1] for row in body), mark[1], ""])
            if line.strip() and not line.startswith("#"):
                yield Statement(number, line)


def verb_of(words):
    """The verb with the one below it: "search", "seeds import"."""
    groups = [verb.verb for verb in VERBS if isinstance(verb, Group)]
    return " ".join(words[: 2 if words[0] in groups else 1])


def reason_of(words):
    """Why a command of codeit is only parsed; None where it runs."""
    text = " ".join(words)
    return next((reason for begin, reason in PARSED.items() if text.startswith(begin)), None)


ALL = [(page, statement) for page in PAGES for statement in statements(page)]


def test_every_command_is_covered():
    """What is new in the docs is run, or named with the reason why it is not."""
    for page, statement in ALL:
        words, where = statement.words, f"{page.name}:{statement.line}: {statement.text.splitlines()[0]}"
        if words[0] == "codeit":
            assert reason_of(words[1:]) or verb_of(words[1:]) in SMALL, f"{where}: add it to SMALL or PARSED"
        else:
            assert words[0] in SHELL or words[0] in NOT_RUN, f"{where}: add it to SHELL or NOT_RUN"
    for page in PAGES:
        for language, line, text in blocks(page):
            stray = language != "sh" and re.search(r"^(?:\w+=\S+ )*codeit ", text, re.MULTILINE)
            assert not stray, f"{page.name}:{line}: a block with a command begins with ```sh"


def test_nothing_is_excused_that_the_docs_do_not_show():
    shown = [statement.words for _, statement in ALL]
    for begin in PARSED:
        assert any(" ".join(words[1:]).startswith(begin) for words in shown if words[0] == "codeit"), begin
    assert {words[0] for words in shown} == {"codeit", *SHELL, *NOT_RUN}
    assert BEGINS.keys() == {page.name for page, _ in ALL}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page, capsys):
    """`codeit VERB --option` inside a sentence or a table: verb and options are those of its help."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for command in re.findall(r"`(?:[A-Z_]+=\S+ )?codeit ([^`]+)`", text):
        words = command.split()
        if words[0].startswith("-") or words[0] == "VERB":
            continue
        verb = verb_of([word for word in words if not word.startswith("-")])
        assert main_help(verb.split()) == 0, f"{page.name}: codeit {command}"
        options = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
        asked = {word.split("=")[0] for word in words if word.startswith("--") and "." not in word}
        assert asked <= options, f"{page.name}: codeit {command}"


def main_help(verb):
    try:
        return main([*verb, "--help"])
    except SystemExit as done:
        return done.code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([\w-]+))?\)", text):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{page.name}: {target}#{anchor}"


# --------------------------------------------------------------------------------------------- what is there


class Material:
    """What pages begin with, and what commands made: the same work is done once, for all pages."""

    def __init__(self, folder):
        self.folder = folder
        self.made = {}  # what was done -> a copy of the folder
        self.states = {}  # a folder of a page -> what was done in it
        solvers = files("engine").joinpath("data/seeds.jsonl").read_text().splitlines()[:20]
        (folder / "solvers.jsonl").write_text("\n".join(solvers) + "\n")
        (folder / "CHECKOUT").mkdir()
        functions = [function_of(json.loads(line)) for line in solvers]
        (folder / "CHECKOUT" / "solvers.py").write_text("\n\n".join(functions) + "\n")
        (folder / "programs.jsonl").write_text(json.dumps({"program": "O = vmirror(I)"}) + "\n")

    def lay_out(self, page):
        """Put into the current folder what a page begins with."""
        makes = {
            "runs/mine": "run --preset cpu --run-dir runs/mine",
            "runs/base": "search --programs 150000 --out runs/base",
        }
        for name in BEGINS[page.name]:
            if name in makes:
                self.run(makes[name].split())
            elif (self.folder / name).is_dir():
                shutil.copytree(self.folder / name, name)
            else:
                shutil.copy(self.folder / name, name)

    def run(self, words):
        """Run a command of codeit in its small form, in the current folder."""
        words = SMALL[verb_of(words)]([existing(word) for word in words])
        option = FOLDERS.get(words[0])
        if option is None:
            assert main(words) == 0
            return
        if option not in words:
            words += [option, f"runs/unnamed-{len(self.states)}"]
        out = Path(words[words.index(option) + 1])
        state = self.states.get(out.resolve())
        key = (state, *self.work(words))
        if "--resume" in words and state is None:  # a copy that the page made
            assert main(words) == 0
            return
        if key in self.made:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(self.made[key], out)
        else:
            assert main(words) == 0
            self.made[key] = self.folder / hashlib.sha256(repr(key).encode()).hexdigest()
            shutil.copytree(out, self.made[key])
        self.states[out.resolve()] = key

    def work(self, words):
        """What decides what a run or a search does, apart from what its folder holds."""
        options = parse(VERBS, DESCRIPTION, words)
        read = [content(words[k + 1]) for k, w in enumerate(words) if w in ("--seeds", "--tasks", "--tasks.search")]
        if options.verb == "search":
            asked = options.model_dump(exclude={"out", "seeds"})
        elif options.resume:
            asked = options.overrides
        else:
            asked = load_config(options.preset, options.config, options.overrides).model_dump_json()
        return options.verb, options.resume, repr(asked), *read


def function_of(seed):
    """A seed as arc-dsl writes a solver."""
    lines = "\n".join(f"    {line}" for line in seed["program"].splitlines())
    return f"def solve_{seed['task']}(I):\n{lines}\n    return O"


def content(name):
    """What is in a file of seeds or a folder of tasks; of a named task set, its name."""
    path = Path(name)
    if path.suffix == ".jsonl":
        return tuple((row["task"], row["program"]) for row in map(json.loads, path.read_text().splitlines()))
    found = path.rglob("*.json") if path.is_dir() else []
    return tuple(sorted(file.read_text() for file in found)) or name


def existing(word):
    """A checkpoint that the small form of a run has, for one that only the large form has."""
    return str(max(Path(word).parent.glob("v*"))) if re.search(r"checkpoints/v\d+$", word) else word


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """A folder of its own, one thread, small batches, no report that was not asked for, Ctrl-C where one would wait."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("report.commands.end_in_report", lambda _folder: None)
    batches = Growth(150, 600)
    monkeypatch.setattr(effort, "RANKED", replace(effort.RANKED, mutants=batches, crossings=batches))

    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(report.watch, "time", SimpleNamespace(sleep=interrupt))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if any(statements(page))], ids=lambda page: page.name)
def test_the_commands_of_a_page_work_in_order(page, material, in_folder, capsys):
    material.lay_out(page)
    for statement in statements(page):
        words = statement.words
        try:
            if words[0] in SHELL:
                subprocess.run(["bash", "-ec", statement.text], check=True)
            elif words[0] == "codeit" and reason_of(words[1:]):
                options = parse(VERBS, DESCRIPTION, words[1:])
                if options.verb == "run":
                    load_config(options.preset, options.config, options.overrides)
            elif words[0] == "codeit":
                material.run(words[1:])
        except (Exception, SystemExit) as error:
            said = capsys.readouterr()
            raise AssertionError(f"{page.name}:{statement.line}: {statement.text}\n{said.err}") from error


# ------------------------------------------------------------------------------------------------- Python

EXAMPLES = [(line, text) for language, line, text in blocks(ROOT / "docs" / "reference.md") if language == "python"]


@pytest.mark.parametrize(("line", "text"), EXAMPLES, ids=[f"line {line}" for line, _ in EXAMPLES])
def test_python_examples_give_what_they_say(line, text, tmp_path):
    """A line `EXPRESSION  # VALUE` gives that value."""
    said = re.findall(r"^(\S.*?)  # ([\[(].*[\])])$", text, re.MULTILINE)
    said = [(expression, value) for expression, value in said if "=" not in expression]
    assert said
    checks = "".join(f"found.append(({expression}, {value}))\n" for expression, value in said)
    (tmp_path / "example.py").write_text(f"found = []\n{text}{checks}")
    for given, value in runpy.run_path(str(tmp_path / "example.py"))["found"]:
        assert (given.tolist() if hasattr(given, "tolist") else given) == value


def tutorial_block(mark):
    return next(text for _, _, text in blocks(ROOT / "docs" / "tutorial.md") if mark in text)


def with_the_primitive(folder, *parts):
    """A copy of parts of the sources, with the primitive of the tutorial."""
    for part in parts:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "interpreter" / "primitives" / "frames.py").write_text(tutorial_block("@prim"))
    imports = folder / "interpreter" / "primitives" / "__init__.py"
    imports.write_text(imports.read_text().replace("    containers,\n", "    containers,\n    frames,\n"))
    return folder


def in_copy(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_tutorial_adds_a_primitive(tmp_path):
    """The table takes it, and the reference has it; compiling takes minutes, see the next test."""
    page = in_copy(with_the_primitive(tmp_path, "interpreter"), "-m", "interpreter.document")
    assert "| `frame(grid: Grid, color: Integer)` | Grid | `grid` with `color` in its outermost rows" in page
    assert "161 in all." in page


@pytest.mark.slow
def test_the_primitive_of_the_tutorial_does_what_it_says(tmp_path):
    """Its other way to the same grid gives the same grid."""
    folder = with_the_primitive(tmp_path, "interpreter", "replay", "trainer", "engine", "report")
    ((name, programs),) = ast.literal_eval("{" + tutorial_block("is the box around") + "}").items()
    grid = [[0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]]
    rows = [json.dumps({"program": program, "inputs": [grid]}) for program in programs]
    (folder / "programs.jsonl").write_text("\n".join(rows) + "\n")
    one, other = map(json.loads, in_copy(folder, "-m", "engine.cli", "exec", "programs.jsonl").splitlines())
    assert one["outputs"] == other["outputs"] == [[[2, 2, 2, 2], [2, 4, 0, 2], [2, 2, 2, 2]]], name
