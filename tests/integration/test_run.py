"""A tiny real run through the command line: real tasks, real vLLM, real LMDB; killed and resumed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.analysis.analyses import ANALYSES
from engine.cli import main
from engine.loop.drawing import teaches
from engine.loop.metrics import COLUMNS
from replay.experience import Origin, relabel
from replay.rows import Rows
from replay.store import ReplayStore

ROOT = Path(__file__).parents[2]
TINY = [
    "--preset", "smoke", "--trainer.policy", "compact-tiny", "--tasks.limit", "4", "--sampler.n-samples", "4",
    "--fill.mutants", "740", "--replay.draw-mutated", "60", "--replay.draw-policy", "20",
    "--trainer.max-prompt-tokens", "320", "--sampler.max-tokens", "64", "--loop.meta-iterations", "3",
    "--loop.threads", "1", "--interpreter.workers", "1", "--sampler.kv-cache-mib", "64", "--search.runs", "0",
]  # fmt: skip
# What two runs of the same seed must agree in.
COMPARED = [
    "meta_iteration", "loss", "heldout_loss", "valid_share", "unique_share", "samples", "solved_policy",
    "solved_cumulative", "replay_policy", "replay_mutated",
]  # fmt: skip


# In the environment of every process of these tests, workers included.
MARK = str(os.getpid())


def start(*arguments):
    command = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
    environment = {**os.environ, "CODEIT_TEST_RUN": MARK}
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process):
    _, errors = process.communicate(timeout=800)
    assert process.returncode == 0, errors
    return errors


def stop(process, folder, number, after=1):
    """Send a signal after so many meta-iterations; the exit status and what the run said on stderr."""
    deadline = time.monotonic() + 300
    while len(metrics(folder)) < after and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def contents(folder):
    """Every file with its bytes, but for locks, which name the process that holds them."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "lock" not in path.name}


