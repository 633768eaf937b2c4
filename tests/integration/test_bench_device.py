"""`bench device` on a CPU: its cases run small, each in a process of its own, and what fails stops nothing."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest

from bench import device
from bench.device.cases import CASES, PREPARE
from bench.device.running import explained
from bench.device.training import check_training, measure_training
from bench.device.variants import DIAGNOSES, TRAININGS, VARIANTS
from bench.device.work import Work
from engine.errors import UsageError
from engine.sampler import SamplerConfig


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_cases_run_and_their_results_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    found = device.measure(only=("probe", "full-triton-waves"), tiny=True, together=2, case_limit=300)
    assert found["cases"].keys() == {"prepare", "probe", "full-triton-waves"}
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [*found["cases"].values()]
    sampled = found["cases"]["full-triton-waves"]
    assert sampled["right"]
    assert sampled["swapped"]["tokens"] > 50
    assert min(sampled["tokens_per_s"]) > 0
    assert found["cases"]["probe"]["packages"]["vllm"]


def test_a_case_that_is_over_its_limit_is_ended_and_without_policies_nothing_runs() -> None:
    found = device.measure(only=("probe", "eager"), tiny=True, together=1, case_limit=0)
    assert found["cases"]["prepare"]["failed"] == "out of time"
    skipped = {name: {"case": name, "skipped": "nothing to work on"} for name in ("probe", "eager")}
    assert found["cases"].items() > skipped.items()


def test_an_unknown_case_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no case fast; there are: probe, eager"):
        device.measure(only=("probe", "fast"))


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_every_case_has_a_function_and_every_variant_is_a_configuration() -> None:
    for case in (PREPARE, *CASES):
        import_module(f"bench.device.{case.function.partition(':')[0]}")
        assert callable(resolve_name(f"bench.device.{case.function}"))
    for changes in (VARIANTS | DIAGNOSES).values():
        SamplerConfig(**changes)


@pytest.mark.parametrize("name", TRAININGS)
def test_training_is_measured_in_its_ways(name: str, tmp_path: Path) -> None:
    measured = measure_training(Work(tmp_path, name, tiny=True))
    assert measured["examples_per_s"] > 0
    assert measured["packs"] == ("packing" not in TRAININGS[name])


def test_gradients_in_bfloat16_are_near_those_in_float32(tmp_path: Path) -> None:
    checked = check_training(Work(tmp_path, "training", tiny=True))
    assert checked["right"]
    assert checked["errors"]["float32"] == 0 < checked["errors"]["padded"] < 0.05
    assert checked["losses"]["padded"] == pytest.approx(checked["losses"]["float32"], abs=0.01)


def test_of_a_failed_case_what_explains_it_is_kept() -> None:
    frames = "frame #1: <unknown function>\n" * 500
    found = explained(f"Traceback\nRuntimeError: CUDA error: illegal\nRuntimeError: CUDA error: illegal\n{frames}end\n")
    assert found["errors"] == ["RuntimeError: CUDA error: illegal"]
    assert found["log"].endswith("end\n")
    assert len(found["log"]) == 2000
