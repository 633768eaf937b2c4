"""Reports of folders: what is read, what is written, and what is said of bad input."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_folders import PROGRAMS, TASKS, data_of, page_of, write_evaluation, write_run, write_search, write_tasks

from engine.cli import main
from engine.config import load_config
from engine.ranking import Method
from engine.run_folder import RunFolder
from replay.store import ReplayStore
from report.commands import end_in_report
from report.figures.curves import search_plots
from report.sources.reading import distinct_names, read_source

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture
def search(tmp_path, tasks):
    return write_search(tmp_path / "search", tasks)


@pytest.fixture
def run(tmp_path, tasks):
    return write_run(tmp_path / "run", tasks)


def test_a_search_is_read_with_its_history(search):
    source = read_source(search)
    assert source.points == [1000, 2000, 5000, 6000]
    assert source.results["mirror"].needed(Method.PAPER) == 1
    assert source.results["lost"].is_lost
    assert source.results["near"].best.performance == 0.5
    assert "empty" not in source.results


def test_a_run_is_read_with_its_meta_iterations(run):
    source = read_source(run)
    assert source.points == [1, 2]
    assert source.results["mirror"].solved == (True, True)
    assert source.results["near"].history[0].when == 2
    assert source.notes == ("This run has finished 2 of 3 meta-iterations.",)


def test_a_run_is_read_with_the_checkpoint_that_it_began_with(run):
    assert read_source(run).facts["policy"] == load_config("smoke").trainer.policy
    file = run / "config.toml"
    file.write_text(file.read_text().replace("[trainer]\n", '[trainer]\ncheckpoint = "someone/policy"\n'))
    assert read_source(run).facts["policy"] == "someone/policy"


def test_what_the_policy_forgets_is_read_where_the_run_has_noted_it(tmp_path, tasks):
    source = read_source(write_run(tmp_path / "run", tasks, solved={1: ["mirror"], 2: []}))
    assert source.results["mirror"].by_policy == (True, False)
    assert source.results["mirror"].is_forgotten
    assert not source.results["mirror"].is_lost
    assert not source.results["near"].is_forgotten


def test_a_run_that_goes_on_can_be_read_while_it_writes(run):
    folder = RunFolder.open(run)
    with ReplayStore(folder.replay):
        command = [sys.executable, "-m", "engine.cli", "report", str(run)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    folder.close()
    assert data_of(page_of(run))["sources"][0]["points"] == [1, 2]


def test_an_evaluation_is_read_as_it_is_documented(tmp_path):
    source = read_source(write_evaluation(tmp_path / "eval", ["a", "b"], concept="Mirrors"))
    assert [puzzle.concept for puzzle in source.puzzles] == ["Mirrors", "Mirrors"]
    assert source.results["a"].needed(Method.DISTINCT) == 1


def test_a_run_is_shown_within_its_limits(tmp_path, run):
    file = run / "config.toml"
    file.write_text(re.sub(r"arena_words = \d+", "arena_words = 65536", file.read_text()))
    assert read_source(run).limits == (load_config("smoke").interpreter.fuel, 65_536)


def test_an_evaluation_counts_by_task_and_by_test_output(tmp_path):
    folder = write_evaluation(tmp_path / "eval")
    main(["report", str(folder)])
    text = re.sub(r"<[^>]+>", " ", page_of(folder))
    assert re.search(r"all found\s+paper\s+1\s+1 to 1", text)
    assert re.search(r"paper, test outputs of 7\s+1\s+0 to 1\s+1\s+0 to 1\s+2\s+0 to 2", text)


def test_the_intervals_of_an_evaluation_are_those_of_its_summary(tmp_path):
    folder = write_evaluation(tmp_path / "eval", ["a", "b"])
    summary = json.loads((folder / "summary.json").read_text())
    bounds = {"pass@1": [0.4, 1.6], "pass@2": [1.0, 2.0], "pass@3": [1.0, 2.0]}
    summary["solved_interval"] = {"cumulative": {"paper": bounds}}  # and none of the other ranking
    (folder / "summary.json").write_text(json.dumps(summary))
    main(["report", str(folder)])
    text = re.sub(r"<[^>]+>", " ", page_of(folder))
    assert re.search(r"all found\s+paper\s+2\s+0 to 2\s+2\s+1 to 2\s+2\s+1 to 2", text)
    assert re.search(r"all found\s+distinct\s+2\s+2 to 2", text)
    assert re.search(r"50.0% to 100.0%\s+paper ranking, pass@3", text)


@pytest.mark.parametrize("found", [{}, None])
def test_the_report_of_a_run_is_one_file_that_asks_the_network_for_nothing(tmp_path, tasks, found, capsys):
    folder = write_run(tmp_path / "run", tasks, found)
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report' / 'index.html'}\n"
    page = page_of(folder)
    assert len(data_of(page)["tasks"]) == len(TASKS)
    assert not re.search(r'<(?:img|script|iframe|link)\b[^>]*(?:src|href)="(?!data:)', page)
    assert "Content-Security-Policy" in page


def test_the_report_says_that_nothing_is_there_yet(tmp_path, tasks):
    folder = write_run(tmp_path / "run", tasks, {})
    main(["report", str(folder)])
    assert "has not finished a meta-iteration yet" in page_of(folder)


def test_a_search_ends_in_its_report(tmp_path, tasks, capfd):
    out = tmp_path / "found"
    arguments = ["--tasks", str(tasks), "--programs", "200", "--workers", "1", "--out", str(out)]
    assert main(["search", *arguments]) == 0
    assert capfd.readouterr().err.splitlines()[-1] == f"report: {out / 'report' / 'index.html'}"
    assert len(data_of(page_of(out))["tasks"]) == len(TASKS)


def test_work_stands_where_its_report_cannot_be_written(search, caplog):
    (search / "report").write_text("in the way")
    end_in_report(search)
    assert "no report was written" in caplog.text
    assert (search / "report").read_text() == "in the way"


def test_two_folders_stand_side_by_side(search, run):
    assert main(["report", str(search), str(run)]) == 0
    page = page_of(search)
    assert [source["kind"] for source in data_of(page)["sources"]] == ["search", "run"]
    assert "Side by side" in page


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path, tasks):
    searches = [write_search(tmp_path / parent / "eval" / "base", tasks) for parent in ("a", "b")]
    assert main(["report", *map(str, searches), str(write_run(tmp_path / "run", tasks))]) == 0
    page = page_of(searches[0])
    names = ["a/eval/base", "b/eval/base", "run"]
    assert [source["name"] for source in data_of(page)["sources"]] == names
    assert "<title>a/eval/base and b/eval/base and run " in page
    assert "a/eval/base and b/eval/base</th>" in page  # of what both solve
    assert re.findall(r"<h3>(.*?)</h3>", page) == names
    assert {f">{name}</text>" in page for name in names[:2]} == {True}  # of the curves


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a/s", "/x/b/t"], ["s", "t"]),
        (["/x/s", "/x/y/x/s"], ["/x/s", "y/x/s"]),
        (["/s", "/s"], ["s", "s"]),
        (["/a/s", "/b/s", "/c"], ["a/s", "b/s", "c"]),
    ],
)
def test_names_are_the_shortest_that_are_distinct(paths, names):
    assert distinct_names([Path(path) for path in paths]) == names


@pytest.mark.parametrize(("number", "is_drawn"), [(400, True), (20, False)])
def test_the_papers_baseline_stands_beside_all_tasks_of_the_paper_alone(search, number, is_drawn):
    source = read_source(search)
    puzzles = [replace(source.puzzles[0], id=str(k)) for k in range(number)]
    (plot,) = search_plots([replace(source, task_set="arc1-eval", puzzles=puzzles)])
    assert ("mutation baseline" in plot.svg) == is_drawn


def test_a_detail_has_outputs_predictions_and_values(search):
    main(["report", str(search)])
    page = page_of(search)
    number = [task["id"] for task in data_of(page)["tasks"]].index("mirror")
    result = data_of(page, f"task-{number}")["results"][0]
    programs = {program["code"]: program for program in result["programs"]}
    assert programs[PROGRAMS["mirror"][0]]["predictions"] == ["007/908"]
    values = programs[PROGRAMS["mirror"][1]]["traces"]["0"]
    assert values[0]["n"] == 3
    assert values[1] == {"t": "3"}
    assert values[2]["g"] == "201/030"


def test_tasks_of_one_id_with_other_grids_are_two(tmp_path, search):
    other = write_tasks(tmp_path / "other", {"mirror": TASKS["near"]})
    second = write_search(tmp_path / "second", other, {"mirror": ["O = hmirror(I)"]})
    main(["report", str(search), str(second)])
    ids = [task["id"] for task in data_of(page_of(search))["tasks"]]
    assert ids.count("mirror") == 1
    assert f"mirror ({other})" in ids


def test_tasks_without_test_outputs_are_told_apart(tmp_path):
    folder = write_evaluation(tmp_path / "eval", test_output=False)
    main(["report", str(folder)])
    page = page_of(folder)
    assert "test outputs that are not known" in page
    assert data_of(page)["tasks"][0]["results"][0]["status"] == "unscored"


def test_shares_are_of_the_tasks_that_are_scored(tmp_path):
    """`mirror` is solved, and of `near` nobody has the test output."""
    for name in ("mirror", "near"):
        write_tasks(tmp_path / "tasks" / "Mirrors", {name: TASKS[name]})
        write_tasks(tmp_path / "tasks" / "Others", {f"other-{name}": TASKS[name]})
    file = tmp_path / "tasks" / "Mirrors" / "near.json"
    content = json.loads(file.read_text())
    del content["test"][0]["output"]
    file.write_text(json.dumps(content))
    programs = {name: PROGRAMS[name] for name in ("mirror", "near")} | {"other-mirror": PROGRAMS["mirror"]}
    folder = write_search(tmp_path / "search", tmp_path / "tasks", programs)
    main(["report", str(folder)])
    text = re.sub(r"\s*<[^>]+>\s*", " ", page_of(folder))
    assert re.search(r"search +6,000 +66.7%", text)
    assert re.search(r"concept +tasks +scored +solved .* Mirrors +2 +1 +1 +1 of 1 .* Others +2 +2 +1 +1 of 2", text)


ANALYSES = {
    "forgetting": {
        "unit": "meta-iteration", "steps": [1, 2], "gained": [2, 0], "regained": [0, 0], "lost": [0, 1],
        "solved": [2, 1], "cumulative": [2, 2], "ever": 2, "lost_at_end": ["near"],
    },
    "refinement": {
        "unit": "program",
        "shortest": [{"step": 1, "tasks": 1, "characters": 30.0, "lines": 3.0, "share_of_first": 1.0}],
        "origins": {"policy": {"programs": 2, "characters": 30.0, "lines": 3.0, "primitives": {"fill": 0.5}}},
    },
    "length": {
        "programs": 3, "right": 2, "tasks": 2,
        "by_lines": [{"from": 1, "to": 1, "programs": 3, "right": 2, "share": 0.6667, "tasks": 2}],
        "by_cells": [{"from": 577, "to": None, "programs": 3, "right": 2, "share": 0.6667, "tasks": 2}],
    },
    "relabelling": {
        "steps": [1, 2], "samples": {"with": [0.5, 0.6], "without": [None, 0.1]},
        "distinct": {"with": [5, 6], "partly": [2, 3], "without": [0, 1]},
    },
    "abstractions": {
        "solutions": 4, "found": 1,
        "subprograms": [{"expression": "fill(<I>, ZERO)", "calls": 2, "programs": 2, "tasks": ["mirror", "near"]}],
    },
    "failures": {
        "tasks": 4, "solved": 1, "by_lines": [{"from": 2, "to": 5, "tasks": 3, "solved": 1}],
        "by_kind": {"objects": {"tasks": 2, "solved": 0}}, "unsolved": {"no program": ["empty"]},
    },
}  # fmt: skip
TITLES = {
    "forgetting": "Forgetting by the policy", "refinement": "Primitives used", "length": "Grid size and generalisation",
    "relabelling": "What relabelling adds", "abstractions": "Novel abstractions", "failures": "Failures by kind",
}  # fmt: skip


@pytest.mark.parametrize("name", ANALYSES)
def test_analyses_of_a_folder_are_drawn_and_their_numbers_told(search, name):
    (search / "analysis").mkdir()
    (search / "analysis" / f"{name}.json").write_text(json.dumps({"analysis": name, **ANALYSES[name]}))
    assert main(["report", str(search)]) == 0
    page = page_of(search)
    assert f"<b>{TITLES[name]}</b>" in page
    assert "<I>" not in page  # names are text in plots and tables


@pytest.mark.parametrize("content", ["[]", "{}", '{"by_lines": 3, "by_cells": []}'])
def test_an_analysis_of_another_form_is_named(search, content, capsys):
    (search / "analysis").mkdir()
    (search / "analysis" / "length.json").write_text(content)
    assert main(["report", str(search)]) == 2
    assert "length.json" in capsys.readouterr().err


def test_a_report_without_analyses_has_plots_of_its_own_history(search):
    main(["report", str(search)])
    page = page_of(search)
    for title in ("Solved against programs", "Gained and lost", "Refinement", "Length and generalisation"):
        assert f"<b>{title}</b>" in page


# ------------------------------------------------------------------------------------------------ profiles

FLIP, BOTH = "O = vmirror(I)", "x1 = vmirror(I)\nO = rot90(x1)"


def write_profile(folder, name, programs):
    """The folder of a profile of some programs."""
    rows = [{"program": program, "inputs": [[[1, 2], [3, 4]]]} for program in programs]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["profile", str(folder / f"{name}.jsonl"), "--out", str(folder / name), "--repeats", "1"]) == 0
    return folder / name


def test_a_profile_is_shown_by_primitive_and_by_program(tmp_path):
    folder = write_profile(tmp_path, "<b>", [FLIP, BOTH])
    assert main(["report", str(folder)]) == 0
    page = page_of(folder)
    text = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"Time by primitive .*vmirror .*rot90 .*Time by program", text, re.DOTALL)
    assert "x1 = vmirror(I); O = rot90(x1)" in text
    assert "2 programs, 2 runs" in text
    assert "<b>.jsonl" not in page


def test_two_profiles_stand_side_by_side_beside_what_they_are_of(tmp_path, search):
    profiles = [write_profile(tmp_path, "before", [FLIP, BOTH]), write_profile(tmp_path, "after", [FLIP])]
    assert main(["report", str(search), *map(str, profiles)]) == 0
    page = page_of(search)
    assert [source["kind"] for source in data_of(page)["sources"]] == ["search"]  # what the gallery knows
    text = re.sub(r"<[^>]+>", " ", page)
    assert "Profiles side by side" in text
    assert "A before, B after" in text
    assert "programs in both: 1 in A alone" in text


def test_more_than_two_profiles_are_refused(tmp_path, capsys):
    folder = write_profile(tmp_path, "one", [FLIP])
    assert main(["report", *[str(folder)] * 3]) == 2
    assert "two profiles stand side by side, not 3" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "{}", '{"primitives": [3], "programs": [], "runs": 1, "repeats": 1}'])
def test_a_damaged_profile_is_named(tmp_path, content, capsys):
    (tmp_path / "profile.json").write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    assert "profile.json" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ bad input


def test_what_cannot_be_reported_is_said_in_one_line(tmp_path, capsys):
    for folder, words in ((tmp_path, "nothing to report"), (tmp_path / "gone", "no such folder")):
        assert main(["report", str(folder)]) == 2
        assert words in capsys.readouterr().err
    assert main(["report"]) == 2
    assert "name a DIR" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["search.json", "progress.json", "search.jsonl"])
def test_truncated_files_are_named_and_nothing_is_lost(search, name, capsys):
    main(["report", str(search)])
    before = page_of(search)
    file = search / name
    text = file.read_text()
    file.write_text(text[: len(text) // 2] + ("\n" if name.endswith("l") else ""))
    assert main(["report", str(search)]) == 2
    assert name in capsys.readouterr().err
    assert page_of(search) == before


def test_a_page_of_somebody_else_is_not_replaced(search, tmp_path, capsys):
    (tmp_path / "web").mkdir()
    file = tmp_path / "web" / "index.html"
    file.write_text("<h1>my own page</h1>")
    assert main(["report", str(search), "--out", str(file.parent)]) == 2
    assert "index.html is there already, and codeit did not write it: choose another --out" in capsys.readouterr().err
    assert file.read_text() == "<h1>my own page</h1>"
    file.unlink()
    for _ in range(2):  # a report is replaced by a later one
        assert main(["report", str(search), "--out", str(file.parent)]) == 0


def test_rows_of_a_batch_that_is_not_done_are_left_out(search):
    assert main(["report", str(search)]) == 0
    before = data_of(page_of(search))["tasks"]
    with (search / "search.jsonl").open("r+") as rows:
        last = rows.readlines()[-1]
        rows.write(last.replace('"number": ', '"number": 9') + '{"number": 6000, "task": "mir')
    with (search / "curve.jsonl").open("a") as rows:
        rows.write('{"programs": 7000, "solved": 9}\n')
    assert main(["report", str(search)]) == 0
    assert data_of(page_of(search))["tasks"] == before


def without_an_output(record):
    record["cumulative"]["attempts"]["distinct"][0]["outputs"].pop()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda record: record.pop("train"), "train"),
        (without_an_output, "an attempt has 1 outputs for 2 inputs"),
        (lambda record: record["cumulative"]["attempts"].update(best=[]), "'best' is not a valid Method"),
        (lambda record: record["cumulative"].update(attempts=[]), "no attribute 'items'"),
    ],
)
def test_a_damaged_task_of_an_evaluation_is_named(tmp_path, capsys, damage, words):
    folder = write_evaluation(tmp_path / "eval")
    file = folder / "tasks" / "0.json"
    record = json.loads(file.read_text())
    damage(record)
    file.write_text(json.dumps(record))
    assert main(["report", str(folder)]) == 2
    message = capsys.readouterr().err
    assert f"{file}: no task of an evaluation" in message
    assert words in message


def test_a_damaged_summary_is_named(tmp_path, search, run, capsys):
    for folder in (search, run, write_evaluation(tmp_path / "eval")):
        (folder / "summary.json").write_text("[]")
        assert main(["report", str(folder)]) == 2
        assert f"{folder / 'summary.json'}: no JSON object; the file was damaged" in capsys.readouterr().err


def test_hostile_names_are_text_and_no_markup(tmp_path):
    ids = ["</script><script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "<!--", "a" * 200, "\u2028"]
    folder = write_evaluation(tmp_path / "<b>eval</b>", ids, concept="<i>concept</i>")
    assert main(["report", str(folder)]) == 0
    page = page_of(folder)
    assert "<b>eval" not in page
    assert "<i>concept" not in page
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == len(ids) + 2
    assert {task["id"] for task in data_of(page)["tasks"]} == set(ids)


# ------------------------------------------------------------------------------------------------ show


def test_show_draws_a_task_and_marks_wrong_cells(tasks, capsys):
    assert main(["show", "mirror", "--tasks", str(tasks), "--program", "x1 = hmirror(I); O = identity(x1)"]) == 0
    out = capsys.readouterr().out
    assert "1 0 2" in out
    assert "program gives: 6 wrong" in out
    assert "0x3x0x" in out
    assert "x1 = hmirror(I)" in out


def test_show_takes_attempts_of_a_folder(search, capsys):
    assert main(["show", "mirror", "--run", str(search), "--attempts", "2", "--input", "3"]) == 0
    out = capsys.readouterr().out
    assert "attempt 1 (paper): right, 100% of the demonstrations, mutation" in out
    assert "attempt 2" in out
    assert "values on test 1" in out


def test_show_does_not_let_a_name_steer_the_terminal(tmp_path, capsys):
    folder = write_evaluation(tmp_path / "eval", ["\x1b[2Jmirror"])
    assert main(["show", "\x1b[2Jmirror", "--run", str(folder)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_show_takes_a_task_file_and_a_program_file(tasks, tmp_path, capsys):
    (tmp_path / "program.txt").write_text("O = vmirror(I)\n")
    assert main(["show", str(tasks / "mirror.json"), "--program", str(tmp_path / "program.txt")]) == 0
    assert "program gives: right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "is in none of arc1-train"),
        (["mirror", "--program", "O = fil(I)"], "did you mean 'fill'"),
        (["mirror", "--program", "O = vmirror(I)", "--input", "9"], "has 3 inputs"),
        (["mirror", "--program", f"return {'flop(' * 60}I{')' * 60}"], "the program: "),
    ],
)
def test_show_says_what_is_wrong(tasks, arguments, words, capsys):
    where = [] if arguments[0] == "none" else ["--tasks", str(tasks)]
    assert main(["show", *arguments, *where]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "values on" not in said.out
