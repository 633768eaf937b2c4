"""What the verbs `run` and `eval` do: check everything that can be wrong first, then open the parts and go."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from engine.config import Config, given_options, load_config, overridden
from engine.errors import UsageError
from engine.evaluation import Scoreboard, summary_record, verdict, write_evaluation
from engine.execution import Execution, Executor
from engine.loop.metrics import replay_counts
from engine.progress import Display, compile_interpreter
from engine.run_folder import RunFolder
from engine.seeds.seed import load_seeds
from engine.tasks import Task, load_tasks
from interpreter.machine.pool import default_workers
from replay.experience import ReplayError
from replay.store import ReplayStore
from trainer.checkpoint import CheckpointError, load_codec, load_manifest, load_vocabulary

# What a resumed run may change: how long it goes on, and how many processors it uses.
RESUMABLE = ("loop.meta-iterations", "loop.threads", "interpreter.workers")

# What to do about a package that is not installed, beside setting up.
_HINTS = {
    "vllm": ", or choose --sampler.backend transformers",
    "peft": ", or pip install 'codeit[lora]', or leave out --trainer.lora-rank",
}


@contextmanager
def mistakes() -> Iterator[None]:
    """Turn what is wrong with a checkpoint or a replay store into a `UsageError`."""
    try:
        yield
    except (CheckpointError, ReplayError) as error:
        raise UsageError(str(error)) from error


@mistakes()
def run(
    preset: str | None,
    file: Path | None,
    overrides: Sequence[str],
    seeds: str | None,
    run_dir: Path | None,
    resume: bool,
) -> None:
    """Start a run, or continue one."""
    if resume:
        config, folder = _resume(preset, file, seeds, run_dir, overrides)
        seeds = str(folder.seeds)
    else:
        config = load_config(preset or "cpu", file, overrides)
    _check_installed(config)
    training_tasks = {task.id: task for task in load_tasks(config.tasks.train)}
    seed_programs = load_seeds(seeds, training_tasks, config.seeds.limit)
    search_tasks = load_tasks(config.tasks.search, config.tasks.task_ids, config.tasks.limit)
    set_threads(config.loop.threads)
    if config.trainer.processes > 1 or config.sampler.transfer != "in_process":
        from engine.loop.parts import check_gpus

        check_gpus(config)
    if not resume:
        rows = [seed.row for seed in seed_programs]
        folder = RunFolder.create(run_dir or default_run_dir(preset or "cpu"), config, rows)
    from engine.loop.loop import Loop

    compile_interpreter(search=True)
    with Display() as display:
        display.say(f"{folder.path}: {len(search_tasks)} tasks of {config.tasks.search}, {len(seed_programs)} seeds")
        with Loop(config, folder, search_tasks, training_tasks, seed_programs, display) as loop:
            summary = loop.run()
        display.say(verdict(summary))
    folder.close()


@mistakes()
def evaluate(
    run_dir: Path | None,
    model: Path | None,
    task_set: str | None,
    task_ids: Sequence[str] | None,
    limit: int | None,
    samples: int | None,
    stored: bool,
    out: Path | None,
    overrides: Sequence[str],
) -> None:
    """Evaluate the last policy of a run, or a checkpoint, on a task set."""
    if stored and run_dir is None:
        raise UsageError("--stored scores what a run found: it needs --run-dir")
    source = run_dir or model
    base = RunFolder(run_dir).config() if run_dir else _config_for(model)
    refused = [option for option in given_options(overrides) if not option.startswith(("sampler.", "interpreter."))]
    if refused:
        raise UsageError(f"--{refused[0]} has no effect on an evaluation (only sampler and interpreter options have)")
    config = overridden(base, [*overrides, "--sampler.transfer", "in_process"])  # nothing trains here
    if config.sampler.max_tokens > base.sampler.max_tokens:
        raise UsageError(f"the policy was made for programs of at most {base.sampler.max_tokens} tokens")
    if not stored:
        _check_installed(config)
        checkpoint = model or RunFolder(run_dir).last_checkpoint()
    if task_set is None and task_ids is None and limit is None:
        task_ids, limit = config.tasks.task_ids, config.tasks.limit
    task_set = task_set or config.tasks.search
    tasks = load_tasks(task_set, task_ids, limit)
    part = f"-{len(tasks)}" if task_ids or limit else ""
    out = out or source / "eval" / (Path(task_set).name + part)
    if (out / "summary.json").exists():
        raise UsageError(f"{out} holds an evaluation already: choose another --out")
    compile_interpreter()
    start = time.perf_counter()
    with Display() as display, Executor(tasks, config.interpreter) as executor:
        boards = {"cumulative": Scoreboard(tasks)}
        executions = _stored(run_dir, executor, tasks) if run_dir is not None else []
        if not stored:
            sampled = _sampled(tasks, checkpoint, samples, config, executor, display)
            boards["policy"] = Scoreboard(tasks)
            for execution in sampled:
                boards["policy"].add(execution)
            executions += sampled
        for execution in executions:
            boards["cumulative"].add(execution)
        seconds = time.perf_counter() - start
        summary = summary_record(task_set, boards.get("policy"), boards["cumulative"], len(tasks), seconds)
        write_evaluation(out, boards, tasks, summary)
        display.say(verdict(summary))
        display.say(f"written to {out}")


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


def _stored(run_dir: Path, executor: Executor, tasks: Sequence[Task]) -> list[Execution]:
    from engine.loop.rollout import stored_executions

    with open_replay(run_dir) as store:
        return list(stored_executions(store, executor, {task.id for task in tasks}))


def _sampled(
    tasks: Sequence[Task], checkpoint: Path, samples: int | None, config: Config, executor: Executor, display: Display
) -> list[Execution]:
    set_threads(config.loop.threads)
    from engine.loop.parts import new_sampler
    from engine.loop.rollout import Running, encode_prompts, request_seed, sample_programs

    codec = load_codec(checkpoint)
    prompts = encode_prompts(tasks, codec)
    with display.phase("start the sampler"):
        sampler = new_sampler(config, checkpoint)
    n = samples or config.sampler.n_samples
    with sampler, Running(executor) as running:
        # Meta-iteration 0: samples of an evaluation are none that a run has seen.
        seed = partial(request_seed, config.loop.seed, 0)
        with display.phase("sample", len(prompts) * n) as update:
            found = sample_programs(prompts, codec, sampler, n, seed, update, running.add)
        with display.phase("execute"):
            return running.rollout(found).executions


def open_replay(path: Path) -> ReplayStore:
    """The replay store of a run's folder, or a replay folder itself, for reading."""
    return ReplayStore(path / "replay" if (path / "replay").is_dir() else path, readonly=True)


