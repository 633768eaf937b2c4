"""The check of T5 on a device, run on a CPU with a few tokens: what it says of what is right and of what is wrong.

The kernels for GPUs run in Triton's interpreter, so this is also vLLM's whole way through them.
"""

import json
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from bench.device import t5
from bench.device.t5_parity import case as cases

pytestmark = [
    pytest.mark.skipif(find_spec("vllm") is None or find_spec("triton") is None, reason="vLLM is not installed"),
    pytest.mark.usefixtures("one_thread"),
]


def test_every_way_to_the_bias_is_right_through_swaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cases.TINY, "1")
    own, here = names = ["triton-2x48-512-fp32", "one_hot-2x48-448-fp32"]
    results = [*t5.run([own], limit=500), *t5.check(here)]
    for name in names:
        steps = [result for result in results if result["case"] == name]
        checked = [result for result in steps if "ok" in result]
        assert [result["step"] for result in checked] == ["greedy A", "n=24", "greedy B", "greedy A again"], steps
        assert all(result["ok"] for result in checked)
        assert checked[-1]["same_as_before"] == 4
    groups = {result["case"]: result["groups"] for result in results if result["step"] == "opened"}
    assert [", blocks of 32 tokens" in group for group in groups[names[0]]] == [True, True]  # equal: one size of head
    assert [", blocks of 32 tokens" in group for group in groups[names[1]]] == [True, False]


def test_a_fault_is_found_and_followed_to_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the third token on the second layer's attention gives one request too much."""
    from engine.sampler.t5 import attention

    monkeypatch.setenv(cases.TINY, "1")
    forward, calls = attention.GatherImpl.forward, []

    def faulty(self, layer, query, *arguments, **options):
        output = forward(self, layer, query, *arguments, **options)
        if layer.layer_name.startswith("decoder.block.1") and len(query) == 4:
            calls.append(len(query))
            if (len(calls) - 1) % 5 >= 2:
                options["output"][2] *= 1.3
        return output

    monkeypatch.setattr(attention.GatherImpl, "forward", faulty)
    results = {result["step"]: result for result in t5.check("gather-2x48-512-fp32")}
    assert not results["greedy A"]["ok"]
    assert results["greedy A"]["first_wrong"] == 2
    assert results["greedy A"]["beyond_by_prompt"] == [0, 0, 3, 0]
    assert next(iter(results["where"]["first"].items())) == ("step 2, 1.self", {2: 0.3})
    assert results["n=24"]["ok"]


def test_what_a_case_raises_is_a_result_and_the_status_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def raises(case):
        raise RuntimeError("an illegal memory access was encountered")
        yield

    monkeypatch.setattr("bench.device.t5_parity.parity.check_case", raises)
    assert t5.main(["--here", "triton-2x48-192-fp32"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["step"] == "error"
    assert "illegal memory access" in result["error"]


def test_a_case_that_dies_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t5, "_environment", lambda name: {"PYTHONHOME": "/nowhere"} if name == "scratch" else {})
    results = list(t5.run(["scratch", "no-such-case"], limit=60))
    assert {result["case"] for result in results if result["step"] == "died"} == {"scratch", "no-such-case"}
    assert all(result["error"] for result in results if result["step"] == "died")


def test_a_case_of_the_bench_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*t5._environment("scratch"), cases.TINY):
        monkeypatch.setenv(name, "")  # put back afterwards
    steps = [{"step": "greedy A", "ok": True}, {"step": "n=24", "ok": False}]
    monkeypatch.setattr("bench.device.t5_parity.parity.check_case", lambda case: iter(steps))
    result = t5.measure(SimpleNamespace(name="t5-gather-2x48-512-fp32", tiny=True))
    assert not result["ok"]
    assert [step["step"] for step in result["steps"]] == ["greedy A", "n=24"]
    assert cases.tiny()
