"""A search's folder: what is damaged, or of another language, is refused and left as it is."""

import errno
import json

import numpy as np
import pytest

from engine.errors import UsageError
from engine.search.folder import SearchFolder, open_search

ROW = {"task": "a", "program": "O = hmirror(I)", "demonstration_performance": 1.0, "prediction": "00", "number": 1}


@pytest.fixture
def path(tmp_path):
    """A folder after one batch, with what a second one wrote before it was killed."""
    folder = SearchFolder.create(tmp_path / "s", {"seed": 0}, [])
    folder.append([ROW], np.ones((3, 2), np.int64))
    folder.commit({"programs": 3}, {})
    folder.append([ROW], np.ones((2, 2), np.int64))
    folder.close()
    return tmp_path / "s"


def change_progress(path, **fields):
    file = path / "progress.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_search_goes_on_from_its_last_batch(path):
    folder = SearchFolder.open(path)
    assert list(folder.rows()) == [ROW]
    assert folder.keys().shape == (3, 2)
    folder.close()


def cut(path, name):
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[:10])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: change_progress(path, vocabulary="of more primitives"), "made with another set of primitives"),
        (lambda path: cut(path, "keys.i64"), r"keys\.i64 has 10 bytes of 48: a part of it was lost"),
        (lambda path: (path / "search.jsonl").unlink(), r"search\.jsonl has 0 bytes of"),
        (lambda path: cut(path, "progress.json"), r"progress\.json: "),
    ],
)
def test_a_folder_that_does_not_agree_is_refused_and_left_as_it_is(path, damage, message):
    damage(path)
    growing = {file.name: file.stat().st_size for file in path.iterdir() if file.suffix in (".i64", ".jsonl")}
    del growing["provenance.jsonl"]
    with pytest.raises(UsageError, match=message):
        SearchFolder.open(path)
    assert {name: (path / name).stat().st_size for name in growing} == growing


def test_a_damaged_row_is_named(path):
    content = (path / "search.jsonl").read_text()
    (path / "search.jsonl").write_text(content.replace("1.0", "1.x"))
    folder = SearchFolder.open(path)
    with pytest.raises(UsageError, match=r"search\.jsonl, line 1: not JSON"):
        list(folder.rows())
    folder.close()


def test_a_full_disk_says_how_to_go_on(path, tmp_path):
    for folder, options in (
        (SearchFolder.open(path), f"--out {path} --resume"),
        (open_search(tmp_path / "run" / "search", {"seed": 0}, []), f"--run-dir {tmp_path / 'run'} --resume"),
    ):
        with pytest.raises(UsageError, match=f"make room, then continue with {options}"), folder.writing():
            raise OSError(errno.ENOSPC, "No space left on device")
        folder.close()
