"""The verbs of the command line and their options, declared once: parser, help and messages derive from this.

`engine.commands` holds what the verbs do. Nothing here imports anything heavy (pydantic apart), so that help answers
at once.
"""

from engine.commands.options.analyse import AnalyseOptions
from engine.commands.options.bench import (
    ClusterBench,
    DataBench,
    DeviceBench,
    DifferentialBench,
    EvalBench,
    FuzzBench,
    InterpreterBench,
    LearningBench,
    LoopBench,
    ReplayBench,
    SamplesBench,
    SearchBench,
    SwapBench,
    TrainBench,
)
from engine.commands.options.declaration import Group
from engine.commands.options.evaluate import EvaluateOptions
from engine.commands.options.execute import ExecuteOptions
from engine.commands.options.macros import MacrosOptions
from engine.commands.options.profile import ProfileOptions
from engine.commands.options.replay import ExportOptions, StatsOptions, StoredOptions, TopOptions, VerifyOptions
from engine.commands.options.report import ReportOptions, ShowOptions
from engine.commands.options.run import RunOptions
from engine.commands.options.search import SearchOptions
from engine.commands.options.seeds import CheckOptions, DiscoverOptions, ImportOptions
from engine.commands.options.sweep import SweepOptions

VERBS = (
    RunOptions,
    SweepOptions,
    EvaluateOptions,
    SearchOptions,
    ReportOptions,
    ShowOptions,
    ExecuteOptions,
    ProfileOptions,
    AnalyseOptions,
    MacrosOptions,
    Group(
        "seeds",
        "seed programs: import, discover, check",
        "ACTION",
        (ImportOptions, DiscoverOptions, CheckOptions),
    ),
    Group(
        "replay",
        "look into a replay store",
        "ACTION",
        (StatsOptions, TopOptions, StoredOptions, VerifyOptions, ExportOptions),
    ),
    Group(
        "bench",
        "measure speed",
        "WHAT",
        (
            InterpreterBench,
            SearchBench,
            EvalBench,
            SamplesBench,
            LearningBench,
            LoopBench,
            DataBench,
            ReplayBench,
            SwapBench,
            ClusterBench,
            TrainBench,
            DeviceBench,
            DifferentialBench,
            FuzzBench,
        ),
        "Measure speed; the last line is one JSON object.",
    ),
)
