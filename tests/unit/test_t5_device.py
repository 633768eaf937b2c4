"""The T5 plugin on a device, as far as a CPU can tell: what it refuses, what it chooses, room for wide heads."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest

if find_spec("vllm") is None:
    pytest.skip("vLLM is not installed", allow_module_level=True)

import torch
from transformers import T5Config

from engine.sampler.t5 import limits
from engine.sampler.t5.scratch import with_room_for_heads


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "current_platform", SimpleNamespace(is_cpu=lambda: False))


def model(**changes):
    fields = {"hf_config": T5Config(), "dtype": torch.float32, "quantization": None, "max_model_len": 4096}
    return SimpleNamespace(**fields | changes)


@pytest.mark.usefixtures("on_a_gpu")
def test_a_gpu_serves_both_types_at_any_length() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        limits.check_model(model(dtype=dtype))


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hf_config": T5Config(decoder_bias="one_hot")}, r"at most 448 .*leave decoder_bias out"),
        ({"dtype": torch.float16}, "overflows in float16"),
    ],
)
def test_what_a_gpu_cannot_serve_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        limits.check_model(model(**changes))


@pytest.mark.parametrize(
    ("device", "dtype", "before", "after"),
    [
        ("cuda", torch.float32, None, "ieee"),
        ("cuda", torch.float32, "tf32", "tf32"),
        ("cuda", torch.bfloat16, None, None),
        ("cpu", torch.float32, None, None),
    ],
)
def test_products_in_float32_are_exact_on_a_gpu_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, device: str, dtype: torch.dtype, before: str | None, after: str | None
) -> None:
    environment = {} if before is None else {"TRITON_F32_DEFAULT": before}
    with monkeypatch.context() as patch:
        patch.setattr(limits.os, "environ", environment)
        limits.keep_float32_exact(SimpleNamespace(dtype=dtype, device=torch.device(device)))
    assert environment.get("TRITON_F32_DEFAULT") == after


@pytest.mark.usefixtures("on_a_gpu")
def test_on_a_gpu_our_kernels_are_the_default_and_all_ways_can_be_chosen() -> None:
    assert limits.decoder_bias(T5Config()) == "triton"
    for chosen in ("gather", "triton", "one_hot"):
        assert limits.decoder_bias(T5Config(decoder_bias=chosen)) == chosen


def triton_builder(backend, heads, model_head, layer_head):
    """The metadata builder of vLLM's Triton attention for a model of whose heads the configuration knows a size."""
    from vllm.config import CUDAGraphMode

    model = SimpleNamespace(
        get_num_attention_heads=lambda parallel: heads,
        get_num_kv_heads=lambda parallel: heads,
        get_head_size=lambda: model_head,
        rswa_window=None,
    )
    compilation = SimpleNamespace(cudagraph_mode=CUDAGraphMode.NONE, static_forward_context={})
    config = SimpleNamespace(model_config=model, parallel_config=None, compilation_config=compilation)
    spec = SimpleNamespace(block_size=32, head_size=layer_head)
    return backend.get_builder_cls()(spec, [], config, torch.device("cpu"))


@pytest.mark.parametrize(("heads", "layer_head", "padded"), [(3, 512, 512), (12, 256, 256), (12, 100, 128)])
def test_partial_sums_have_room_for_the_heads_of_the_layers(heads: int, layer_head: int, padded: int) -> None:
    """vLLM's own builder has room for the model's heads of 64 alone. When it has not, the guard can go."""
    from vllm.v1.attention.backends.triton_attn import TritonAttentionBackend

    stock = triton_builder(TritonAttentionBackend, heads, 64, layer_head)
    assert stock.softmax_segm_output.shape == (128 // heads, heads, 16, 64)
    roomy = triton_builder(with_room_for_heads(TritonAttentionBackend), heads, 64, layer_head)
    assert roomy.softmax_segm_output.shape == (128 // heads, heads, 16, padded)
    assert roomy.softmax_segm_max.shape == stock.softmax_segm_max.shape


def test_other_backends_are_left_as_they_are() -> None:
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    assert with_room_for_heads(CPUAttentionBackend) is CPUAttentionBackend
