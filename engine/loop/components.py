"""The parts of a run, made from its configuration. Imports torch: decide its threads first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from engine.cluster.session import Session
from engine.config import Config
from engine.errors import UsageError
from engine.sampler import Sampler, open_sampler
from engine.sampler.config import NOT_FOR_TEXT
from trainer.checkpoint import TOKENIZER, load_manifest
from trainer.codec import Codec, CompactCodec
from trainer.errors import CheckpointError, CodecError
from trainer.group import TrainerGroup
from trainer.policy import check_checkpoint, load_policy, new_policy, published_folder
from trainer.pretrained import (
    add_lora,
    is_seq2seq,
    load_pretrained,
    load_tokenizer,
    max_positions,
    vocabulary_size,
)
from trainer.text.codec import TextCodec
from trainer.training import Trainer


def check_policy(config: Config) -> None:
    """Say what is wrong with the policy that a run begins with, as far as that shows without loading its weights.

    Raises `UsageError` and `CheckpointError`, as making the parts does.
    """
    codec, folder = new_codec(config), _begun_from(config)
    _check_options(config, folder)
    if folder is not None and not config.trainer.random_weights:
        check_checkpoint(folder, codec.tokens)


def going_on(config: Config, checkpoint: Path) -> Config:
    """The configuration of a run's parts where it goes on from a checkpoint of its own, which has all of a pretrained
    policy but the weights that stay with LoRA: what the run began with need not be there any more."""
    options = config.trainer
    if options.pretrained is None or options.lora_rank:
        return config
    own = options.model_copy(update={"checkpoint": str(checkpoint), "random_weights": False})
    return config.model_copy(update={"trainer": own})


def new_codec(config: Config) -> Codec:
    """The codec of a run's policy. Raises `CheckpointError` where its tokenizer cannot be loaded or used."""
    options, folder = config.trainer, _begun_from(config)
    if options.pretrained is None or _is_compact(folder):
        return CompactCodec(options.max_prompt_tokens, options.demonstrations)
    if config.sampler.primitives:
        raise UsageError(NOT_FOR_TEXT)
    try:
        tokenizer = load_tokenizer(str(folder / TOKENIZER) if folder else options.pretrained)
        seq2seq = is_seq2seq(options.pretrained)
        codec = TextCodec(tokenizer, options.max_prompt_tokens, seq2seq, options.demonstrations)
    except CodecError as error:
        raise CheckpointError(f"{options.pretrained}: {error}") from None
    embeddings = vocabulary_size(options.pretrained)
    if embeddings < len(codec.tokens):
        raise CheckpointError(
            f"{options.pretrained} has embeddings for {embeddings} tokens, its tokenizer has {len(codec.tokens)}: "
            "they do not belong together"
        )
    return codec


def new_trainer(config: Config, codec: Codec) -> Trainer | TrainerGroup:
    """A trainer with an untrained policy, or a pretrained one; close it."""
    if not trains_apart(config):
        return _new_trainer(config, codec)
    first_device = int(config.sampler.transfer == "nccl")
    return TrainerGroup(partial(_new_trainer, config, codec), config.trainer.processes, first_device)


def trains_apart(config: Config) -> bool:
    """Whether training has processes of its own."""
    is_alone = config.trainer.processes == 1 and config.sampler.transfer == "in_process"
    return not is_alone or config.loop.max_staleness > 0


def _new_trainer(config: Config, codec: Codec) -> Trainer:
    return Trainer(_policy(config, codec), codec, config.trainer, config.loop.seed)


def new_sampler(
    config: Config,
    checkpoint: Path,
    trainer: Trainer | TrainerGroup | None = None,
    cluster: Session | None = None,
) -> Sampler:
    """The sampler, with the weights of a published checkpoint; its replicas, where there is a cluster.

    A run's gets later ones as `sampler.transfer` says, from the `trainer` that published the checkpoint.
    """
    if cluster is not None:
        return cluster.sampler(checkpoint, config.sampler, longest(config))
    trainers = None if config.sampler.transfer == "in_process" else trainer
    return open_sampler(checkpoint, config.sampler, longest(config), trainers)


def _begun_from(config: Config) -> Path | None:
    """The checkpoint of another run that a run begins with, if it does."""
    return published_folder(config.trainer.checkpoint) if config.trainer.checkpoint else None


def _is_compact(folder: Path | None) -> bool:
    return folder is not None and load_manifest(folder).policy == "compact"


def longest(config: Config) -> int:
    """Tokens of a prompt and its program together at most."""
    return config.trainer.max_prompt_tokens + config.sampler.max_tokens


def _policy(config: Config, codec: Codec) -> PreTrainedModel:
    """The policy that a run begins with, in fp32 on the CPU."""
    options = config.trainer
    if options.pretrained is None:
        return new_policy(options.policy, len(codec.tokens), longest(config), config.loop.seed)
    folder = _begun_from(config)
    _check_options(config, folder)
    if folder is not None and not options.random_weights:
        policy = load_policy(folder, codec.tokens)
    else:
        policy = load_pretrained(options.pretrained, config.loop.seed if options.random_weights else None)
    if options.lora_rank:
        add_lora(policy, options.lora_rank, config.loop.seed)
    return policy


def _check_options(config: Config, folder: Path | None) -> None:
    """Raise `UsageError` for options that a policy cannot have which is not trained from scratch; `folder` is the
    checkpoint of another run that it comes from."""
    options = config.trainer
    if options.pretrained is None:
        return
    if _is_compact(folder) and (options.random_weights or options.lora_rank):
        given = "random_weights" if options.random_weights else "lora_rank"
        raise UsageError(f"{given} is for pretrained policies, and the checkpoint {folder} is of a compact one")
    positions = max_positions(str(folder or options.pretrained))
    if positions is not None and longest(config) > positions:
        raise UsageError(
            f"{options.pretrained} has {positions} positions: --trainer.max-prompt-tokens "
            f"({options.max_prompt_tokens}) and --sampler.max-tokens ({config.sampler.max_tokens}) are more"
        )
