"""Processes of cases: some at a time, one of them at work, each with a limit; their results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.device.cases import PREPARE, Case

_PATIENCE = 15.0  # seconds after SIGTERM until SIGKILL
_FIRST, _LINE, _LAST = 12, 300, 2000  # of a failed case's log: lines of errors, characters of each, and of the end


@dataclass
class Running:
    """The process of a case."""

    case: Case
    process: subprocess.Popen
    log: IO[bytes]
    start: float

    @classmethod
    def begin(cls, case: Case, folder: Path, tiny: bool) -> Running:
        command = [sys.executable, "-m", "bench.device.one", str(folder), case.name, *(["--tiny"] * tiny)]
        log = (folder / f"{case.name}.log").open("wb")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        return cls(case, process, log, time.monotonic())

    def end(self, folder: Path, case_limit: float) -> dict[str, Any] | None:
        """The result, if the case has ended or is over its limit, which counts from when it could begin to work."""
        begun = folder / f"{self.case.name}.begun"
        seconds = time.time() - begun.stat().st_mtime if begun.exists() else 0.0
        is_over = max(seconds, time.monotonic() - self.start - 4 * case_limit) > case_limit
        if self.process.poll() is None and not is_over:
            return None
        self.stop()
        file = folder / f"{self.case.name}.json"
        result = {"case": self.case.name, "seconds": round(seconds, 1)}
        if file.exists():
            result |= json.loads(file.read_text())
        if self.process.returncode:
            how = "out of time" if is_over else _how(self.process.returncode)
            result |= {"failed": how} | explained((folder / f"{self.case.name}.log").read_text(errors="replace"))
        return result

    def stop(self) -> None:
        """End the process and all that it started."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


def explained(log: str) -> dict[str, Any]:
    """What tells why a process failed: the first lines of its log that name an error, each once, and the log's end,
    which may be the frames of an abort alone."""
    errors = dict.fromkeys(line.strip()[:_LINE] for line in log.splitlines() if "error" in line.lower())
    return {"errors": [*errors][:_FIRST], "log": log[-_LAST:]}


def run_cases(cases: Sequence[Case], limit: float, case_limit: float, together: int, tiny: bool) -> dict[str, Any]:
    """Run cases, `together` processes at a time; their results by name, each also written as a line of JSON."""
    start, results, running = time.monotonic(), {}, []
    waiting = [PREPARE, *(case for case in cases if case is not PREPARE)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            while waiting or running:
                if time.monotonic() - start > limit:
                    results |= _skip(waiting, "out of time")
                    waiting = []
                while waiting and len(running) < together:
                    running.append(Running.begin(waiting.pop(0), folder, tiny))
                if running:
                    (folder / f"{running[0].case.name}.turn").touch()
                time.sleep(0.05)
                for one in [*running]:
                    if (result := one.end(folder, case_limit)) is not None:
                        running.remove(one)
                        results[one.case.name] = _show(result)
                        if one.case is PREPARE and "failed" in result:
                            results |= _skip([*(other.case for other in running), *waiting], "nothing to work on")
                            return {"cases": results, "seconds": round(time.monotonic() - start, 1)}
        finally:
            for one in running:
                one.stop()
    return {"cases": results, "seconds": round(time.monotonic() - start, 1)}


def _skip(cases: Sequence[Case], why: str) -> dict[str, Any]:
    return {case.name: _show({"case": case.name, "skipped": why}) for case in cases}


def _show(result: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    return result


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
