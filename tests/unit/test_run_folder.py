"""A run's folder after a kill: nothing later than the progress record, nothing missing of it."""

import pytest

from engine.config import load_config
from engine.errors import UsageError
from engine.run_folder import RunFolder, append_line, read_lines


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.create(tmp_path / "run", load_config("smoke"), seeds=[])
    yield folder
    folder.close()


def progress(done):
    return {"meta_iteration": done, "metrics": {"meta_iteration": done, "loss": 1.0}, "summary": {"tasks": 1}}


def test_what_is_ahead_of_the_progress_record_is_removed(folder):
    for number in (1, 2, 3):
        folder.checkpoint(number).mkdir()
        append_line(folder.path / "metrics.jsonl", {"meta_iteration": number})
        append_line(folder.path / "solutions.jsonl", {"meta_iteration": number})
    (folder.checkpoints / ".v00003.partial").mkdir()
    (folder.checkpoints / "best").mkdir()
    folder.repair(progress(2), {"replay_policy": 7})
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["best", "v00001", "v00002"]
    assert folder.metrics() == [{"meta_iteration": 1}, {"meta_iteration": 2, "loss": 1.0, "replay_policy": 7}]
    assert [row["meta_iteration"] for row in read_lines(folder.path / "solutions.jsonl")] == [1, 2]


def test_what_is_behind_the_progress_record_is_added(folder):
    append_line(folder.path / "metrics.jsonl", {"meta_iteration": 1})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"meta_iter')  # cut short
    folder.repair(progress(2), {})
    assert [row["meta_iteration"] for row in folder.metrics()] == [1, 2]
    assert (folder.path / "summary.json").is_file()


def test_a_run_killed_in_its_fill_starts_afresh(folder):
    folder.checkpoint(1).mkdir()
    append_line(folder.path / "metrics.jsonl", {"meta_iteration": 1})
    folder.repair(None, {})
    assert list(folder.checkpoints.iterdir()) == []
    assert folder.metrics() == []


def test_old_checkpoints_are_removed(folder):
    for number in (1, 2, 3):
        folder.checkpoint(number).mkdir()
    folder.keep_checkpoints(3, 2)
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["v00002", "v00003"]


def test_a_folder_has_one_run(folder):
    with pytest.raises(UsageError, match="in use by another run"):
        RunFolder.open(folder.path)
    with pytest.raises(UsageError, match="already used"):
        RunFolder.create(folder.path, load_config("smoke"), seeds=[])
