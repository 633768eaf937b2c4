"""Whether T5 on vLLM (engine/sampler/t5) is right on a device: beside transformers in float32, through swaps.

    python -m bench.device.t5 [--together N] [--limit S] [--tiny] [CASE...]

Each case is a process, because an error of CUDA poisons its process, and each result a line of JSON; the status is 1
where one is not `ok`. A case opens one engine and writes greedily with weights A, samples n=24, swaps to B and back to
A. One pass of transformers over prompt and tokens checks a whole sequence: `max_dlogprob` is the largest difference of a
log-probability, `wrong` tokens are not the likeliest of the reference, `margin` is by how much it preferred another.
`bound` is 1e-3 in float32, with tf32 off, and in bfloat16 twice what transformers itself is off in it. What is beyond
the bound is followed to the first layer whose output differs.

A case is named by its `decoder_bias`, layers x width, the tokens its decoder may have, and its type. `stock` is vLLM's
attention with one-hot positions and without our `scratch.py`: wrong on a device where heads exceed d_kv. `--tiny` writes
a few tokens only, for a dry run on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = 3
D_KV = 64
LENGTHS = (1, 3, 17, 100, 130, 257, 511, 777, 1000, 1024)
SAMPLED = (17, 130, 257)
N_SAMPLES, SAMPLE_TOKENS, SWAPPED_TOKENS = 24, 48, 64
CACHE_BYTES = 8 << 30
FLOAT32_BOUND = 1e-3
_TINY = "CODEIT_DEVICE_TINY"

Result = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What one process checks."""

    decoder_bias: str
    """As the plugin's option; or `stock`."""
    layers: int
    width: int
    length: int
    """Tokens of a decoder at most, the start token included."""
    dtype: str = "float32"
    gated: bool = False

    @property
    def large(self) -> bool:
        """The shape of T5 base, with 12 layers 223M parameters; otherwise 3 heads and a vocabulary of 97."""
        return self.width > 100

    @property
    def shape(self) -> dict[str, Any]:
        """Arguments of T5Config."""
        words, inner, heads = (32100, 3072, 12) if self.large else (97, 96, 3)
        sizes = {"vocab_size": words, "d_ff": inner, "num_heads": heads, "d_kv": D_KV, "d_model": self.width}
        kind = {"feed_forward_proj": "gated-gelu" if self.gated else "relu", "tie_word_embeddings": not self.gated}
        return sizes | kind | {"num_layers": self.layers, "decoder_start_token_id": START}


def _named(cases: Sequence[Case]) -> dict[str, Case]:
    def name(case: Case) -> str:
        size = f"{case.layers}x{case.width}-{case.length}"
        kind = "-gated" if case.gated else ""
        return f"{case.decoder_bias}-{size}-{'bf16' if case.dtype == 'bfloat16' else 'fp32'}{kind}"

    return {name(case): case for case in cases}


CASES = _named(
    [
        Case("triton", 2, 48, 192),
        Case("triton", 2, 48, 512),
        Case("triton", 2, 48, 512, gated=True),
        Case("triton", 12, 768, 192),
        Case("triton", 12, 768, 192, "bfloat16"),
        Case("triton", 12, 768, 512),
        Case("triton", 12, 768, 512, "bfloat16"),
        Case("one_hot", 2, 48, 448),
        Case("one_hot", 12, 768, 192),
        Case("one_hot", 12, 768, 192, "bfloat16"),
        Case("gather", 2, 48, 512),
        Case("gather", 12, 768, 512),
        Case("gather", 12, 768, 512, "bfloat16"),
    ]
)
STOCK = _named([Case("stock", 2, 48, 192), Case("stock", 2, 48, 448), Case("stock", 12, 768, 192)])
SCRATCH = "scratch"
"""The case that calls vLLM's Triton attention alone, to see whether it writes behind its buffer."""
DEFAULT = [SCRATCH, *CASES]
ALL = [*DEFAULT, *STOCK]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; its status."""
    parser = argparse.ArgumentParser(prog="python -m bench.device.t5", epilog="cases: " + ", ".join(ALL))
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all but those with stock attention")
    parser.add_argument("--together", type=int, default=1, metavar="N", help="cases that run at a time")
    parser.add_argument("--limit", type=float, default=120, metavar="S", help="seconds of a case at most")
    parser.add_argument("--tiny", action="store_true", help="few tokens, for a dry run")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in ALL]:
        parser.error(f"no case {', '.join(unknown)}; there are: {', '.join(ALL)}")
    if options.tiny:
        os.environ[_TINY] = "1"
    names = options.cases or DEFAULT
    if options.here:
        return min(1, sum([_show(result) for name in names for result in check(name)]))
    return min(1, sum([_show(result) for result in run(names, options.together, options.limit)]))


def _show(result: Result) -> bool:
    """Write a result as a line; whether it is a failure."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    return not result.get("ok", True)


