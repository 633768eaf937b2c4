"""Forward and backward of a batch as one CUDA graph: a GPU is given their work at once.

Without it the processor launches some hundred kernels an update one by one, and a small policy's GPU waits for it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.updates.batches import Batch
from trainer.updates.loss import ProgramLoss

_WARM_UPS = 3  # in which layers are compiled and libraries choose their kernels, which a graph cannot hold


class Recording:
    """What `ProgramLoss` and its gradients take for batches of one shape, recorded from the first of them.

    Gradients are added to those that the parameters have, which must stay the tensors that they are: an optimizer
    clears them in place.
    """

    def __init__(self, loss: ProgramLoss, batch: Batch) -> None:
        self._module = loss
        self._batch = batch.to(loss.device)
        self._scale = torch.zeros((), device=loss.device)  # with which no gradient changes yet
        for parameter in loss.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._replay = record(self._compute)

    def fits(self, batch: Batch) -> bool:
        """Whether a batch has the shape that was recorded."""
        return self._batch.shape == batch.shape

    def backward(self, batch: Batch, scale: float) -> Tensor:
        """The loss of a batch, and `scale` times its gradients added to the parameters'."""
        self._batch.take(batch)
        self._scale.fill_(scale)
        return self._replay().clone()

    def _compute(self) -> Tensor:
        loss = self._module(*self._batch.parts)
        (loss * self._scale).backward()
        return loss.detach()


def record(compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Does what `compute` does on the device, from the same memory to the same memory; it is called some times here."""
    beside, current = torch.cuda.Stream(), torch.cuda.current_stream()
    beside.wait_stream(current)
    with torch.cuda.stream(beside):
        for _ in range(_WARM_UPS):
            compute()
    current.wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the device meanwhile
        result = compute()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay
