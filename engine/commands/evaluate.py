"""`codeit eval`: check everything that can be wrong first, then sample what is to be sampled, run, rank and write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.cluster.session import Session, opening
from engine.commands.clustered import cluster_of
from engine.commands.ending import end_in_report
from engine.commands.launch import check_installed, mistakes, set_threads
from engine.commands.options.evaluate import EvaluateOptions
from engine.config import Config, given_options, load_config, overridden
from engine.errors import UsageError
from engine.evaluation.evaluator import Evaluator, NothingToEvaluate
from engine.evaluation.folder import FOUND, SETTINGS, EvaluationFolder, evaluated_tasks, evaluation_settings
from engine.evaluation.results import write_results
from engine.evaluation.scoreboard import verdict
from engine.evaluation.sources import CHECKPOINT, RUN, SEARCH, Source, find_source
from engine.files import as_settings, timed_folder, write_lines
from engine.kept_tasks import hash_of
from engine.progress import Display, compile_interpreter
from engine.run_folder import RunFolder
from engine.search.folder import search_settings
from engine.tasks import Task, load_tasks
from engine.tasks.task_set import lasting, short_name
from interpreter.machine.pool import default_workers
from trainer.checkpoint import load_codec, load_manifest, load_vocabulary

DEFAULT_TASKS = "arc1-eval"
_EFFECTIVE = ("sampler.", "cluster.", "interpreter.fuel", "interpreter.workers")  # options, or how they begin


@dataclass(frozen=True)
class Plan:
    """What decides the outcome of an evaluation; kept in its folder."""

    task_set: str
    task_ids: Sequence[str]
    limit: int | None
    sources: Sequence[str]
    stored: bool
    samples: int | None
    exhaustive: bool
    overrides: Sequence[str]
    tasks_hash: str = ""
    """what tells whether the tasks are the same still; of an older evaluation empty"""


@mistakes()
def evaluate(options: EvaluateOptions) -> None:
    """Evaluate sources on a task set, or go on with an evaluation."""
    folder = EvaluationFolder.open(_resumed(options)) if options.resume else None
    plan = as_settings(Plan, folder.settings(), folder.path / SETTINGS, "an evaluation") if folder else _plan(options)
    sources = [find_source(Path(path)) for path in plan.sources]
    configs = [_config(source, plan.overrides) for source in sources]
    sampled = [] if plan.stored else [k for k, source in enumerate(sources) if source.kind in (RUN, CHECKPOINT)]
    checkpoints = {k: _checkpoint(sources[k]) for k in sampled}
    for k in sampled:
        check_installed(configs[k])
    if plan.stored and any(source.kind == CHECKPOINT for source in sources):
        raise UsageError("--stored scores what was found: a checkpoint alone has nothing stored")
    if folder:
        tasks = evaluated_tasks(folder.path)
    else:
        tasks = load_tasks(plan.task_set, plan.task_ids, plan.limit)
        plan = replace(plan, tasks_hash=hash_of(tasks, scored=True))
    with ExitStack() as stack:
        sizes = configs[0].cluster
        sizes = sizes.model_copy(update={"workers": sizes.workers or configs[0].interpreter.workers})
        cluster = stack.enter_context(cluster_of(options.cluster, sizes, samples=bool(sampled)))
        if folder is None:  # what cannot be written is said before the work is done
            folder = EvaluationFolder.create(_out(options, plan, sources, len(tasks)), asdict(plan))
        stack.enter_context(closing(folder))
        compile_interpreter()
        display = stack.enter_context(Display())
        if cluster:
            display.say(str(cluster))
        read = [source for source in sources if source.kind != CHECKPOINT]
        for k in sampled:  # what was found comes before what is sampled now
            if not folder.samples(k).is_file():
                samples = plan.samples or configs[k].sampler.n_samples
                found = _sampled(tasks, checkpoints[k], samples, configs[k], display, cluster)
                write_lines(folder.samples(k), found)
            read.append(replace(sources[k], samples=folder.samples(k), fuel=configs[k].interpreter.fuel))
        limits = configs[0].interpreter
        fuel = limits.fuel if "interpreter.fuel" in given_options(plan.overrides) else None
        workers = limits.workers or default_workers()
        evaluator = Evaluator(tasks, read, folder, display, workers, fuel, plan.exhaustive, opening(cluster))
        try:
            evaluator.run()
        except NothingToEvaluate:
            folder.discard()
            raise
        summary = write_results(folder, short_name(plan.task_set), tasks, read, evaluator, display)
        display.say(verdict(summary))
        display.say(f"written to {folder.path}")
    end_in_report(folder.path)


def _resumed(options: EvaluateOptions) -> Path:
    """The folder to go on with. Raises `UsageError` for options that cannot change."""
    if options.out is None:
        raise UsageError("--resume needs --out: the folder of the evaluation to go on with")
    given = sorted(options.model_fields_set - {"out", "resume", "cluster", "overrides"})
    if given or options.overrides:
        name = f"--{given[0].replace('_', '-')}" if given else options.overrides[0]
        name = "SOURCE" if name == "--sources" else name
        raise UsageError(f"{name} cannot change in an evaluation that goes on: leave it out")
    return options.out


def _plan(options: EvaluateOptions) -> Plan:
    """What the options ask for. Where they name no tasks, they are those of the first run, search or evaluation."""
    named = [path for path in (options.run_dir, options.model) if path is not None]
    paths = [*named, *options.sources]
    if not paths:
        raise UsageError(
            "one of the arguments --run-dir --model is required, or a SOURCE: a run, a checkpoint, the folder of a "
            "search or an evaluation, a replay store, or a file of programs (see codeit eval --help)"
        )
    if options.run_dir is not None:
        RunFolder(options.run_dir).config()  # says what is wrong with it
    if options.model is not None:
        load_manifest(options.model)
    sources = [find_source(path) for path in paths]
    if options.stored and options.samples is not None:
        raise UsageError("--samples: not allowed with argument --stored")
    samples = ["samples"] * (options.samples is not None)
    sampling = samples + [option for option in given_options(options.overrides) if option.startswith("sampler.")]
    if sampling and (options.stored or not any(source.kind in (RUN, CHECKPOINT) for source in sources)):
        raise UsageError(f"--{sampling[0]} is about sampling, and nothing is sampled but of runs and checkpoints")
    if samples and "sampler.n-samples" in sampling:
        raise UsageError("--sampler.n-samples: not allowed with argument --samples")
    task_set, task_ids, limit = options.tasks, options.task_ids, options.limit
    searched = next((found for source in sources if (found := _searched(source)) is not None), None)
    if searched is not None and task_set is None:
        task_set, ids, most = searched
        if task_ids is None:  # a limit is one of these tasks
            task_ids, limit = ids, most if limit is None else limit
    return Plan(
        lasting(task_set or DEFAULT_TASKS), list(task_ids or ()), limit, [str(path.resolve()) for path in paths],
        options.stored, options.samples, options.exhaustive, list(options.overrides),
    )  # fmt: skip


def _searched(source: Source) -> tuple[str, Sequence[str], int | None] | None:
    """The tasks that a run, a search or an evaluation is about: set, ids, limit."""
    if source.kind == RUN:
        tasks = RunFolder(source.path).config().tasks
        return tasks.search, tasks.task_ids, tasks.limit
    if source.kind == SEARCH:
        settings = search_settings(source.path)
        return settings["tasks"], settings["task_ids"], settings["limit"]
    if source.path.name == FOUND and source.path.with_name(SETTINGS).is_file():
        settings = evaluation_settings(source.path.parent)
        return settings["task_set"], settings["task_ids"], settings["limit"]
    return None


def _out(options: EvaluateOptions, plan: Plan, sources: Sequence[Source], tasks: int) -> Path:
    if options.out is not None:
        return options.out
    part = f"-{tasks}" if plan.task_ids or plan.limit else ""  # no ids are all
    if len(sources) == 1 and sources[0].path.is_dir():
        return sources[0].path / "eval" / (short_name(plan.task_set) + part)
    return timed_folder("eval")


# ---------------------------------------------------------------------------------------------- policies


def _config(source: Source, overrides: Sequence[str]) -> Config:
    """The configuration that programs are sampled and run with: the run's, or one that fits the checkpoint."""
    if source.kind == RUN:
        base = RunFolder(source.path).config()
    else:
        base = _config_for(source.path) if source.kind == CHECKPOINT else load_config()
    refused = [option for option in given_options(overrides) if not option.startswith(_EFFECTIVE)]
    if refused:
        raise UsageError(
            f"--{refused[0]} has no effect on an evaluation (only sampler and cluster options, interpreter.fuel and "
            "interpreter.workers have)"
        )
    config = overridden(base, [*overrides, "--sampler.transfer", "in_process"])  # nothing trains here
    if config.sampler.max_tokens > base.sampler.max_tokens and source.kind in (RUN, CHECKPOINT):
        raise UsageError(f"the policy was made for programs of at most {base.sampler.max_tokens} tokens")
    return config


def _config_for(model: Path) -> Config:
    """The default configuration, with the lengths that a checkpoint's policy was made for.

    A compact policy has positions for a prompt and a program; a pretrained one gets the paper's lengths.
    """
    kind, prompt = load_manifest(model).policy, load_vocabulary(model).max_prompt_tokens
    if kind == "compact":
        positions = json.loads((model / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
        return load_config("cpu", None, _lengths(prompt, positions - prompt))
    return load_config("cpu", None, _lengths(prompt, load_config("paper-codet5").sampler.max_tokens))


def _lengths(prompt: int, program: int) -> list[str]:
    return ["--trainer.max-prompt-tokens", str(prompt), "--sampler.max-tokens", str(program)]


def _checkpoint(source: Source) -> Path:
    return RunFolder(source.path).last_checkpoint() if source.kind == RUN else source.path


def _sampled(
    tasks: Sequence[Task], checkpoint: Path, samples: int, config: Config, display: Display, cluster: Session | None
) -> list[Mapping[str, Any]]:
    """The distinct programs that a policy writes for each task, as rows, with how often it writes them."""
    set_threads(config.loop.threads)
    from engine.loop.components import new_sampler
    from engine.loop.rollout import encode_prompts, request_seed, sample_programs

    codec = load_codec(checkpoint)
    prompts = encode_prompts(tasks, codec)
    with display.phase("start the sampler"):
        sampler = new_sampler(config, checkpoint, cluster=cluster)
    with sampler, display.phase("sample", len(prompts) * samples) as update:
        # Meta-iteration 0: samples of an evaluation are none that a run has seen.
        seed = partial(request_seed, config.loop.seed, 0)
        found = sample_programs(prompts, codec, sampler, samples, seed, update, lambda _work: None)
    return [
        {"task": task, "program": program.text, "origin": "policy", "samples": count}
        for (task, program), count in found.counts.items()
    ]