# ------------------------------------------------------------------------------------------------- processes


def run(names: Sequence[str], together: int = 1, limit: float = 120) -> Iterator[Result]:
    """Results of cases, each in a process of its own, `together` at a time, as they come."""
    results: list[Result] = []
    arrived = threading.Condition()

    def keep(result: Result) -> None:
        with arrived:
            results.append(result)
            arrived.notify()

    with ThreadPoolExecutor(together) as pool:
        running = [pool.submit(_run_apart, name, limit, keep) for name in names]
        shown = 0
        while shown < len(results) or not all(case.done() for case in running):
            with arrived:
                arrived.wait_for(lambda: len(results) > shown, timeout=0.2)
                fresh = results[shown:]
            shown += len(fresh)
            yield from fresh
        for case in running:
            case.result()


def _run_apart(name: str, limit: float, keep: Callable[[Result], None]) -> None:
    """Run a case in another process; what it says other than results is told only where it fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.device.t5", "--here", name],
            env=os.environ | _environment(name),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        timer = threading.Timer(limit, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        seen = False
        for line in process.stdout or ():
            if line.startswith('{"case"'):
                seen = True
                keep(json.loads(line))
        status = process.wait()
        timer.cancel()
        seconds = round(time.monotonic() - start, 1)
        if status not in (0, 1) or not seen:
            errors.seek(0)
            keep({"case": name, "step": "died", "ok": False, "status": status, "error": errors.read()[-2000:]})
        keep({"case": name, "step": "process", "seconds": seconds})


def _environment(name: str) -> dict[str, str]:
    """Exact products in Triton's float32, the plugin's leave, and its kernels on a CPU, too."""
    import torch

    changed = {"T5_UNVERIFIED_DEVICE": "1", "TRITON_F32_DEFAULT": "ieee", "HF_HUB_OFFLINE": "1"}
    if cache := os.environ.get("TRITON_CACHE_DIR"):
        changed["TRITON_CACHE_DIR"] = f"{cache}-ieee"
    if name.startswith("triton") and not torch.cuda.is_available():
        changed["TRITON_INTERPRET"] = "1"
    return changed


# ------------------------------------------------------------------------------------------------- checks


def check(name: str) -> Iterator[Result]:
    """Results of a case in this process. What it raises is a result, too."""
    start = time.monotonic()
    steps = _check_scratch() if name == SCRATCH else _check_case((CASES | STOCK)[name])
    try:
        for result in steps:
            yield {"case": name} | result | {"t": round(time.monotonic() - start, 1)}
    except Exception as error:  # whatever vLLM or CUDA raises: it is what is to be shown
        notes = " | ".join(getattr(error, "__notes__", []))[-1500:]
        text = f"{type(error).__name__}: {str(error)[:1000]}"
        yield {"case": name, "step": "error", "ok": False, "error": text, "notes": notes}


def _check_case(case: Case) -> Iterator[Result]:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with tempfile.TemporaryDirectory() as root:
        models = [_new_model(case, seed) for seed in (0, 1)]
        models[0].save_pretrained(root)
        with _serving(case, Path(root)) as llm:
            yield {"step": "opened", **_facts(llm)}
            prompts = [_ids(seed, length, case) for seed, length in enumerate(LENGTHS[:: 3 if _tiny() else 1])]
            tokens = 5 if _tiny() else case.length - 1
            first, result = _greedy(llm, case, models[0], prompts, tokens)
            yield {"step": "greedy A", **result}
            if not result["ok"]:
                yield {"step": "where", **_locate(llm, models[0], prompts, min(result["first_wrong"] + 1, 100))}
            yield {"step": f"n={N_SAMPLES}", **_sampled(llm, case, models[0])}
            for turn, which in (("B", 1), ("A again", 0)):
                seconds = _swap(llm, models[which])
                written, result = _greedy(llm, case, models[which], prompts, min(tokens, SWAPPED_TOKENS))
                if which == 0:
                    result["same_as_before"] = sum(a == b[: len(a)] for a, b in zip(written, first, strict=True))
                yield {"step": f"greedy {turn}", "swap_s": seconds, **result}


def _greedy(llm: Any, case: Case, model: Any, prompts: list[list[int]], tokens: int) -> tuple[list[list[int]], Result]:
    """What the engine writes, and its comparison with the reference."""
    from vllm import SamplingParams

    from engine.sampler.t5 import make_prompt

    params = SamplingParams(temperature=0, max_tokens=tokens, logprobs=20, ignore_eos=True, detokenize=False)
    start = time.monotonic()
    outputs = llm.generate([make_prompt(prompt) for prompt in prompts], params, use_tqdm=False)
    seconds = time.monotonic() - start
    written = [list(output.outputs[0].token_ids) for output in outputs]
    worst, margin, yardstick, wrong, first = 0.0, 0.0, 0.0, [], tokens
    other = _in_type(model, case)
    missed = []
    for prompt, output, row in zip(prompts, outputs, written, strict=True):
        wanted = _reference(model, prompt, [row])[0]
        if other is not None:
            yardstick = max(yardstick, (_reference(other, prompt, [row])[0] - wanted).abs().max().item())
        given = [
            (step, token, at.logprob) for step, at in enumerate(output.outputs[0].logprobs) for token, at in at.items()
        ]
        steps, ids, got = (list(column) for column in zip(*given, strict=True))
        worst = max(worst, (wanted[steps, ids] - wanted.new_tensor(got)).abs().max().item())
        missed.append(wanted.max(-1).values - wanted[range(len(row)), row])
    bound = 2 * yardstick if other is not None else FLOAT32_BOUND
    for away in missed:
        margin = max(margin, away.max().item())
        wrong.append(int((away > 0).sum()))
        if beyond := (away > bound).nonzero().flatten().tolist():
            first = min(first, beyond[0])
    result = {
        "ok": worst <= bound and margin <= bound,
        "max_dlogprob": round(worst, 6),
        "bound": round(bound, 6),
        "wrong": sum(wrong),
        "margin": round(margin, 6),
        "tokens": sum(map(len, written)),
        "distinct": len({token for row in written for token in row}),
        "seconds": round(seconds, 2),
    }
    if not result["ok"]:
        result |= {"wrong_by_prompt": wrong, "first_wrong": first if first < tokens else 0}
    return written, result


def _sampled(llm: Any, case: Case, model: Any) -> Result:
    """The probabilities of samples, which are many sequences for vLLM and one encoder's output."""
    from vllm import SamplingParams

    from engine.sampler.t5 import make_prompt

    tokens = 3 if _tiny() else SAMPLE_TOKENS
    prompts = [_ids(100 + length, length, case) for length in (SAMPLED[:1] if _tiny() else SAMPLED)]
    params = SamplingParams(
        n=N_SAMPLES, temperature=1.0, seed=7, max_tokens=tokens, logprobs=0, ignore_eos=True, detokenize=False
    )
    start = time.monotonic()
    outputs = llm.generate([make_prompt(prompt) for prompt in prompts], params, use_tqdm=False)
    seconds = time.monotonic() - start
    worst, yardstick, distinct = 0.0, 0.0, 0
    other = _in_type(model, case)
    for prompt, output in zip(prompts, outputs, strict=True):
        rows = [list(sample.token_ids) for sample in output.outputs]
        wanted = _reference(model, prompt, rows)
        chosen = wanted.new_tensor(rows).long()[..., None]
        given = [[at[token].logprob for at, token in zip(sample.logprobs, sample.token_ids, strict=True)]
                 for sample in output.outputs]  # fmt: skip
        wanted = wanted.gather(2, chosen)[..., 0]
        worst = max(worst, (wanted - wanted.new_tensor(given)).abs().max().item())
        if other is not None:
            theirs = _reference(other, prompt, rows).gather(2, chosen)[..., 0]
            yardstick = max(yardstick, (theirs - wanted).abs().max().item())
        distinct += len(set(map(tuple, rows)))
    bound = 2 * yardstick if other is not None else FLOAT32_BOUND
    return {
        "ok": worst <= bound and distinct == len(prompts) * N_SAMPLES,
        "max_dlogprob": round(worst, 6),
        "bound": round(bound, 6),
        "tokens": len(prompts) * N_SAMPLES * tokens,
        "distinct": distinct,
        "seconds": round(seconds, 2),
    }


