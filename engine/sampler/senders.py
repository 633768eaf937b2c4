"""vLLM's trainer engines for a policy in training; `engine.sampler.links` opens them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from vllm.distributed.weight_transfer import ParamMeta, TrainerWeightTransferEngine, WeightSource
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo, IPCTrainerWeightTransferEngine
from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo, NCCLTrainerWeightTransferEngine

from engine.sampler import Transfer
from trainer.group import Ask, free_port
from trainer.pretrained import merged_weights

_LOCALHOST = "127.0.0.1"
# One training process sends, one sampler receives.
_PROCESSES = 2


def open_sender(
    transfer: Transfer, policy: PreTrainedModel, names: tuple[str, ...], ask: Ask
) -> TrainerWeightTransferEngine:
    """A trainer engine that is connected with the sampler's."""
    client, source = SamplerClient(ask), PolicySource(policy, names)
    if transfer == "ipc":
        return LoneIPCSender.trainer_init(IPCTrainerInitInfo(rank=0), client=client, source=source)
    info = NCCLTrainerInitInfo(_LOCALHOST, free_port(), _PROCESSES, rank=0)
    return NCCLTrainerWeightTransferEngine.trainer_init(info, client=client, source=source)


class LoneIPCSender(IPCTrainerWeightTransferEngine):
    """vLLM's, without its exchange among training processes: all have the same weights, and one sends them."""

    def _all_gather_and_merge_handles(self, handles: list[dict[str, tuple]]) -> list[dict[str, tuple]]:
        return handles

    @staticmethod
    def _post_send_sync() -> None:
        torch.cuda.ipc_collect()


class PolicySource(WeightSource):
    """The weights of a policy under the names that its checkpoints have."""

    def __init__(self, policy: PreTrainedModel, names: tuple[str, ...]) -> None:
        self._policy = policy
        self._names = names

    def metadata(self) -> list[ParamMeta]:
        return self._metadata

    @cached_property
    def _metadata(self) -> list[ParamMeta]:
        return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in self]

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        weights = merged_weights(self._policy)
        return ((name, weights[name]) for name in self._names)


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
