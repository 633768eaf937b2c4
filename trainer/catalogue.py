"""The policies by name, and their sizes. Torch-free, so that a configuration can be checked at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The size of a policy; `inner` is the width inside its feed-forward layers."""

    layers: int
    width: int
    inner: int

    @property
    def weights(self) -> int:
        """Parameters of the layers' matrices: without embedding and norms."""
        return self.layers * self.width * (4 * self.width + 3 * self.inner)


# `compact-tiny` is for tests; the others are named by their parameters.
POLICIES: dict[str, Shape] = {
    "compact-tiny": Shape(layers=2, width=64, inner=128),
    "compact-1m": Shape(layers=4, width=128, inner=384),
    "compact-3m": Shape(layers=4, width=256, inner=512),
    "compact-8m": Shape(layers=6, width=320, inner=896),
    "compact-25m": Shape(layers=8, width=512, inner=1344),
    "compact-60m": Shape(layers=8, width=768, inner=2176),
    "compact-220m": Shape(layers=16, width=1024, inner=3072),
}

# Fine-tuned from a checkpoint on Hugging Face: 60M, 220M (the paper's) and 770M parameters.
PRETRAINED: dict[str, str] = {
    "codet5-small": "Salesforce/codet5-small",
    "codet5p-220m": "Salesforce/codet5p-220m",
    "codet5p-770m": "Salesforce/codet5p-770m",
}