def _swap(llm: Any, model: Any) -> float:
    """Give the engine the weights of a model; the seconds of it."""
    from engine.sampler.transports import InProcess

    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    start = time.monotonic()
    InProcess().update(llm.llm_engine, weights)
    return round(time.monotonic() - start, 4)


# ------------------------------------------------------------------------------------------------- the reference


def _new_model(case: Case, seed: int) -> Any:
    """A T5 on the device in float32, with weights so large that its choices depend on them and on the prompt.

    Its weights are numbers of the engine's type, so that their rounding is no difference.
    """
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    with torch.device(_device()):
        model = T5ForConditionalGeneration(T5Config(**case.shape)).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "layer_norm" in name:
                    parameter.uniform_(0.5, 1.5)
                elif "relative_attention_bias" in name:
                    parameter.normal_(std=2)
                elif name == "shared.weight":
                    parameter.mul_(0.3)  # so that the last token does not drown all else
                elif not case.large:
                    parameter.mul_(1.5)
            if case.gated:
                head = 0.3 * torch.randn(model.config.vocab_size, case.width)
                model.lm_head.weight = torch.nn.Parameter(head * (48 / case.width) ** 0.5)
            else:
                model.decoder.final_layer_norm.weight.mul_(8)
            for parameter in model.parameters():
                parameter.copy_(parameter.to(getattr(torch, case.dtype)))
    return model


