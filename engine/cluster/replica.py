"""The process that samples on a node: a sampler with weights that came as one object."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import ray

from engine.cluster.identity import Identity, own_identity
from engine.sampler.config import SamplerConfig
from engine.sampler.protocol import Sample, SampleRequest
from trainer.checkpoint import MANIFEST, TRAINING, load_manifest

TOGETHER, AFTER = 32, 0.2
"""samples, or seconds, that an answer has"""

Weights = dict[str, npt.NDArray[np.uint8]]
"""the files of a published checkpoint, by their paths in it"""
Answer = tuple[list[Sample], bool]
"""the next samples, and whether these are the last"""


def read_weights(checkpoint: Path) -> Weights:
    """The files of a checkpoint, to be put into the object store as one: what training goes on from stays here."""
    manifest = load_manifest(checkpoint)
    files = {name: record for name, record in manifest.files.items() if not name.startswith(f"{TRAINING}/")}
    listed = manifest.model_copy(update={"files": files}).model_dump_json(by_alias=True)
    contents = {name: np.fromfile(checkpoint / name, np.uint8) for name in files}
    return {**contents, MANIFEST: np.frombuffer(listed.encode(), np.uint8)}


def write_weights(weights: Weights, folder: Path) -> None:
    """A checkpoint again, in a folder of its own."""
    for name, content in weights.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content.tofile(folder / name)


class Replica:
    """An actor with a sampler: `begin`, then `more` until the samples are all there."""

    def __init__(
        self, weights: Sequence[ray.ObjectRef], config: SamplerConfig, max_model_len: int, threads: int
    ) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from engine.sampler import open_sampler

        self._home = tempfile.TemporaryDirectory(prefix="codeit-replica-")
        self._versions = 0
        self._stream: Iterator[Sample] = iter(())
        self._folder = self._written(weights)
        self._sampler = open_sampler(self._folder, config, max_model_len)

    def identity(self) -> tuple[Identity, int]:
        """What this node has, as soon as it is ready, and the version of the weights."""
        return own_identity(), self._sampler.policy_version

    def swap(self, weights: Sequence[ray.ObjectRef]) -> tuple[Identity, int]:
        """Take other weights; what `identity` says then."""
        self.stop()
        before, self._folder = self._folder, self._written(weights)
        self._sampler.swap(self._folder)
        shutil.rmtree(before)
        return self.identity()

    def begin(self, requests: Sequence[SampleRequest]) -> None:
        """Go on with these requests, whatever was asked before."""
        self.stop()
        self._stream = self._sampler.sample(requests)

    def more(self) -> Answer:
        """The samples that are finished next."""
        samples: list[Sample] = []
        end = time.monotonic() + AFTER
        for sample in self._stream:
            samples.append(sample)
            if len(samples) == TOGETHER or time.monotonic() > end:
                return samples, False
        return samples, True

    def stop(self) -> None:
        """Drop what is not finished."""
        if hasattr(self._stream, "close"):
            with closing(self._stream):
                pass
        self._stream = iter(())

    def close(self) -> None:
        """Give back memory and disk; what is killed instead leaves its folder."""
        self.stop()
        self._sampler.close()
        self._home.cleanup()

    def _written(self, weights: Sequence[ray.ObjectRef]) -> Path:
        """A folder of the weights, which stays until there are others."""
        self._versions += 1
        folder = Path(self._home.name) / str(self._versions)
        write_weights(ray.get(weights[0]), folder)
        return folder
