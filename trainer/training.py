"""Training: one epoch of maximum likelihood on program tokens, as a plain loop.

Batches hold examples of similar length, padded on the right. A decoder-only policy reads prompt and program as one
sequence. Attention is causal, so no real token ever sees padding and no mask is needed; only the positions that predict
a program token reach the output layer and the loss. An encoder-decoder policy reads the prompt, masked, with its
encoder and the program with its decoder.

Weights and optimizer are fp32; the forward pass is autocast to bf16 where that is asked for or the hardware computes
in it.

An update takes the mean loss of all program tokens in `accumulate` batches, one after the other, and where several
processes train (`trainer.group`) in as many of each of them: both come to the same, up to rounding.

The learning rate rises linearly over the first `warmup_steps` updates of a trainer's life and is constant then.
All randomness comes from the trainer's own generator, that of dropout from the seed and the number of updates. These
and the optimizer's moments travel in the checkpoint, so that a resumed trainer continues exactly:

    training/optimizer.safetensors    `<parameter>.<moment>`
             factors.safetensors      of a policy with LoRA, its factors
             state.json               {"steps": n, "generator": {...}}
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.checkpoint import TRAINING, load_manifest, load_vocabulary, publishing, write_vocabulary
from trainer.codec import Codec
from trainer.config import TrainerConfig
from trainer.errors import CheckpointError
from trainer.examples import Example, Examples, padded
from trainer.policy import load_policy
from trainer.pretrained import lora_factors, save_policy

IGNORED = -100
# Pads encoder prompts; tokens are 0 and more.
NO_TOKEN = -1
# Batches are sorted by length inside pools of this many, so that a batch is not all one task.
POOL_BATCHES = 16
# Updates after which free memory goes back to the system.
RELEASE_EVERY = 64
OPTIMIZER_FILE = "optimizer.safetensors"
FACTORS_FILE = "factors.safetensors"
STATE_FILE = "state.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainResult:
    """One epoch: mean `loss` a program token (nats), real `tokens` read, share of padding in the batches."""

    loss: float
    examples: int
    steps: int
    tokens: int
    padding_share: float
    seconds: float


@dataclass(frozen=True)
class Batch:
    """`ids` (n, length) that the decoder reads, `labels` the same shape: the next program token or `IGNORED`.

    `prompts` (n, other length) is what an encoder reads, padded with `NO_TOKEN`; None for a decoder-only policy.
    """

    ids: Tensor
    labels: Tensor
    prompts: Tensor | None = None

    @classmethod
    def of(cls, examples: Sequence[Example], start: int | None = None) -> Batch:
        """Pad examples on the right. The last token of a program is only a label.

        `start` is the token that an encoder-decoder policy's decoder begins with, None for a decoder-only policy.
        """
        some = Examples.of(examples)
        tokens, starts, ends = some.tokens, some.starts[:-1], some.starts[1:]
        programs = starts + some.prompts
        if start is not None:
            labels = padded(tokens, programs, ends, IGNORED)
            read = np.full_like(labels, start)
            read[:, 1:] = padded(tokens, programs, ends - 1, 0)
            prompts = padded(tokens, starts, programs, NO_TOKEN)
            return cls(*map(torch.from_numpy, (read, labels, prompts)))
        ids = padded(tokens, starts, ends - 1, 0)
        labels = padded(tokens, starts + 1, ends, IGNORED)
        labels[np.arange(labels.shape[1]) < some.prompts[:, None] - 1] = IGNORED
        return cls(torch.from_numpy(ids), torch.from_numpy(labels))

    @property
    def size(self) -> int:
        """Tokens, padding included."""
        return self.ids.numel() + (0 if self.prompts is None else self.prompts.numel())

    @property
    def program_tokens(self) -> int:
        """The number of labels that count."""
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device) -> Batch:
        prompts = None if self.prompts is None else self.prompts.to(device)
        return Batch(self.ids.to(device), self.labels.to(device), prompts)


class ProgramLoss(nn.Module):
    """The mean cross-entropy (nats) of a policy on the labelled positions of a batch."""

    def __init__(self, policy: PreTrainedModel, bf16: bool = False) -> None:
        super().__init__()
        self.policy = policy
        self.bf16 = bf16

    def forward(self, ids: Tensor, labels: Tensor, prompts: Tensor | None = None) -> Tensor:
        predicting = labels != IGNORED
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.bf16):
            if prompts is None:
                hidden = self.policy.base_model(ids, use_cache=False).last_hidden_state
                logits = self.policy.get_output_embeddings()(hidden[predicting])
            else:
                real = prompts != NO_TOKEN
                read = {"input_ids": prompts.clamp(min=0), "attention_mask": real, "decoder_input_ids": ids}
                logits = self.policy(**read, use_cache=False).logits[predicting]
        return nn.functional.cross_entropy(logits.float(), labels[predicting])


def plan_batches(
    lengths: Sequence[int] | npt.NDArray[np.int64], batch_tokens: int, generator: np.random.Generator | None
) -> list[npt.NDArray[np.int64]]:
    """Indices of examples, batch by batch; a batch is at most `batch_tokens` with padding, or one example.

    An example has one length, or several, (n, parts), of parts that are padded separately: then their sum counts.
    With a generator the examples are shuffled, sorted by length in pools, and the batches shuffled; without one
    all are sorted by length.
    """
    parts = np.asarray(lengths, np.int64).reshape(len(lengths), -1)
    sizes = parts.sum(1)
    if generator is None:
        return _cut(np.argsort(sizes, kind="stable"), parts, batch_tokens)
    order = generator.permutation(len(sizes))
    pool = max(1, int(POOL_BATCHES * batch_tokens / sizes.mean()))
    batches = []
    for start in range(0, len(order), pool):
        members = order[start : start + pool]
        batches += _cut(members[np.argsort(sizes[members], kind="stable")], parts, batch_tokens)
    return [batches[index] for index in generator.permutation(len(batches))]


def _cut(order: npt.NDArray[np.int64], parts: npt.NDArray[np.int64], limit: int) -> list[npt.NDArray[np.int64]]:
    """Cut indices in order of size into batches; `parts` (n, k) are the lengths of all examples."""
    cuts, start = [], 0
    longest = np.zeros(parts.shape[1], np.int64)
    for position, index in enumerate(order):
        longest = np.maximum(longest, parts[index])
        if position > start and (position - start + 1) * longest.sum() > limit:
            cuts.append(position)
            start, longest = position, parts[index]
    return np.split(order, cuts)


class Trainer:
    """A policy, its optimizer and its random state, on one device.

    `config` says how it learns and on what device, whichever policy it names; what is random follows from the seed.

    One of several processes that `accelerate` knows of trains on its share of each update's batches; all are given
    the same examples and come to the same weights.
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
        optimizer = torch.optim.AdamW(policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self._evaluated = ProgramLoss(policy, bf16)
        self._loss, self._optimizer = self._accelerator.prepare(self._evaluated, optimizer)

    @property
    def device(self) -> torch.device:
        return self._accelerator.device

    def train(self, examples: Sequence[Example], progress: Progress | None = None) -> TrainResult:
        """One epoch in a random order. `progress` is called with (examples done, all examples) after each update.

        Raises ValueError for no examples or one longer than the policy's positions, RuntimeError for a loss that is
        not finite.
        """
        examples = Examples.of(examples)
        self._check(examples)
        started = time.perf_counter()
        lengths = self._lengths(examples)
        batches = plan_batches(lengths, self.config.batch_tokens, self._generator)
        size = self.config.accumulate * self._accelerator.num_processes
        updates = [batches[start : start + size] for start in range(0, len(batches), size)]
        losses: list[Tensor] = []
        done = padded = 0
        self.policy.train()
        for update in updates:
            made = [Batch.of(examples.take(indices), self._start) for indices in update]
            losses.append(self._update(made))
            done += sum(len(indices) for indices in update)
            padded += sum(batch.size for batch in made)
            if len(losses) % RELEASE_EVERY == 0:
                release_memory()
            if progress is not None:
                progress(done, len(examples))
        release_memory()
        tokens = int(lengths.sum()) - (len(lengths) if self._start is None else 0)
        total = self._accelerator.reduce(torch.stack(losses).sum(), "sum")
        return TrainResult(
            loss=total.item() / int(examples.programs.sum()),
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
        total = 0.0
        for indices in plan_batches(self._lengths(examples), self.config.batch_tokens, None):
            batch = Batch.of(examples.take(indices), self._start).to(self.device)
            total += self._evaluated(batch.ids, batch.labels, batch.prompts).item() * batch.program_tokens
        return total / int(examples.programs.sum())

    def publish(self, folder: Path, policy_version: int) -> Path:
        """Write a checkpoint to `folder`, which must not exist, and return it. Raises `CheckpointError`."""
        with publishing(folder, policy_version, self.codec.kind) as partial:
            save_policy(self.policy, partial)
            write_vocabulary(partial, self.codec)
            (partial / TRAINING).mkdir()
            if factors := lora_factors(self.policy):
                save_file(factors, partial / TRAINING / FACTORS_FILE)
            save_file(self._optimizer_tensors(), partial / TRAINING / OPTIMIZER_FILE)
            state = {"steps": self.steps, "generator": self._generator.bit_generator.state}
            (partial / TRAINING / STATE_FILE).write_text(json.dumps(state, indent=1) + "\n")
        return folder

    def resume(self, folder: Path) -> None:
        """Continue exactly where the trainer that published `folder` was.

        Raises `CheckpointError` where the checkpoint is damaged, has no training state, or is one of another policy
        or vocabulary.
        """
        if load_vocabulary(folder).sha256 != self.codec.vocabulary_hash:
            raise CheckpointError(f"cannot resume from {folder}: its vocabulary differs (start a new run from it)")
        if not (folder / TRAINING / STATE_FILE).is_file():
            raise CheckpointError(f"cannot resume from {folder}: it has no training state")
        factors, lora = folder / TRAINING / FACTORS_FILE, lora_factors(self.policy)
        if factors.is_file() != bool(lora):
            raise CheckpointError(f"cannot resume from {folder}: it was {'not ' * bool(lora)}trained with LoRA")
        load_manifest(folder, verify_hash=True)
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
        """Nothing, here; `trainer.group` has processes to end."""

    def _update(self, batches: Sequence[Batch]) -> Tensor:
        """One step of the optimizer; returns the loss of this process's batches before it, summed over tokens."""
        self.steps += 1
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * min(1.0, self.steps / max(1, self.config.warmup_steps))
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        every = sum(batch.program_tokens for batch in batches)
        # Gradients of the processes are averaged, and each takes part, if with nothing.
        shares = [(batch, batch.program_tokens) for batch in batches[rank::processes]] or [(batches[0], 0)]
        losses = []
        for number, (batch, tokens) in enumerate(shares, 1):
            with nullcontext() if number == len(shares) else self._accelerator.no_sync(self._loss):
                on_device = batch.to(self.device)
                with self._dropout(rank + processes * number):
                    loss = self._loss(on_device.ids, on_device.labels, on_device.prompts)
                self._accelerator.backward(loss * (tokens * processes / every))
            losses.append(loss.detach() * tokens)
        nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.clip_norm, error_if_nonfinite=True)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return torch.stack(losses).sum()

    @contextmanager
    def _dropout(self, number: int) -> Iterator[None]:
        """Seed torch for one of an update's batches, and put its generators back."""
        with torch.random.fork_rng(devices=[] if self.device.type == "cpu" else [self.device]):
            entropy = np.random.SeedSequence([self.seed, self.steps, number])
            torch.manual_seed(int(entropy.generate_state(1)[0]))
            yield

    def _lengths(self, examples: Examples) -> npt.NDArray[np.int64]:
        """The tokens of each example, (n, parts): of the one sequence that it is, or of its prompt and its program."""
        if self._start is None:
            return examples.lengths[:, None]
        return np.column_stack([examples.prompts, examples.programs])

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