def _in_type(model: Any, case: Case) -> Any:
    """The model in the engine's type, where that is not float32."""
    import copy

    import torch

    return None if case.dtype == "float32" else copy.deepcopy(model).to(getattr(torch, case.dtype))


def _reference(model: Any, prompt: list[int], rows: list[list[int]]) -> Any:
    """Log-probabilities (rows, tokens, vocabulary) of transformers before each token of rows of one length."""
    import torch

    read = torch.tensor([prompt], device=_device()).expand(len(rows), -1)
    decoder = torch.tensor([[START, *row[:-1]] for row in rows], device=_device())
    with torch.no_grad():
        return model(input_ids=read, decoder_input_ids=decoder).logits.float().log_softmax(-1)


def _ids(seed: int, length: int, case: Case) -> list[int]:
    import torch

    return torch.randint(case.shape["vocab_size"], (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _tiny() -> bool:
    return _TINY in os.environ


# ------------------------------------------------------------------------------------------------- the engine


@contextmanager
def _serving(case: Case, folder: Path) -> Iterator[Any]:
    """`vllm.LLM` in this process."""
    from engine.sampler.host import hosting
    from engine.sampler.t5 import register
    from engine.sampler.transports import InProcess

    bias = "one_hot" if case.decoder_bias == "stock" else case.decoder_bias
    with hosting():
        from vllm import LLM

        register()
        InProcess().prepare()
        if case.decoder_bias == "stock":
            from engine.sampler.t5 import attention

            attention.with_room_for_heads = lambda backend: backend
        llm = LLM(
            str(folder),
            dtype=case.dtype,
            max_model_len=case.length,
            max_num_batched_tokens=4096,
            max_num_seqs=96,
            block_size=32,
            kv_cache_memory_bytes=64 << 20 if _tiny() else CACHE_BYTES,
            gpu_memory_utilization=0.05,
            skip_tokenizer_init=True,
            generation_config="vllm",
            enable_chunked_prefill=False,
            async_scheduling=False,
            enforce_eager=True,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            weight_transfer_config={"backend": InProcess.backend},
            hf_overrides={"decoder_bias": bias, "max_source_positions": max(LENGTHS)},
        )
    try:
        yield llm
    finally:
        llm.llm_engine.engine_core.shutdown()


def _runner(llm: Any) -> Any:
    return llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker.model_runner


def _facts(llm: Any) -> Result:
    """What the engine really has: attention backends with their heads, groups of the cache, device, versions."""
    import torch
    import vllm

    runner = _runner(llm)
    backends: Counter[str] = Counter()
    for layer in runner.vllm_config.compilation_config.static_forward_context.values():
        if (backend := getattr(layer, "attn_backend", None)) is not None:
            backends[f"{backend.__name__} ({backend.get_name()}), heads of {layer.head_size}"] += 1
    specs = [(len(group.layer_names), group.kv_cache_spec) for group in runner.kv_cache_config.kv_cache_groups]
    groups = [
        f"{layers} x {type(spec).__name__}, blocks of {spec.block_size} tokens and {spec.page_size_bytes} bytes"
        for layers, spec in specs
    ]
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "backends": dict(backends),
        "groups": groups,
        "layout": str(runner.cache_config.kv_cache_layout),
        "float32": f"torch {torch.get_float32_matmul_precision()}, Triton {os.environ.get('TRITON_F32_DEFAULT')}",
        "device": f"{card}, torch {torch.__version__}, vLLM {vllm.__version__}",
    }


def _locate(llm: Any, model: Any, prompts: list[list[int]], steps: int) -> Result:
    """The first attention whose output differs from the reference's in a run of `steps` tokens, by step, then layer.

    Rows of a step are the prompts, in order, where all fit into the first step: otherwise nothing is compared.
    """
    import torch

    parts = {
        f"{layer}.{part}": (getattr(ours, f"{part}_attention"), getattr(theirs.layer[place], name))
        for layer, (ours, theirs) in enumerate(zip(_runner(llm).model.decoder.block, model.decoder.block, strict=True))
        for place, (part, name) in enumerate((("self", "SelfAttention"), ("cross", "EncDecAttention")))
    }
    given: dict[str, list[Any]] = {part: [] for part in parts}
    hooks = [
        ours.register_forward_hook(lambda _module, _inputs, output, part=part: given[part].append(output.float().cpu()))
        for part, (ours, _) in parts.items()
    ]
    case = Case("gather", 0, 0, 0)  # compares in float32
    written, _ = _greedy(llm, case, model, prompts, steps)
    for hook in hooks:
        hook.remove()
    differences: dict[tuple[int, str], tuple[float, int]] = {}
    wanted: dict[str, Any] = {}
    hooks = [
        theirs.register_forward_hook(lambda _module, _inputs, output, part=part: wanted.update({part: output[0][0]}))
        for part, (_, theirs) in parts.items()
    ]
    for row, (prompt, tokens) in enumerate(zip(prompts, written, strict=True)):
        _reference(model, prompt, [tokens])
        for part, step in ((part, step) for part in parts for step in range(steps)):
            ours, theirs = given[part][step], wanted[part][step].float().cpu()
            if len(ours) == len(prompts):
                away = ((ours[row] - theirs).norm() / theirs.norm()).item()
                differences[step, part] = max(differences.get((step, part), (0.0, 0)), (away, row))
    for hook in hooks:
        hook.remove()
    tolerance = 1e-3 if next(_runner(llm).model.parameters()).dtype == torch.float32 else 0.1
    order = [(step, part) for step in range(steps) for part in parts]
    found = [at for at in order if not differences.get(at, (0.0, 0))[0] <= tolerance]
    told = {f"step {step}, {part}": differences[step, part] for step, part in found[:4]}
    return {"compared": len(differences), "beyond": len(found), "first": told}


# ------------------------------------------------------------------------------------------------- vLLM's kernel alone


def _check_scratch() -> Iterator[Result]:
    """Whether vLLM's Triton attention writes behind the buffer that it allocates for heads of d_kv, as in a model.

    It should for the heads and sequences that were wrong, and should not for those that were right: that explains both.
    """
    import torch

    if not torch.cuda.is_available():
        yield {"step": "skipped", "reason": "needs a GPU"}
        return
    from engine.sampler.host import hosting

    with hosting():
        import vllm.v1.attention.backends.triton_attn  # noqa: F401
    for heads, size, sequences, behind in (
        (3, 256, 10, False),
        (3, 512, 10, True),
        (12, 256, 10, True),
        (12, 256, 11, False),
    ):
        written, off = _scratch(heads, size, sequences)
        found = {"written_behind": written, "expected": behind, "max_difference": off}
        yield {"step": f"{heads} heads of {size}, {sequences} sequences", "ok": (written > 0) == behind, **found}


def _scratch(heads: int, size: int, sequences: int) -> tuple[int, float]:
    """Numbers written behind the buffer of partial sums, and how far the attention is off (what is behind is ours)."""
    import torch
    from vllm.v1.attention.backends.triton_attn import MIN_LAUNCH_GRID_SIZE_2D, NUM_PAR_SOFTMAX_SEGMENTS
    from vllm.v1.attention.ops.triton_unified_attention import unified_attention

    length, block, rows, segments = 300, 32, MIN_LAUNCH_GRID_SIZE_2D // heads, NUM_PAR_SOFTMAX_SEGMENTS
    buffer, used = rows * heads * segments * D_KV, sequences * heads * segments * size
    untouched = 12345.0
    torch.manual_seed(0)
    with torch.device("cuda"):
        memory = torch.full((max(buffer, used) + 4096,), untouched)
        blocks = -(-length // block)
        cache = torch.randn(sequences * blocks, block, heads, 2 * size)
        keys, values = cache.split(size, dim=-1)
        table = torch.arange(sequences * blocks, dtype=torch.int32).view(sequences, blocks)
        queries = 0.1 * torch.randn(sequences, heads, size)
        output = torch.zeros_like(queries)
        unified_attention(
            q=queries, k=keys, v=values, out=output, softmax_scale=1.0, causal=True, window_size=(-1, -1), softcap=0,
            cu_seqlens_q=torch.arange(sequences + 1, dtype=torch.int32), max_seqlen_q=1, block_table=table,
            seqused_k=torch.full((sequences,), length, dtype=torch.int32), max_seqlen_k=length,
            q_descale=None, k_descale=None, v_descale=None, seq_threshold_3D=rows, num_par_softmax_segments=segments,
            softmax_segm_output=memory[:buffer].view(rows, heads, segments, D_KV),
            softmax_segm_max=torch.empty(rows, heads, segments), softmax_segm_expsum=torch.empty(rows, heads, segments),
        )  # fmt: skip
    k, v = (part[table.long()].flatten(1, 2)[:, :length] for part in (keys, values))
    weights = torch.einsum("nhd,nshd->nhs", queries, k).softmax(-1)
    off = (torch.einsum("nhs,nshd->nhd", weights, v) - output).abs().max().item()
    return int((memory[buffer:] != untouched).sum()), off


if __name__ == "__main__":
    sys.exit(main())
