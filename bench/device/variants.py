"""Ways to do the same on a device, by case: what each changes. Torch-free, because threads are decided before."""

from __future__ import annotations

from typing import Any

_TRITON = {"attention": "triton"}
_FULL, _DECODE = {"graphs": "full"}, {"graphs": "decode"}
_WAVES = {"admit_together": 64}

# Sampling: changes of its configuration. The first one is what the others are compared with.
VARIANTS: dict[str, dict[str, Any]] = {
    "eager": {"graphs": "off"},
    "eager-triton": {"graphs": "off"} | _TRITON,
    "full-triton": _TRITON | _FULL,
    "full-triton-waves": _TRITON | _FULL | _WAVES,
    "decode-flash": _DECODE,
    "decode-flash-waves": _DECODE | _WAVES,
    "decode-triton-waves": _TRITON | _DECODE | _WAVES,
    "eager-vllm-scheduler": {"graphs": "off", "scheduler": "vllm"},
    "fp32-eager": {"graphs": "off", "dtype": "float32"},
    "fp32-full-triton": {"dtype": "float32"} | _TRITON | _FULL,
    # vLLM draws, without grammar and seeds.
    "free-eager": {"graphs": "off"},
    "free-decode": _DECODE,
    "free-full-triton": _TRITON | _FULL,
    "free-vllm-scheduler": {"graphs": "off", "scheduler": "vllm"},
}
# FULL graphs, of mixed steps, aborted with Triton and 512 sequences: vLLM read behind its block table before it
# captured (`engine.sampler.host.guard_warm_ups`, not seen on a device yet). `full-triton-waves` shows whether that was
# all, and so does `full-flash-own-schedule`, whose illegal memory access may have been the same.
# FULL graphs with FlashAttention 3 gave wrong tokens. Its work is laid out before a step (`scheduler_metadata`) for the
# longest query of the step, but a graph's kernel is that of capture; `own-schedule` lets the kernel lay out its own.
DIAGNOSES: dict[str, dict[str, Any]] = {
    "full-flash-own-schedule": {"attention": "flash"} | _FULL,
    "full-flash": {"attention": "flash"} | _FULL,
}


# Sampling in several processes, with the graphs that were right. The first one is what the others are compared with.
PROCESSES: dict[str, dict[str, Any]] = {
    **{f"processes-{number}": _DECODE | {"processes": number} for number in (1, 2, 3, 4, 6)},
    "processes-3-full": _TRITON | _FULL | {"processes": 3},
}
# Training: arguments of `bench.train.measure`, over those of preset `gpu`.
_25M = {"policy": "compact-25m", "examples": 20_000}
_220M = {"policy": "compact-220m", "examples": 5_000}
TRAININGS: dict[str, dict[str, Any]] = {
    "train-25m": _25M,
    "train-25m-64k": _25M | {"batch_tokens": 65536},
    "train-25m-unrecorded": _25M | {"graphs": "off"},
    "train-25m-padded": _25M | {"packing": "off"},
    "train-25m-plain": _25M | {"compile": "off", "packing": "off", "examples": 8_000},
    "train-220m": _220M,
    "train-220m-padded": _220M | {"packing": "off"},
}


# Whole runs: options besides the preset.
LOOPS: dict[str, list[str]] = {"loop": [], "loop-overlapped": ["--loop.max-staleness", "1"]}


def is_free(name: str) -> bool:
    """Whether a variant writes without a grammar."""
    return name.startswith("free-")
