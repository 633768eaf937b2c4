"""The parts of a run, made from its configuration. Imports torch: decide its threads first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from engine.config import Config
from engine.errors import UsageError
from engine.sampler import Sampler, SamplerOptions, open_sampler
from trainer.codec import CompactCodec
from trainer.group import TrainerGroup
from trainer.policy import new_policy
from trainer.training import Trainer, TrainingSettings


def new_codec(config: Config) -> CompactCodec:
    """The codec of a run's policy."""
    return CompactCodec(config.trainer.max_prompt_tokens)


def new_trainer(config: Config, codec: CompactCodec) -> Trainer | TrainerGroup:
    """A trainer with an untrained policy; close it. Raises `UsageError` for more processes than GPUs, if any."""
    if config.trainer.processes > 1:
        devices = torch.cuda.device_count()
        if 0 < devices < config.trainer.processes:
            raise UsageError(f"trainer.processes is {config.trainer.processes}, but there are {devices} GPUs")
        return TrainerGroup(partial(_new_trainer, config, codec), config.trainer.processes)
    return _new_trainer(config, codec)


def _new_trainer(config: Config, codec: CompactCodec) -> Trainer:
    options = config.trainer
    positions = options.max_prompt_tokens + config.sampler.max_tokens
    settings = TrainingSettings(
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        weight_decay=options.weight_decay,
        clip_norm=options.clip_norm,
        batch_tokens=options.batch_tokens,
        accumulate=options.accumulate,
        seed=config.loop.seed,
    )
    return Trainer(new_policy(options.policy, len(codec.tokens), positions, config.loop.seed), codec, settings)


def new_sampler(config: Config, checkpoint: Path) -> Sampler:
    """The sampler, with the weights of a published checkpoint."""
    options = SamplerOptions(
        max_tokens=config.sampler.max_tokens,
        max_model_len=config.trainer.max_prompt_tokens + config.sampler.max_tokens,
        typed=config.sampler.types,
        temperature=config.sampler.temperature,
        max_sequences=config.sampler.max_sequences,
        kv_cache_bytes=config.sampler.kv_cache_mib << 20,
        dtype=config.sampler.dtype,
        threads=config.sampler.threads,
    )
    return open_sampler(checkpoint, options, config.sampler.backend)
