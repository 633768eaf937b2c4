"""What is asked of a sampler and what it answers: requests, samples, and the protocol between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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


def sample_seed(seed: int, index: int) -> int:
    """The seed of sample `index` of a request: 63 bits of a hash, the same for both samplers."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {index}".encode(), digest_size=8).digest()) >> 1


def check_requests(requests: Sequence[SampleRequest], vocabulary: int, max_model_len: int, max_tokens: int) -> None:
    """Raise ValueError for the first request that an engine must not see, saying which and why.

    `vocabulary` is the number of token ids: an id outside it hangs or kills an engine, hence the check before. A prompt
    and its program have at most `max_model_len` tokens together, the program `max_tokens` of them.
    """
    room = max_model_len - max_tokens
    for number, request in enumerate(requests):
        if request.n < 1:
            raise ValueError(f"request {number}: n must be at least 1, not {request.n}")
        if not 1 <= len(request.prompt) <= room:
            raise ValueError(
                f"request {number}: a prompt has 1 to {room} tokens (max_model_len {max_model_len} "
                f"- max_tokens {max_tokens}), not {len(request.prompt)}"
            )
        for position, token in enumerate(request.prompt):
            if not 0 <= token < vocabulary:
                raise ValueError(
                    f"request {number}: id {token} at position {position} is no token (ids are 0..{vocabulary - 1})"
                )
