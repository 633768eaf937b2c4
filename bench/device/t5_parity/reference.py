"""Transformers' T5 in float32: random models whose every part shows in what they write, and their probabilities."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from bench.device.t5_parity.case import START, Case, device


def new_model(case: Case, seed: int) -> T5ForConditionalGeneration:
    """A T5 on the device in float32, with weights so large that its choices depend on them and on the prompt.

    Its weights are numbers of the engine's type, so that their rounding is no difference.
    """
    torch.manual_seed(seed)
    with torch.device(device()):
        model = T5ForConditionalGeneration(T5Config(**case.shape)).eval()
        with torch.no_grad():
            let_all_parts_show(model, 1.0 if case.large else 1.5)
            if case.tied:
                model.decoder.final_layer_norm.weight.mul_(8)
            else:
                head = (0.6 if case.large else 0.3) * torch.randn(model.config.vocab_size, case.width)
                model.lm_head.weight = torch.nn.Parameter(head * (48 / case.width) ** 0.5)
            for parameter in model.parameters():
                parameter.copy_(parameter.to(getattr(torch, case.dtype)))
    return model


def let_all_parts_show(model: T5ForConditionalGeneration, matrices: float) -> None:
    """Change weights so that choices depend on all of them and on the prompt; `matrices` scales the others."""
    for name, parameter in model.named_parameters():
        if "layer_norm" in name:
            parameter.uniform_(0.5, 1.5)
        elif "relative_attention_bias" in name:
            parameter.normal_(std=2)
        elif name == "shared.weight":
            parameter.mul_(0.3)  # so that the last token does not drown all else
        else:
            parameter.mul_(matrices)


def in_type(model: T5ForConditionalGeneration, case: Case) -> T5ForConditionalGeneration | None:
    """The model in the engine's type, where that is not float32."""
    return None if case.dtype == "float32" else copy.deepcopy(model).to(getattr(torch, case.dtype))


def log_probabilities(model: T5ForConditionalGeneration, prompt: list[int], rows: list[list[int]]) -> Tensor:
    """Log-probabilities (rows, tokens, vocabulary) of transformers before each token of rows of one length."""
    read = torch.tensor([prompt], device=device()).expand(len(rows), -1)
    decoder = torch.tensor([[START, *row[:-1]] for row in rows], device=device())
    with torch.no_grad():
        return model(input_ids=read, decoder_input_ids=decoder).logits.float().log_softmax(-1)


def random_ids(seed: int, length: int, case: Case) -> list[int]:
    """A prompt."""
    return torch.randint(case.shape["vocab_size"], (length,), generator=torch.Generator().manual_seed(seed)).tolist()
