"""Presets that change a run: each is loaded, stacked on a small run, and does what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from engine.cli import main
from engine.commands.options import VERBS
from engine.commands.options.parser import parse
from engine.config import CHANGES, Config, load_config, read_config
from engine.errors import UsageError
from engine.loop.beginning import begin
from engine.loop.drawing import draw
from engine.search.seed_search import SeedSearch
from engine.seeds.seed import Seed
from engine.tasks import load_tasks
from interpreter.language.program import parse as parse_program
from interpreter.primitives import PRIMITIVES
from replay import Experience, Origin, ReplayStore
from trainer.checkpoint import load_codec, load_manifest

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = [
    "--trainer.policy", "compact-tiny", "--trainer.max-prompt-tokens", "320", "--sampler.backend", "transformers",
    "--sampler.processes", "1", "--sampler.n-samples", "2", "--sampler.max-tokens", "24", "--fill.mutants", "60",
    "--fill.heldout", "5", "--seeds.limit", "30", "--replay.draw-mutated", "20", "--replay.draw-policy", "10",
    "--loop.meta-iterations", "1", "--loop.threads", "1", "--interpreter.workers", "1", "--tasks.limit", "3",
]  # fmt: skip
OWN = {
    "a4-no-pretraining": ["--trainer.policy", "--trainer.max-prompt-tokens"],
    "a1-no-expert-iteration": ["--replay.draw-policy"],
    "a6-no-mutation": ["--fill.mutants"],
    "few-seeds": ["--seeds.limit"],
    "no-seeds": ["--seeds.limit"],
}
"""options of the small run that the preset itself sets, or that are those of a compact policy"""


def without(arguments: list[str], names: list[str]) -> list[str]:
    kept = zip(arguments[::2], arguments[1::2], strict=True)
    return [word for name, value in kept if name not in names for word in (name, value)]


STACKS = (
    ("a1-no-expert-iteration", "a3-no-priority", "few-seeds"),
    ("a2-no-relabelling", "a5-one-demonstration", "small-language"),
    ("a4-no-pretraining",),
    ("a6-no-mutation",),
    ("no-seeds",),
)
"""what is run together, since a run takes seconds"""


def test_every_change_is_run() -> None:
    assert sorted(name for stack in STACKS for name in stack) == sorted(CHANGES)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.commands.end_in_report", lambda _folder: None)


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("stack", STACKS, ids="+".join)
def test_presets_run_on_top_of_another(
    stack: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, options = tmp_path / "run", without(SMALL, [option for name in stack for option in OWN.get(name, [])])
    if stack == ("a4-no-pretraining",):
        options += ["--trainer.checkpoint", str(tiny_models.save_t5(tmp_path / "t5", seed=7))]
    elif stack == ("no-seeds",):
        monkeypatch.setattr(SeedSearch, "mutate", lambda *_: None)  # which would go on until the minutes are over
        options += ["--seeds.discover-minutes", "5", "--tasks.train", str(easy_tasks(tmp_path / "easy"))]
    presets = [CHANGES[stack[0]], *stack]
    words = [word for name in presets for word in ("--preset", name)]
    assert main(["run", *words, *options, "--run-dir", str(folder)]) == 0
    written = read_config(folder / "config.toml")
    assert written == load_config(presets, None, options)
    [row] = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    programs = [json.loads(line) for line in (folder / "seeds.jsonl").read_text().splitlines()]
    said = capfd.readouterr().err
    for name in stack:
        check(name, written, row, programs, folder, said)


def easy_tasks(folder: Path) -> Path:
    """Training tasks that one call solves: enumeration ends as soon as it has them, long before its minutes do."""
    folder.mkdir()
    for task in load_tasks("arc1-train", ["67a3c6ac", "68b16354", "74dd1130", "3c9b0459"]):
        pairs = {"train": zip(task.inputs, task.outputs, strict=True),
                 "test": zip(task.test_inputs, task.test_outputs, strict=True)}  # fmt: skip
        rows = {part: [{"input": a.tolist(), "output": b.tolist()} for a, b in some] for part, some in pairs.items()}
        (folder / f"{task.id}.json").write_text(json.dumps(rows))
    return folder


def check(name: str, config: Config, row: dict[str, Any], seeds: list[dict[str, Any]], folder: Path, said: str) -> None:
    """What shows of a preset in the run that it made."""
    with ReplayStore(folder / "replay", readonly=True) as store:
        stored = list(store)
    if name == "a4-no-pretraining":
        assert load_manifest(folder / "checkpoints" / "v00001").policy == "seq2seq"
        assert row["samples"] > 0
    elif name == "a5-one-demonstration":
        assert load_codec(folder / "checkpoints" / "v00001").demonstrations == 1
    elif name == "few-seeds":
        assert len(seeds) == 8
    elif name == "no-seeds":
        assert len(seeds) == 4
        assert {seed["origin"] for seed in seeds} == {"search"}
    elif name == "small-language":
        language = set(config.sampler.primitives)
        written = {
            word for one in stored for line in parse_program(one.program).lines for word in line.names()
        } & PRIMITIVES.keys()
        assert written <= language
        assert any(one.origin is Origin.POLICY for one in stored)
        assert "of 30 seeds left out: they have other primitives" in said
    elif name == "a6-no-mutation":
        assert row["heldout_loss"] is None
        known = {seed["program"] for seed in seeds}
        assert {one.program for one in stored if one.origin is Origin.MUTATED} <= known


def test_no_pretraining_begins_with_random_weights(tmp_path: Path) -> None:
    """The same for the same seed, others for another, and not the checkpoint's; its tokenizer stays."""
    from engine.loop.components import new_codec, new_trainer

    source = tiny_models.save_t5(tmp_path / "t5", seed=7)
    options = [
        "--trainer.checkpoint", str(source), "--trainer.max-prompt-tokens", "128", "--sampler.max-tokens", "64",
        "--trainer.device", "cpu",
    ]  # fmt: skip
    weights = []
    for presets, seed in ((["paper-codet5"], 0), ("a4-no-pretraining", 0), ("a4-no-pretraining", 0),
                          ("a4-no-pretraining", 1)):  # fmt: skip
        config = load_config(presets, None, [*options, "--loop.seed", str(seed)])
        trainer = new_trainer(config, new_codec(config))
        weights.append(trainer.policy.get_input_embeddings().weight.detach().numpy().copy())
        assert trainer.codec.kind == "seq2seq"
    pretrained, random, again, other = weights
    assert np.array_equal(random, again)
    assert not np.array_equal(random, pretrained)
    assert not np.array_equal(random, other)
    with pytest.raises(UsageError, match="lora_rank keeps the weights"):
        load_config("a4-no-pretraining", None, ["--trainer.lora-rank", "4"])


