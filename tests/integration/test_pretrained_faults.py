"""Pretrained checkpoints that are not whole, not ours to run, or not to be had."""

import json

import pytest
from safetensors.torch import load_file, save_file
from tiny_models import save_qwen, save_t5

from engine.cli import main
from trainer import pretrained
from trainer.errors import CheckpointError
from trainer.pretrained import load_pretrained, load_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("save", [save_qwen, save_t5])
def test_a_checkpoint_that_lacks_tensors_is_refused(tmp_path, save):
    folder = save(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in sorted(weights) if "layer" in name)
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=f"lacks 1 tensors of its architecture, such as {lost}"):
        load_pretrained(str(folder))


def test_a_checkpoint_with_other_shapes_is_refused(tmp_path):
    folder = save_qwen(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(weights) if "mlp" in name)
    weights[name] = weights[name].T.contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="cannot load the model"):
        load_pretrained(str(folder))


def test_a_file_of_weights_that_was_cut_short_is_refused(tmp_path):
    folder = save_qwen(tmp_path / "m")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="cannot load the model"):
        load_pretrained(str(folder))


def test_code_of_a_checkpoint_is_refused_without_a_question(tmp_path):
    folder = save_qwen(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('this code must not run')")
    with pytest.raises(CheckpointError, match="cannot load the model"):
        load_pretrained(str(folder))


def test_a_hub_that_does_not_answer_is_said(monkeypatch):
    pretrained.hub_answers.cache_clear()
    monkeypatch.setattr(pretrained.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match="no folder, and the Hugging Face hub does not answer; the folder"):
        load_tokenizer("nobody/nothing")


def test_fewer_embeddings_than_tokens_are_said_before_there_is_a_folder(tmp_path, capsys):
    folder = save_t5(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": config["vocab_size"] - 24}))
    options = ["--trainer.checkpoint", str(folder), "--sampler.backend", "transformers"]
    assert main(["run", "--preset", "smoke", *options, "--run-dir", str(tmp_path / "run")]) == 2
    assert "has embeddings for 680 tokens, its tokenizer has 700" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
