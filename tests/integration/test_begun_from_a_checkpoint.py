"""Runs that begin with what another run published: a folder, or what the hub has."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from tiny_models import save_qwen, save_t5
from transformers import PreTrainedModel

from engine.cli import main
from engine.config import Config, load_config
from engine.errors import UsageError
from engine.loop.components import check_policy, going_on, new_codec, new_trainer
from trainer import policy, pretrained
from trainer.checkpoint import MANIFEST, VOCABULARY, load_vocabulary, publishing
from trainer.codec import Codec, vocabulary_hash
from trainer.errors import CheckpointError
from trainer.policy import published_folder
from trainer.training import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = ["--trainer.max-prompt-tokens", "200", "--sampler.max-tokens", "60", "--sampler.backend", "transformers"]


def configured(*options: str) -> Config:
    return load_config("smoke", None, [*SIZES, "--trainer.device", "cpu", *options])


def published(folder: Path, *options: str) -> tuple[Path, PreTrainedModel]:
    """A checkpoint whose weights no policy begins with, and its policy."""
    config = configured(*options)
    trainer = new_trainer(config, new_codec(config))
    with torch.no_grad():
        trainer.policy.get_input_embeddings().weight.mul_(1.5)
    return trainer.publish(folder, 3), trainer.policy


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("compact") / "3", "--trainer.policy", "compact-tiny")[0]


@pytest.mark.parametrize("save", [None, save_t5, save_qwen])
def test_a_run_begins_with_the_weights_of_a_published_checkpoint(save, tmp_path):
    begun_with = ["--trainer.policy", "compact-tiny"]
    if save:
        begun_with = ["--trainer.checkpoint", str(save(tmp_path / "source"))]
    folder, before = published(tmp_path / "3", *begun_with)
    config = configured("--trainer.checkpoint", str(folder))
    codec = new_codec(config)
    after = new_trainer(config, codec).policy
    assert codec.kind == {None: "compact", save_t5: "seq2seq", save_qwen: "causal"}[save]
    assert after.config.num_hidden_layers == before.config.num_hidden_layers
    for name, tensor in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], tensor), name


def taught(trainer: Trainer, codec: Codec) -> dict[str, torch.Tensor]:
    """The weights of a policy after an update."""
    grid = np.eye(3, dtype=np.int8)
    trainer.train([codec.example([(grid, grid[::-1])], "O = hmirror(I)")])
    return {name: tensor.clone() for name, tensor in trainer.policy.state_dict().items()}


@pytest.mark.parametrize(
    ("save", "random"), [(None, False), (save_t5, False), (save_t5, True), (save_qwen, False), (save_qwen, True)]
)
def test_a_run_goes_on_exactly_without_what_it_began_with(save, random, compact, tmp_path):
    source = save(tmp_path / "source") if save else shutil.copytree(compact, tmp_path / "source")
    config = configured("--trainer.checkpoint", str(source), "--trainer.random-weights", str(random).lower())
    codec = new_codec(config)
    straight = new_trainer(config, codec)
    taught(straight, codec)
    own = straight.publish(tmp_path / "1", 1)
    shutil.rmtree(source)
    later = going_on(config, own)
    check_policy(later)
    again = new_codec(later)
    resumed = new_trainer(later, again)
    resumed.resume(own)
    assert (again.kind, again.vocabulary_hash) == (codec.kind, codec.vocabulary_hash)
    wanted, found = taught(straight, codec), taught(resumed, again)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in wanted.items())


def test_a_run_needs_nothing_else_to_go_on_or_all_of_it(compact, tmp_path):
    scratch, own = configured(), tmp_path / "1"
    assert going_on(scratch, own) == scratch
    lora = configured("--trainer.checkpoint", "someone/policy", "--trainer.lora-rank", "4")
    assert going_on(lora, own) == lora


def test_a_run_begins_with_a_compact_checkpoint_and_goes_on(compact, tmp_path):
    source = shutil.copytree(compact, tmp_path / "source")
    options = [
        "--trainer.checkpoint", str(source), *SIZES, "--sampler.n-samples", "2", "--tasks.limit", "2",
        "--fill.mutants", "20", "--fill.heldout", "5", "--seeds.limit", "10", "--replay.draw-mutated", "20",
        "--search.runs", "0",
    ]  # fmt: skip
    run = ["run", "--preset", "smoke", *options, "--loop.meta-iterations"]
    folder = tmp_path / "run"
    assert main([*run, "1", "--run-dir", str(folder)]) == 0
    before = (folder / "config.toml").read_bytes()
    shutil.rmtree(source)
    assert main(["run", "--resume", "--run-dir", str(folder), "--loop.meta-iterations", "2"]) == 0
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["policy_version"] for row in rows] == [1, 2]
    assert (folder / "config.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trainer.random-weights", "true"], "random_weights is for pretrained policies, and the"),
        (["--trainer.lora-rank", "4"], "lora_rank is for pretrained policies, and the"),
        (["--trainer.max-prompt-tokens", "900"], "has 260 positions: --trainer.max-prompt-tokens"),
    ],
)
def test_what_a_compact_checkpoint_cannot_do_is_said(options, said, compact, tmp_path, capsys):
    refused(["--trainer.checkpoint", str(compact), *options], said, tmp_path, capsys)


def test_a_checkpoint_that_was_damaged_on_its_way_is_refused(compact, tmp_path, capsys):
    folder = shutil.copytree(compact, tmp_path / "3")
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    said = "model.safetensors does not have the sha256 of the manifest"
    refused(["--trainer.checkpoint", str(folder)], said, tmp_path, capsys)


def test_a_checkpoint_with_tokens_of_another_language_is_refused(compact, tmp_path, capsys):
    tokens = (*load_vocabulary(compact).tokens, "cube")
    with publishing(tmp_path / "3", 3) as partial:
        shutil.copytree(compact, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
        vocabulary = {"tokens": tokens, "sha256": vocabulary_hash(tokens), "max_prompt_tokens": 200}
        (partial / VOCABULARY).write_text(json.dumps(vocabulary))
    said = "has tokens that the vocabulary lacks: cube"
    refused(["--trainer.checkpoint", str(tmp_path / "3")], said, tmp_path, capsys)


def refused(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before there is a folder, and where the parts are made without asking first."""
    folder = tmp_path / "run"
    assert main(["run", "--preset", "smoke", *SIZES, *options, "--run-dir", str(folder)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not folder.exists()
    config = configured(*options)
    with pytest.raises((UsageError, CheckpointError), match=re.escape(said)):
        new_trainer(config, new_codec(config))


def test_primitives_are_left_out_of_compact_checkpoints_alone(compact, tmp_path):
    chosen = ["--sampler.primitives", "hmirror,vmirror", "--search.runs", "0"]
    assert new_codec(configured("--trainer.checkpoint", str(compact), *chosen)).kind == "compact"
    with pytest.raises(UsageError, match=r"sampler\.primitives is for compact policies"):
        new_codec(configured("--trainer.checkpoint", str(save_t5(tmp_path / "t5")), *chosen))


def test_a_checkpoint_of_the_hub_is_found_where_it_was_downloaded(compact, tmp_path, monkeypatch):
    """As the hub's library keeps it: a folder for each revision, its name where the branch points."""
    monkeypatch.setattr(policy, "hub_answers", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name, source in (("policy", compact), ("other", save_qwen(tmp_path / "qwen"))):
        kept = tmp_path / f"models--someone--{name}"
        shutil.copytree(source, kept / "snapshots" / ("a" * 40))
        (kept / "refs").mkdir()
        (kept / "refs" / "main").write_text("a" * 40)
    found = published_folder("someone/policy")
    assert found is not None
    assert (found / MANIFEST).read_bytes() == (compact / MANIFEST).read_bytes()
    assert published_folder("someone/other") is None
    assert published_folder("someone/nothing") is None
    monkeypatch.setattr(pretrained, "hub_answers", lambda: False)
    config = configured("--trainer.checkpoint", "someone/policy")
    assert new_codec(config).kind == "compact"
    assert new_trainer(config, new_codec(config)).policy.config.max_position_embeddings == 260


def test_a_download_that_fails_is_said(monkeypatch):
    def failing(*_, **__):
        raise OSError("the connection broke")

    monkeypatch.setattr(policy, "hub_answers", lambda: True)
    monkeypatch.setattr(policy, "hf_hub_download", failing)
    with pytest.raises(CheckpointError, match="cannot download the checkpoint 'someone/policy': the connection broke"):
        published_folder("someone/policy")
