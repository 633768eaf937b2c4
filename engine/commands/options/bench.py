"""The verbs below `bench`: each is a module of `bench`, whose `measure` has the options as parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from engine.commands.options.declaration import (
    Argument,
    Checkout,
    File,
    Folder,
    Natural,
    Options,
    Overrides,
    Positive,
    Seeds,
    Solvers,
    Workers,
    split,
)
from trainer.catalogue import POLICIES


class _Bench(Options):
    does: ClassVar[str] = "engine.commands.bench:measure"


class InterpreterBench(_Bench):
    """Runs a second of the virtual machine."""

    verb: ClassVar[str] = "interpreter"

    solvers: Annotated[str | None, Argument("FILE")] = None
    """JSONL with `task` and `program` (default: the seeds)"""
    arc_dsl: Checkout | None = None
    """compare with plain Python arc-dsl"""
    codeit: Checkout | None = None
    """compare with the official CodeIt harness"""
    repeats: Positive = 5
    """medians of N"""


class SearchBench(_Bench):
    """Mutation, and what programs share when they are screened."""

    verb: ClassVar[str] = "search"

    solvers: Solvers = None
    tasks: Positive = 20
    """evaluation tasks"""
    repeats: Positive = 3
    """medians of N"""


class EvalBench(_Bench):
    """A full evaluation of stored programs beside plain screening."""

    verb: ClassVar[str] = "eval"

    solvers: Solvers = None
    programs: Positive = 10_000
    """mutants that are evaluated"""
    tasks: Positive = 400
    """training tasks"""
    workers: Workers = None
    repeats: Positive = 3
    """medians of N"""


class SamplesBench(_Bench):
    """Samples a second of vLLM and transformers, compact and T5, and what the grammar costs."""

    verb: ClassVar[str] = "samples"

    policy: Annotated[Literal[tuple(POLICIES)], Argument("NAME")] = "compact-25m"
    """a compact policy"""
    prompts: Positive = 8
    """how many"""
    n: Positive = 24
    """samples a prompt"""
    sequences: Positive = 96
    """programs sampled at the same time; 512 where the grammar is measured"""
    seeds: Seeds = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Argument("DEVICE")] = "auto"
    """auto, cpu or cuda; another one than samples are drawn on is refused"""
    dtype: Annotated[Literal["float32", "bfloat16"], Argument("TYPE")] = "float32"
    """float32 or bfloat16, of compact policies"""
    repeats: Positive = 2
    """medians of N"""
    threads: Positive = 1
    """on a CPU"""
    t5: bool = True
    """leave out T5, which takes half the time"""


class LearningBench(_Bench):
    """Held-out losses of a configuration after equal CPU time."""

    verb: ClassVar[str] = "learning"

    seeds: Seeds = None
    seconds: Positive = 600
    """of CPU time"""
    overrides: Overrides = ()


class LoopBench(_Bench):
    """Whole meta-iterations: sampling beside training, and one after the other."""

    verb: ClassVar[str] = "loop"

    seeds: Seeds = None
    repeats: Positive = 1
    """rounds of two runs"""
    overrides: Overrides = ()


class ClusterBench(_Bench):
    """A Ray cluster on this machine: runs and samples a second of one, two, three nodes."""

    verb: ClassVar[str] = "cluster"

    nodes: Positive = 3
    """nodes at most"""
    cpus: Positive = 1
    """processors of each"""
    programs: Positive = 20_000
    """mutants that are evaluated"""
    tasks: Positive = 100
    """evaluation tasks"""
    samples: Positive = 24
    """programs sampled for each of 24 prompts"""
    policy: Annotated[Literal[tuple(POLICIES)], Argument("NAME")] = "compact-1m"
    """a compact policy"""
    backend: Annotated[Literal["vllm", "transformers"], Argument("NAME")] = "vllm"
    """vllm or transformers"""
    solvers: Solvers = None


class SwapBench(_Bench):
    """Seconds until new weights sample: 25M and 220M."""

    verb: ClassVar[str] = "swap"

    repeats: Positive = 7
    """medians of N"""


class TrainBench(_Bench):
    """Examples and tokens a second of training, and what share of the device that is."""

    verb: ClassVar[str] = "train"

    policy: Annotated[Literal[tuple(POLICIES)], Argument("NAME")] = "compact-25m"
    """a compact policy"""
    device: Annotated[Literal["auto", "cpu", "cuda"], Argument("DEVICE")] = "auto"
    """auto, cpu or cuda"""
    dtype: Annotated[Literal["auto", "float32", "bfloat16"], Argument("TYPE")] = "auto"
    """auto, float32 or bfloat16"""
    compile: Annotated[Literal["auto", "on", "off"], Argument("HOW")] = "auto"
    """auto, on or off, as trainer.compile"""
    packing: Annotated[Literal["auto", "off"], Argument("HOW")] = "auto"
    """auto or off, as trainer.packing"""
    graphs: Annotated[Literal["auto", "off"], Argument("HOW")] = "auto"
    """auto or off, as trainer.graphs"""
    seeds: Seeds = None
    examples: Positive = 2000
    """of an epoch"""
    batch_tokens: Positive = 6144
    """tokens of a batch, padding included"""
    repeats: Positive = 3
    """medians of N epochs"""


class DataBench(_Bench):
    """Examples a second from stored experiences to token arrays."""

    verb: ClassVar[str] = "data"

    solvers: Annotated[Path | None, Argument("FILE")] = None
    """JSONL with `task` and `program` (default: the seeds)"""
    examples: Positive = 20_000
    """that are encoded"""
    stored: Positive = 200_000
    """experiences that are drawn from"""
    draw: Positive = 100_000
    """experiences that are drawn"""
    folder: Folder | None = None
    """a store of this bench or `replay`'s, filled up and kept"""
    repeats: Positive = 5
    """medians of N"""


