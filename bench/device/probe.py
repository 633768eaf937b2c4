"""What is installed, which card there is, and which attention vLLM has for it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
import vllm

from bench.device.work import Work

_PACKAGES = ("torch", "triton", "transformers", "safetensors", "numpy", "numba")


def probe(work: Work) -> dict[str, Any]:
    """Versions, processors, the card, its driver's CUDA, and whether FlashAttention runs on it."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES} | {"vllm": vllm.__version__},
        "cuda": torch.version.cuda,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
    }
    if torch.cuda.is_available():
        from vllm.v1.attention.backends.fa_utils import get_flash_attn_version

        properties = torch.cuda.get_device_properties(0)
        found |= {
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "capability": f"{properties.major}.{properties.minor}",
            "flash_attention": get_flash_attn_version(),
        }
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