def default_run_dir(preset: str) -> Path:
    """`runs/<preset>-<time>`."""
    return Path("runs") / f"{preset}-{time.strftime('%Y%m%d-%H%M%S')}"


def _resume(
    preset: str | None, file: Path | None, seeds: str | None, run_dir: Path | None, overrides: Sequence[str]
) -> tuple[Config, RunFolder]:
    """The configuration and folder of a run that has something left to do."""
    if run_dir is None:
        raise UsageError("--resume needs --run-dir: the folder of the run to continue")
    if preset or file or seeds:
        raise UsageError("--resume takes preset, configuration and seeds from the run's folder: leave them out")
    refused = [option for option in given_options(overrides) if option not in RESUMABLE]
    if refused:
        allowed = ", ".join(f"--{option}" for option in RESUMABLE)
        raise UsageError(f"--{refused[0]} cannot change in a resumed run (only {allowed} can)")
    folder = RunFolder.open(run_dir)
    config = overridden(folder.config(), overrides)
    progress, counts = _progress(folder)
    done = progress["meta_iteration"] if progress else 0
    if done >= config.loop.meta_iterations:
        raise UsageError(
            f"{run_dir}: nothing to resume, all {done} meta-iterations are done (more: --loop.meta-iterations N)"
        )
    folder.repair(progress, counts)
    return config, folder


def _progress(folder: RunFolder) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """The progress record and the counts of a run's store; nothing of a run that was killed before it had one."""
    with ReplayStore(folder.replay) as store:
        return store.progress(), replay_counts(store)


def set_threads(threads: int | None) -> None:
    """Decide the threads of OpenMP, and that they sleep while they wait, which must happen before torch is imported.

    Spinning threads beside busy workers cost three to twenty times.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(default_workers()))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _check_installed(config: Config) -> None:
    """Raise `UsageError` where the extra that training and sampling need is not installed."""
    vllm = ("vllm",) if config.sampler.backend == "vllm" else ()
    peft = ("peft",) if config.trainer.lora_rank else ()
    for package in ("torch", "transformers", "accelerate", "safetensors", "tensorboard", *vllm, *peft):
        if importlib.util.find_spec(package) is None:
            hint = _HINTS.get(package, "")
            raise UsageError(f"{package} is not installed: see `make setup` in the README{hint}")
