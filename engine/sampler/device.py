"""What "auto" means in the section `sampler`, on this machine's device."""

from __future__ import annotations

import torch

from engine.sampler.config import SamplerConfig

# A CPU decodes many sequences hardly faster than some; on a GPU, hundreds take hardly longer than one.
_CPU_SEQUENCES, _GPU_SEQUENCES = 96, 512
_CPU_CACHE_MIB = 512
# Of a GPU's memory; the rest is for weights, what a step needs, and a trainer beside it.
_CACHE_SHARE = 0.2


def fitted(config: SamplerConfig) -> SamplerConfig:
    """The same configuration with every "auto" decided."""
    has_gpu = torch.cuda.is_available()
    dtype = config.dtype if config.dtype != "auto" else "bfloat16" if has_gpu else "float32"
    chosen = {
        "dtype": dtype,
        "max_sequences": _GPU_SEQUENCES if has_gpu else _CPU_SEQUENCES,
        "kv_cache_mib": int(_CACHE_SHARE * gpu_memory() / config.processes) >> 20 if has_gpu else _CPU_CACHE_MIB,
        # `codeit bench device` has shown that tokens are those of eager, on an H200 with FlashAttention 3.
        "graphs": "decode" if has_gpu and dtype == "bfloat16" else "off",
        "attention": "default",
    }
    return config.model_copy(update={name: value for name, value in chosen.items() if getattr(config, name) == "auto"})


def gpu_memory() -> int:
    """Bytes of the first GPU."""
    return torch.cuda.get_device_properties(0).total_memory
