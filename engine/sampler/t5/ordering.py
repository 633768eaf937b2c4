"""A guard against a fault of vLLM's V1 model runner (0.32).

The runner hands encoder outputs to the model in the order in which requests were scheduled, but writes cross-attention
keys in the order of the batch. The two differ in a step that resumes preempted requests beside new ones, and then
requests read each other's encoder output, without an error. The V2 runner sorts by itself.
"""

from __future__ import annotations

from copy import copy
from functools import wraps
from typing import Any

from engine.sampler.t5.private import private


def guard_encoder_order() -> None:
    """Let the runner take encoder inputs in the order of the batch, once in a process. Raises `UntestedVersion`."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    batch_inputs = private(GPUModelRunner, "_batch_mm_inputs_from_scheduler")
    if hasattr(batch_inputs, "__wrapped__"):
        return

    @wraps(batch_inputs)
    def in_batch_order(runner: GPUModelRunner, scheduled: Any) -> Any:
        if runner.model_config.is_encoder_decoder:
            row = runner.input_batch.req_id_to_index
            inputs = sorted(scheduled.scheduled_encoder_inputs.items(), key=lambda item: row[item[0]])
            scheduled = copy(scheduled)
            scheduled.scheduled_encoder_inputs = dict(inputs)
        return batch_inputs(runner, scheduled)

    GPUModelRunner._batch_mm_inputs_from_scheduler = in_batch_order
