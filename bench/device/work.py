"""What the cases work on: two policies that have read the seed programs, prompts of evaluation tasks, a sampler.

The policies are read so long that programs end where programs end, as in `bench samples`. Everything is the same in
every case, the seeds of samples too, so that all variants should write the same programs up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from bench.samples import EPOCHS, MAX_PROMPT_TOKENS, READING, programs_of, prompts_of
from engine.sampler import SamplerConfig, SampleRequest
from engine.sampler.device import fitted
from interpreter.language.vocabulary import BOS
from trainer.codec import CompactCodec
from trainer.examples import Example
from trainer.policy import new_policy
from trainer.training import Trainer

MAX_TOKENS = 96
LONGEST = MAX_PROMPT_TOKENS + MAX_TOKENS


@dataclass(frozen=True)
class Work:
    """A case at work: where the files of all cases are, its name, and whether everything is small."""

    folder: Path
    name: str
    tiny: bool

    @cached_property
    def codec(self) -> CompactCodec:
        return CompactCodec(MAX_PROMPT_TOKENS)

    @property
    def policy(self) -> str:
        return "compact-tiny" if self.tiny else "compact-25m"

    @property
    def checkpoints(self) -> tuple[Path, Path]:
        """Of two policies that have other weights."""
        return self.folder / "policies" / "1", self.folder / "policies" / "2"

    @cached_property
    def requests(self) -> list[SampleRequest]:
        return self.many(4, 4) if self.tiny else self.many(128, 24)

    def many(self, prompts: int, n: int) -> list[SampleRequest]:
        """Requests of the first evaluation tasks."""
        return [SampleRequest(prompt, n, seed) for seed, prompt in enumerate(prompts_of(self.codec, prompts))]

    def config(self, **changes: Any) -> SamplerConfig:
        small = {"max_sequences": 8, "kv_cache_mib": 32} if self.tiny else {"max_sequences": 512}
        on_a_gpu = {} if self.tiny else {"kv_cache_mib": 8192}
        return fitted(SamplerConfig(max_tokens=MAX_TOKENS, **(small | on_a_gpu | changes)))


def prepare(work: Work) -> dict[str, Any]:
    """Make the policies."""
    programs = programs_of(work.codec)[: 8 if work.tiny else None]
    losses = []
    for version, checkpoint in enumerate(work.checkpoints, 1):
        trainer = Trainer(new_policy(work.policy, len(work.codec.tokens), LONGEST, seed=version), work.codec, READING)
        examples = [Example((BOS,), program) for program in programs]
        epochs = 1 if work.tiny or version > 1 else EPOCHS
        losses.append([trainer.train(examples).loss for _ in range(epochs)][-1])
        checkpoint.parent.mkdir(exist_ok=True)
        trainer.publish(checkpoint, version)
    return {"losses": [round(loss, 3) for loss in losses]}


def synchronize() -> None:
    """Wait until the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def memory() -> dict[str, float]:
    """GiB in use on the device, and by this process's tensors at most."""
    if not torch.cuda.is_available():
        return {}
    free, total = torch.cuda.mem_get_info()
    sizes = {"gpu_used": total - free, "peak": torch.cuda.max_memory_allocated()}
    return {f"{name}_gib": round(size / 2**30, 2) for name, size in sizes.items()}
