"""T5 on vLLM against transformers: greedy tokens, log-probabilities, sampling, new weights, preemption, bad input.

The models are tiny, random and in float32, with weights that make every part of them show in the output. The reference
is one pass of transformers over a whole sequence. Tokens are greedy there as well exactly if each is the likeliest
after those before it, so the same pass checks tokens and probabilities of any length.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from bench.device.t5_parity.reference import let_all_parts_show
from engine.sampler.t5 import make_prompt, register

pytestmark = [
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.usefixtures("one_thread"),
]

VOCABULARY = 97
START = 3  # not 0, which a forgotten start token would look like
TOLERANCE = 1e-4
BLOCK = 32
BLOCK_BYTES = 2 * BLOCK * 3 * 128 * 4  # of two layers with 3 heads, each with 64 floats for a key and a value


def make_model(folder: Path, feed_forward: str, tied: bool, seed: int) -> T5ForConditionalGeneration:
    """A model saved to `folder`: T5 1.0 (plain, tied, scaled logits) or 1.1 (gated, two matrices, not scaled)."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=VOCABULARY,
        d_model=48,
        d_kv=64,
        d_ff=96,
        num_layers=2,
        num_heads=3,
        feed_forward_proj=feed_forward,
        tie_word_embeddings=tied,
        decoder_start_token_id=START,
    )
    model = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        let_all_parts_show(model, 1.5)
        if tied:
            model.decoder.final_layer_norm.weight.mul_(8)
        else:
            model.lm_head.weight = torch.nn.Parameter(0.3 * torch.randn(VOCABULARY, config.d_model))
    model.save_pretrained(folder)
    return model


def make_ids(seed: int, length: int) -> list[int]:
    return torch.randint(VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Any]:
    """`vllm.LLM` in this process, as the samplers of this project make their engine."""
    from engine.sampler.host import hosting
    from engine.sampler.vllm.transports import InProcess

    with hosting():
        from vllm import LLM

        register()
        InProcess().prepare()
        defaults = {
            "dtype": "float32",
            "max_model_len": 512,
            "max_num_batched_tokens": 4096,
            "kv_cache_memory_bytes": 512 * BLOCK_BYTES,
            "block_size": BLOCK,
            "max_num_seqs": 64,
            "max_logprobs": VOCABULARY,
            "skip_tokenizer_init": True,
            "generation_config": "vllm",
            "enable_chunked_prefill": False,
            "async_scheduling": False,
            "enforce_eager": True,
            "weight_transfer_config": {"backend": InProcess.backend},
            "use_tqdm_on_load": False,
        }
        llm = LLM(str(folder), **(defaults | options))
    try:
        yield llm
    finally:
        llm.llm_engine.engine_core.shutdown()


@dataclass
class Asked:
    """One sequence to write."""

    encoder: list[int]
    decoder: list[int]
    """Decoder prompt without the start token."""
    tokens: int
    """Tokens to write."""


def ask(llm: Any, sequences: Sequence[Asked], **params: Any) -> list[Any]:
    """vLLM's outputs, in order; log-probabilities of the whole vocabulary unless `params` says otherwise."""
    from vllm import SamplingParams

    options = {"temperature": 0.0, "logprobs": -1, "ignore_eos": True, "detokenize": False} | params
    return llm.generate(
        [make_prompt(sequence.encoder, sequence.decoder) for sequence in sequences],
        [SamplingParams(max_tokens=sequence.tokens, **options) for sequence in sequences],
        use_tqdm=False,
    )


def reference(model: T5ForConditionalGeneration, sequence: Asked, written: Sequence[int]) -> torch.Tensor:
    """Log-probabilities (written, vocabulary) before each written token."""
    decoder = [START, *sequence.decoder, *written[:-1]]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([sequence.encoder]), decoder_input_ids=torch.tensor([decoder])).logits
    return logits[0, -len(written) :].log_softmax(-1)