class ReplayBench(_Bench):
    """Replay at any size, and how other buffers draw."""

    verb: ClassVar[str] = "replay"

    stored: Positive = 1_000_000
    """experiences"""
    draw: Positive = 100_000
    """experiences that are drawn"""
    peer_stored: Positive = 100_000
    """experiences for the other buffers"""
    peer_draw: Positive = 90_000
    """of these are drawn; the official code takes a minute and more"""
    codeit: Checkout | None = None
    """compare with the official code's buffer"""
    folder: Folder | None = None
    """where the store is kept"""


class DeviceBench(_Bench):
    """Whether all is right on this machine's GPU, and how fast: ten minutes.

    Each case is a process of its own and prints a line of JSON; the last line has all of them.
    """

    verb: ClassVar[str] = "device"

    only: Annotated[tuple[str, ...] | None, BeforeValidator(split), Argument("CASE,CASE")] = None
    """only these cases, in this order; a wrong name lists all"""
    limit: Annotated[int, Field(ge=1), Argument("S")] = 600
    """seconds after which no other case begins"""
    case_limit: Annotated[int, Field(ge=1), Argument("S")] = 150
    """seconds of a case at most"""
    together: Positive = 3
    """processes at a time, of which one works and the others get ready"""
    tiny: bool = False
    """small, for a dry run on a CPU"""


class DifferentialBench(_Bench):
    """Beside arc-dsl's own functions, on mutants of real programs."""

    verb: ClassVar[str] = "differential"

    arc_dsl: Checkout
    """a checkout of arc-dsl"""
    programs: File
    """JSONL: `task`, `program`"""
    mutants: Positive = 5000
    """how many"""
    seed: Natural = 0
    """of the mutants"""
    out: Annotated[Path, Argument("FILE.jsonl")] | None = None
    """where differences are written"""
    processes: Positive = 1
    """of arc-dsl"""


class FuzzBench(_Bench):
    """Wild programs: how runs end, the slowest, and no bug (see CODEIT_CHECKED)."""

    verb: ClassVar[str] = "fuzz"

    programs: Positive = 100_000
    """how many"""
    seed: Natural = 0
    """of the programs"""
    solvers: Solvers = None
