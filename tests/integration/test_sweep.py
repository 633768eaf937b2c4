"""`codeit sweep`: what runs, what is left alone, and what the comparison says."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli import main
from engine.config import load_config
from engine.errors import UsageError
from engine.sweep import running
from engine.sweep.estimate import estimate, seconds_of
from engine.sweep.plan import Sweep, read_sweep, shipped
from engine.sweep.results import MEASURES, difference, results
from engine.sweep.running import Place

SMALL = """
presets = ["cpu"]
seeds = [0, 1, 2]
[options.tasks]
limit = 4
[options.sampler]
n_samples = 2
[options.loop]
meta_iterations = 2
[[configurations]]
name = "full"
[[configurations]]
name = "no-priority"
presets = ["a3-no-priority"]
options.replay.draw_mutated = 7
"""
# What stands in for a run: a folder as a run leaves it, with figures that follow from its name. The prompt of one of
# its four tasks does not fit.
RUN = textwrap.dedent("""
    import json, sys
    from pathlib import Path
    folder = Path(sys.argv[1])
    name, seed = folder.name.rsplit("-", 1)
    if (folder.parent.parent / ("fail-" + folder.name)).exists():
        sys.exit("it broke")
    folder.mkdir(parents=True)
    better, seed = name == "no-priority", int(seed)
    (folder / "config.toml").write_text("")
    slow = (folder.parent.parent / ("slow-" + folder.name)).exists()
    rows = [{"meta_iteration": n, "seconds": 100.0 if slow else 10.0 * (1 + better), "samples": 6,
             "heldout_loss": 3.0 - 0.5 * better + seed, "heldout_tasks_loss": None, "valid_share": 0.5,
             "demonstration_performance": 0.25 + 0.125 * better * n, "solved_policy": 1,
             "solved_cumulative": 1 + better, "drawn_matching": 0.1, "drawn_distinct": 0.9}
            for n in (1, 2)]
    solved = [{"meta_iteration": n, "policy": {"paper": {"a": 1}},
               "cumulative": {"paper": {"a": 1, **({"b": 2} if better else {})}},
               "performance": {"a": 1.0, **({"b": 0.5 * n} if better else {})}} for n in (1, 2)]
    for file, some in (("metrics.jsonl", rows), ("solved.jsonl", solved)):
        (folder / file).write_text("".join(json.dumps(row) + "\\n" for row in some))
    (folder / "summary.json").write_text(json.dumps({"seconds": 20.0, "tasks": 4}))
""")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that take no time; the names of those that were started."""
    started: list[str] = []

    def command(place: Place, threads: int) -> list[str]:
        started.append(place.run.name)
        return [sys.executable, "-c", RUN, str(place.folder)]

    monkeypatch.setattr(Place, "command", command)
    monkeypatch.setattr(running, "POLL", 0.01)
    monkeypatch.setattr("engine.commands.sweep.compile_interpreter", lambda **_: None)
    return started


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def swept(file: Path, out: Path, *options: str) -> dict[str, Any]:
    assert main(["sweep", str(file), "--out", str(out), *options]) == 0
    return json.loads((out / "sweep.json").read_text())