def metrics(folder):
    file = folder / "metrics.jsonl"
    return [json.loads(row) for row in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    finish(start("run", *TINY, "--run-dir", folder))
    return folder


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A run that is killed after its first meta-iteration, in the middle of the second, and then resumed."""
    folder = tmp_path_factory.mktemp("runs") / "killed"
    stop(start("run", *TINY, "--run-dir", folder), folder, signal.SIGKILL)
    assert 1 <= len(metrics(folder)) < 3
    errors = finish(start("run", "--run-dir", folder, "--resume"))
    assert "resumed after meta-iteration" in errors
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run without relabelling that is asked to stop after its second meta-iteration: its folder, its exit status and
    what it said."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"
    run = start("run", *TINY, "--replay.relabel", "false", "--run-dir", folder)
    return folder, *stop(run, folder, signal.SIGTERM, after=2)


def test_a_run_leaves_what_it_promises(finished):
    rows = metrics(finished)
    assert [row["meta_iteration"] for row in rows] == [1, 2, 3]
    assert all(list(row) == list(COLUMNS) for row in rows)
    assert all(row["samples"] == 16 and row["samples_per_s"] > 0 for row in rows)
    assert all(row["dropped"] == 0 for row in rows)  # the grammar ends every program of a compact policy
    assert all(0 <= row["padding_share"] < 0.5 for row in rows)
    assert rows[-1]["heldout_loss"] < rows[0]["heldout_loss"]
    assert [row["swap_s"] is None for row in rows] == [True, False, False]
    assert set(rows[-1]["phase_s"]) == {"draw", "train", "publish", "swap", "sample", "execute", "store", "evaluate"}
    assert all(row["right_share"] <= row["valid_share"] for row in rows)
    solved = [json.loads(line) for line in (finished / "solved.jsonl").read_text().splitlines()]
    assert [(row["meta_iteration"], len(row["policy"]["paper"])) for row in solved] == [
        (row["meta_iteration"], row["solved_policy"]) for row in rows
    ]
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["task_set"] == "arc1-eval"
    assert summary["tasks"] == 4
    assert set(summary["solved"]) == {"policy", "cumulative"}
    assert set(summary["solved"]["policy"]["distinct"]) == {"pass@1", "pass@2", "pass@3"}
    assert (finished / "config.toml").is_file()
    assert list((finished / "tensorboard").iterdir())
    assert (finished / "report" / "index.html").is_file()
    with ReplayStore(finished / "replay", readonly=True) as store:
        assert store.progress()["meta_iteration"] == 3
        assert store.verify().ok


def test_without_relabelling_only_what_was_asked_for_is_learned(finished, stopped):
    """Four random samples of each of four tasks solve none."""
    drawn = {"policy": 20, "mutated": 60}
    assert [row["examples"] > drawn["mutated"] for row in metrics(finished)] == [False, True, True]
    rows = metrics(stopped[0])[:2]
    assert [row["solved_cumulative"] for row in rows] == [0, 0]
    assert [0 < row["examples"] <= drawn["mutated"] for row in rows] == [True, True]
    assert rows[0]["replay_policy"] > 0


@pytest.mark.parametrize(
    ("origin", "right", "taught"),
    [(Origin.POLICY, 2, True), (Origin.POLICY, 1, False), (Origin.POLICY, 0, False), (Origin.MUTATED, 0, True)],
)
def test_without_relabelling_the_outputs_must_be_those_of_the_task(origin, right, taught):
    wanted = [np.full((1, 1), color, np.int8) for color in (1, 2)]
    outputs = [*wanted[:right], *([np.zeros((1, 1), np.int8)] * (2 - right))]
    experience = relabel("task", "O = hmirror(I)", outputs, wanted, origin, meta_iteration=1, policy_version=1)
    rows = Rows.of([experience])
    assert teaches(rows, relabelled=True).tolist() == [True]
    assert teaches(rows, relabelled=False).tolist() == [taught]


def test_a_killed_run_continues_as_if_nothing_had_happened(finished, resumed):
    ours, theirs = metrics(resumed), metrics(finished)
    assert [[row[name] for name in COMPARED] for row in ours] == [[row[name] for name in COMPARED] for row in theirs]
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (resumed, finished)]
    assert summaries[0]["solved"] == summaries[1]["solved"]
    assert summaries[0]["programs"] == summaries[1]["programs"]


def test_a_run_that_is_asked_to_stop_closes_what_is_open(stopped):
    _, status, errors = stopped
    assert status == 128 + signal.SIGTERM
    assert errors.endswith("codeit: interrupted; a run continues with --resume\n")
    assert "Traceback" not in errors
    assert "leaked" not in errors


def test_a_finished_run_has_nothing_to_resume(finished, capsys):
    before = contents(finished)
    assert main(["run", "--resume", "--run-dir", str(finished)]) == 2
    assert "nothing to resume, all 3 meta-iterations are done" in capsys.readouterr().err
    assert main(["run", "--run-dir", str(finished)]) == 2
    assert "already used: continue it with --resume" in capsys.readouterr().err
    assert main(["run", "--resume", "--run-dir", str(finished), "--sampler.n-samples", "9"]) == 2
    assert "--sampler.n-samples cannot change in a resumed run" in capsys.readouterr().err
    assert contents(finished) == before


def test_evaluation_samples_anew_or_scores_what_is_stored(finished, tmp_path):
    evaluate = ["eval", "--run-dir", str(finished)]
    assert main([*evaluate, "--samples", "2", "--out", str(tmp_path / "sampled")]) == 0
    summary = json.loads((tmp_path / "sampled" / "summary.json").read_text())
    assert summary["tasks"] == 4
    assert set(summary["solved"]) == {"policy", "cumulative"}
    assert len(list((tmp_path / "sampled" / "tasks").iterdir())) == 4
    assert len(list((finished / "checkpoints").iterdir())) == 2
    assert main([*evaluate, "--stored", "--out", str(tmp_path / "stored")]) == 0
    stored = json.loads((tmp_path / "stored" / "summary.json").read_text())
    assert stored["solved"]["cumulative"] == json.loads((finished / "summary.json").read_text())["solved"]["cumulative"]
    assert stored["programs"] == json.loads((finished / "summary.json").read_text())["programs"]
    assert main([*evaluate, "--stored", "--out", str(tmp_path / "stored")]) == 2


@pytest.mark.parametrize("name", ANALYSES)
def test_a_run_answers_every_question(finished, capsys, name):
    assert main(["analyse", name, str(finished), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["analysis"], result["kind"]) == (name, "run")
    if "steps" in result:
        assert result["steps"] == [1, 2, 3]
    if name == "relabelling":
        rows = metrics(finished)
        assert result["samples"]["with"] == [row["valid_share"] for row in rows]
        assert result["samples"]["without"] == [row["right_share"] for row in rows]
        assert sum(result["distinct"]["with"]) == rows[-1]["replay_policy"]


def test_replay_stats(finished, capsys):
    assert main(["replay", "stats", str(finished), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["counts"]["mutated"] == metrics(finished)[-1]["replay_mutated"]
    assert values["counts"]["policy"] == metrics(finished)[-1]["replay_policy"]
    assert main(["replay", "stats", str(finished)]) == 0
    assert "experiences" in capsys.readouterr().out


def test_no_process_is_left(finished, resumed):
    deadline = time.monotonic() + 10
    while (left := marked_processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def marked_processes():
    """Ids of living processes that descend from the runs of this module, killed ones included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("CODEIT_TEST_RUN") == MARK and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
