"""How the weights of a published checkpoint reach a running vLLM engine: one class for each way.

    in_process   the sampler's process reads the checkpoint and passes its tensors by reference
    ipc          the first training process runs on the sampler's GPU, which reads its memory
    nccl         training processes run on other GPUs, and the first one broadcasts to the sampler

vLLM rebuilds each layer from checkpoint tensors as it does when it loads a model, so that packed copies are made anew,
in steps of its weight transfer API:

    start_weight_update -> update_weights(...) -> finish_weight_update

A failure after the start leaves a model that must not be used. Which step is next comes, for `ipc` and `nccl`, from
vLLM's own trainer engine in the first training process (`open_link`), through the pipe of the group of trainers;
tensors never do.

Importing this module imports no vLLM. **Unverified on a GPU**: the tests run vLLM's engines of both ends in two
processes on a CPU, with what is CUDA's or NCCL's replaced.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

from safetensors.torch import load_file
from torch import Tensor

from engine.sampler.config import Transfer
from engine.sampler.host import hosting, packing
from engine.sampler.published import Published
from engine.sampler.t5.private import private
from trainer.checkpoint import MODEL
from trainer.group import Ask, Link, TrainerGroup, free_port
from trainer.pretrained import merged_weights
from trainer.processes import LinkError
from trainer.training import Trainer

if TYPE_CHECKING:
    from vllm.distributed.weight_transfer import TrainerWeightTransferEngine, WeightSource
    from vllm.v1.engine.llm_engine import LLMEngine

    from engine.sampler.vllm.transfer import SamplerClient

_LOCALHOST = "127.0.0.1"
# One training process sends, one sampler receives.
_PROCESSES = 2


class Transport(ABC):
    """A way for weights into an engine. It keeps no engine: one that failed is followed by another."""

    backend: ClassVar[str]
    """The name among vLLM's weight transfer backends, for the engine to be opened with."""

    @abstractmethod
    def prepare(self) -> None:
        """Get vLLM, which is imported, ready to open an engine with this backend."""

    @abstractmethod
    def connect(self, engine: LLMEngine, published: Published) -> None:
        """Make an engine that was just opened with the weights of `published` ready for later ones."""

    @abstractmethod
    def read(self, published: Published) -> dict[str, Tensor]:
        """The weights of a checkpoint that this process passes on. Nothing has happened yet where reading fails."""

    @abstractmethod
    def update(self, engine: LLMEngine, weights: dict[str, Tensor]) -> None:
        """Replace all weights of an idle engine, with what `read` gave, and forget the prefixes of the old ones.

        Raises whatever goes wrong; the engine is then unusable.
        """


class InProcess(Transport):
    """Tensors of this process, under their checkpoint names, are passed by reference."""

    backend = "codeit-in-process"

    def prepare(self) -> None:
        _register(self.backend)

    def connect(self, engine: LLMEngine, published: Published) -> None:
        """There is no connection to make."""

    def read(self, published: Published) -> dict[str, Tensor]:
        return published.sent(load_file(published.folder / MODEL))

    def update(self, engine: LLMEngine, weights: dict[str, Tensor]) -> None:
        receiver = EngineReceiver(engine)
        receiver.step("start_weight_update", {})
        receiver.step("update_weights", {"update_info": {"weights": weights}})
        receiver.step("finish_weight_update", {})
        _forget_prefixes(engine)


@cache
def _register(name: str) -> None:
    """Make our own backend known to vLLM, once in a process."""
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

    from engine.sampler.vllm.transfer import InProcessTransfer

    WeightTransferEngineFactory.register_engine(name, InProcessTransfer)


class FromTrainers(Transport):
    """The first of the training processes sends; what goes wrong between it and the engine is a `LinkError`."""

    def __init__(self, trainers: TrainerGroup) -> None:
        self._trainers = trainers

    def prepare(self) -> None:
        """vLLM knows its own backends."""

    def connect(self, engine: LLMEngine, published: Published) -> None:
        with self._linked():
            self._trainers.connect(partial(self.open_link, published.sent_names), EngineReceiver(engine))

    def read(self, published: Published) -> dict[str, Tensor]:
        return {}

    def update(self, engine: LLMEngine, weights: dict[str, Tensor]) -> None:
        with self._linked():
            self._trainers.send_weights(EngineReceiver(engine))
            _forget_prefixes(engine)

    @classmethod
    def open_link(cls, names: tuple[str, ...], trainer: Trainer, ask: Ask) -> Link:
        """In the training process: a trainer engine of vLLM's that is connected and sends tensors of these names.

        Raises RuntimeError where the policy in training has other names than its checkpoint.
        """
        unknown = sorted(set(names) - merged_weights(trainer.policy).keys())
        if unknown:
            raise RuntimeError(
                f"the checkpoint has other tensors than the policy in training ({unknown[0]}): "
                "use --sampler.transfer in_process"
            )
        with hosting():
            from engine.sampler.vllm.transfer import PolicySource, SamplerClient
        return cls.trainer_engine(SamplerClient(ask), PolicySource(trainer.policy, names))

    @staticmethod
    @abstractmethod
    def trainer_engine(client: SamplerClient, source: WeightSource) -> TrainerWeightTransferEngine:
        """vLLM's trainer engine, connected with the sampler's."""

    @contextmanager
    def _linked(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise LinkError(f"weights did not come by {self.backend} from the training processes: {error}") from error


class Ipc(FromTrainers):
    """The first training process is on the sampler's GPU."""

    backend = "ipc"

    @staticmethod
    def trainer_engine(client: SamplerClient, source: WeightSource) -> TrainerWeightTransferEngine:
        from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

        from engine.sampler.vllm.transfer import LoneIPCSender

        return LoneIPCSender.trainer_init(IPCTrainerInitInfo(rank=0), client=client, source=source)


class Nccl(FromTrainers):
    """Training processes are on GPUs of their own."""

    backend = "nccl"

    @staticmethod
    def trainer_engine(client: SamplerClient, source: WeightSource) -> TrainerWeightTransferEngine:
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo, NCCLTrainerWeightTransferEngine

        info = NCCLTrainerInitInfo(_LOCALHOST, free_port(), _PROCESSES, rank=0)
        return NCCLTrainerWeightTransferEngine.trainer_init(info, client=client, source=source)


def new_transport(transfer: Transfer, trainers: TrainerGroup | None) -> Transport:
    """The transport that a configuration asks for; all but `in_process` are from `trainers`."""
    if trainers is None:
        return InProcess()
    return {"ipc": Ipc, "nccl": Nccl}[transfer](trainers)


class EngineReceiver:
    """The steps of a transfer, for an engine in this process (a `trainer.group.Receiver`)."""

    def __init__(self, engine: LLMEngine) -> None:
        self._engine = engine

    def step(self, name: str, arguments: dict[str, Any]) -> None:
        with packing():
            self._engine.collective_rpc(name, kwargs=arguments)

    def abort(self) -> None:
        """Close the worker's connection, which ends a broadcast that it waits for."""
        self._engine.collective_rpc(lambda worker: private(worker, "weight_transfer_engine").shutdown())


def _forget_prefixes(engine: LLMEngine) -> None:
    if not engine.reset_prefix_cache():
        raise RuntimeError("the prefix cache cannot be reset while requests are running")
