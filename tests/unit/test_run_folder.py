"""A run's folder after a kill: nothing later than the progress record, nothing missing of it."""

import shutil
import subprocess

import pytest

from engine.config import load_config
from engine.errors import UsageError
from engine.files import append_line, read_lines, write_json, write_lines
from engine.loop.beginning import begin
from engine.run_folder import RunFolder, provenance
from trainer.checkpoint import publishing


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.create(tmp_path / "run", load_config("smoke"), seeds=[])
    yield folder
    folder.close()


def progress(done):
    metrics, solved = {"meta_iteration": done, "loss": 1.0}, {"meta_iteration": done, "policy": {}}
    return {"meta_iteration": done, "metrics": metrics, "summary": {"tasks": 1}, "solved": solved}


def test_what_is_ahead_of_the_progress_record_is_removed(folder):
    for number in (1, 2, 3):
        folder.checkpoint(number).mkdir()
        append_line(folder.path / "metrics.jsonl", {"meta_iteration": number})
        append_line(folder.path / "solutions.jsonl", {"meta_iteration": number})
        folder.append_solved({"meta_iteration": number})
    (folder.checkpoints / ".v00003.partial").mkdir()
    (folder.checkpoints / "best").mkdir()
    folder.repair(progress(2), {"replay_policy": 7})
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["best", "v00001", "v00002"]
    assert folder.metrics() == [{"meta_iteration": 1}, {"meta_iteration": 2}]
    assert [row["meta_iteration"] for row in read_lines(folder.path / "solutions.jsonl")] == [1, 2]
    assert folder.solved() == [{"meta_iteration": 1}, {"meta_iteration": 2, "policy": {}}]


def test_what_is_behind_the_progress_record_is_added(folder):
    append_line(folder.path / "metrics.jsonl", {"meta_iteration": 1})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"meta_iter')  # cut short
    folder.repair(progress(2), {"replay_policy": 7})
    assert folder.metrics() == [{"meta_iteration": 1}, {"meta_iteration": 2, "loss": 1.0, "replay_policy": 7}]
    assert (folder.path / "summary.json").is_file()


def test_a_row_that_is_there_stays_with_what_the_progress_record_does_not_know(folder):
    rows = [{"meta_iteration": n, "seconds": 5.0, "phase_s": {"train": 4.0, "store": 1.0}} for n in (1, 2)]
    for row in rows:
        folder.append_metrics(row, {"tasks": 1})
    folder.repair(progress(2), {"replay_policy": 7})
    assert folder.metrics() == rows


def test_a_kill_between_summary_and_metrics_is_seen(folder, monkeypatch):
    """The other way round a summary of the meta-iteration before would stay."""
    folder.append_metrics({"meta_iteration": 1}, {"tasks": 1})
    assert not folder.is_behind(1)

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    for step in ("write_json", "append_line"):
        with monkeypatch.context() as patch:
            patch.setattr(f"engine.run_folder.{step}", killed)
            with pytest.raises(Killed):
                folder.append_metrics({"meta_iteration": 2}, {"tasks": 2})
        assert folder.is_behind(2)


def test_a_provenance_that_was_cut_short_does_not_spoil_the_next(folder):
    file = folder.path / "provenance.jsonl"
    with file.open("a") as lines:
        lines.write('{"commit": "ab')
    folder.repair(None, {})
    assert len(read_lines(file, "commit")) == 2


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


def begun(folder, done):
    """A folder as a run leaves it after `done` meta-iterations."""
    folder.heldout.mkdir(exist_ok=True)
    (folder.heldout / "data.mdb").touch()
    for number in range(1, done + 1):
        folder.checkpoint(number).mkdir()
        append_line(folder.path / "metrics.jsonl", {"meta_iteration": number})
        append_line(folder.path / "solutions.jsonl", {"meta_iteration": number})


def content(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.path.rglob("*")}


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_run_stopped_at_any_moment_can_go_on(folder, done):
    folder.check(None)
    begun(folder, done)
    folder.check(progress(done))
    append_line(folder.path / "solutions.jsonl", {"meta_iteration": done + 1})
    folder.checkpoint(done + 1).mkdir()
    folder.check(progress(done))  # before the commit
    folder.check(progress(done + 1))  # between the commit and the line of metrics


