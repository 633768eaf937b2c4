"""vLLM with the plugin in this process, and what that engine really has."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from bench.device.t5_parity.case import LONGEST_PROMPT, Case, Result, tiny
from engine.sampler.host import hosting
from engine.sampler.t5 import register
from engine.sampler.vllm.transports import InProcess

_CACHE_BYTES = 8 << 30


@contextmanager
def serving(case: Case, folder: Path) -> Iterator[Any]:
    """`vllm.LLM` in this process."""
    bias = "one_hot" if case.decoder_bias == "stock" else case.decoder_bias
    chosen = {"max_num_seqs": 96, "block_size": 32, "enable_chunked_prefill": False}
    chosen |= {"async_scheduling": False, "enforce_eager": True}
    with hosting():
        if case.plain:
            chosen = {}
            del os.environ["VLLM_USE_V2_MODEL_RUNNER"]
        from vllm import LLM

        register()
        InProcess().prepare()
        if case.decoder_bias == "stock":
            from engine.sampler.t5 import attention

            attention.with_room_for_heads = lambda backend: backend
        llm = LLM(
            str(folder),
            dtype=case.dtype,
            max_model_len=case.length,
            max_num_batched_tokens=4096,
            kv_cache_memory_bytes=256 << 20 if tiny() else _CACHE_BYTES,
            gpu_memory_utilization=0.05,
            skip_tokenizer_init=True,
            generation_config="vllm",
            disable_log_stats=True,
            use_tqdm_on_load=False,
            weight_transfer_config={"backend": InProcess.backend},
            hf_overrides={"decoder_bias": bias, "max_source_positions": LONGEST_PROMPT},
            **chosen,
        )
    try:
        yield llm
    finally:
        llm.llm_engine.engine_core.shutdown()


def runner_of(llm: Any) -> Any:
    """The model runner of an engine in this process."""
    return llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker.model_runner


def facts(llm: Any) -> Result:
    """What the engine really has: attention backends with their heads, groups of the cache, device, versions."""
    import vllm

    runner = runner_of(llm)
    backends: Counter[str] = Counter()
    for layer in runner.vllm_config.compilation_config.static_forward_context.values():
        if (backend := getattr(layer, "attn_backend", None)) is not None:
            backends[f"{backend.__name__} ({backend.get_name()}), heads of {layer.head_size}"] += 1
    specs = [(len(group.layer_names), group.kv_cache_spec) for group in runner.kv_cache_config.kv_cache_groups]
    groups = [
        f"{layers} x {type(spec).__name__}, blocks of {spec.block_size} tokens and {spec.page_size_bytes} bytes"
        for layers, spec in specs
    ]
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "backends": dict(backends),
        "groups": groups,
        "runner": type(runner).__module__,
        "graphs": str(runner.vllm_config.compilation_config.cudagraph_mode),
        "layout": str(runner.vllm_config.cache_config.kv_cache_layout),
        "float32": f"torch {torch.get_float32_matmul_precision()}, Triton {os.environ.get('TRITON_F32_DEFAULT')}",
        "device": f"{card}, torch {torch.__version__}, vLLM {vllm.__version__}",
    }
