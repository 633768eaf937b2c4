"""Training: one epoch of maximum likelihood on program tokens, as a plain loop.

On a GPU nothing in an update waits for the device: the processor prepares batches and queues their work ahead, and
whether all gradients were finite is looked at every `LOOK_EVERY` updates.

Weights and optimizer are fp32; the forward pass is autocast to bf16 where that is asked for or the hardware computes
in it.

An update takes the mean loss of all program tokens in `accumulate` batches, one after the other, and where several
processes train (`trainer.group`) in as many of each of them: both come to the same, up to rounding.

The learning rate rises linearly over the first `warmup_steps` updates of a trainer's life and is constant then.
All randomness comes from the trainer's own generator, that of dropout from the seed and the number of updates. These
and the optimizer's moments travel with the checkpoint, so that a resumed trainer continues exactly, on a GPU up to
rounding. They are twice as much as the weights, and can be written while the policy already samples:

    training/optimizer.safetensors    `<parameter>.<moment>`
             factors.safetensors      of a policy with LoRA, its factors
             state.json               {"steps": n, "generator": {...}}
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.checkpoint import MANIFEST, TRAINING, load_manifest, load_vocabulary, publishing, write_vocabulary
from trainer.codec import Codec
from trainer.config import TrainerConfig
from trainer.errors import CheckpointError, Diverged
from trainer.examples import Example, Examples
from trainer.policy import load_policy
from trainer.pretrained import lora_factors, save_policy
from trainer.updates.batches import POOL_BATCHES, Batch, Padding
from trainer.updates.loss import ProgramLoss, attends_to_all, can_pack, compile_layers, skip_masks
from trainer.updates.packing import Packing
from trainer.updates.recording import Recording

# Updates after which gradients are checked and free memory goes back to the system.
LOOK_EVERY = 64
# On a GPU lengths are padded to a multiple of this: kernels like it, and there are fewer shapes of memory. Pools of
# examples are twice as large as on a CPU. Of 100,000 draws from 400 seeds, 5.6% of batches of 32,768 tokens are
# padding, and in a tenth of them more than 36% of the examples are one task's; with pools as on a CPU, 8.5% and 26%.
GPU_MULTIPLE = 8
GPU_POOL_BATCHES = 32
OPTIMIZER_FILE = "optimizer.safetensors"
FACTORS_FILE = "factors.safetensors"
STATE_FILE = "state.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainResult:
    """One epoch: mean `loss` a program token (nats; each counts by its weight), real `tokens` read, share of padding in
    the batches."""

    loss: float
    examples: int
    steps: int
    tokens: int
    padding_share: float
    seconds: float


class Trainer:
    """A policy, its optimizer and its random state, on one device.

    `config` says how it learns and on what device, whichever policy it names; what is random follows from the seed.

    One of several processes that `accelerate` knows of trains on its share of each update's batches; all are given
    the same examples and come to the same weights. Whether it `packs` batches and `records` their work follows from
    `config`, the policy and the device.
    """

    def __init__(self, policy: PreTrainedModel, codec: Codec, config: TrainerConfig, seed: int = 0) -> None:
        known, tokens = policy.config.vocab_size, len(codec.tokens)
        if known < tokens or (codec.kind == "compact" and known > tokens):  # pretrained policies have spare embeddings
            raise ValueError(f"the policy has {known} tokens, the codec {tokens}")
        self.policy = policy
        self.codec = codec
        self.config = config
        self.seed = seed
        self.steps = 0
        self._start = policy.config.decoder_start_token_id if codec.kind == "seq2seq" else None
        self._generator = np.random.Generator(np.random.PCG64(seed))
        # Precision is not given to accelerate, whose choice of it holds for the whole process.
        self._accelerator = Accelerator(cpu=config.device == "cpu")
        if config.device == "cuda" and self.device.type != "cuda":
            raise ValueError("trainer.device is cuda, and there is no GPU: auto takes what there is")
        bf16 = config.dtype == "bfloat16" or (config.dtype == "auto" and computes_in_bf16(self.device))
        is_on_gpu = self.device.type == "cuda"
        optimizer = torch.optim.AdamW(
            policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=is_on_gpu
        )
        if self._start is None and attends_to_all(policy):
            skip_masks(policy)
        compiles = config.compile == "on" or (config.compile == "auto" and is_on_gpu)
        self.packs = (
            config.packing == "auto"
            and self._start is None
            and (is_on_gpu or not compiles)  # the attention of a CPU is not compiled, and breaks layers in two
            and can_pack(policy, self.device, bf16 and computes_in_bf16(self.device))
        )
        if compiles:
            compile_layers(policy, self.packs)
        pools = (GPU_MULTIPLE, GPU_POOL_BATCHES) if is_on_gpu else (1, POOL_BATCHES)
        size = config.batch_tokens
        self._batches = Packing(size, fills=is_on_gpu) if self.packs else Padding(size, self._start, *pools)
        modules = (part.p for part in policy.modules() if isinstance(part, nn.Dropout))
        self._has_dropout = any([*modules, getattr(policy.config, "attention_dropout", 0.0)])
        can_record = is_on_gpu and not self._has_dropout and self._accelerator.num_processes == 1
        self.records = self.packs and can_record and config.graphs == "auto"
        self._recording: Recording | None = None
        self._writer = ThreadPoolExecutor(1, "publish")
        self._writing: Future[None] | None = None
        self._evaluated = ProgramLoss(policy, bf16)
        self._loss, self._optimizer = self._accelerator.prepare(self._evaluated, optimizer)

    @property
    def device(self) -> torch.device:
        return self._accelerator.device

    def train(self, examples: Sequence[Example], progress: Progress | None = None) -> TrainResult:
        """One epoch in a random order. `progress` is called with (examples done, all examples) after each update.

        Raises ValueError for no examples or one longer than the policy's positions, `Diverged` for
        gradients that are not finite, which is noticed some updates later: the trainer is then of no use.
        """
        examples = Examples.of(examples)
        self._check(examples)
        self.settle()  # what is written is what changes now
        started = time.perf_counter()
        batches = self._batches.plan(examples, self._generator)
        size = self.config.accumulate * self._accelerator.num_processes
        updates = [batches[start : start + size] for start in range(0, len(batches), size)]
        losses: list[Tensor] = []
        norms: list[Tensor] = []
        done = padded = 0
        self.policy.train()
        for update in updates:
            made = [self._batches.batch(examples.take(indices)) for indices in update]
            loss, norm = self._update(made)
            losses.append(loss)
            norms.append(norm)
            done += sum(len(indices) for indices in update)
            padded += sum(batch.size for batch in made)
            if len(losses) % LOOK_EVERY == 0:
                self._look(norms)
            if progress is not None:
                progress(done, len(examples))
        self._look(norms)
        tokens = len(examples.tokens) - (len(examples) if self._start is None else 0)
        total = self._accelerator.reduce(torch.stack(losses).sum(), "sum")
        return TrainResult(
            loss=total.item() / examples.weight,
            examples=len(examples),
            steps=len(losses),
            tokens=tokens,
            padding_share=1 - tokens / padded,
            seconds=time.perf_counter() - started,
        )

    @torch.no_grad()
    def heldout_loss(self, examples: Sequence[Example]) -> float:
        """The mean loss a program token (nats) on examples, without learning from them."""
        examples = Examples.of(examples)
        self._check(examples)
        self.policy.eval()
        losses: list[Tensor] = []
        for indices in self._batches.plan(examples, None):
            batch = self._batches.batch(examples.take(indices))
            losses.append(self._evaluated(*batch.to(self.device).parts).double())
        return torch.stack(losses).sum().item() / examples.weight

    def publish(self, folder: Path, policy_version: int, later: bool = False) -> Path:
        """Write a checkpoint to `folder`, which must not exist, and return it. Raises `CheckpointError`.

        With `later` its training state may still be on its way when this returns: `settle` waits for it.
        """
        self.settle()
        with publishing(folder, policy_version, self.codec.kind) as partial:
            save_policy(self.policy, partial)
            write_vocabulary(partial, self.codec)
        tensors = {OPTIMIZER_FILE: self._optimizer_tensors(), FACTORS_FILE: lora_factors(self.policy)}
        # From a GPU they are fetched now: nothing may ask it for memory while another thread records a graph there.
        tensors = {name: {key: one.cpu() for key, one in some.items()} for name, some in tensors.items()}
        state = {"steps": self.steps, "generator": self._generator.bit_generator.state}
        self._writing = self._writer.submit(self._write_state, folder / TRAINING, policy_version, tensors, state)
        if not later:
            self.settle()
        return folder

    def settle(self) -> None:
        """Wait until everything of the last checkpoint is written. Raises `CheckpointError` where it could not be."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write_state(
        self, folder: Path, policy_version: int, tensors: Mapping[str, dict[str, Tensor]], state: Mapping[str, Any]
    ) -> None:
        with publishing(folder, policy_version, self.codec.kind) as partial:
            for name, some in tensors.items():
                if some or name == OPTIMIZER_FILE:
                    save_file(some, partial / name)
            (partial / STATE_FILE).write_text(json.dumps(state, indent=1) + "\n")

    def resume(self, folder: Path) -> None:
        """Continue exactly where the trainer that published `folder` was.

        Raises `CheckpointError` where the checkpoint is damaged, has no training state, or is one of another policy
        or vocabulary.
        """
        self.settle()
        if load_vocabulary(folder).sha256 != self.codec.vocabulary_hash:
            raise CheckpointError(
                f"cannot resume from {folder}: its vocabulary differs (begin a new run with it: --trainer.checkpoint)"
            )
        if not (folder / TRAINING / STATE_FILE).is_file():
            raise CheckpointError(f"cannot resume from {folder}: it has no training state")
        factors, lora = folder / TRAINING / FACTORS_FILE, lora_factors(self.policy)
        if factors.is_file() != bool(lora):
            raise CheckpointError(f"cannot resume from {folder}: it was {'not ' * bool(lora)}trained with LoRA")
        load_manifest(folder, verify_hash=True)
        if (folder / TRAINING / MANIFEST).is_file():  # without, the folder's lists these files: it was written so once
            load_manifest(folder / TRAINING, verify_hash=True)
        weights = load_file(factors) if lora else load_policy(folder, self.codec.tokens).state_dict()
        shapes = {name: tensor.shape for name, tensor in (lora or self.policy.state_dict()).items()}
        if shapes != {name: tensor.shape for name, tensor in weights.items()}:
            raise CheckpointError(f"cannot resume from {folder}: its policy has another shape")
        self.policy.load_state_dict(weights, strict=not lora)
        self._load_optimizer(load_file(folder / TRAINING / OPTIMIZER_FILE))
        state = json.loads((folder / TRAINING / STATE_FILE).read_text())
        self.steps = state["steps"]
        self._generator.bit_generator.state = state["generator"]

    def close(self) -> None:
        """Wait for what is being written; `trainer.group` has processes to end."""
        self._writer.shutdown()

    def _update(self, batches: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        """One step of the optimizer: the loss of this process's batches before it, summed over tokens, and the norm of
        the gradients."""
        self.steps += 1
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * min(1.0, self.steps / max(1, self.config.warmup_steps))
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        every = sum(batch.program_tokens for batch in batches)
        # Gradients of the processes are averaged, and each takes part, if with nothing.
        shares = [(batch, processes / every) for batch in batches[rank::processes]] or [(batches[0], 0.0)]
        losses = []
        for number, (batch, scale) in enumerate(shares, 1):
            with nullcontext() if number == len(shares) else self._accelerator.no_sync(self._loss):
                loss = self._backward(batch, scale, rank + processes * number)
            losses.append(loss if scale else 0 * loss)
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=self._recording is None)
        return torch.stack(losses).sum(), norm

    def _backward(self, batch: Batch, scale: float, number: int) -> Tensor:
        """The loss of a batch, summed over tokens; `scale` times its gradients are added to the parameters'."""
        if self.records:
            if self._recording is None or not self._recording.fits(batch):
                self._recording = None  # its memory is free before another one takes some
                self._recording = Recording(self._evaluated, batch)
            return self._recording.backward(batch, scale)
        on_device = batch.to(self.device)
        with self._dropout(number):
            loss = self._loss(*on_device.parts)
        self._accelerator.backward(loss * scale)
        return loss.detach()

    def _look(self, norms: list[Tensor]) -> None:
        """Raise `Diverged` where one of the last updates' gradients was not finite; here a GPU is waited for."""
        if norms and not torch.stack(norms).isfinite().all():
            raise Diverged(
                f"a gradient was not finite within the {len(norms)} updates up to {self.steps}; the checkpoints are "
                "whole: start another run with a lower --trainer.learning-rate, from the last of them "
                "(--trainer.checkpoint DIR) or anew"
            )
        norms.clear()
        release_memory()

    @contextmanager
    def _dropout(self, number: int) -> Iterator[None]:
        """Seed torch for one of an update's batches, and put its generators back, which waits for a GPU."""
        if not self._has_dropout:
            yield
            return
        with torch.random.fork_rng(devices=[] if self.device.type == "cpu" else [self.device]):
            entropy = np.random.SeedSequence([self.seed, self.steps, number])
            torch.manual_seed(int(entropy.generate_state(1)[0]))
            yield

    def _check(self, examples: Examples) -> None:
        if not len(examples):
            raise ValueError("no examples to learn from")
        longest, limit = int(examples.lengths.max()), getattr(self.policy.config, "max_position_embeddings", None)
        if limit is not None and longest > limit:
            raise ValueError(f"an example has {longest} tokens, the policy {limit} positions")

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        """The optimizer's state by `<parameter>.<moment>`; empty before the first update."""
        names = [name for name, _ in self.policy.named_parameters()]
        state = self._optimizer.state_dict()["state"]
        return {f"{names[index]}.{key}": value for index, values in state.items() for key, value in values.items()}

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        indices = {name: index for index, (name, _) in enumerate(self.policy.named_parameters())}
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            parameter, key = name.rsplit(".", 1)
            state.setdefault(indices[parameter], {})[key] = tensor
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": state})


def release_memory() -> None:
    """Give free memory back to the system, where the C library can.

    Batches of ever other shapes fragment its heap: 3.5 GB after 1,200 examples of a 3M policy, 1.2 GB with this.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether the device multiplies matrices in bf16 natively, so that autocast pays."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    features = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(features.get(feature, False) for feature in ("avx512_bf16", "amx_bf16"))
