"""The training processes' end of a weight transfer to vLLM in another process.

`OpenSender` travels to the first training process (`TrainerGroup.connect`) and opens vLLM's own trainer engine there.
That drives the transfer: it asks the sampler's process for each step, and moves the tensors itself.

    ipc     the first training process runs on the sampler's GPU, which reads its memory
    nccl    training processes run on other GPUs, and the first one broadcasts to the sampler

Importing this module imports no vLLM. **Unverified on a GPU**: the tests run vLLM's engines of both ends in two
processes on a CPU, with what is CUDA's or NCCL's replaced.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.sampler import Transfer
from engine.sampler.host import hosting
from trainer.group import Ask, Link
from trainer.pretrained import merged_weights
from trainer.training import Trainer


@dataclass(frozen=True)
class OpenSender:
    """Opens the link of a trainer that sends tensors of these names, of a checkpoint.

    Raises RuntimeError where the policy in training has other names.
    """

    transfer: Transfer
    names: tuple[str, ...]

    def __call__(self, trainer: Trainer, ask: Ask) -> Link:
        unknown = sorted(set(self.names) - merged_weights(trainer.policy).keys())
        if unknown:
            raise RuntimeError(
                f"the checkpoint has other tensors than the policy in training ({unknown[0]}): "
                "use --sampler.transfer in_process"
            )
        with hosting():
            from engine.sampler.senders import open_sender
        return open_sender(self.transfer, trainer.policy, self.names, ask)