def test_a_sweep_runs_everything_once_and_compares(
    file: Path, tmp_path: Path, stand_in: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = swept(file, out, "--parallel", "1")
    assert stand_in == [f"{name}-{seed}" for seed in range(3) for name in ("full", "no-priority")]
    full = found["configurations"]["full"]["heldout_loss"]
    assert full == {"mean": 4.0, "low": 3.0, "high": 5.0}
    one = found["differences"]["no-priority"]
    assert one["heldout_loss"] == {"mean": -0.5, "interval": [-0.5, -0.5], "over": "seeds", "pairs": 3}
    assert one["heldout_tasks_loss"] is None
    assert (one["solved_cumulative"]["mean"], one["solved_cumulative"]["over"]) == (1.0, "tasks")
    low, high = one["solved_cumulative"]["interval"]  # of four tasks one is solved by the one and not by the other
    assert (low, high) == (0.0, 3.0)
    assert one["demonstration_performance"]["mean"] == 0.25
    assert one["demonstration_performance"]["interval"] == [0.0, 0.75]  # of four tasks one gained 1
    assert one["solved_policy"]["interval"] == [0.0, 0.0]
    printed = capsys.readouterr()
    assert printed.out == (out / "sweep.txt").read_text()
    assert all(
        part in printed.out for part in ("│ no-priority ", "-0.500 (-0.500 to", "difference to full, same seeds")
    )
    svg = (out / "sweep.svg").read_text()
    assert svg.startswith("<svg")
    assert "var(--" not in svg
    assert "no-priority" in svg
    assert "6 to go, about" in printed.err


def test_what_is_done_is_left_alone_and_what_failed_is_tried_again(
    file: Path, tmp_path: Path, stand_in: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "options").mkdir(parents=True)
    (out / "fail-full-1").touch()
    assert main(["sweep", str(file), "--out", str(out), "--resume"]) == 2
    errors = capsys.readouterr().err
    assert "1 of 6 runs failed, full-1 with status 1: it broke" in errors
    assert len(stand_in) == 6  # one that fails stops no other
    found = json.loads((out / "sweep.json").read_text())
    assert [run["seed"] for run in found["configurations"]["full"]["runs"]] == [0, 2]
    assert found["differences"]["no-priority"]["heldout_loss"]["pairs"] == 2
    (out / "fail-full-1").unlink()
    stand_in.clear()
    assert len(swept(file, out, "--resume")["configurations"]["full"]["runs"]) == 3
    assert stand_in == ["full-1"]
    stand_in.clear()
    swept(file, out, "--resume")
    assert stand_in == []
    assert main(["sweep", str(file), "--out", str(out)]) == 2
    assert "is already used" in capsys.readouterr().err


def test_what_is_no_sweep_does_not_go_on(
    file: Path, tmp_path: Path, stand_in: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    search = tmp_path / "search"
    search.mkdir()
    (search / "search.json").touch()
    for folder in (search, tmp_path / "none"):
        assert main(["sweep", str(file), "--out", str(folder), "--resume"]) == 2
        assert f"{folder} is no sweep's folder" in capsys.readouterr().err
    assert stand_in == []
    assert [entry.name for entry in search.iterdir()] == ["search.json"]
    assert not (tmp_path / "none").exists()


def test_a_sweep_says_where_it_is_and_how_it_goes_on(
    file: Path, tmp_path: Path, stand_in: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.commands.sweep.run_all", interrupt)
    assert main(["sweep", str(file)]) == 130
    (folder,) = Path("runs").iterdir()
    said = capsys.readouterr().err
    assert said.startswith(f"the sweep's folder: {folder}\n")
    assert f"the sweep goes on with --out {folder} --resume\n" in said


def test_more_can_be_added_but_what_has_run_cannot_change(
    file: Path, tmp_path: Path, stand_in: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    swept(file, out)
    stand_in.clear()
    file.write_text(SMALL.replace("[0, 1, 2]", "[0, 1, 2, 3]") + '[[configurations]]\nname = "third"\n')
    assert "third" in swept(file, out, "--resume")["configurations"]
    assert stand_in == ["third-0", "third-1", "third-2", "full-3", "no-priority-3", "third-3"]
    file.write_text(SMALL.replace("draw_mutated = 7", "draw_mutated = 8"))
    assert main(["sweep", str(file), "--out", str(out), "--resume"]) == 2
    assert "differs from what the sweep says of no-priority now" in capsys.readouterr().err
    file.write_text(SMALL)
    assert main(["sweep", str(file), "--out", str(out), "--resume", "--seeds", "others.jsonl"]) == 2
    assert "differs from what the sweep says of full now, --seeds included" in capsys.readouterr().err
    (out / "options" / "full.toml").write_bytes(b"\xff")
    assert main(["sweep", str(file), "--out", str(out), "--resume"]) == 2
    assert "full.toml differs from what the sweep says" in capsys.readouterr().err


def test_runs_can_be_compared_after_the_same_time(file: Path, tmp_path: Path, stand_in: list[str]) -> None:
    """The one takes 10 seconds a meta-iteration, the other 20: after 20 it has done one."""
    file.write_text('compare = "time"\n' + SMALL)
    found = swept(file, tmp_path / "out")
    ends = {name: {run["meta_iteration"] for run in some["runs"]} for name, some in found["configurations"].items()}
    assert ends == {"full": {2}, "no-priority": {1}}
    assert found["differences"]["no-priority"]["demonstration_performance"]["mean"] == 0.125


def test_a_run_that_had_done_nothing_by_then_has_no_value(
    file: Path, tmp_path: Path, stand_in: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two times 10 seconds, and two times 100: after 20 there is nothing to compare of the other."""
    out = tmp_path / "out"
    file.write_text('compare = "time"\n' + SMALL.replace("[0, 1, 2]", "[0, 1]"))
    (out / "options").mkdir(parents=True)
    (out / "slow-no-priority-0").touch()
    found = swept(file, out, "--resume")
    assert found["after"] == 20.0
    runs = found["configurations"]["no-priority"]["runs"]
    assert [(run["meta_iteration"], run["seconds"], run["heldout_loss"]) for run in runs] == [
        (0, 0, None),
        (1, 20, 3.5),
    ]
    assert found["differences"]["no-priority"]["heldout_loss"]["pairs"] == 1
    assert "runs after 20.0 s, all that the shortest took" in capsys.readouterr().out


def test_a_plan_runs_nothing(file: Path, tmp_path: Path, stand_in: list[str], capsys: Any) -> None:
    assert main(["sweep", str(file), "--out", str(tmp_path / "out"), "--plan"]) == 0
    assert "6 to go, about" in capsys.readouterr().err
    assert stand_in == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"no-priority"\npresets', '"full"\npresets', "a configuration or a seed is there twice"),
        ("a3-no-priority", "a3", "configuration no-priority: unknown preset 'a3'"),
        ("draw_mutated", "draw_mutatd", "configuration no-priority: unknown key replay.draw_mutatd"),
        ("n_samples = 2", "n_samples = 0", "sampler.n_samples: input should be greater than or equal to 1"),
        ("seeds =", "seed =", "seed: Extra inputs are not permitted"),
        ("presets = [", "presets [", "is not TOML"),
        ('"no-priority"\n', '"../full"\n', "configurations.1.name"),
        ("seeds = [0, 1, 2]", 'seeds = [0]\nbaseline = "none"', "'none' is none of the configurations"),
    ],
)
def test_a_mistake_in_the_file_is_said_before_anything_runs(
    file: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    file.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(UsageError) as error:
        read_sweep(str(file))
    assert message in str(error.value)


@pytest.mark.parametrize("name", shipped())
def test_sweeps_that_come_along_can_be_read(name: str) -> None:
    sweep = read_sweep(name)
    assert sweep.baseline in {run.configuration for run in sweep.runs}
    assert len({run.seed for run in sweep.runs}) == 3
    for run in sweep.runs:
        assert run.config.seeds.leave_own_out
        assert run.config.tasks.search == "arc1-train"  # choices are made on training tasks
        assert run.config.loop.seed == run.seed


@pytest.mark.parametrize("name", ["ablations", "ablations-small"])
def test_the_ablations_learn_from_as_many_examples(name: str) -> None:
    runs = read_sweep(name).runs
    full = runs[0].config.replay
    for run in runs:
        replay = run.config.replay
        learned = replay.draw_mutated + (replay.draw_policy if replay.relabel else 0)
        assert learned == full.draw_mutated + full.draw_policy, run.configuration


def test_the_small_ablations_fit_into_75_minutes_of_two_cores() -> None:
    runs = read_sweep("ablations-small").runs
    found = estimate(runs, {}, 2, runs)
    assert found.seconds is not None
    assert found.seconds < 75 * 60


def test_an_estimate_rests_on_what_is_done() -> None:
    runs = read_sweep("ablations-small").runs
    left = [run for run in runs if run.seed]
    first = {run.configuration: [75.0] for run in runs if not run.seed}
    assert estimate(left, first, 2, runs).seconds == pytest.approx(len(left) * 100 / 2)
    one = estimate(left, {"full": [75.0]}, 1, runs)
    model = {run.configuration: seconds_of(run.config) or 0 for run in runs}
    assert one.seconds == pytest.approx(sum(100 * model[run.configuration] / model["full"] for run in left))
    assert "1 runs that are done" in one.rests_on
    pretrained = load_config("paper-codet5")
    assert seconds_of(pretrained) is None


def test_the_command_of_a_run_is_one_that_codeit_takes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, and as small as it can be: the run that it makes is done then, and has what the sweep says."""
    monkeypatch.setattr("report.commands.end_in_report", lambda _folder: None)
    options = """
        limit = 2
        [options.trainer]
        policy = "compact-tiny"
        max_prompt_tokens = 320
        [options.fill]
        mutants = 40
        heldout = 3
        [options.seeds]
        limit = 10
        [options.replay]
        draw_policy = 5
        [options.interpreter]
        workers = 1
        [options.sampler]
        backend = "transformers"
        processes = 1
        max_tokens = 16
    """
    text = SMALL.replace("limit = 4\n[options.sampler]", textwrap.dedent(options)).replace(
        "iterations = 2", "iterations = 1"
    )
    file.write_text(text)
    sweep = read_sweep(str(file))
    place = Place(sweep.runs[1], tmp_path / "out")
    assert not place.is_done()
    words = place.command(threads=1)
    assert words[:4] == [sys.executable, "-m", "engine.cli", "run"]
    assert main(words[3:]) == 0
    assert place.is_done()
    config = place.run.config
    written = load_config("cpu", place.folder / "config.toml")
    assert written.replay == config.replay
    assert (written.replay.priority_exponent, written.replay.draw_mutated, written.loop.threads) == (0.0, 7, 1)
    assert "--resume" in place.command(threads=1)
    found = results(Sweep("one", sweep.file, sweep.runs), [place])
    assert found["configurations"]["no-priority"]["runs"][0]["meta_iteration"] == 1
    assert found["configurations"]["no-priority"]["valid_share"] is not None


def test_a_difference_over_tasks_counts_all_tasks() -> None:
    from engine.sweep.results import Outcome

    def outcome(seed: int, solved: list[str]) -> Outcome:
        row = {"solved_policy": len(solved), "meta_iteration": 1}
        return Outcome("c", seed, row, {"policy": {"paper": dict.fromkeys(solved, 1)}}, 1.0, 100)

    base = {0: outcome(0, ["a", "b"]), 1: outcome(1, ["a"])}
    other = {0: outcome(0, ["a", "b", "c", "d"]), 1: outcome(1, ["c", "d", "e", "a"])}
    found = difference(base, other, "solved_policy")
    assert found is not None
    assert found["mean"] == 2.5  # 2 and 3 more
    low, high = found["interval"]
    assert 0 <= low < 2.5 < high < 8
    assert found["over"] == "tasks"
    assert set(MEASURES) >= {"heldout_loss", "heldout_tasks_loss", "valid_share", "solved_policy"}
    assert np.isfinite([low, high]).all()
