"""What CUDA and NCCL do in vLLM's weight transfer, done on a CPU, so that its engines of both ends run as they are.

A handle of GPU memory is the array itself, and travels with the control messages; a broadcast goes through a socket.
Everything else is vLLM's: its trainer engines, its worker engines, names, shapes, packing and the order of steps.
"""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from multiprocessing.connection import Client, Listener
from types import SimpleNamespace

import pytest
import torch

from engine.sampler.host import hosting

_DEVICE_INDEX = 6  # the place of the device in the handle that torch makes of a tensor
_STREAM = SimpleNamespace(synchronize=lambda: None)


def pretend_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """Replace what needs one, in this process."""
    with hosting():
        from vllm.distributed.weight_transfer import ipc_engine, nccl_engine, packed_tensor
    patch.setattr(torch.accelerator, "current_device_index", lambda: 0)
    patch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="the GPU"))
    patch.setattr(torch.cuda, "ipc_collect", lambda: None)
    patch.setattr(torch.cuda, "synchronize", lambda: None)
    patch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    patch.setattr(ipc_engine, "reduce_tensor", lambda tensor: (None, (tensor.numpy(), *[None] * _DEVICE_INDEX)))
    patch.setattr(ipc_engine, "rebuild_cuda_tensor", lambda array, *rest: torch.from_numpy(array.copy()))
    patch.setattr(packed_tensor, "_get_streams", lambda device, count: (_STREAM,) * count)
    patch.setattr(nccl_engine, "open_trainer_endpoint", lambda info: Sending(info.master_address, info.master_port))
    patch.setattr(
        nccl_engine, "worker_init_process_group", lambda info, _: Receiving(info.master_address, info.master_port)
    )


class Sending:
    """The communicator of the process that broadcasts, to one other."""

    def __init__(self, address: str, port: int) -> None:
        with Listener((address, port)) as listener:
            self._connection = listener.accept()

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        assert src == 0
        self._connection.send_bytes(tensor.numpy().data)

    def destroy(self) -> None:
        self._connection.close()


class Receiving:
    """The other's."""

    def __init__(self, address: str, port: int) -> None:
        self._aborted = False
        deadline = time.monotonic() + 60
        while True:
            try:
                self._connection = Client((address, port))
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        """As NCCL's, it does not return or fail before it is done or aborted, whatever became of the sender."""
        assert src == 0
        while not self._aborted:
            with suppress(EOFError, ConnectionError):
                if self._connection.poll(0.05):
                    self._connection.recv_bytes_into(tensor.numpy())
                    return
        raise RuntimeError("the broadcast was aborted")

    def destroy(self) -> None:
        self._aborted = True
