"""New weights for a running vLLM engine, by its weight transfer API.

    start_weight_update -> update_weights(...) -> finish_weight_update

vLLM rebuilds each layer from checkpoint tensors as it does when it loads a model (`reload`), so that packed copies
are made anew. A failure after the start leaves a model that must not be used.

Tensors of this process, under their checkpoint names, are passed by reference, by a backend of our own (`transfer`).
Training processes send theirs by vLLM's backends (`receive`): CUDA IPC on the sampler's GPU, or NCCL from another one
(`engine.sampler.links` is their end). Which of the steps above is next then comes from there, through the pipe of the
group of trainers; tensors never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.v1.engine.llm_engine import LLMEngine

from engine.sampler import Transfer, WeightSender
from engine.sampler.links import OpenSender
from engine.sampler.published import Published

_IN_PROCESS = "codeit-in-process"


@dataclass
class NoInit(WeightTransferInitInfo):
    """Nothing is agreed on beforehand."""


@dataclass
class Weights(WeightTransferUpdateInfo):
    """All tensors of a checkpoint by their checkpoint names (`Published.sent`)."""

    weights: dict[str, torch.Tensor]


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


def backend(way: Transfer) -> str:
    """The name of a way for weights among vLLM's backends; ours is made known to vLLM, once in a process."""
    if _IN_PROCESS not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(_IN_PROCESS, InProcessTransfer)
    return _IN_PROCESS if way == "in_process" else way


def transfer(engine: LLMEngine, weights: dict[str, torch.Tensor]) -> None:
    """Replace all weights of an idle engine and forget the prefixes that the old ones computed.

    Raises whatever goes wrong; the engine is then unusable.
    """
    receiver = EngineReceiver(engine)
    receiver.step("start_weight_update", {})
    receiver.step("update_weights", {"update_info": {"weights": weights}})
    receiver.step("finish_weight_update", {})
    _forget_prefixes(engine)


def connect(engine: LLMEngine, sender: WeightSender, published: Published, way: Transfer) -> None:
    """Connect training processes with an engine that was opened for their way of transfer."""
    sender.connect(OpenSender(way, published.sent_names), EngineReceiver(engine))


def receive(engine: LLMEngine, sender: WeightSender) -> None:
    """Replace all weights of an idle engine by those of connected training processes, as `transfer` does by others."""
    sender.send_weights(EngineReceiver(engine))
    _forget_prefixes(engine)


class EngineReceiver:
    """The steps of a transfer, for an engine in this process (a `trainer.group.Receiver`)."""

    def __init__(self, engine: LLMEngine) -> None:
        self._engine = engine

    def step(self, name: str, arguments: dict[str, Any]) -> None:
        self._engine.collective_rpc(name, kwargs=arguments)

    def abort(self) -> None:
        """Close the worker's connection, which ends a broadcast that it waits for."""
        self._engine.collective_rpc(lambda worker: worker.weight_transfer_engine.shutdown())


def _forget_prefixes(engine: LLMEngine) -> None:
    if not engine.reset_prefix_cache():
        raise RuntimeError("the prefix cache cannot be reset while requests are running")