def check_greedy(llm: Any, model: T5ForConditionalGeneration, sequences: Sequence[Asked]) -> list[tuple[int, ...]]:
    written = []
    for sequence, output in zip(sequences, ask(llm, sequences), strict=True):
        (completion,) = output.outputs
        assert len(completion.token_ids) == sequence.tokens
        got = torch.tensor([[step[token].logprob for token in range(VOCABULARY)] for step in completion.logprobs])
        wanted = reference(model, sequence, completion.token_ids)
        assert (got - wanted).abs().max() < TOLERANCE
        assert completion.token_ids == wanted.argmax(-1).tolist()
        written.append(tuple(completion.token_ids))
    return written


# Mixed on purpose: all of it is one batch, in which short and long, beginning and running requests meet.
MIXED = [
    Asked(make_ids(seed, encoder), make_ids(100 + seed, decoder), tokens)
    for seed, (encoder, decoder, tokens) in enumerate(
        [(1, 0, 70), (2, 0, 511), (17, 0, 130), (511, 0, 40), (1024, 0, 300), (17, 300, 211), (64, 31, 3), (3, 1, 1)]
    )
]
SHORT = [Asked(make_ids(20 + seed, length), [], 24) for seed, length in enumerate((100, 130, 33, 5))]


@dataclass
class Served:
    llm: Any
    models: tuple[T5ForConditionalGeneration, T5ForConditionalGeneration]
    folders: tuple[Path, Path]

    @property
    def first(self) -> T5ForConditionalGeneration:
        return self.models[0]

    def swap(self, which: int) -> None:
        from engine.sampler.vllm.transports import InProcess

        InProcess().update(self.llm.llm_engine, load_file(self.folders[which] / "model.safetensors"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Served]:
    """Two models of one architecture, not served yet."""

    def make(feed_forward: str, tied: bool) -> Served:
        folders = tuple(tmp_path_factory.mktemp(name) for name in "ab")
        models = tuple(make_model(folder, feed_forward, tied, seed) for seed, folder in enumerate(folders))
        return Served(None, models, folders)

    return make


@pytest.fixture(
    scope="module",
    params=[("relu", True, "gather"), ("gated-gelu", False, "gather"), ("gated-gelu", True, "one_hot")],
    ids=lambda param: f"{param[0]}-{'tied' if param[1] else 'untied'}-{param[2]}",
)
def served(request: pytest.FixtureRequest, pair: Callable[[str, bool], Served]) -> Iterator[Served]:
    """One engine for several tests; each leaves it with the first model. One-hot: up to 448 decoder tokens."""
    feed_forward, tied, decoder_bias = request.param
    served = pair(feed_forward, tied)
    length = 448 if decoder_bias == "one_hot" else 512
    with serving(served.folders[0], max_model_len=length, hf_overrides={"decoder_bias": decoder_bias}) as served.llm:
        yield served


class TestServed:
    def test_a_mixed_batch_is_greedy_and_has_the_probabilities_of_transformers(self, served: Served) -> None:
        room = served.llm.llm_engine.model_config.max_model_len - 1
        mixed = [Asked(asked.encoder, asked.decoder, min(asked.tokens, room - len(asked.decoder))) for asked in MIXED]
        written = check_greedy(served.llm, served.first, mixed)
        assert len({token for tokens in written for token in tokens}) > 20

    def test_generate_of_transformers_writes_the_same(self, served: Served) -> None:
        for asked, output in zip(SHORT, ask(served.llm, SHORT), strict=True):
            wanted = served.first.generate(
                input_ids=torch.tensor([asked.encoder]), do_sample=False, max_new_tokens=asked.tokens, eos_token_id=None
            )
            assert [START, *output.outputs[0].token_ids] == wanted[0].tolist()

    def test_samples_have_the_probabilities_of_transformers(self, served: Served) -> None:
        outputs = ask(served.llm, SHORT, n=24, temperature=1.0, logprobs=0, seed=7)
        for asked, output in zip(SHORT, outputs, strict=True):
            assert len({tuple(sample.token_ids) for sample in output.outputs}) == 24
            for sample in output.outputs:
                wanted = reference(served.first, asked, sample.token_ids)
                for step, token in enumerate(sample.token_ids):
                    assert abs(sample.logprobs[step][token].logprob - wanted[step, token]) < TOLERANCE

    def test_weights_are_swapped_to_and_fro(self, served: Served) -> None:
        """Stale embeddings, output head or bias would show: see the test of the reference below."""
        first = check_greedy(served.llm, served.models[0], SHORT)
        served.swap(1)
        second = check_greedy(served.llm, served.models[1], SHORT)
        served.swap(0)
        assert check_greedy(served.llm, served.models[0], SHORT) == first
        assert all(a != b for a, b in zip(first, second, strict=True))

    @pytest.mark.parametrize(
        ("encoder", "message"),
        [
            ([5] * 1025, "1 to 1024 tokens, not 1025: .*max_source_positions"),
            ([], "1 to 1024 tokens, not 0"),
            ([5, VOCABULARY], "from 0 to 96"),
            ([5, -1], "from 0 to 96"),
            ([5, 0.5], "whole numbers"),
            ("words", "is a list of token ids"),
            ([[5, 6]], "this has 2 dimensions"),
        ],
    )
    def test_bad_encoder_prompts_are_refused_and_the_engine_goes_on(
        self, served: Served, encoder: Any, message: str
    ) -> None:
        prompt = make_prompt([5])
        prompt["encoder_prompt"]["multi_modal_data"]["text"] = encoder
        with pytest.raises(ValueError, match=message):
            served.llm.generate([prompt], use_tqdm=False)
        check_greedy(served.llm, served.first, [Asked([5], [], 2)])

    def test_decoder_prompts_that_are_too_long_are_refused_and_the_engine_goes_on(self, served: Served) -> None:
        from vllm.exceptions import VLLMValidationError

        with pytest.raises(VLLMValidationError, match=r"maximum model length|maximum context length"):
            ask(served.llm, [Asked([5], [5] * 512, 1)])
        check_greedy(served.llm, served.first, [Asked([5], [], 2)])


def test_vllm_finds_the_plugin_by_its_entry_point(pair: Callable[[str, bool], Served], tmp_path: Path) -> None:
    """As anyone uses it: vLLM's own processes and defaults, and nobody who calls `register`.

    The entry point is read from pyproject.toml and installed in a folder on the path, so that a stale installation
    of the project neither passes nor fails this.
    """
    served = pair("relu", True)
    root = Path(__file__).parents[2]
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["vllm.general_plugins"]
    installed = tmp_path / "t5_plugin-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: t5-plugin\nVersion: 1\n")
    lines = ["[vllm.general_plugins]", *(f"{name} = {value}" for name, value in points.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    paths = os.pathsep.join([str(tmp_path), str(root)])
    done = subprocess.run(
        [sys.executable, script, served.folders[0], json.dumps(SHORT[0].encoder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    written = json.loads((tmp_path / "written.json").read_text())
    assert written == reference(served.first, SHORT[0], written).argmax(-1).tolist()


SCRIPT = """
import json, sys
from vllm import LLM, SamplingParams
from engine.sampler.t5 import make_prompt

if __name__ == "__main__":
    llm = LLM(sys.argv[1], skip_tokenizer_init=True, dtype="float32", max_model_len=64, max_num_batched_tokens=2048,
              kv_cache_memory_bytes=64 << 20, enforce_eager=True)
    params = SamplingParams(temperature=0, max_tokens=20, ignore_eos=True, detokenize=False)
    (output,) = llm.generate([make_prompt(json.loads(sys.argv[2]))], params)
    with open("written.json", "w") as file:
        json.dump(list(output.outputs[0].token_ids), file)
"""


@pytest.mark.parametrize("tied", [True, False])
def test_every_part_of_the_reference_shows(pair: Callable[[str, bool], Served], tied: bool) -> None:
    """What the tests above would see: logits far from flat that no encoder, bias or head leaves as they are."""
    served = pair("relu", tied)
    asked, written = Asked(make_ids(0, 40), [], 0), make_ids(1, 200)
    wanted = reference(served.first, asked, written)
    assert (wanted.max(-1).values.exp() > 5 / VOCABULARY).float().mean() > 0.9
    donor = served.models[1].state_dict()
    parts = ["encoder.block.0.layer.0", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias", "lm_head"]
    parts += ["encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "decoder.block.1.layer.1"]
    for part in parts:
        stale = served.first.state_dict() | {name: donor[name] for name in donor if name.startswith(part)}
        changed = T5ForConditionalGeneration(served.first.config).eval()
        changed.lm_head.weight = torch.nn.Parameter(changed.lm_head.weight.clone())
        changed.load_state_dict(stale)
        assert (reference(changed, asked, written) - wanted).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("guarded", [True, False])
def test_preempted_requests_keep_their_encoder_output(
    pair: Callable[[str, bool], Served], monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """A cache of a few sequences: requests are preempted and computed again, beside new ones.

    Without the guard the fault of vLLM shows. When it does not any more, the guard can go.
    """
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    served = pair("gated-gelu", False)
    preempted, preempt = [], Scheduler._preempt_request

    def count(*arguments: Any, **options: Any) -> None:
        preempted.append(arguments)
        preempt(*arguments, **options)

    monkeypatch.setattr(Scheduler, "_preempt_request", count)
    asked = [Asked(make_ids(seed, 20 + seed), [], 33 + 11 * (seed % 8)) for seed in range(24)]
    cache = {"max_model_len": 128, "max_num_batched_tokens": 128, "hf_overrides": {"max_source_positions": 64}}
    with serving(served.folders[0], kv_cache_memory_bytes=17 * BLOCK_BYTES, **cache) as served.llm:
        if not guarded:
            unguarded = GPUModelRunner._batch_mm_inputs_from_scheduler.__wrapped__
            monkeypatch.setattr(GPUModelRunner, "_batch_mm_inputs_from_scheduler", unguarded)
            with pytest.raises(AssertionError):
                check_greedy(served.llm, served.first, asked)
        else:
            check_greedy(served.llm, served.first, asked)
    assert len(preempted) > 3


def test_a_request_without_encoder_input_is_an_error(pair: Callable[[str, bool], Served]) -> None:
    with (
        serving(pair("relu", True).folders[0]) as llm,
        pytest.raises(RuntimeError, match=r"1 of 1 new requests have no encoder input: .*multi_modal_data"),
    ):
        llm.generate([{"encoder_prompt": {"prompt_token_ids": [5, 6]}, "decoder_prompt": None}], use_tqdm=False)


def test_a_decoder_that_is_too_long_for_one_hot_positions_is_refused(pair: Callable[[str, bool], Served]) -> None:
    with (
        pytest.raises(ValueError, match=r"max_model_len 449 .* at most 448 \(head size 512 - d_kv 64\)"),
        serving(pair("relu", True).folders[0], max_model_len=449, hf_overrides={"decoder_bias": "one_hot"}),
    ):
        pass


@pytest.mark.parametrize(
    ("config", "model", "message"),
    [
        ({"feed_forward_proj": "gated-tanh"}, {}, "feed_forward_proj 'gated-tanh' is not supported: .*gated-gelu"),
        ({"feed_forward_proj": "mish"}, {}, "feed_forward_proj 'mish' is not supported: .*relu"),
        ({"decoder_bias": "alibi"}, {}, "decoder_bias 'alibi' is unknown: gather, triton, one_hot"),
        ({"decoder_bias": "triton"}, {}, "decoder_bias 'triton' is for GPUs"),
        ({"decoder_bias": "one_hot", "d_kv": 48}, {}, "at most 0"),
        ({}, {"dtype": torch.float16}, "overflows in float16"),
        ({}, {"quantization": "fp8"}, "quantization 'fp8' is not supported"),
    ],
)
def test_configurations_that_are_not_served_are_refused(
    config: dict[str, Any], model: dict[str, Any], message: str
) -> None:
    from engine.sampler.t5.limits import check_model

    fields = {"hf_config": T5Config(**config), "dtype": torch.float32, "quantization": None, "max_model_len": 64}
    check_model(SimpleNamespace(**fields | {"hf_config": T5Config()}))
    with pytest.raises(ValueError, match=message):
        check_model(SimpleNamespace(**fields | model))


def test_the_first_load_tells_whether_the_head_is_tied() -> None:
    """Some checkpoints of tied models have the matrix twice; what a trainer sends later may have it once."""
    from engine.sampler.t5.model import T5ForConditionalGeneration as Served

    def load(*weights: tuple[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(Served._with_head(model, weights))

    old, new = torch.zeros(2, 2), torch.ones(2, 2)
    model = SimpleNamespace(_tied=None)
    load(("decoder.embed_tokens.weight", old), ("lm_head.weight", old.clone()))
    assert load(("shared.weight", new)) == {"shared.weight": new, "lm_head.weight": new}
    with pytest.raises(ValueError, match="has one matrix for both"):
        load(("shared.weight", new), ("lm_head.weight", old))
    model = SimpleNamespace(_tied=None)
    load(("shared.weight", old), ("lm_head.weight", new))
    assert load(("shared.weight", new)) == {"shared.weight": new}


@pytest.mark.parametrize(
    ("tensor_parallel_size", "cache_dtype", "message"),
    [(2, "auto", "set tensor_parallel_size=1"), (1, "fp8", "kv_cache_dtype 'fp8' is not exact")],
)
def test_engines_that_are_not_exact_are_refused(tensor_parallel_size: int, cache_dtype: str, message: str) -> None:
    from engine.sampler.t5.limits import check_engine

    model = SimpleNamespace(hf_config=T5Config(), dtype=torch.float32, quantization=None, max_model_len=64)
    parallel = SimpleNamespace(tensor_parallel_size=tensor_parallel_size)
    cache = SimpleNamespace(cache_dtype=cache_dtype)
    with pytest.raises(ValueError, match=message):
        check_engine(SimpleNamespace(model_config=model, parallel_config=parallel, cache_config=cache))


@pytest.mark.parametrize(("length", "size"), [(64, 128), (65, 256), (192, 256), (193, 512), (448, 512)])
def test_the_head_has_room_for_every_position(length: int, size: int) -> None:
    from engine.sampler.t5.limits import one_hot_head_size

    assert one_hot_head_size(64, length) == size


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (16, 100), (64, 1000)])
def test_buckets_are_those_of_transformers(bidirectional: bool, buckets: int, max_distance: int) -> None:
    from engine.sampler.t5.bias import bucket

    offset = torch.arange(-2000, 2001)
    wanted = T5Attention._relative_position_bucket(offset, bidirectional, buckets, max_distance)
    assert torch.equal(bucket(offset, buckets, max_distance, bidirectional), wanted)


def test_requests_are_grouped_once_each_within_the_bound() -> None:
    from engine.sampler.t5.attention import _GROUP_KEYS, groups_of

    queries = [1] * 100 + [7, 300]
    keys = [1 + 37 * n % 512 for n in range(100)] + [7, 512]
    groups = list(groups_of(queries, keys))
    assert sorted(request for group in groups for request in group) == list(range(102))
    assert groups[-2:] == [[100], [101]]
    assert len(groups) < 10
    for group in groups:
        assert len(group) * max(keys[request] for request in group) <= _GROUP_KEYS
