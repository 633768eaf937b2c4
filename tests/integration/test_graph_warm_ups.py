"""vLLM's runs before a graph is captured, as far as a CPU can say: they ask for no more than the model's length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from engine.sampler.host import guard_warm_ups, hosting


@pytest.mark.parametrize(
    ("tokens", "uniform", "expected"),
    [(2048, False, 736), (512, False, 512), (512, True, None)],
    ids=["longer-than-the-model", "shorter", "only-decodes"],
)
def test_sequences_of_a_warm_up_are_within_the_model(tokens: int, uniform: bool, expected: int | None) -> None:
    """What only decodes has sequences of one token by itself."""
    with hosting():
        from vllm.config import CUDAGraphMode
        from vllm.forward_context import BatchDescriptor
        from vllm.v1.worker.gpu_model_runner import GPUModelRunner

        guard_warm_ups()
        runs: list[dict[str, Any]] = []
        runner = SimpleNamespace(
            max_model_len=736,
            compilation_config=SimpleNamespace(cudagraph_num_of_warmups=0),
            _dummy_run=lambda _, **options: runs.append(options),
        )
        graph = BatchDescriptor(num_tokens=tokens, num_reqs=512, uniform=uniform)
        GPUModelRunner._warmup_and_capture(runner, graph, cudagraph_runtime_mode=CUDAGraphMode.FULL)
    assert [run["profile_seq_lens"] for run in runs] == [expected]
