"""Whether T5 on vLLM (engine/sampler/t5) is right on a device: beside transformers in float32, through swaps.

    python -m bench.device.t5 [--together N] [--limit S] [--tiny] [CASE...]

Each case is a process, because an error of CUDA poisons its process, and each result a line of JSON; the status is 1
where one is not `ok`. A case opens one engine and writes greedily with weights A, samples n=24, swaps to B and back to
A. One pass of transformers over prompt and tokens checks a whole sequence: `max_dlogprob` is the largest difference of
a log-probability, `wrong` tokens are not the likeliest of the reference, `margin` is by how much it preferred another.
`bound` is 1e-3 in float32, with tf32 off, and in bfloat16 twice what transformers itself is off in it. What is beyond
the bound is followed to the first layer whose output differs.

A case is named by its `decoder_bias`, layers x width, the tokens its decoder may have, and its type. `stock` is vLLM's
attention with one-hot positions and without the plugin's `scratch.py`: wrong on a device where heads are much wider
than d_kv. `scratch` is vLLM's kernel alone and shows why. `plain` is vLLM with its defaults (model runner V2). `--tiny`
writes a few tokens only, for a dry run on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Timer
from typing import Any

from bench.device.t5_parity.case import TINY, Case, Result


def _named(cases: Sequence[Case]) -> dict[str, Case]:
    return {case.name: case for case in cases}


CASES = _named(
    [
        Case("triton", 2, 48, 192),
        Case("triton", 2, 48, 512),
        Case("triton", 2, 48, 512, gated=True),
        Case("triton", 12, 768, 192),
        Case("triton", 12, 768, 192, "bfloat16"),
        Case("triton", 12, 768, 512),
        Case("triton", 12, 768, 512, "bfloat16"),
        Case("triton", 12, 768, 512, plain=True),
        Case("one_hot", 2, 48, 448),
        Case("one_hot", 12, 768, 192),
        Case("one_hot", 12, 768, 192, "bfloat16"),
        Case("gather", 2, 48, 512),
        Case("gather", 12, 768, 512),
        Case("gather", 12, 768, 512, "bfloat16"),
    ]
)
STOCK = _named([Case("stock", 2, 48, 192), Case("stock", 2, 48, 448), Case("stock", 12, 768, 192)])
SCRATCH = "scratch"
"""The case that calls vLLM's Triton attention alone, to see whether it writes behind its buffer."""
DEFAULT = [SCRATCH, *CASES]
ALL = [*DEFAULT, *STOCK]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; its status."""
    parser = argparse.ArgumentParser(prog="python -m bench.device.t5", epilog="cases: " + ", ".join(ALL))
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all but those with stock attention")
    parser.add_argument("--together", type=int, default=1, metavar="N", help="cases that run at a time")
    parser.add_argument("--limit", type=float, default=120, metavar="S", help="seconds of a case at most")
    parser.add_argument("--tiny", action="store_true", help="few tokens, for a dry run")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in ALL]:
        parser.error(f"no case {', '.join(unknown)}; there are: {', '.join(ALL)}")
    if options.tiny:
        os.environ[TINY] = "1"
    names = options.cases or DEFAULT
    if options.here:
        return min(1, sum([_show(result) for name in names for result in check(name)]))
    return min(1, sum([_show(result) for result in run(names, options.together, options.limit)]))


def _show(result: Result) -> bool:
    """Write a result as a line; whether it is a failure."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    return not result.get("ok", True)


def run(names: Sequence[str], together: int = 1, limit: float = 120) -> Iterator[Result]:
    """Results of cases, each in a process of its own, `together` at a time, as they come."""
    results: SimpleQueue[Result | None] = SimpleQueue()

    def run_one(name: str) -> None:
        try:
            _run_apart(name, limit, results.put)
        finally:
            results.put(None)

    with ThreadPoolExecutor(together) as pool:
        running = [pool.submit(run_one, name) for name in names]
        for _ in names:
            yield from iter(results.get, None)
        for case in running:
            case.result()


def _run_apart(name: str, limit: float, keep: Callable[[Result], None]) -> None:
    """Run a case in another process; what it says other than results is told only where it fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.device.t5", "--here", name],
            env=os.environ | _environment(name),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        timer = Timer(limit, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        seen = False
        for line in process.stdout or ():
            if line.startswith('{"case"'):
                seen = True
                keep(json.loads(line))
        status = process.wait()
        timer.cancel()
        seconds = round(time.monotonic() - start, 1)
        if status not in (0, 1) or not seen:
            errors.seek(0)
            keep({"case": name, "step": "died", "ok": False, "status": status, "error": errors.read()[-2000:]})
        keep({"case": name, "step": "process", "seconds": seconds})


def _environment(name: str) -> dict[str, str]:
    """Exact products in Triton's float32, for the cases without the plugin, too, and its kernels on a CPU."""
    import torch

    changed = {"TRITON_F32_DEFAULT": "ieee", "HF_HUB_OFFLINE": "1"}
    if cache := os.environ.get("TRITON_CACHE_DIR"):
        changed["TRITON_CACHE_DIR"] = f"{cache}-ieee"
    if name.startswith("triton") and not torch.cuda.is_available():
        changed["TRITON_INTERPRET"] = "1"
    return changed


def measure(work: Any) -> Result:
    """A case of `codeit bench device`, `t5-` and a name of `ALL`, in this process; `work` has its `name` and `tiny`."""
    name = work.name.removeprefix("t5-")
    os.environ.update(_environment(name) | ({TINY: "1"} if work.tiny else {}))
    steps = list(check(name))
    return {"ok": all(step.get("ok", True) for step in steps), "steps": steps}


def check(name: str) -> Iterator[Result]:
    """Results of a case in this process. What it raises is a result, too."""
    from bench.device.t5_parity.parity import check_case
    from bench.device.t5_parity.scratch import check_scratch

    start = time.monotonic()
    steps = check_scratch() if name == SCRATCH else check_case((CASES | STOCK)[name])
    try:
        for result in steps:
            yield {"case": name} | result | {"t": round(time.monotonic() - start, 1)}
    except Exception as error:  # whatever vLLM or CUDA raises: it is what is to be shown
        notes = " | ".join(getattr(error, "__notes__", []))[-1500:]
        text = f"{type(error).__name__}: {str(error)[:1000]}"
        yield {"case": name, "step": "error", "ok": False, "error": text, "notes": notes}


if __name__ == "__main__":
    sys.exit(main())
