"""`python -m bench.device.one FOLDER CASE [--tiny]`: the process of one case, which writes FOLDER/CASE.json."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from pkgutil import resolve_name

from bench.device.cases import CASES, PREPARE
from engine.commands.launch import set_threads
from engine.progress import compile_interpreter


def main(folder: Path, name: str, tiny: bool) -> None:
    """Import, wait for what the case works on and for the device, work, and write what came out."""
    (case,) = (case for case in (PREPARE, *CASES) if case.name == name)
    set_threads(None)
    compile_interpreter(search=True)
    function = resolve_name(f"bench.device.{case.function}")
    from bench.device.work import Work
    from engine.sampler.host import hosting

    with hosting():
        import vllm.v1.engine.llm_engine  # noqa: F401 (takes long)
    _wait_for(folder / f"{name}.turn")  # when those before have ended, and the device's memory is free
    (folder / f"{name}.begun").touch()
    result = function(Work(folder, name, tiny))
    partial = folder / f"{name}.partial"
    partial.write_text(json.dumps(result))
    os.replace(partial, folder / f"{name}.json")


def _wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], "--tiny" in sys.argv)
