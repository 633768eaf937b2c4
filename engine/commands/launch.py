"""What the verb `run` does: check everything that can be wrong first, then open the parts and go."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.commands.clustered import cluster_of
from engine.commands.ending import end_in_report
from engine.commands.options.run import RunOptions
from engine.config import Config, given_options, load_config, overridden
from engine.errors import UsageError
from engine.evaluation import verdict
from engine.files import timed_folder
from engine.loop.beginning import begin
from engine.loop.metrics import EventWriter, replay_counts
from engine.progress import Display, compile_interpreter
from engine.run_folder import RunFolder
from engine.tasks.task_set import lasting, short_name
from interpreter.machine.pool import default_workers
from replay.experience import ReplayError
from replay.store import ReplayStore
from trainer.errors import CheckpointError, Diverged
from trainer.processes import LinkError, ProcessDied

# What a resumed run may change: how long it goes on, and how many processors it uses.
RESUMABLE = (
    "loop.meta-iterations", "loop.threads", "interpreter.workers",
    "cluster.gpus", "cluster.replicas", "cluster.replica-cpus", "cluster.workers",
)  # fmt: skip

# What to do about a package that is not installed, beside setting up.
_HINTS = {
    "vllm": ", or choose --sampler.backend transformers",
    "peft": ", or pip install 'codeit[lora]', or leave out --trainer.lora-rank",
}


@contextmanager
def mistakes() -> Iterator[None]:
    """Turn what is wrong with a checkpoint or a replay store, training that diverged, and processes that ended or lost
    each other, into a `UsageError`."""
    try:
        yield
    except (CheckpointError, ReplayError, Diverged) as error:
        raise UsageError(str(error)) from error
    except (ProcessDied, LinkError) as error:
        raise UsageError(f"{error}; what was begun goes on with --resume") from error


@mistakes()
def run(options: RunOptions) -> None:
    """Start a run, or continue one."""
    if options.resume:
        config, folder = _resume(options)
        if folder is None:
            return
        seeds = str(folder.seeds)
    else:
        config, seeds = _lasting(load_config(options.preset, options.config, options.overrides)), options.seeds
    if options.cluster is not None and config.sampler.transfer != "in_process":
        raise UsageError("with --cluster weights go by network: --sampler.transfer in_process")
    check_installed(config)
    if options.run_dir is not None and not options.resume:
        RunFolder.check_unused(options.run_dir)
    set_threads(config.loop.threads)
    from engine.loop.hardware import check_hardware, expectations

    check_hardware(config)
    from engine.loop.components import check_policy, going_on
    from engine.loop.loop import Loop

    versions = folder.versions() if options.resume else []
    parts = going_on(config, folder.published(versions[-1])) if versions else config
    check_policy(parts)  # what is wrong with a checkpoint is said before there is a folder
    beginning = begin(config, seeds, options.resume)  # which may search for seeds, and takes its time
    if options.resume:
        folder.check_tasks(config, beginning.hashes)

    with cluster_of(options.cluster, config.cluster, samples=True) as cluster:
        if not options.resume:
            rows = [seed.row for seed in beginning.loaded]
            folder = RunFolder.create(
                options.run_dir or timed_folder("-".join(options.preset)), config, rows, beginning.hashes
            )
        compile_interpreter(search=True, learning=True)
        with Display() as display:
            tasks = len(beginning.search_tasks)
            display.say(
                f"{folder.path}: {tasks} tasks of {short_name(config.tasks.search)}, {len(beginning.seeds)} seeds"
            )
            if cluster:
                display.say(str(cluster))
            for line in (*beginning.notes, *expectations(config, tasks)):
                display.say(line)
            with Loop(parts, folder, beginning, display, cluster) as loop:
                summary = loop.run()
            display.say(verdict(summary))
    folder.close()
    end_in_report(folder.path)


def _lasting(config: Config) -> Config:
    """A configuration whose sets of tasks are found from anywhere."""
    sets = {name: lasting(getattr(config.tasks, name)) for name in ("train", "search")}
    return config.model_copy(update={"tasks": config.tasks.model_copy(update=sets)})


def _resume(options: RunOptions) -> tuple[Config, RunFolder | None]:
    """The configuration and folder of a run that has something left to do; no folder where that was only its files."""
    if options.run_dir is None:
        raise UsageError("--resume needs --run-dir: the folder of the run to continue")
    if options.model_fields_set & {"preset", "config", "seeds"}:
        raise UsageError("--resume takes preset, configuration and seeds from the run's folder: leave them out")
    refused = [option for option in given_options(options.overrides) if option not in RESUMABLE]
    if refused:
        allowed = ", ".join(f"--{option}" for option in RESUMABLE)
        raise UsageError(f"--{refused[0]} cannot change in a resumed run (only {allowed} can)")
    folder = RunFolder.open(options.run_dir)
    config = overridden(folder.config(), options.overrides)
    progress, counts = _progress(folder)
    folder.check(progress)
    done = progress["meta_iteration"] if progress else 0
    is_done, is_behind = done >= config.loop.meta_iterations, folder.is_behind(done)
    if is_done and not is_behind:
        raise UsageError(
            f"{options.run_dir}: nothing to resume, all {done} meta-iterations are done "
            "(more: --loop.meta-iterations N)"
        )
    folder.repair(progress, counts)
    if is_done:
        EventWriter(folder.tensorboard, folder.metrics()[-1]).close()
        Display().say(f"{options.run_dir}: all {done} meta-iterations are done; the last one's metrics were added")
        folder.close()
        end_in_report(folder.path)
        return config, None
    return config, folder


def _progress(folder: RunFolder) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """The progress record and the counts of a run's store; nothing of a run that was killed before it had one."""
    if not (folder.replay / "data.mdb").is_file():
        return None, {}
    with ReplayStore(folder.replay, readonly=True) as store:
        return store.progress(), replay_counts(store)


def set_threads(threads: int | None) -> None:
    """Decide the threads of OpenMP, and that they sleep while they wait, which must happen before torch is imported.

    Spinning threads beside busy workers cost three to twenty times.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(default_workers()))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def check_installed(config: Config) -> None:
    """Raise `UsageError` where the extra that training and sampling need is not installed."""
    vllm = ("vllm",) if config.sampler.backend == "vllm" else ()
    peft = ("peft",) if config.trainer.lora_rank else ()
    for package in ("torch", "transformers", "accelerate", "safetensors", "tensorboard", *vllm, *peft):
        if importlib.util.find_spec(package) is None:
            hint = _HINTS.get(package, "")
            raise UsageError(f"{package} is not installed: see `make setup` in the README{hint}")
