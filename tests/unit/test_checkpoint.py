"""Checkpoints are complete or absent, never overwritten, and damage is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.checkpoint import load_codec, load_manifest, load_vocabulary, publishing, write_vocabulary
from trainer.codec import CompactCodec
from trainer.errors import CheckpointError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints" / "3"
    with publishing(folder, policy_version=3) as partial:
        write_vocabulary(partial, CompactCodec(320))
        (partial / "training").mkdir()
        (partial / "training" / "state.json").write_text("{}")
        (partial / "model.safetensors").write_bytes(b"weights")
    return folder


def edit_manifest(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_published_checkpoint_lists_and_keeps_all_its_files(checkpoint: Path) -> None:
    manifest = load_manifest(checkpoint, verify_hash=True)
    assert manifest.policy_version == 3
    assert set(manifest.files) == {"vocab.json", "model.safetensors", "training/state.json"}
    assert manifest.files["model.safetensors"].size == 7


def test_vocabulary_keeps_tokens_and_prompt_limit(checkpoint: Path) -> None:
    vocabulary = load_vocabulary(checkpoint)
    assert vocabulary.tokens == CompactCodec(320).tokens
    assert vocabulary.max_prompt_tokens == 320


@pytest.mark.parametrize("demonstrations", [None, 1])
def test_a_codec_keeps_its_limits(demonstrations: int | None, tmp_path: Path) -> None:
    with publishing(tmp_path / "1", 1) as partial:
        write_vocabulary(partial, CompactCodec(320, demonstrations))
    assert load_codec(tmp_path / "1").demonstrations == demonstrations
    assert ("demonstrations" in (tmp_path / "1" / "vocab.json").read_text()) == (demonstrations is not None)


def test_the_folder_appears_only_when_all_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    with publishing(folder, 1) as partial:
        (partial / "model.safetensors").write_bytes(b"weights")
        assert not folder.exists()
        assert not (partial / "manifest.json").exists()
    assert (folder / "manifest.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def publish_on_a_full_disk() -> None:
        with publishing(tmp_path / "1", 1) as partial:
            (partial / "model.safetensors").write_bytes(b"wei")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        publish_on_a_full_disk()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_does_not_end_up_in_the_next_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".1.partial").mkdir()
    (tmp_path / ".1.partial" / "stale").write_text("half")
    with publishing(tmp_path / "1", 1) as partial:
        (partial / "model.safetensors").write_bytes(b"weights")
    assert set(load_manifest(tmp_path / "1").files) == {"model.safetensors"}


def test_a_checkpoint_is_never_overwritten(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="never overwritten"), publishing(checkpoint, 4):
        pass
    assert load_manifest(checkpoint, verify_hash=True).policy_version == 3


def test_a_folder_without_a_manifest_is_no_checkpoint(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint: it has no manifest\.json"):
        load_manifest(checkpoint)


def test_a_missing_or_shortened_file_is_noticed(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"weigh")
    with pytest.raises(CheckpointError, match=r"model\.safetensors has 5 bytes, not 7"):
        load_manifest(checkpoint)
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load_manifest(checkpoint)


def test_changed_bytes_are_noticed_on_request(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"WEIGHTS")
    load_manifest(checkpoint)
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not have the sha256"):
        load_manifest(checkpoint, verify_hash=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 2}, "schema: Input should be 1"),
        ({"policy_version": -1}, "policy_version"),
        ({"files": {"model.safetensors": {"size": 7}}}, r"sha256: Field required"),
        ({"surprise": 1}, "surprise: Extra inputs"),
    ],
)
def test_a_manifest_of_another_form_is_refused_with_the_field(
    checkpoint: Path, fields: dict[str, object], message: str
) -> None:
    edit_manifest(checkpoint, **fields)
    with pytest.raises(CheckpointError, match=message):
        load_manifest(checkpoint)


def test_a_manifest_that_is_no_json_is_refused(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"manifest\.json, the file: Invalid JSON"):
        load_manifest(checkpoint)


def test_a_vocabulary_that_does_not_fit_its_hash_is_refused(checkpoint: Path) -> None:
    content = json.loads((checkpoint / "vocab.json").read_text())
    content["tokens"][10], content["tokens"][11] = content["tokens"][11], content["tokens"][10]
    (checkpoint / "vocab.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="do not have the hash"):
        load_vocabulary(checkpoint)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.checkpoint.is_full", lambda _: True)

    def publish() -> None:
        with publishing(tmp_path / "1", 1) as partial:
            (partial / "model.safetensors").write_bytes(b"wei")
            raise RuntimeError("PytorchStreamWriter failed writing file")

    with pytest.raises(CheckpointError, match="the disk is full; make room, then --resume"):
        publish()
    assert list(tmp_path.iterdir()) == []
