"""A call tree as flame graphs in speedscope's file format, to be looked at with https://www.speedscope.app.

One profile each for time, fuel and memory. A sample is a path from the root to a node, weighed with what the node
itself takes, without what it calls. A frame's file is its primitive's part of the language, which gives its colour.

Format: https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from interpreter.machine.profile import Node

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
WORD = 8  # bytes
# Measures of a node: the profile's name, its unit among those of the format, and how many of them a measure is.
MEASURES = {"seconds": ("time", "seconds", 1), "fuel": ("fuel", "none", 1), "words": ("memory", "bytes", WORD)}


def flame_graphs(tree: Node, families: Mapping[str, str], title: str) -> dict[str, Any]:
    """The file's content for a tree; `families` tells the part of the language of each name."""
    paths = list(_paths(tree, ()))
    names = list(dict.fromkeys(node.name for _, node in paths))
    numbers = {name: number for number, name in enumerate(names)}
    return {
        "$schema": SCHEMA,
        "name": title,
        "exporter": "codeit",
        "activeProfileIndex": 0,
        "shared": {
            "frames": [{"name": name, **({"file": families[name]} if name in families else {})} for name in names]
        },
        "profiles": [_profile(measure, paths, numbers) for measure in MEASURES],
    }


def _profile(measure: str, paths: list[tuple[tuple[str, ...], Node]], numbers: Mapping[str, int]) -> dict[str, Any]:
    name, unit, scale = MEASURES[measure]
    # Rounding can leave a node with a little less than its children have.
    own = [(path, scale * max(node.own(measure), 0)) for path, node in paths]
    samples = [([numbers[name] for name in path], weight) for path, weight in own if weight]
    weights = [weight for _, weight in samples]
    return {
        "type": "sampled",
        "name": name,
        "unit": unit,
        "startValue": 0,
        "endValue": sum(weights),
        "samples": [sample for sample, _ in samples],
        "weights": weights,
    }


def _paths(node: Node, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every node with the names from the root to it."""
    path = (*above, node.name)
    yield path, node
    for child in node.children.values():
        yield from _paths(child, path)
