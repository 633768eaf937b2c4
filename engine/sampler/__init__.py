"""Sampling programs from a policy: the values, the protocol, and `open_sampler`.

Two samplers stand behind one protocol. `vllm` runs vLLM's engine in this process and is the one to use;
`transformers` prefills each prompt once and decodes its samples together, needs no vLLM, and is the reference
that the first is tested against. Both write well-formed programs only (`engine.sampler.constraint`), whatever the kind
of policy: the checkpoint says whether it is compact or pretrained, and decoder-only or encoder-decoder. Then a prompt
is what the encoder reads.

Importing this package imports neither torch nor vLLM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from trainer.group import OpenLink, Receiver

Backend = Literal["vllm", "transformers"]
Transfer = Literal["in_process", "ipc", "nccl"]
"""How new weights reach vLLM: from the checkpoint, by reference, or from training processes by CUDA IPC or NCCL."""


@dataclass(frozen=True)
class SampleRequest:
    """`n` programs for one prompt. Sample k depends on the weights, the prompt and (seed, k) alone."""

    prompt: tuple[int, ...]
    n: int
    seed: int


@dataclass(frozen=True)
class Sample:
    """One program, as the policy wrote it.

    `request` is the index of its request and `index` its place among the request's n. `tokens` leaves the prompt
    out and ends with the end token when `finished`, which the grammar sees to for compact policies; the limit can cut a
    program of others off. The codec of the checkpoint (`trainer.checkpoint.load_codec`) decodes them.
    """

    request: int
    index: int
    tokens: tuple[int, ...]
    policy_version: int
    finished: bool


@dataclass(frozen=True)
class SamplerOptions:
    """How programs are sampled."""

    max_tokens: int
    """Tokens of a program at most, its end included."""
    max_model_len: int
    """Tokens of a prompt and its program together at most."""
    typed: bool = False
    """Whether the grammar heeds declared types, too."""
    temperature: float = 0.95
    """0 takes the likeliest token."""
    max_sequences: int = 96
    """Programs that are decoded at the same time (vLLM)."""
    kv_cache_bytes: int = 512 << 20
    """Memory of the key-value cache (vLLM), which must hold one sequence of `max_model_len`."""
    dtype: str = "float32"
    """Type of weights and activations: float32 (CPU, or exact comparisons) or bfloat16."""
    threads: int = 1
    """Torch threads while sampling on a CPU; the number from before is put back. Steps of a small policy are so
    short that one thread is the fastest, above all beside busy worker processes."""


class WeightSender(Protocol):
    """Training processes that send their weights (`trainer.group.TrainerGroup`)."""

    def connect(self, open_link: OpenLink, receiver: Receiver) -> None:
        """Open a link to `receiver`."""

    def send_weights(self, receiver: Receiver) -> None:
        """Send the weights over the link."""


class Sampler(Protocol):
    """What samples programs. One owner, one thread; also a context manager that closes."""

    @property
    def policy_version(self) -> int:
        """Version of the weights that the next sample comes from."""

    def sample(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        """All samples of all requests, as they finish.

        Raises ValueError at once for a request that cannot be sampled. Closing the iterator drops what is not
        finished; until it ends or is closed, `sample` and `swap` raise RuntimeError.
        """

    def swap(self, checkpoint: Path) -> None:
        """Sample from the weights of another published checkpoint of the same policy.

        Raises ValueError, with the old weights and version in place, unless architecture, vocabulary, names, shapes
        and types are the same.
        """

    def close(self) -> None:
        """Give back memory, threads and processes. May be called twice."""

    def __enter__(self) -> Sampler: ...

    def __exit__(self, *exception: object) -> None: ...


def open_sampler(
    checkpoint: Path,
    options: SamplerOptions,
    backend: Backend = "vllm",
    transfer: Transfer = "in_process",
    sender: WeightSender | None = None,
) -> Sampler:
    """A sampler with the weights of a published checkpoint.

    With `transfer` ipc or nccl, a swap takes the weights of the published checkpoint from `sender`, which must have
    published it last; only vLLM can. One that fails raises RuntimeError and closes the sender.

    The folder of the current weights must stay until the next swap: an engine that fails is started again from it.
    Raises ValueError for a folder that is no checkpoint, for an unknown backend, or for options that do not fit, and
    ImportError where the backend is not installed.
    """
    if options.max_tokens >= options.max_model_len:
        raise ValueError(f"max_tokens ({options.max_tokens}) must be below max_model_len ({options.max_model_len})")
    if (transfer == "in_process") != (sender is None):
        raise ValueError(f"transfer is {transfer}, but there are {'no ' * (sender is None)}training processes to send")
    if backend == "vllm":
        from engine.sampler.vllm_sampler import VllmSampler

        return VllmSampler(checkpoint, options, transfer, sender)
    if sender is not None:
        raise ValueError(f"transfer {transfer} needs the sampler vllm, not {backend}")
    if backend == "transformers":
        from engine.sampler.transformers_sampler import TransformersSampler

        return TransformersSampler(checkpoint, options)
    raise ValueError(f"unknown sampler {backend!r}: vllm or transformers")


def sample_seed(seed: int, index: int) -> int:
    """The seed of sample `index` of a request: 63 bits of a hash, the same for both samplers."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {index}".encode(), digest_size=8).digest()) >> 1


def check_requests(requests: Sequence[SampleRequest], vocabulary: int, options: SamplerOptions) -> None:
    """Raise ValueError for the first request that an engine must not see, saying which and why.

    `vocabulary` is the number of token ids. An id outside it hangs or kills an engine, hence the check before.
    """
    room = options.max_model_len - options.max_tokens
    for number, request in enumerate(requests):
        if request.n < 1:
            raise ValueError(f"request {number}: n must be at least 1, not {request.n}")
        if not 1 <= len(request.prompt) <= room:
            raise ValueError(
                f"request {number}: a prompt has 1 to {room} tokens (max_model_len {options.max_model_len} "
                f"- max_tokens {options.max_tokens}), not {len(request.prompt)}"
            )
        for position, token in enumerate(request.prompt):
            if not 0 <= token < vocabulary:
                raise ValueError(
                    f"request {number}: id {token} at position {position} is no token (ids are 0..{vocabulary - 1})"
                )
