"""Runs that begin with what another run published: a folder, or what the hub has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from tiny_models import save_qwen, save_t5
from transformers import PreTrainedModel

from engine.cli import main
from engine.config import Config, load_config
from engine.errors import UsageError
from engine.loop.components import new_codec, new_trainer
from trainer import policy, pretrained
from trainer.checkpoint import MANIFEST
from trainer.errors import CheckpointError
from trainer.policy import published_folder

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


def test_a_run_begins_with_a_compact_checkpoint_and_goes_on(compact, tmp_path):
    options = [
        "--trainer.checkpoint", str(compact), *SIZES, "--sampler.n-samples", "2", "--tasks.limit", "2",
        "--fill.mutants", "20", "--fill.heldout", "5", "--seeds.limit", "10", "--replay.draw-mutated", "20",
        "--search.runs", "0",
    ]  # fmt: skip
    run = ["run", "--preset", "smoke", *options, "--loop.meta-iterations"]
    assert main([*run, "1", "--run-dir", str(tmp_path / "run")]) == 0
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert row["policy_version"] == 1


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (["--trainer.random-weights", "true"], UsageError, "random_weights is for pretrained policies, and the"),
        (["--trainer.lora-rank", "4"], UsageError, "lora_rank is for pretrained policies, and the"),
        (["--trainer.max-prompt-tokens", "900"], UsageError, r"has 260 positions: --trainer\.max-prompt-tokens"),
    ],
)
def test_what_a_compact_checkpoint_cannot_do_is_said(options, error, said, compact):
    config = configured("--trainer.checkpoint", str(compact), *options)
    with pytest.raises(error, match=said):
        new_trainer(config, new_codec(config))


def test_a_checkpoint_that_was_damaged_on_its_way_is_refused(compact, tmp_path):
    folder = shutil.copytree(compact, tmp_path / "3")
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    config = configured("--trainer.checkpoint", str(folder))
    with pytest.raises(CheckpointError, match="does not have the sha256 of the manifest"):
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
