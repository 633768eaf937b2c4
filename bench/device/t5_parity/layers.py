"""Which attention of the decoder differs first from the reference's: where to look for a fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import T5ForConditionalGeneration

from bench.device.t5_parity.case import Result
from bench.device.t5_parity.engine import runner_of
from bench.device.t5_parity.reference import log_probabilities
from engine.sampler.t5 import make_prompt

_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""Of the norm of a difference, as a share of the reference's."""


def first_differences(
    llm: Any, model: T5ForConditionalGeneration, prompts: list[list[int]], written: list[list[int]]
) -> Result:
    """Let the engine write again and compare outputs of attention, in order of steps, layers, self before cross.

    What it writes may differ from `written`, since a fault may: a prompt is compared as long as it does not. Rows of a
    step are the prompts, in order; a step that has other rows is left out.
    """
    from vllm import SamplingParams

    steps = len(written[0])
    ours, theirs = {}, {}
    for layer, (block, wanted) in enumerate(zip(runner_of(llm).model.decoder.block, model.decoder.block, strict=True)):
        ours |= {f"{layer}.self": block.self_attention, f"{layer}.cross": block.cross_attention}
        theirs |= {f"{layer}.self": wanted.layer[0].SelfAttention, f"{layer}.cross": wanted.layer[1].EncDecAttention}
    params = SamplingParams(temperature=0, max_tokens=steps, ignore_eos=True, detokenize=False)
    with _outputs(ours) as given:
        outputs = llm.generate([make_prompt(prompt) for prompt in prompts], params, use_tqdm=False)
    found: dict[tuple[int, str], list[tuple[float, int]]] = {}
    for row, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
        with _outputs(theirs) as wanted:
            log_probabilities(model, prompt, [list(output.outputs[0].token_ids)])
        for part in theirs:
            at_step = [x for x in given[part][:steps] if len(x) == len(prompts)]
            for step, x in enumerate(at_step):
                y = wanted[part][0][0, step]
                found.setdefault((step, part), []).append((((x[row] - y).norm() / y.norm()).item(), row))
    tolerance = _TOLERANCE[next(runner_of(llm).model.parameters()).dtype]
    order = [(step, part) for step in range(steps) for part in theirs if (step, part) in found]
    beyond = [at for at in order if any(not away <= tolerance for away, _ in found[at])]
    told = {
        f"step {step}, {part}": {row: round(away, 4) for away, row in found[step, part] if not away <= tolerance}
        for step, part in beyond[:4]
    }
    return {"compared": len(order), "beyond": len(beyond), "first": told}


@contextmanager
def _outputs(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Tensor]]]:
    """What modules give in this block, by their names, call by call, on the CPU and in float32."""
    kept: dict[str, list[Tensor]] = {name: [] for name in modules}

    def keeping(name: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            kept[name].append((output[0] if isinstance(output, tuple) else output).detach().float().cpu())

        return keep

    hooks = [module.register_forward_hook(keeping(name)) for name, module in modules.items()]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()
