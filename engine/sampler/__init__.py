"""Sampling programs from a policy: requests and samples, the protocol `Sampler`, its configuration, `open_sampler`.

Two samplers stand behind one protocol. `vllm` runs vLLM's engine in this process and is the one to use;
`transformers` prefills each prompt once and decodes its samples together, needs no vLLM, and is the reference
that the first is tested against. Both write well-formed programs only (`constraint`), whatever the kind of policy: the
checkpoint says whether it is compact or pretrained, and decoder-only or encoder-decoder. Then a prompt is what the
encoder reads.

    protocol    requests, samples, the protocol       config      the section `sampler` of a configuration
    base        what both samplers do                 published   a checkpoint, as a sampler sees it
    constraint  grammars on logits                    host        vLLM in this process, undisturbed
    noise       what draws samples from logits        device      what "auto" is on this machine
    group       several processes that sample
    vllm/       vLLM's options, steps and transfer    t5/         a plugin that teaches vLLM T5

Importing this package imports neither torch nor vLLM.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.sampler.config import Backend, SamplerConfig, Transfer
from engine.sampler.protocol import Sample, Sampler, SampleRequest, check_requests, sample_seed

if TYPE_CHECKING:
    from trainer.group import TrainerGroup

__all__ = [
    "Backend",
    "Sample",
    "SampleRequest",
    "Sampler",
    "SamplerConfig",
    "Transfer",
    "check_requests",
    "open_sampler",
    "sample_seed",
]


def open_sampler(
    checkpoint: Path, config: SamplerConfig, max_model_len: int, trainers: TrainerGroup | None = None
) -> Sampler:
    """A sampler with the weights of a published checkpoint.

    `max_model_len` is the number of tokens of a prompt and its program together at most. With `transfer` ipc or nccl, a
    swap takes the weights of the published checkpoint from `trainers`, who must have published it last; only vLLM can.
    One that fails raises RuntimeError and closes the trainers.

    The folder of the current weights must stay until the next swap: an engine that fails is started again from it.
    Raises ValueError for a folder that is no checkpoint or a damaged one (every file is read for its hash), and for
    options that do not fit, and ImportError where the backend is not installed.
    """
    if config.max_tokens >= max_model_len:
        raise ValueError(f"max_tokens ({config.max_tokens}) must be below max_model_len ({max_model_len})")
    if (config.transfer == "in_process") != (trainers is None):
        missing = "no " * (trainers is None)
        raise ValueError(f"transfer is {config.transfer}, but there are {missing}training processes to send")
    from trainer.checkpoint import load_manifest

    load_manifest(checkpoint, verify_hash=True)
    if config.processes > 1:
        from engine.sampler.group import SamplerGroup

        return SamplerGroup(open_sampler, checkpoint, config, max_model_len)
    if config.backend == "vllm":
        from engine.sampler.vllm_sampler import VllmSampler

        return VllmSampler(checkpoint, config, max_model_len, trainers)
    from engine.sampler.transformers_sampler import TransformersSampler

    return TransformersSampler(checkpoint, config, max_model_len)
