"""`codeit bench`: the module of `bench` that measures, found by name, because `engine` imports none of `bench`."""

from __future__ import annotations

import importlib
import json
import sys

from engine.commands.launch import set_threads
from engine.commands.options.declaration import Options
from engine.progress import compile_interpreter


def measure(options: Options) -> None:
    """Measure, and write the figures as one JSON object on the last line."""
    set_threads(None)
    compile_interpreter(search=True)
    result = importlib.import_module(f"bench.{options.verb}").measure(**dict(options))
    sys.stdout.write(json.dumps(result) + "\n")
