"""Files of others, and new files: whole or not at all, and one writer for each."""

import os

import pytest

from engine.errors import UsageError
from engine.files import append_line, data_files, safe_name, timed_folder, write_new


def test_a_new_file_is_there_when_all_is_written(tmp_path):
    file = tmp_path / "out.jsonl"

    def texts():
        yield "a\n"
        assert not file.exists()
        yield "b\n"

    write_new(file, texts())
    assert file.read_text() == "a\nb\n"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path):
    file = tmp_path / "out.jsonl"

    def texts():
        yield "a\n"
        with pytest.raises(UsageError, match="is being written by another process"):
            write_new(file, ["b\n"])

    write_new(file, texts())
    assert file.read_text() == "a\n"


def test_a_file_that_appeared_meanwhile_is_kept(tmp_path):
    file = tmp_path / "out.jsonl"
    file.write_text("theirs")
    with pytest.raises(UsageError, match="exists already"):
        write_new(file, ["ours"])
    assert file.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_what_failed_leaves_nothing(tmp_path):
    def texts():
        yield "a\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_new(tmp_path / "out.jsonl", texts())
    assert os.listdir(tmp_path) == []


def test_what_a_killed_writer_left_is_overwritten(tmp_path):
    (tmp_path / "out.jsonl.tmp").write_text("a long text of another")
    write_new(tmp_path / "out.jsonl", ["a\n"])
    assert (tmp_path / "out.jsonl").read_text() == "a\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_named(tmp_path):
    (tmp_path / "out.jsonl.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"out.jsonl") as refusal:
        write_new(tmp_path / "out.jsonl", ["a" * 100_000])
    assert refusal.value.filename.endswith("out.jsonl")


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b""), (b"", b""), (b'{"a": 1}\n', b'{"a": 1}\n'), (b'{"a": 1}\n{"b', b'{"a": 1}\n'), (b'{"a": "\xc3', b"")],
)
def test_a_line_takes_the_place_of_one_that_was_cut_short(tmp_path, before, after):
    file = tmp_path / "lines.jsonl"
    if before is not None:
        file.write_bytes(before)
    append_line(file, {"c": 3})
    append_line(file, {"d": 4})
    assert file.read_bytes() == after + b'{"c": 3}\n{"d": 4}\n'


def test_a_folder_that_is_no_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot read the folder"):
        data_files(tmp_path / "none", ".json")


HOSTILE = [
    "<script>",
    "a/b",
    "a%2Fb",
    "..",
    ".",
    ".hidden",
    "%2Ehidden",
    "a\0b",
    "a\nb",
    "x" * 200,
    "x" * 201,
    "ü" * 60,
    "~",
]


def test_names_of_texts_are_names_of_files_and_differ(tmp_path):
    names = [safe_name(text) for text in HOSTILE]
    assert len(set(names)) == len(HOSTILE)
    for name in names:
        (tmp_path / f"{name}.json").write_text("")
        assert not name.startswith(".")
    assert len(os.listdir(tmp_path)) == len(HOSTILE)
    cut = safe_name("x" * 200)
    assert safe_name(cut) != cut  # what is cut is spelled as no text is
    assert safe_name("007bbfb7~rot90") == "007bbfb7~rot90"


def test_commands_within_one_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.files.time.strftime", lambda _: "20260101-120000")
    for expected in ("eval-20260101-120000", "eval-20260101-120000-2", "eval-20260101-120000-3"):
        folder = timed_folder("eval")
        assert folder.name == expected
        folder.mkdir(parents=True)
