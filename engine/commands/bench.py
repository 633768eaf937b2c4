"""The verb `codeit bench`: its arguments, and the module of `bench` that measures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.commands.arguments import Verbs, natural, positive, settings
from trainer.shapes import POLICIES


def add_bench(verbs: Verbs) -> None:
    """Declare `bench` and all that it measures."""
    bench = verbs.add_parser(
        "bench", help="measure speed", description="Measure speed; the last line is one JSON object."
    ).add_subparsers(dest="action", metavar="WHAT", required=True)
    interpreter = bench.add_parser("interpreter", help="runs a second of the virtual machine")
    interpreter.add_argument("--solvers", metavar="FILE", help="JSONL with `task` and `program` (default: the seeds)")
    interpreter.add_argument("--arc-dsl", type=Path, metavar="CHECKOUT", help="compare with plain Python arc-dsl")
    interpreter.add_argument("--codeit", type=Path, metavar="CHECKOUT", help="compare with the official CodeIt harness")
    interpreter.add_argument("--repeats", type=positive, default=5, metavar="N", help="medians of N (default: 5)")
    search = bench.add_parser("search", help="mutation, and what programs share when they are screened")
    search.add_argument("--solvers", type=Path, metavar="FILE", help="JSONL to make mutants of (default: the seeds)")
    search.add_argument("--tasks", type=positive, default=20, metavar="N", help="evaluation tasks (default: 20)")
    search.add_argument("--repeats", type=positive, default=3, metavar="N", help="medians of N (default: 3)")
    samples = bench.add_parser("samples", help="samples a second of vLLM and transformers, compact and T5")
    samples.add_argument("--policy", choices=list(POLICIES), default="compact-25m", metavar="NAME",
                         help="default: compact-25m")  # fmt: skip
    samples.add_argument("--tasks", type=positive, default=8, metavar="N", help="prompts (default: 8)")
    samples.add_argument("--n", type=positive, default=24, metavar="N", help="samples a prompt (default: 24)")
    samples.add_argument("--repeats", type=positive, default=2, metavar="N", help="medians of N (default: 2)")
    samples.add_argument("--threads", type=positive, default=1, metavar="N", help="on a CPU (default: 1)")
    samples.add_argument("--no-t5", dest="t5", action="store_false", help="leave out T5, which takes half the time")
    learning = bench.add_parser("learning", help="held-out losses of a configuration after equal CPU time")
    learning.add_argument("--seeds", metavar="PATH", help="seed programs as `codeit run` takes them (default: our own)")
    learning.add_argument("--seconds", type=positive, default=600, metavar="N", help="of CPU time (default: 600)")
    swap = bench.add_parser("swap", help="seconds until new weights sample: 25M and 220M")
    swap.add_argument("--repeats", type=positive, default=7, metavar="N", help="medians of N (default: 7)")
    differential = bench.add_parser("differential", help="beside arc-dsl's own functions, on mutants of real programs")
    differential.add_argument("--arc-dsl", type=Path, metavar="CHECKOUT", required=True, help="a checkout of arc-dsl")
    differential.add_argument("--programs", type=Path, metavar="FILE", required=True, help="JSONL: `task`, `program`")
    differential.add_argument("--mutants", type=positive, default=5000, metavar="N", help="default: 5000")
    differential.add_argument("--seed", type=natural, default=0, metavar="S", help="of the mutants (default: 0)")
    differential.add_argument("--out", type=Path, metavar="FILE.jsonl", help="where differences are written")
    differential.add_argument("--processes", type=positive, default=1, metavar="N", help="of arc-dsl (default: 1)")
    fuzz = bench.add_parser("fuzz", help="wild programs: how runs end, the slowest, and no bug (see CODEIT_CHECKED)")
    fuzz.add_argument("--programs", type=positive, default=100_000, metavar="N", help="default: 100,000")
    fuzz.add_argument("--seed", type=natural, default=0, metavar="S", help="of the programs (default: 0)")
    fuzz.add_argument("--solvers", type=Path, metavar="FILE", help="JSONL to make mutants of (default: the seeds)")
    for parser in (interpreter, search, samples, learning, swap, differential, fuzz):
        parser.set_defaults(run=_bench)
    learning.set_defaults(configurable=True)


def _bench(options: argparse.Namespace, overrides: list[str]) -> int:
    import importlib
    import json

    from engine.commands import launch
    from engine.progress import compile_interpreter

    launch.set_threads(None)
    compile_interpreter(search=True)
    measure = importlib.import_module(f"bench.{options.action}").measure
    result = measure(**settings(options), **({"overrides": overrides} if options.configurable else {}))
    sys.stdout.write(json.dumps(result) + "\n")
    return 0
