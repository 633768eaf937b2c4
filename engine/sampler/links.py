"""The training processes' end of a weight transfer to vLLM in another process.

`OpenSender` travels to a training process (`TrainerGroup.connect`) and opens vLLM's own trainer engine there. That
drives the transfer: it asks the sampler's process for each step, and moves the tensors itself.

    ipc     the training processes run on the sampler's GPU (the first one, where there are several), whose memory the
            sampler reads
    nccl    they run on other GPUs; the first one broadcasts to the sampler

Importing this module imports no vLLM. **Unverified on a GPU**: the tests run vLLM's engines of both ends in two
processes on a CPU, with what is CUDA's or NCCL's replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.sampler import Transfer
from engine.sampler.host import hosting
from trainer.group import Ask, Link
from trainer.pretrained import merged_weights
from trainer.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from transformers import PreTrainedModel
    from vllm.distributed.weight_transfer import ParamMeta

_LOCALHOST = "127.0.0.1"
# One training process sends, one sampler receives.
_NCCL_PROCESSES = 2


@dataclass(frozen=True)
class OpenSender:
    """Opens the link of a trainer that sends tensors of these names; NCCL meets at a free port of this machine."""

    transfer: Transfer
    names: tuple[str, ...]
    port: int

    def __call__(self, trainer: Trainer, rank: int, ask: Ask) -> Link:
        with hosting():
            from vllm.distributed.weight_transfer import WeightTransferTrainerFactory
            from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
            from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo
        if self.transfer == "ipc":
            info = IPCTrainerInitInfo(rank=rank)
        else:
            info = NCCLTrainerInitInfo(_LOCALHOST, self.port, _NCCL_PROCESSES, rank=rank)
        source = PolicySource(trainer.policy, self.names)
        return WeightTransferTrainerFactory.trainer_init(info, client=SamplerClient(ask), source=source)


class PolicySource:
    """The weights of a policy as its checkpoints have them, for vLLM (a `WeightSource`)."""

    def __init__(self, policy: PreTrainedModel, names: tuple[str, ...]) -> None:
        self._policy = policy
        self._names = names

    def metadata(self) -> list[ParamMeta]:
        """Name, type and shape of each tensor, in order."""
        from vllm.distributed.weight_transfer import ParamMeta

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
