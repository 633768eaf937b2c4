"""Compact policies, small decoder-only models that are trained from scratch, and the policies of checkpoints.

`trainer.pretrained` has the other kind. Compact ones are plain Llama models of transformers with tied embeddings, so
that vLLM and transformers run their checkpoints as they are. Heads are 64 wide, which vLLM's attention supports on any
device.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from interpreter.language.vocabulary import BOS, EOS, PAD
from trainer.catalogue import POLICIES
from trainer.checkpoint import MANIFEST, MODEL, load_manifest, load_vocabulary
from trainer.codec import PolicyKind
from trainer.errors import CheckpointError
from trainer.pretrained import hub_answers, load_pretrained

HEAD_DIM = 64
EMBEDDING = "model.embed_tokens.weight"
OUTPUT = "lm_head.weight"


def new_policy(name: str, vocabulary_size: int, max_positions: int, seed: int) -> LlamaForCausalLM:
    """An untrained policy in fp32 on the CPU; the seed decides its weights.

    `max_positions` is the longest prompt and program together, in tokens. Raises ValueError for an unknown name.
    """
    if name not in POLICIES:
        raise ValueError(f"unknown policy {name!r} (there are {', '.join(POLICIES)})")
    shape = POLICIES[name]
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        intermediate_size=shape.inner,
        num_attention_heads=shape.width // HEAD_DIM,
        head_dim=HEAD_DIM,
        max_position_embeddings=max_positions,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    return _initialised(config, seed)


def load_policy(folder: Path, tokens: Sequence[str]) -> PreTrainedModel:
    """The policy of a checkpoint in fp32 on the CPU, for a vocabulary of `tokens` by id.

    A compact policy's tokens are mapped by name. One that is new to the checkpoint starts with a random embedding; one
    that the checkpoint knows and `tokens` lacks is a `CheckpointError`, as is a damaged checkpoint, and any other
    vocabulary for a pretrained policy.
    """
    kind, saved = check_checkpoint(folder, tokens)
    if kind != "compact":
        return load_pretrained(str(folder))
    ids = {token: index for index, token in enumerate(tokens)}
    config = LlamaConfig.from_pretrained(folder)
    config.vocab_size = len(tokens)
    policy = _initialised(config, seed=0)
    weights = load_file(folder / MODEL)
    embedding = policy.model.embed_tokens.weight.detach().clone()
    embedding[[ids[token] for token in saved]] = weights[EMBEDDING]
    policy.load_state_dict(weights | {EMBEDDING: embedding, OUTPUT: embedding})
    return policy


def check_checkpoint(folder: Path, tokens: Sequence[str]) -> tuple[PolicyKind, tuple[str, ...]]:
    """The kind of policy and the tokens of a checkpoint, after all that `load_policy` asks of it but loading it."""
    kind, saved = load_manifest(folder, verify_hash=True).policy, load_vocabulary(folder).tokens
    if kind != "compact":
        if saved != tuple(tokens):
            raise CheckpointError(f"checkpoint {folder} has another tokenizer")
        return kind, saved
    known = set(tokens)
    missing = [token for token in saved if token not in known]
    if missing:
        raise CheckpointError(f"checkpoint {folder} has tokens that the vocabulary lacks: {', '.join(missing)}")
    return kind, saved


def published_folder(source: str) -> Path | None:
    """Where the checkpoint is that a trainer published and a folder or a Hugging Face id has; None where it has none.

    That of an id is downloaded. Raises `CheckpointError` where this fails.
    """
    if Path(source).is_dir():
        return Path(source) if (Path(source) / MANIFEST).is_file() else None
    offline = not hub_answers()
    try:
        hf_hub_download(source, MANIFEST, local_files_only=offline)
        return Path(snapshot_download(source, local_files_only=offline))
    except (EntryNotFoundError, RepositoryNotFoundError, HFValidationError):
        return None
    except (OSError, HfHubHTTPError) as error:
        reason = str(error).split("\n", 1)[0]
        raise CheckpointError(f"cannot download the checkpoint {source!r}: {reason}") from error


def parameter_count(policy: PreTrainedModel) -> int:
    """The number of parameters, with a tied embedding counted once."""
    return sum(parameter.numel() for parameter in policy.parameters())


def _initialised(config: LlamaConfig, seed: int) -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return LlamaForCausalLM(config).float()