@pytest.mark.parametrize(
    ("record", "change", "message"),
    [
        (None, None, "replay/ is empty, but there are results of meta-iteration 3"),
        (progress(1), None, "replay/ ends with meta-iteration 1, but there are results of meta-iteration 3"),
        (progress(5), None, "checkpoints/v00005 is missing"),
        (progress(3), "checkpoints/v00003", "checkpoints/v00003 is missing"),
        (progress(3), "heldout", "heldout/ is missing"),
        ({**progress(3), "search": {"programs": 1}}, None, "search/ is missing, what search has found"),
        (progress(3), "metrics.jsonl", "metrics.jsonl has no line of meta-iteration 1"),
    ],
)
def test_a_folder_that_does_not_agree_is_refused_and_left_as_it_is(folder, record, change, message):
    begun(folder, 3)
    if change:
        path = folder.path / change
        path.unlink() if path.is_file() else shutil.rmtree(path)
    before = content(folder)
    with pytest.raises(UsageError, match=f"cannot be resumed: {message}.*Nothing was changed"):
        folder.check(record)
    assert content(folder) == before


def test_a_run_killed_before_it_has_a_configuration_starts_again_in_its_folder(folder):
    (folder.path / "config.toml").rename(folder.path / "config.toml.tmp")
    folder.close()
    with pytest.raises(UsageError, match="stopped before it began: start it again, without --resume"):
        RunFolder.open(folder.path)
    again = RunFolder.create(folder.path, load_config("smoke"), seeds=[])
    again.close()
    RunFolder.open(folder.path).close()


def test_a_folder_with_anything_else_in_it_is_not_taken(folder):
    folder.close()
    (folder.path / "config.toml").unlink()
    (folder.path / "notes.txt").touch()
    with pytest.raises(UsageError, match="already used"):
        RunFolder.create(folder.path, load_config("smoke"), seeds=[])


def test_files_of_a_user_that_have_names_of_a_runs_are_left_alone(tmp_path):
    for name in ("seeds.jsonl", "tasks.json"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="already used"):
        RunFolder.create(tmp_path, load_config("smoke"), seeds=[])
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"seeds.jsonl": "mine", "tasks.json": "mine"}


def test_a_commit_is_named_of_a_checkout_of_ours_alone(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    commit = [*identity, "commit", "--quiet", "--allow-empty", "--message", "theirs"]
    subprocess.run(["git", "-C", str(tmp_path), *commit], check=True)
    monkeypatch.setattr("engine.run_folder.__file__", str(tmp_path / "run_folder.py"))
    (tmp_path / "run_folder.py").touch()
    assert provenance()["commit"] is None


@pytest.mark.parametrize("line", ['{"meta_iter', "7", '{"other": 1}', "\ud800", "[" * 100_000])
def test_a_damaged_line_is_named(folder, line):
    append_line(folder.path / "metrics.jsonl", {"meta_iteration": 1})
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(line.encode("utf-8", "surrogatepass") + b"\n")
    with pytest.raises(UsageError, match=r"metrics\.jsonl, line 2: not .*the file was damaged"):
        folder.metrics()


def test_a_checkpoint_that_says_another_version_is_refused(folder):
    for number in (1, 2):
        with publishing(folder.checkpoint(number), number) as partial:
            (partial / "model.safetensors").write_bytes(b"weights")
    assert folder.last_checkpoint() == folder.checkpoint(2)
    manifest = folder.checkpoint(2) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"policy_version": 2', '"policy_version": 7'))
    with pytest.raises(UsageError, match="v00002 is damaged: its manifest says policy version 7"):
        folder.last_checkpoint()


@pytest.mark.parametrize("changed", ["output", "input", "test"])
def test_a_run_knows_its_tasks_from_others(tmp_path, changed):
    pairs = [{"input": [[1, 2]], "output": [[2, 1]]}, {"input": [[3, 4]], "output": [[4, 3]]}]
    file, seeds = tmp_path / "tasks" / "a.json", tmp_path / "seeds.jsonl"
    file.parent.mkdir()
    write_json(file, {"train": pairs[:1], "test": pairs[1:]})
    write_lines(seeds, [{"task": "a", "program": "O = vmirror(I)"}])
    config = load_config("smoke", None, ["--tasks.search", str(file.parent), "--tasks.train", str(file.parent)])
    run = RunFolder.create(tmp_path / "run", config, [], begin(config, str(seeds)).hashes)
    run.close()
    run.check_tasks(config, begin(config, str(seeds)).hashes)
    assert [task.id for task in run.search_tasks()] == ["a"]

    if changed == "test":
        pairs[1]["output"] = [[0, 3]]  # nothing trains on it, but scores depend on it
    else:
        pairs[0][changed] = [[0, 5]]
    write_json(file, {"train": pairs[:1], "test": pairs[1:]})
    wanted = f"run is about {file.parent} as it was, and tasks were added, changed or removed since: put them back, or"
    with pytest.raises(UsageError, match=wanted):
        run.search_tasks()
    with pytest.raises(UsageError, match=wanted):
        run.check_tasks(config, begin(config, str(seeds)).hashes)


def test_a_run_of_an_earlier_version_knows_nothing_of_its_tasks(folder):
    folder.tasks.unlink()
    folder.check_tasks(folder.config(), {"search": "another", "train": "another"})
