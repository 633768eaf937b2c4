"""Our ends of vLLM's weight transfer: classes that derive from vLLM's, whichever its version.

`InProcessTransfer` receives in the engine's process. The others are for a training process, where vLLM's own trainer
engines send: `PolicySource` is what they send, `SamplerClient` what they ask for each step, `LoneIPCSender` the one of
them that needs a change. `engine.sampler.vllm.transports` puts them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from vllm.distributed.weight_transfer import ParamMeta, WeightSource
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerWeightTransferEngine
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

from engine.sampler.t5.private import private
from trainer.group import Ask
from trainer.pretrained import merged_weights


@dataclass
class NoInit(WeightTransferInitInfo):
    """Nothing is agreed on beforehand."""


@dataclass
class Weights(WeightTransferUpdateInfo):
    """All tensors of a checkpoint by their checkpoint names (`Published.sent`)."""

    weights: dict[str, Tensor]


class InProcessTransfer(WeightTransferEngine[NoInit, Weights]):
    """Loads tensors of this process into the model."""

    init_info_cls = NoInit
    update_info_cls = Weights

    def init_transfer_engine(self, init_info: NoInit) -> None:
        """There is no connection to make."""

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def receive_weights(self, update_info: Weights) -> None:
        """Load a whole checkpoint. Raises RuntimeError if a parameter of the model gets no weights."""
        expected = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        missing = expected - self.model.load_weights(update_info.weights.items())
        if missing:
            raise RuntimeError(f"no weights for {', '.join(sorted(missing))}")

    def finish_weight_update(self) -> None:
        finalize_layerwise_reload(self.model, self.model_config)

    def shutdown(self) -> None:
        """There is no connection to close."""


def source_class(base: type[WeightSource]) -> type[WeightSource]:
    """A source of weights for vLLM's trainer engines, derived from vLLM's `WeightSource`.

    Up to vLLM 0.32 a source is iterated over and has a method `metadata`; from 0.33 on `iter_full` gives the weights
    and `metadata` has to be a cached property.
    """

    class PolicySource(base):
        """The weights of a policy under the names that its checkpoints have."""

        def __init__(self, policy: PreTrainedModel, names: tuple[str, ...]) -> None:
            self._policy = policy
            self._names = names

        def iter_full(self) -> Iterator[tuple[str, Tensor]]:
            weights = merged_weights(self._policy)
            return ((name, weights[name]) for name in self._names)

        __iter__ = iter_full

        @cached_property
        def _described(self) -> list[ParamMeta]:
            return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in self.iter_full()]

        if hasattr(base, "iter_full"):

            @cached_property
            def metadata(self) -> list[ParamMeta]:
                return self._described

        else:

            def metadata(self) -> list[ParamMeta]:
                return self._described

    return PolicySource


PolicySource = source_class(WeightSource)


class SamplerClient:
    """The weight transfer API of the engine in the sampler's process (a `VLLMWeightSyncClient`)."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        self._ask("init_weight_transfer_engine", {"init_info": init_info})

    def start_weight_update(self) -> None:
        self._ask("start_weight_update", {})

    def update_weights(self, update_info: dict[str, Any]) -> None:
        self._ask("update_weights", {"update_info": update_info})

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        self._ask("finish_weight_update", {})


class LoneIPCSender(IPCTrainerWeightTransferEngine):
    """vLLM's, without its exchange among training processes: all have the same weights, and one sends them."""

    for _overridden in ("_all_gather_and_merge_handles", "_post_send_sync"):
        private(IPCTrainerWeightTransferEngine, _overridden)  # where vLLM has none, ours would never be called

    def _all_gather_and_merge_handles(self, handles: list[dict[str, tuple]]) -> list[dict[str, tuple]]:
        return handles

    @staticmethod
    def _post_send_sync() -> None:
        torch.cuda.ipc_collect()
