"""The store of compiled code: what is read was written here, by somebody who is trusted."""

import errno
import os
import pwd
import stat
from pathlib import Path

import pytest

from interpreter.runtime.compiled import cache
from interpreter.runtime.compiled.cache import Store, base_folder, key_of

CODE = bytes(range(256)) * 8


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("CODEIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(base):
    store = Store.open("key")
    store.write("module.function", CODE)
    return store


@pytest.fixture
def everything_is_somebody_elses(monkeypatch):
    monkeypatch.setattr(cache, "_ourselves", lambda: (os.geteuid() + 12_345, os.geteuid() + 12_346))


def read_only(store):
    """Take everybody's permission to write away."""
    for path in (*store.folder.iterdir(), store.folder, store.folder.parent):
        path.chmod(path.stat().st_mode & ~0o222)


def test_what_was_written_is_read(store, base):
    assert Store.open("key").read("module.function") == CODE
    assert store.read("module.other") is None
    assert [file.name for file in base.iterdir()] == ["numba-key"]
    assert sorted(file.name for file in store.folder.iterdir()) == ["module.function.nbc"]
    assert store.has("module.function")
    assert not store.has("module.other")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:100],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:-1] + b"?",
        lambda content: b"\x80\x04N.",
        lambda content: content + b"more",
    ],
)
def test_a_damaged_file_is_not_there(store, damage):
    file = store.folder / "module.function.nbc"
    file.write_bytes(damage(file.read_bytes()))
    assert store.read("module.function") is None
    store.write("module.function", CODE)
    assert store.read("module.function") == CODE


def test_a_file_of_another_function_or_version_is_not_there(store):
    file = store.folder / "module.function.nbc"
    file.with_name("module.other.nbc").write_bytes(file.read_bytes())
    assert store.read("module.other") is None
    other = Store.open("otherversion")
    other.write("module.function", CODE)
    (other.folder / file.name).write_bytes(file.read_bytes())
    assert other.read("module.function") is None


@pytest.mark.parametrize("bit", [stat.S_IWGRP, stat.S_IWOTH])
@pytest.mark.parametrize("part", ["", "numba-key"])
def test_a_folder_that_others_can_write_is_refused(store, base, part, bit):
    (base / part).chmod(0o755 | bit)
    with pytest.raises(PermissionError, match="others can write it") as refused:
        Store.open("key")
    assert str(base / part) in refused.value.strerror
    assert "CODEIT_CACHE" in refused.value.strerror


def test_a_file_that_others_can_write_is_refused(store):
    (store.folder / "module.function.nbc").chmod(0o666)
    with pytest.raises(PermissionError, match=r"module\.function\.nbc.*others can write it.*CODEIT_CACHE"):
        Store.open("key").read("module.function")


def test_others_may_add_to_a_base_where_they_cannot_touch_what_is_not_theirs(store, base):
    base.chmod(0o1777)
    assert Store.open("key").read("module.function") == CODE


def test_no_umask_lets_others_write(base):
    before = os.umask(0)
    try:
        store = Store.open("key")
        store.write("module.function", CODE)
    finally:
        os.umask(before)
    assert Store.open("key").read("module.function") == CODE


@pytest.mark.usefixtures("everything_is_somebody_elses")
def test_a_cache_that_somebody_else_can_write_is_refused(store):
    with pytest.raises(PermissionError, match=r"belongs to somebody else, who can write it.*CODEIT_CACHE"):
        Store.open("key")


@pytest.mark.usefixtures("everything_is_somebody_elses")
def test_a_read_only_cache_of_somebody_else_is_used_as_it_is(store):
    read_only(store)
    files = sorted(store.folder.iterdir())
    other = Store.open("key")
    assert other.read("module.function") == CODE
    assert sorted(store.folder.iterdir()) == files


def test_a_full_disk_is_said_with_the_folder_and_leaves_nothing_half_done(store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no matter what")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"No space left on device.*CODEIT_CACHE") as failed:
        store.write("module.new", CODE)
    assert str(store.folder) in failed.value.strerror
    assert not [file for file in store.folder.iterdir() if file.suffix == ".tmp"]
    assert store.read("module.function") == CODE


def test_a_base_that_is_no_folder_is_said(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("not a folder")
    monkeypatch.setenv("CODEIT_CACHE", str(file))
    with pytest.raises(OSError, match=r"cannot keep compiled code in .*file.*CODEIT_CACHE"):
        Store.open("key").write("module.function", CODE)


@pytest.mark.parametrize("home", [None, ""])
def test_without_home_the_user_has_one(monkeypatch, home):
    monkeypatch.delenv("CODEIT_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert base_folder() == Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".cache/codeit"


def test_without_any_home_the_cache_must_be_named(monkeypatch, tmp_path):
    def nobody(_):
        raise KeyError

    monkeypatch.delenv("CODEIT_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(OSError, match="HOME is not set; set CODEIT_CACHE"):
        Store.open("key")
    monkeypatch.setenv("CODEIT_CACHE", str(tmp_path))
    assert base_folder() == tmp_path


def test_the_key_is_that_of_sources_and_whatever_else_decides(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    first = key_of(tmp_path, ["numba 1", "one processor"])
    assert key_of(tmp_path, ["numba 1", "one processor"]) == first
    assert key_of(tmp_path, ["numba 1", "another processor"]) != first
    (tmp_path / "a.py").write_text("x = 2")
    changed = key_of(tmp_path, ["numba 1", "one processor"])
    assert changed != first
    (tmp_path / "b.py").write_text("x = 1")
    assert key_of(tmp_path, ["numba 1", "one processor"]) != changed
    assert key_of(tmp_path, ["numba 1", "one processor"], ["a.py"]) == changed
