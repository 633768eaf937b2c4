"""The files of a discovery: what was written is known again, a row that was cut off is not, others are refused."""

import json
import resource

import pytest

from engine.errors import UsageError
from engine.search.journal import Journal
from interpreter.language.program import parse

HEADER = {"tasks": "arc1-train", "seed": 0}
FLIP = parse("O = hmirror(I)")
TURN = parse("O = rot90(I)")


def write(out):
    with Journal(out, HEADER, resume=False) as journal:
        journal.solved("a", FLIP)
        journal.searched("b", 20_000, "growing", [(TURN, 2)])
        journal.searched("c", 9_000, "ended", [])
        journal.mutated(0)
        journal.composed(2)


def test_what_was_written_is_known_again(tmp_path):
    out = tmp_path / "seeds.jsonl"
    write(out)
    assert [json.loads(row) for row in out.read_text().splitlines()] == [
        {"task": "a", "program": "O = hmirror(I)", "origin": "search"}
    ]
    with Journal(out, HEADER, resume=True) as journal:
        found = journal.found
    assert found.programs == {"a": FLIP}
    assert found.calls == {"b": 20_000, "c": 9_000}
    assert found.ended == {"c"}
    assert found.near == {"b": [(TURN, 2)], "c": []}
    assert found.rounds == 1
    assert found.composed == 3


def test_a_discovery_that_kept_its_tasks_as_they_were_named_goes_on(tmp_path, monkeypatch):
    out = tmp_path / "seeds.jsonl"
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    Journal(out, {"tasks": "mine", "seed": 0}, resume=False).__exit__()
    Journal(out, {"tasks": str(tmp_path.resolve() / "mine"), "seed": 0}, resume=True).__exit__()
    with pytest.raises(UsageError, match="was made with --tasks mine, --seed 0"):
        Journal(out, {"tasks": "arc1-train", "seed": 0}, resume=True)


def test_a_discovery_goes_on_with_the_tasks_that_were_chosen(tmp_path):
    out, earlier = tmp_path / "seeds.jsonl", tmp_path / "earlier.jsonl"
    chosen = {"task_ids": ["a", "b"], "limit": None}
    Journal(out, {**HEADER, **chosen}, resume=False).__exit__()
    Journal(out, {**HEADER, **chosen}, resume=True).__exit__()
    with pytest.raises(UsageError, match="was made with --tasks arc1-train, --seed 0, --task-ids a,b: --resume needs"):
        Journal(out, {**HEADER, "task_ids": [], "limit": None}, resume=True)
    Journal(earlier, HEADER, resume=False).__exit__()
    Journal(earlier, {**HEADER, **chosen}, resume=True).__exit__()


def test_a_discovery_of_tasks_that_changed_is_not_gone_on_with(tmp_path):
    out = tmp_path / "seeds.jsonl"
    with Journal(out, {**HEADER, "tasks_hash": "as it was"}, resume=False):
        pass
    with Journal(out, {**HEADER, "tasks_hash": "as it was"}, resume=True):
        pass
    with pytest.raises(UsageError, match="tasks were added, changed or removed since: put them back, or choose"):
        Journal(out, {**HEADER, "tasks_hash": "another"}, resume=True)
    write(tmp_path / "earlier.jsonl")  # says nothing of its tasks
    with Journal(tmp_path / "earlier.jsonl", {**HEADER, "tasks_hash": "another"}, resume=True) as journal:
        assert set(journal.found.programs) == {"a"}


def test_only_one_writes(tmp_path):
    out = tmp_path / "seeds.jsonl"
    with Journal(out, HEADER, resume=False), pytest.raises(UsageError, match="in use by another process"):
        Journal(out, HEADER, resume=True)
    with Journal(out, HEADER, resume=True):
        pass


def test_a_row_that_was_cut_off_is_dropped(tmp_path):
    out = tmp_path / "seeds.jsonl"
    write(out)
    for file in (out, out.with_suffix(".progress.jsonl")):
        whole = file.read_bytes()
        file.write_bytes(whole + whole[:11])
    with Journal(out, HEADER, resume=True) as journal:
        assert set(journal.found.programs) == {"a"}
        journal.solved("d", TURN)
    assert [json.loads(row)["task"] for row in out.read_text().splitlines()] == ["a", "d"]


def test_a_full_disk_is_a_mistake_in_one_line_and_loses_nothing(tmp_path):
    out = tmp_path / "seeds.jsonl"
    write(out)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(out, HEADER, resume=True) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (out.stat().st_size + 20, limits[1]))
        try:
            with pytest.raises(UsageError, match=r"cannot write .*seeds.jsonl: .* \(what was found is kept"):
                journal.solved("e", TURN)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert out.stat().st_size > 0
    with Journal(out, HEADER, resume=True) as journal:
        assert set(journal.found.programs) == {"a"}


def test_files_that_are_not_this_discoverys_are_refused(tmp_path):
    out = tmp_path / "seeds.jsonl"
    with pytest.raises(UsageError, match="no discovery to resume"):
        Journal(out, HEADER, resume=True)
    with pytest.raises(UsageError, match="no such folder"):
        Journal(tmp_path / "nowhere" / "seeds.jsonl", HEADER, resume=False)
    write(out)
    with pytest.raises(UsageError, match="exists already: go on with --resume"):
        Journal(out, HEADER, resume=False)
    with pytest.raises(UsageError, match="was made with --tasks arc1-train, --seed 0"):
        Journal(out, {**HEADER, "seed": 1}, resume=True)
    out.write_text("{}\n")
    with pytest.raises(UsageError, match="no file of a discovery"):
        Journal(out, HEADER, resume=True)
    out.write_text("programs\n")
    with pytest.raises(UsageError, match="not JSON lines"):
        Journal(out, HEADER, resume=True)
