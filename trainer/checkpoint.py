"""Published checkpoints: folders that are complete as soon as they exist.

    model.safetensors    weights, fp32, transformers' names
    config.json          transformers' configuration of the policy
    vocab.json           the tokens by id, their hash, and the prompt limits of the codec
    tokenizer/           of a pretrained policy, its tokenizer as transformers saves it
    manifest.json        schema, kind of policy, policy version, and the size and sha256 of every file above
    training/            optimizer and random state, for exact resumption, with a manifest of its own

A checkpoint is written under a temporary name beside its place, each file is synced, the manifest last, and
the folder is renamed. So a folder without a manifest is no checkpoint, and a checkpoint never changes. `training/`
comes in the same way, after the rest; checkpoints of earlier versions have its files in the one manifest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from replay.disk import is_full
from trainer.codec import Codec, CompactCodec, PolicyKind, vocabulary_hash
from trainer.errors import CheckpointError, CodecError
from trainer.text.codec import TextCodec

MODEL = "model.safetensors"
VOCABULARY = "vocab.json"
TOKENIZER = "tokenizer"
MANIFEST = "manifest.json"
TRAINING = "training"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


RecordType = TypeVar("RecordType", bound=_Record)


class FileRecord(_Record):
    """A file of a checkpoint: its size in bytes and its sha256 in hexadecimal."""

    size: NonNegativeInt
    sha256: str


class Manifest(_Record):
    """What a checkpoint consists of; `files` by path relative to its folder."""

    schema_version: Literal[1] = Field(1, alias="schema")
    policy: PolicyKind = "compact"
    policy_version: NonNegativeInt
    files: dict[str, FileRecord]


class Vocabulary(_Record):
    """The tokens of a checkpoint by id, and the prompt limits its policy was trained with."""

    tokens: tuple[str, ...]
    sha256: str
    max_prompt_tokens: PositiveInt
    demonstrations: PositiveInt | None = None

    @classmethod
    def of(cls, codec: Codec) -> Vocabulary:
        limits = {"max_prompt_tokens": codec.max_prompt_tokens, "demonstrations": codec.demonstrations}
        return cls(tokens=codec.tokens, sha256=codec.vocabulary_hash, **limits)

    @model_validator(mode="after")
    def _hash_fits(self) -> Self:
        if vocabulary_hash(self.tokens) != self.sha256:
            raise ValueError("the tokens do not have the hash beside them")
        return self


@contextmanager
def publishing(folder: Path, policy_version: int, kind: PolicyKind = "compact") -> Iterator[Path]:
    """A temporary folder to write a checkpoint's files into; it becomes `folder` when the block ends.

    An error in the block removes it. Raises `CheckpointError` where `folder` exists, since nothing is overwritten, and
    where the disk is full.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already: a checkpoint is never overwritten")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        _seal(partial, policy_version, kind)
        partial.rename(folder)
    except BaseException as error:
        no_room = isinstance(error, Exception) and is_full(partial)
        shutil.rmtree(partial, ignore_errors=True)
        if no_room:
            raise CheckpointError(f"cannot write {folder}: the disk is full; make room, then --resume") from error
        raise
    _sync(folder.parent)


def write_vocabulary(folder: Path, codec: Codec) -> None:
    """Write the vocabulary file of a checkpoint that is being published, and the tokenizer of a pretrained policy."""
    (folder / VOCABULARY).write_text(Vocabulary.of(codec).model_dump_json(indent=1, exclude_none=True) + "\n")
    if isinstance(codec, TextCodec):
        codec.tokenizer.save_pretrained(folder / TOKENIZER)


def load_manifest(folder: Path, verify_hash: bool = False) -> Manifest:
    """The manifest of a checkpoint, after a look at the size of each file, and on request its hash.

    Raises `CheckpointError` for what is missing or damaged.
    """
    manifest = _load(Manifest, folder, MANIFEST)
    for name, record in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"checkpoint {folder} is damaged: {name} is missing")
        if (size := path.stat().st_size) != record.size:
            raise CheckpointError(f"checkpoint {folder} is damaged: {name} has {size} bytes, not {record.size}")
        if verify_hash and _sha256(path) != record.sha256:
            raise CheckpointError(f"checkpoint {folder} is damaged: {name} does not have the sha256 of the manifest")
    return manifest


def load_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a checkpoint. Raises `CheckpointError`."""
    return _load(Vocabulary, folder, VOCABULARY)


def load_codec(folder: Path) -> Codec:
    """The codec that the policy of a checkpoint was trained with. Raises `CheckpointError`.

    Imports transformers where the policy has a tokenizer.
    """
    kind, vocabulary = load_manifest(folder).policy, load_vocabulary(folder)
    limit, demonstrations = vocabulary.max_prompt_tokens, vocabulary.demonstrations
    if kind == "compact":
        return CompactCodec(limit, demonstrations)
    from trainer.pretrained import load_tokenizer

    try:
        tokenizer = load_tokenizer(str(folder / TOKENIZER))
        return TextCodec(tokenizer, limit, is_seq2seq=kind == "seq2seq", demonstrations=demonstrations)
    except CodecError as error:
        raise CheckpointError(f"checkpoint {folder} is damaged: {error}") from None


def _load(kind: type[RecordType], folder: Path, name: str) -> RecordType:
    if not (folder / name).is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has no {name}")
    try:
        return kind.model_validate_json((folder / name).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise CheckpointError(f"checkpoint {folder} is damaged: {name}, {where}: {first['msg']}") from None


def _seal(folder: Path, policy_version: int, kind: PolicyKind) -> None:
    """Sync all files of a folder and write its manifest, synced too."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        files[path.relative_to(folder).as_posix()] = FileRecord(size=path.stat().st_size, sha256=_sha256(path))
        _sync(path)
    manifest = Manifest(policy=kind, policy_version=policy_version, files=files)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1, by_alias=True) + "\n")
    _sync(folder / MANIFEST)
    for path in sorted(path for path in folder.rglob("*") if path.is_dir()):
        _sync(path)
    _sync(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
