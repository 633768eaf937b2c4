"""What a sampler has to know of a published checkpoint, and whether one checkpoint can take another's place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from safetensors import safe_open

from interpreter.language.vocabulary import PROGRAM_TOKENS
from trainer.checkpoint import MODEL, load_manifest, load_vocabulary
from trainer.codec import PolicyKind
from trainer.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"

# Keys of config.json that say who wrote it and not what the model computes.
_PROVENANCE = {"transformers_version", "_name_or_path"}


@dataclass(frozen=True)
class Published:
    """A checkpoint folder whose files are there and belong together."""

    folder: Path
    policy_version: int
    kind: PolicyKind
    tokens: tuple[str, ...]
    vocabulary_hash: str
    architecture: dict[str, Any]
    """config.json, without provenance."""
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    """Type and shape by name."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read everything but the weights. Raises `CheckpointError` for a folder that is damaged or cannot sample."""
        manifest, vocabulary = load_manifest(folder), load_vocabulary(folder)
        is_compact = manifest.policy == "compact"
        if is_compact and vocabulary.tokens[: len(PROGRAM_TOKENS)] != PROGRAM_TOKENS:
            raise CheckpointError(
                f"checkpoint {folder} was made for another set of primitives: its program tokens differ"
            )
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        embeddings, tokens = config["vocab_size"], len(vocabulary.tokens)
        if embeddings < tokens or (is_compact and embeddings > tokens):  # pretrained policies have spare ones
            raise CheckpointError(f"checkpoint {folder} has {tokens} tokens but embeddings for {embeddings}")
        with safe_open(folder / MODEL, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            tensors = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
        architecture = {key: value for key, value in config.items() if key not in _PROVENANCE}
        return cls(
            folder=folder,
            policy_version=manifest.policy_version,
            kind=manifest.policy,
            tokens=vocabulary.tokens,
            vocabulary_hash=vocabulary.sha256,
            architecture=architecture,
            tensors=tensors,
        )

    @property
    def sent_names(self) -> tuple[str, ...]:
        """The tensors to send to an engine that has these weights.

        An output head that is tied is one of them: on a CPU, vLLM multiplies with a packed copy of it that is only
        made anew if the head itself receives weights; without, it stays stale, silently. T5 has other names and sees
        to its head by itself.
        """
        tied = self.architecture.get("tie_word_embeddings") and EMBEDDING in self.tensors
        return (*self.tensors, *([HEAD] if tied and HEAD not in self.tensors else ()))

    def sent(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of the checkpoint by `sent_names`."""
        return {name: weights[name if name in weights else EMBEDDING] for name in self.sent_names}

    def check_length(self, max_model_len: int) -> None:
        """Raise ValueError for sequences longer than the policy has positions; T5's are relative."""
        positions = self.architecture.get("max_position_embeddings")
        if positions is not None and max_model_len > positions:
            raise ValueError(
                f"max_model_len is {max_model_len}, but the policy of {self.folder} has {positions} positions"
            )

    def check_successor(self, other: Published) -> None:
        """Raise `CheckpointError` unless `other` has other weights for the same policy, and nothing else new."""
        if other.kind != self.kind:
            raise CheckpointError(f"checkpoint {other.folder} is a {other.kind} policy, the running one {self.kind}")
        if other.vocabulary_hash != self.vocabulary_hash:
            raise CheckpointError(f"checkpoint {other.folder} has another vocabulary than the running policy")
        if other.architecture != self.architecture:
            keys = self.architecture.keys() | other.architecture.keys()
            changed = sorted(key for key in keys if self.architecture.get(key) != other.architecture.get(key))
            raise CheckpointError(f"checkpoint {other.folder} is of another architecture: {', '.join(changed)}")
        for name in sorted(self.tensors.keys() | other.tensors.keys()):
            running, new = self.tensors.get(name, "absent"), other.tensors.get(name, "absent")
            if running != new:
                raise CheckpointError(f"checkpoint {other.folder}: {name} is {new}, in the running policy {running}")
