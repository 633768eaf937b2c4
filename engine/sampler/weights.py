"""New weights for a running vLLM engine: a backend of its weight transfer API for a trainer in the same process.

vLLM's own backends move tensors between processes (NCCL, CUDA IPC). Here the tensors are already at hand, under
their checkpoint names, and are passed by reference:

    start_weight_update -> update_weights({"weights": {name: tensor}}) -> finish_weight_update

vLLM rebuilds each layer from checkpoint tensors as it does when it loads a model (`reload`), so that packed copies
are made anew. A failure after the start leaves a model that must not be used.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.v1.engine.llm_engine import LLMEngine

BACKEND = "codeit-in-process"

_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"


@dataclass
class NoInit(WeightTransferInitInfo):
    """Nothing is agreed on beforehand."""


@dataclass
class Weights(WeightTransferUpdateInfo):
    """All tensors of a checkpoint by their checkpoint names."""

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
        weights = dict(update_info.weights)
        # A tied head shares the embedding's parameter but, on a CPU, multiplies with a packed copy of its own,
        # which is only remade if the head itself receives weights. Without this line it stays stale, silently.
        # T5 has other names and sees to its head by itself.
        if self.model.config.tie_word_embeddings and _EMBEDDING in weights:
            weights.setdefault(_HEAD, weights[_EMBEDDING])
        expected = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        missing = expected - self.model.load_weights(weights.items())
        if missing:
            raise RuntimeError(f"no weights for {', '.join(sorted(missing))}")

    def finish_weight_update(self) -> None:
        finalize_layerwise_reload(self.model, self.model_config)

    def shutdown(self) -> None:
        """There is no connection to close."""


def register() -> None:
    """Make the backend known to vLLM, once in a process."""
    if BACKEND not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(BACKEND, InProcessTransfer)


def transfer(engine: LLMEngine, weights: dict[str, torch.Tensor]) -> None:
    """Replace all weights of an idle engine and forget the prefixes that the old ones computed.

    Raises whatever goes wrong; the engine is then unusable.
    """
    engine.collective_rpc("start_weight_update")
    engine.collective_rpc("update_weights", kwargs={"update_info": {"weights": weights}})
    engine.collective_rpc("finish_weight_update")
    if not engine.reset_prefix_cache():
        raise RuntimeError("the prefix cache cannot be reset while requests are running")