def test_presets_are_given_again_and_again_or_with_commas() -> None:
    for words in (["--preset", "cpu", "--preset", "a3-no-priority"], ["--preset=cpu,a3-no-priority"]):
        options = parse(VERBS, "", ["run", *words, "--loop.seed", "3"])
        assert options.preset == ("cpu", "a3-no-priority")
    assert parse(VERBS, "", ["run"]).preset == ("cpu",)


# ---------------------------------------------------------------------------------- what a run begins with


def test_seeds_of_searched_tasks_are_kept_from_training() -> None:
    options = ["--tasks.search", "arc1-train", "--tasks.limit", "40", "--seeds.leave-own-out", "true"]
    beginning = begin(load_config("cpu", None, options), None)
    searched = {task.id for task in beginning.search_tasks}
    assert len(searched) == 40
    assert not searched & (beginning.training_tasks.keys() | {seed.task for seed in beginning.seeds})
    assert {one.task for one in beginning.kept} <= searched
    assert len(beginning.kept) + len(beginning.seeds) == len(beginning.loaded) == 214
    assert all(one.priority == 1.0 for one in beginning.kept)
    assert f"{len(beginning.kept)} of 214 seeds kept from training" in beginning.notes[0]
    with pytest.raises(UsageError, match="leaves no training task"):
        begin(load_config("cpu", None, ["--tasks.search", "arc1-train", "--seeds.leave-own-out", "true"]), None)


def test_a_policy_is_judged_by_seeds_that_are_right_and_that_it_can_write() -> None:
    options = ["--tasks.search", "arc1-train", "--tasks.limit", "40", "--seeds.leave-own-out", "true"]
    beginning = begin(load_config("cpu", None, options), None)
    right = beginning.kept_seeds[0]
    lines = len(right.program.lines)
    turned = [f"x{k + 1} = hmirror(x{k})" for k in range(lines, lines + 69)]  # and once more: as it was
    long = "\n".join([right.program.text.replace("O =", f"x{lines} ="), *turned, f"O = hmirror(x{lines + 69})"])
    others = [Seed(right.task, parse_program(text), "import") for text in ("O = identity(I)", long)]
    more = replace(beginning, loaded=[*beginning.loaded, *others])
    assert len(more.kept_seeds) == len(beginning.kept_seeds) + 2
    assert more.kept == beginning.kept


def test_what_is_wrong_is_said_before_seeds_are_searched_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = tmp_path / "run"
    used.mkdir()
    (used / "notes.txt").touch()
    assert main(["run", "--preset", "cpu", "--preset", "no-seeds", "--run-dir", str(used)]) == 2
    assert "is already used" in capsys.readouterr().err
    with pytest.raises(UsageError, match="the run finds its own seeds"):
        begin(load_config("no-seeds"), "seeds.jsonl")


def test_a_language_without_a_seed_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no seed program is left of 3: .*3 of 3 seeds left out"):
        begin(load_config("cpu", None, ["--sampler.primitives", "rot270", "--seeds.limit", "3"]), None)


def test_a_draw_heeds_the_cap_and_what_is_held_out(tmp_path: Path) -> None:
    grid = np.zeros((2, 2), np.int8)
    experiences = [
        Experience(
            f"task{k % 3}", f"x1 = p{k}(I)\nO = fill(x1, ONE, I)", (0,), (grid,), Origin.POLICY, (k % 2) / 2, 1, 1
        )
        for k in range(30)
    ]
    heldout = {experiences[0].program, experiences[1].program}
    config = load_config("cpu", None, ["--replay.task-cap", "4", "--replay.importance", "1"]).replay
    with ReplayStore(tmp_path / "replay") as store:
        store.put_tasks({f"task{k}": [grid] for k in range(3)})
        store.commit(experiences, None)
        drawn = draw(store, np.random.default_rng(0), config, heldout)
        everything = draw(store, np.random.default_rng(0), load_config("cpu").replay, heldout)
        only_right = draw(store, np.random.default_rng(0), load_config("a2-no-relabelling").replay, heldout)
    tasks = [experience.task for experience in drawn.rows]
    assert max(map(tasks.count, tasks)) <= 4
    assert not heldout & set(drawn.rows.programs())
    assert drawn.weights is not None
    assert len(drawn.weights) == len(tasks)
    assert drawn.weights.max() == 1.0
    assert everything.weights is None
    assert len(everything.rows) == 28
    assert everything.columns() == {"drawn_matching": 0.5, "drawn_distinct": 1.0}
    assert only_right.columns() == {"drawn_matching": 0.5, "drawn_distinct": None}  # half of them, none learned from
