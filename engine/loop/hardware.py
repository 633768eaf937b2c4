"""Whether a machine has what a run needs, and what to expect of it: asked before anything is made. Imports torch.

Memory and time are estimates. Their rates were measured with compact policies (bench/results/README.md): training in
bf16 with compiled layers on an H200, and on two processors. A batch of a pretrained policy was not measured: it is left
out of the memory, and their time on a GPU is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from engine.config import Config
from engine.errors import UsageError
from engine.loop.components import longest, trains_apart
from engine.sampler.device import fitted
from engine.sampler.vllm.options import BLOCK
from interpreter.machine.pool import default_workers
from trainer.catalogue import POLICIES

_GIB = 1 << 30
_HOUR, _DAY = 3600, 24 * 3600
# Parameters of the pretrained policies by name; a checkpoint's own are not known before it is loaded.
_PRETRAINED = {"codet5-small": 60.5e6, "codet5p-220m": 222.9e6, "codet5p-770m": 737.7e6}
# Bytes a parameter that training takes: weights, gradients and AdamW's two moments in float32.
_TRAINED, _FROZEN = 16, 4
# Bytes that a batch's token leaves in each layer, by its width: 5.06 GiB at 25M and 21.7 GiB at 220M parameters with
# 32,768 tokens, less what the parameters take, come to 37.5 and 36.8; packed and recorded to 35.4 and 34.7.
_ACTIVATION = 37.5
_CONTEXT = _GIB  # of CUDA and the libraries: 0.75 GiB were seen
_EXAMPLE_TOKENS = 170  # of the embedded seeds on their tasks
# Tokens a second that an H200 trains at 25M parameters, and how they fall with more (291,413 at 219M).
_GPU_RATE, _GPU_SIZE, _GPU_EXPONENT = 1_633_117, 25.1e6, 0.8
# Samples a second at 25M parameters of one process, and how they rise with more (3,740 to 4,190 of three).
_GPU_SAMPLES, _GPU_PROCESSES = 1_740, 0.73
_CPU_FLOPS = 5e10  # floating-point operations a second that a core trains with


def check_hardware(config: Config) -> None:
    """Raise `UsageError` where there are not the GPUs that a run needs, or not their driver or memory."""
    _check_gpus(config)
    _check_cache(config)
    if not torch.cuda.is_available():
        _check_driver(config)
    for index, parts in _memory(config).items():
        free, total = torch.cuda.mem_get_info(index)
        if sum(parts.values()) > free:
            raise UsageError(
                f"GPU {index} has {_gib(free)} of {_gib(total)} GiB free, and a run needs about {_listed(parts)}: see "
                f"what else is on it, or lower --trainer.batch-tokens ({config.trainer.batch_tokens}) or "
                f"--sampler.kv-cache-mib ({fitted(config.sampler).kv_cache_mib})"
            )


def expectations(config: Config, tasks: int) -> Iterator[str]:
    """Lines that say what memory and time a run on `tasks` tasks will take, where there is a GPU or should be one."""
    examples = _examples(config)
    if not torch.cuda.is_available():
        yield from _without_a_gpu(config, examples)
        return
    for index, parts in _memory(config).items():
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield f"GPU {index}, {name}: {_gib(free)} of {_gib(total)} GiB are free, needed are about {_listed(parts)}"
    if config.trainer.pretrained is None and config.trainer.device != "cpu":
        yield _on_an_h200(config, tasks, examples)


def _on_an_h200(config: Config, tasks: int, examples: int) -> str:
    parameters = _parameters(config) or 0
    rate = _GPU_RATE * min(1.0, (parameters / _GPU_SIZE) ** -_GPU_EXPONENT)
    line = (
        f"at the rates of an H200, of each of {config.loop.meta_iterations} meta-iterations training on {examples:,} "
        f"examples takes {examples * _EXAMPLE_TOKENS / rate:.0f} s"
    )
    if parameters < 1.1 * _GPU_SIZE:
        samples, processes = tasks * config.sampler.n_samples, config.sampler.processes
        line += f", {samples:,} samples {samples / _GPU_SAMPLES / processes**_GPU_PROCESSES:.0f} s"
    return f"{line}; running programs and the rest comes on top"


def _without_a_gpu(config: Config, examples: int) -> Iterator[str]:
    """A line where training would take days."""
    parameters, processors = _parameters(config), config.loop.threads or default_workers()
    if parameters is None:
        return
    operations = 6 * parameters * examples * _EXAMPLE_TOKENS
    seconds = config.loop.meta_iterations * operations / (_CPU_FLOPS * processors)
    if seconds > _DAY:
        yield (
            f"there is no GPU: by estimate training alone takes {seconds / _DAY:,.0f} days or more on {processors} "
            f"processors, {seconds / config.loop.meta_iterations / _HOUR:,.1f} hours a meta-iteration; --preset cpu is "
            "made for processors"
        )


def _check_gpus(config: Config) -> None:
    processes, transfer, device = config.trainer.processes, config.sampler.transfer, config.trainer.device
    devices = torch.cuda.device_count()
    if device == "cpu" and transfer != "in_process":
        raise UsageError(f"sampler.transfer {transfer} is for weights on GPUs, and trainer.device is cpu")
    if device == "cuda" and not devices:
        raise UsageError("trainer.device is cuda, and there is no GPU: auto takes what there is")
    if transfer == "in_process" and (device == "cpu" or not devices):
        return  # processes share the CPU
    if not devices:
        raise UsageError(f"sampler.transfer {transfer} is for GPUs, and there is none: in_process works anywhere")
    needed = processes + (transfer == "nccl")
    if needed > devices:
        sampler = " and the sampler another" * (transfer == "nccl")
        raise UsageError(f"trainer.processes {processes} needs as many GPUs{sampler}, but there are {devices}")


def _check_cache(config: Config) -> None:
    """Raise `UsageError` where vLLM's cache cannot hold one sequence of a compact policy."""
    sampler = fitted(config.sampler)
    if config.trainer.pretrained is not None or sampler.backend != "vllm":
        return
    shape = POLICIES[config.trainer.policy]
    blocks = -(-longest(config) // BLOCK) + 1  # vLLM keeps one
    number = 2 if sampler.dtype == "bfloat16" else 4
    needed = blocks * BLOCK * shape.layers * 2 * shape.width * number
    if needed > sampler.kv_cache_bytes:
        raise UsageError(
            f"sampler.kv-cache-mib {sampler.kv_cache_mib} holds no sequence of {longest(config)} tokens "
            f"(trainer.max-prompt-tokens and sampler.max-tokens): at least {-(-needed >> 20)} MiB do"
        )


def _check_driver(config: Config) -> None:
    """Without a GPU, raise `UsageError` for a vLLM that needs one: its own error comes late, and names no driver."""
    if config.sampler.backend != "vllm" or torch.version.cuda is None:
        return
    from engine.sampler.host import hosting

    with hosting():
        from vllm.platforms import current_platform
    if current_platform.is_cpu():
        return
    try:
        torch.cuda.init()
        reason = "no GPU is visible"
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(".")
    raise UsageError(
        f"vLLM and torch are those for GPUs (CUDA {torch.version.cuda}), and there is none: {reason}. See what "
        "nvidia-smi says, or set up for processors (make run DEVICE=cpu, or make setup DEVICE=cpu and --preset cpu)"
    )


def _memory(config: Config) -> dict[int, Mapping[str, float]]:
    """Bytes that a run takes on each GPU, by what they are for."""
    if not torch.cuda.is_available():
        return {}
    sampler, parameters = fitted(config.sampler), _parameters(config)
    engines = sampler.processes
    # This process samples where no other does; training on this GPU may have one of its own.
    trains_here = config.trainer.device != "cpu" and config.sampler.transfer != "nccl"
    own_contexts = engines + (engines > 1) + (trains_here and trains_apart(config))
    sampled: dict[str, float] = {"CUDA": own_contexts * _CONTEXT}
    if parameters is not None:
        sampled["weights for sampling"] = engines * parameters * (2 if sampler.dtype == "bfloat16" else 4)
    if sampler.backend == "vllm":
        sampled["cache"] = engines * sampler.kv_cache_bytes
    if config.trainer.device == "cpu":
        return {0: sampled}
    trained: dict[str, float] = {}
    if parameters is not None:
        trained["training"] = parameters * (_FROZEN if config.trainer.lora_rank else _TRAINED)
    if config.trainer.pretrained is None:
        shape = POLICIES[config.trainer.policy]
        trained["a batch"] = _ACTIVATION * shape.layers * shape.width * config.trainer.batch_tokens
    is_apart = config.sampler.transfer == "nccl"
    further = range(1, config.trainer.processes + is_apart)
    return {0: sampled if is_apart else sampled | trained} | {index: {"CUDA": _CONTEXT} | trained for index in further}


def _parameters(config: Config) -> float | None:
    """Parameters of the policy, without a compact one's embedding; None for a checkpoint whose size is not known."""
    if config.trainer.pretrained is None:
        return POLICIES[config.trainer.policy].weights
    return None if config.trainer.checkpoint else _PRETRAINED[config.trainer.policy]


def _examples(config: Config) -> int:
    """Examples that a meta-iteration learns from, once replay has as many."""
    replay = config.replay
    drawn = replay.draw_policy + replay.draw_mutated + replay.draw_search * config.search.is_on
    return drawn * config.trainer.epochs


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f}"


def _listed(parts: Mapping[str, float]) -> str:
    """The sum in GiB, and what it is made of."""
    return f"{_gib(sum(parts.values()))} (" + ", ".join(f"{name} {_gib(size)}" for name, size in parts.items()) + ")"
