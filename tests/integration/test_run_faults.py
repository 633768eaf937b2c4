"""`codeit run --resume` on folders that are not as a run leaves them: nothing is lost, and what is wrong is said."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.cli import main
from engine.config import load_config
from engine.files import append_line, read_lines
from engine.run_folder import RunFolder
from replay import Origin, ReplayStore, relabel
from trainer.checkpoint import publishing

GRID = np.array([[1, 2]], np.int8)
DONE = 2


def found(number):
    return relabel("task", "O = hmirror(I)", [GRID], [GRID], Origin.POLICY, number, number)


@pytest.fixture
def run(tmp_path):
    """The folder of a run of two meta-iterations that was killed after its last commit, before the line of metrics."""
    config = load_config("smoke", overrides=["--loop.meta-iterations", str(DONE), "--sampler.backend", "transformers"])
    folder = RunFolder.create(tmp_path / "run", config, seeds=[])
    with ReplayStore(folder.heldout) as store:
        store.put_tasks({"task": [GRID]})
    with ReplayStore(folder.replay) as store:
        store.put_tasks({"task": [GRID]})
        for number in (1, DONE):
            with publishing(folder.checkpoint(number), number) as partial:
                (partial / "model.safetensors").write_bytes(b"weights")
            row = {"meta_iteration": number, "loss": 1.0}
            progress = {
                "meta_iteration": number,
                "policy_version": number,
                "seconds": 1.0,
                "metrics": row,
                "summary": {},
            }
            store.commit([found(number)], {**progress, "metrics": row, "summary": {}})
            if number < DONE:
                append_line(folder.path / "metrics.jsonl", row)
    folder.close()
    return folder


def content(folder):
    """All files but the locks, which any reader touches."""
    files = (path for path in folder.path.rglob("*") if path.is_file() and path.name not in (".lock", "lock.mdb"))
    return {path: path.read_bytes() for path in files}


def resume(folder):
    return main(["run", "--resume", "--run-dir", str(folder.path)])


def test_a_missing_last_line_of_metrics_is_added(run, capsys):
    assert resume(run) == 0
    assert [row["meta_iteration"] for row in run.metrics()] == [1, 2]
    assert run.metrics()[-1]["replay_policy"] == 1
    assert "the last one's metrics were added" in capsys.readouterr().err
    assert (run.path / "report" / "index.html").is_file()
    events = EventAccumulator(str(run.tensorboard)).Reload()
    assert [event.step for event in events.Scalars("loss")] == [2]
    assert resume(run) == 2
    assert "nothing to resume" in capsys.readouterr().err


def test_nothing_that_fits_to_learn_from_is_said_with_the_limits(tmp_path, capsys):
    seeds = tmp_path / "seeds.jsonl"
    lines = [f"x{n} = hmirror({'I' if n == 1 else f'x{n - 1}'})" for n in range(1, 12)]
    seeds.write_text(json.dumps({"task": "67a3c6ac", "program": "\n".join([*lines, "O = vmirror(x11)"])}) + "\n")
    options = {
        "fill.mutants": "0", "fill.search-tasks": "0", "sampler.max-tokens": "16", "sampler.backend": "transformers",
        "search.runs": "0", "search.minutes": "0", "tasks.limit": "2", "interpreter.workers": "1",
        "trainer.policy": "compact-tiny",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    run = ["run", "--preset", "smoke", "--seeds", str(seeds), *words, "--run-dir", str(tmp_path / "run")]
    assert main(run) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("codeit: ")]
    assert line.startswith("codeit: nothing to learn from in meta-iteration 1: none of 3 experiences drawn fits ")


def lose_store(run):
    shutil.rmtree(run.replay)


def empty_store(run):
    shutil.rmtree(run.replay)
    ReplayStore(run.replay).close()


def cut_store(run):
    data = run.replay / "data.mdb"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def lose_checkpoint(run):
    shutil.rmtree(run.checkpoint(DONE))


def damage_metrics(run):
    (run.path / "metrics.jsonl").write_text("{\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_store, "replay/ is empty, but there are results of meta-iteration 2"),
        (empty_store, "replay/ is empty, but there are results of meta-iteration 2"),
        (cut_store, "data.mdb is damaged: it has"),
        (lose_checkpoint, "checkpoints/v00002 is missing"),
        (damage_metrics, "metrics.jsonl, line 1: not JSON"),
    ],
)
def test_a_damaged_run_is_refused_and_nothing_of_it_is_removed(run, damage, message, capsys):
    damage(run)
    before = content(run)
    assert resume(run) == 2
    assert message in capsys.readouterr().err
    assert content(run) == before


def test_sets_that_give_one_id_to_two_tasks_are_refused_before_there_is_a_folder(tmp_path, capsys):
    sets = ["--tasks.train", "arc1-train", "--tasks.search", "arc2-train"]
    assert main(["run", "--preset", "smoke", *sets, "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "are in arc1-train and in arc2-train with other demonstrations" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["m[/b]", "\udcff"])
def test_any_path_can_be_named_in_a_message(name, tmp_path, capsys):
    assert main(["run", "--resume", "--run-dir", str(tmp_path / name)]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_a_full_disk_is_one_line(monkeypatch, tmp_path, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "run"))

    monkeypatch.setattr("engine.run_folder.append_line", full)
    assert main(["run", "--preset", "smoke", "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no space left on device: make room, then go on with --resume" in error
    assert read_lines(tmp_path / "run" / "metrics.jsonl") == []


def test_memory_that_a_pool_cannot_have_is_one_line(monkeypatch, tmp_path, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    small = ["--preset", "smoke", "--sampler.backend", "transformers", "--tasks.limit", "1", "--fill.mutants", "10"]
    assert main(["run", *small, "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("codeit: not enough memory: ")
    assert error.endswith("(No space left on device): use fewer workers")
