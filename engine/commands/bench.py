"""`codeit bench`: the module of `bench` that measures, found by name, because `engine` imports none of `bench`."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from engine.commands.launch import set_threads
from engine.progress import compile_interpreter


def measure(what: str, options: Mapping[str, Any]) -> None:
    """Measure, and write the figures as one JSON object on the last line."""
    set_threads(None)
    compile_interpreter()
    result = importlib.import_module(f"bench.{what}").measure(**options)
    sys.stdout.write(json.dumps(result) + "\n")
