"""What a run says of its machine before it begins: a GPU that is pretended, its driver, its memory, the time."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from engine.cli import main
from engine.config import load_config
from engine.errors import UsageError
from engine.loop import hardware
from engine.loop.hardware import check_hardware, expectations

RESULTS = Path(__file__).parents[2] / "bench" / "results"
GIB = 1 << 30


@pytest.fixture
def gpus(monkeypatch):
    """Pretend so many H200 with so many GiB free."""

    def pretend(count, free=138.0):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (int(free * GIB), 140 * GIB))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "NVIDIA H200")
        properties = SimpleNamespace(total_memory=140 * GIB)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)

    return pretend


def said(config, tasks=400):
    check_hardware(config)
    return list(expectations(config, tasks))


def test_memory_and_time_are_told_beforehand(gpus):
    gpus(1)
    memory, time = said(load_config("gpu"))
    assert memory.startswith("GPU 0, NVIDIA H200: 138.0 of 140.0 GiB are free, needed are about 37.2 (CUDA 4.0, ")
    assert "weights for sampling 0.1, cache 28.0, training 0.4, a batch 4.7" in memory
    assert "of each of 100 meta-iterations training on 100,000 examples takes 10 s, 9,600 samples 2 s" in time


@pytest.mark.parametrize("file", ["2026-11-27-h200-device.jsonl", "2026-11-28-h200-training.jsonl"])
@pytest.mark.parametrize(("case", "policy"), [("train-25m", "compact-25m"), ("train-220m", "compact-220m")])
def test_the_estimate_of_training_is_what_was_measured(case, policy, file, gpus):
    """Packed batches take somewhat less."""
    gpus(1)
    rows = [json.loads(line) for line in (RESULTS / file).read_text().splitlines()]
    (row,) = (row for row in rows if row["case"] == case)
    options = ["--trainer.policy", policy, "--trainer.batch-tokens", str(row["batch_tokens"])]
    parts = hardware._memory(load_config("gpu", None, options))[0]
    assert 0.95 < (parts["training"] + parts["a batch"]) / GIB / row["memory_gib"] < 1.1


@pytest.mark.parametrize("preset", ["gpu", "paper", "paper-codet5", "sizes"])
def test_presets_for_a_gpu_fit_one_of_80_gib(preset, gpus):
    gpus(1, free=79)
    assert said(load_config(preset))


def test_too_little_memory_is_refused_with_what_can_be_lowered(gpus):
    gpus(1, free=30)
    message = r"GPU 0 has 30\.0 of 140\.0 GiB free, and a run needs about 37\.2 .*--sampler\.kv-cache-mib \(9557\)"
    with pytest.raises(UsageError, match=message):
        check_hardware(load_config("gpu"))
    assert said(load_config("gpu", None, ["--sampler.kv-cache-mib", "4096"]))


def test_a_cache_that_holds_no_sequence_is_refused(gpus):
    """vLLM would say so after the first meta-iteration has trained: 16 MiB hold 4,064 tokens of 4 KiB."""
    gpus(0)
    options = ["--trainer.policy", "compact-1m", "--sampler.kv-cache-mib", "16", "--sampler.max-tokens", "64"]
    fits = [*options, "--trainer.max-prompt-tokens", str(4_064 - 64)]
    assert said(load_config("cpu", None, fits)) == []
    message = r"sampler\.kv-cache-mib 16 holds no sequence of 4065 tokens .*: at least 17 MiB do"
    with pytest.raises(UsageError, match=message):
        check_hardware(load_config("cpu", None, [*options, "--trainer.max-prompt-tokens", str(4_065 - 64)]))


def test_nothing_is_made_where_memory_is_too_small(gpus, tmp_path, capsys):
    gpus(1, free=2)
    assert main(["run", "--preset", "gpu", "--run-dir", str(tmp_path / "run")]) == 2
    assert "GPU 0 has 2.0 of 140.0 GiB free" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_with_nccl_the_sampler_has_a_gpu_and_each_training_process_another(gpus):
    gpus(3)
    options = ["--sampler.transfer", "nccl", "--sampler.processes", "1", "--trainer.processes", "2"]
    first, second, third, _ = said(load_config("gpu", None, options))
    assert "cache" in first
    assert "a batch" not in first
    for line, index in ((second, 1), (third, 2)):
        assert line.startswith(f"GPU {index}, ")
        assert "a batch" in line
        assert "cache" not in line


def test_days_without_a_gpu_are_told(gpus):
    gpus(0)
    for preset in ("gpu", "paper", "paper-codet5"):
        (line,) = said(load_config(preset, None, ["--loop.threads", "2"]))
        assert line.startswith("there is no GPU: by estimate training alone takes ")
        assert line.endswith("--preset cpu is made for processors")


@pytest.mark.parametrize("preset", ["smoke", "cpu", "solve"])
def test_what_processors_can_do_is_not_remarked_on(preset, gpus):
    gpus(0)
    assert said(load_config(preset, None, ["--loop.threads", "2"])) == []


def test_a_vllm_for_gpus_without_one_names_the_driver(gpus, monkeypatch):
    pytest.importorskip("vllm")
    import vllm.platforms

    def fail():
        raise RuntimeError("Found no NVIDIA driver on your system.\nAnd more.")

    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", fail)
    monkeypatch.setattr(vllm.platforms, "current_platform", SimpleNamespace(is_cpu=lambda: False), raising=False)
    with pytest.raises(UsageError, match=r"CUDA 13\.0.* Found no NVIDIA driver on your system\. .*make run DEVICE=cpu"):
        check_hardware(load_config("gpu"))
    check_hardware(load_config("gpu", None, ["--sampler.backend", "transformers"]))
    monkeypatch.setattr(vllm.platforms, "current_platform", SimpleNamespace(is_cpu=lambda: True), raising=False)
    check_hardware(load_config("gpu"))
