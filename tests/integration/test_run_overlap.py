"""`loop.max_staleness`: sampling while the next weights are trained, as repeatable as without."""

import json
import signal

import pytest
from test_run import COMPARED, TINY, finish, marked_processes, metrics, start, stop

STALE = [*TINY, "--sampler.backend", "transformers", "--loop.max-staleness", "1"]


@pytest.fixture(scope="module")
def overlapped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "overlapped"
    finish(start("run", *STALE, "--run-dir", folder))
    return folder


def test_samples_are_of_weights_one_meta_iteration_old_at_most(overlapped):
    rows = metrics(overlapped)
    assert [row["policy_version"] for row in rows] == [1, 1, 2]
    assert rows[-1]["heldout_loss"] < rows[0]["heldout_loss"]
    checkpoints = sorted(path.name for path in (overlapped / "checkpoints").iterdir())
    assert checkpoints == ["v00002", "v00003"]


def test_both_halves_work_at_the_same_time(overlapped):
    for row in metrics(overlapped):
        assert all(0 < row[f"busy_{part}"] <= 1 for part in ("trainer", "sampler", "pool", "writer"))
    first, *later = [sum(row["phase_s"].values()) / row["seconds"] for row in metrics(overlapped)]
    assert first <= 1.01
    assert min(later) > 1.05


def test_a_killed_run_continues_as_if_nothing_had_happened(overlapped, tmp_path):
    folder = tmp_path / "killed"
    stop(start("run", *STALE, "--run-dir", folder), folder, signal.SIGKILL)
    assert 1 <= len(metrics(folder)) < 3
    finish(start("run", "--run-dir", folder, "--resume"))
    ours, theirs = metrics(folder), metrics(overlapped)
    assert [[row[name] for name in COMPARED] for row in ours] == [[row[name] for name in COMPARED] for row in theirs]
    summaries = [json.loads((path / "summary.json").read_text()) for path in (folder, overlapped)]
    assert summaries[0]["solved"] == summaries[1]["solved"]
    assert not marked_processes()
