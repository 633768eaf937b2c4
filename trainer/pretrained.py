"""Pretrained policies: T5-like encoder-decoders and any decoder-only model of transformers, with their tokenizer.

A policy is fine-tuned whole, or through LoRA (`add_lora`, with peft): then its weights stay and small factors beside
its linear layers learn. A checkpoint has the weights that result, so that a sampler loads it like any other, and the
factors beside the optimizer's state, so that training resumes exactly on top of the same pretrained weights.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from trainer.errors import CheckpointError
from trainer.text.codec import Tokenizer

transformers_logging.disable_progress_bar()  # progress is the caller's

HUB_PATIENCE = 5.0  # seconds
_ADAPTER = "default"
# What peft's names of parameters have in them.
_LORA, _BASE = ".lora_", ".base_layer."


def load_tokenizer(source: str) -> Tokenizer:
    """The tokenizer of a Hugging Face id or folder. Raises `CheckpointError`."""
    return _loaded(AutoTokenizer, source, "tokenizer")


def is_seq2seq(source: str) -> bool:
    """Whether a Hugging Face id or folder has an encoder-decoder. Raises `CheckpointError`."""
    return bool(_loaded(AutoConfig, source, "model").is_encoder_decoder)


def load_pretrained(source: str, random_seed: int | None = None) -> PreTrainedModel:
    """The policy of a Hugging Face id or folder, in fp32 on the CPU; with a seed, with random weights of its shape.

    Raises `CheckpointError` for what cannot be loaded, for an encoder-decoder that is not T5, and for a decoder-only
    model whose logits are not a linear function of its last layer.
    """
    config = _loaded(AutoConfig, source, "model")
    if config.is_encoder_decoder and config.model_type != "t5":
        raise CheckpointError(f"{source} is of type {config.model_type}: of the encoder-decoders only t5 is supported")
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if random_seed is None:
        policy = _with_weights(kind, source)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(random_seed)
            policy = kind.from_config(config, dtype=torch.float32).eval()
    if not config.is_encoder_decoder:
        _check_head(policy, source)
    return policy


def _with_weights(kind: Any, source: str) -> PreTrainedModel:
    policy, report = _loaded(kind, source, "model", dtype=torch.float32, output_loading_info=True)
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(f"{source} lacks {len(missing)} tensors of its architecture, such as {missing[0]}")
    return policy


def add_lora(policy: PreTrainedModel, rank: int, seed: int) -> None:
    """Freeze a policy and put factors of a rank beside all its linear layers but the output's, in place.

    They change nothing at first; the seed decides how they begin. Raises `CheckpointError` where peft is not installed.
    """
    if find_spec("peft") is None:
        raise CheckpointError("LoRA needs peft, which is not installed: pip install 'codeit[lora]'")
    from peft import LoraConfig, inject_adapter_in_model

    options = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        inject_adapter_in_model(options, policy, adapter_name=_ADAPTER)


def lora_factors(policy: PreTrainedModel) -> dict[str, Tensor]:
    """The factors that `add_lora` added, by name; none for another policy."""
    return {name: tensor for name, tensor in policy.state_dict().items() if _LORA in name}


def merged_weights(policy: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of a policy by their names without LoRA, the product of its factors added."""
    weights = {name.replace(_BASE, "."): tensor for name, tensor in policy.state_dict().items() if _LORA not in name}
    for name, module in policy.named_modules():
        if hasattr(module, "get_delta_weight"):
            weights[f"{name}.weight"] = module.base_layer.weight + module.get_delta_weight(_ADAPTER)
    return {name: tensor.detach() for name, tensor in weights.items()}


def save_policy(policy: PreTrainedModel, folder: Path) -> None:
    """Write config.json and model.safetensors, one file whatever its size."""
    weights = {"state_dict": merged_weights(policy)} if lora_factors(policy) else {}
    policy.save_pretrained(folder, max_shard_size="1000GB", **weights)


def _check_head(policy: PreTrainedModel, source: str) -> None:
    """Training computes the logits of program tokens alone, by the output layer; some models do more to them."""
    ids = torch.arange(4)[None]
    with torch.no_grad():
        wanted = policy(ids).logits
        found = policy.get_output_embeddings()(policy.base_model(ids).last_hidden_state)
    if not torch.allclose(wanted, found, rtol=1e-3, atol=1e-4):
        raise CheckpointError(f"{source} does something to its logits after the output layer: not supported")


def vocabulary_size(source: str) -> int:
    """How many tokens the policy of a Hugging Face id or folder has embeddings for. Raises `CheckpointError`."""
    return int(_loaded(AutoConfig, source, "model").vocab_size)


def max_positions(source: str) -> int | None:
    """How many tokens the policy of a Hugging Face id or folder reads and writes at most; None where its positions are
    relative. Raises `CheckpointError`."""
    return getattr(_loaded(AutoConfig, source, "model"), "max_position_embeddings", None)


def _loaded(kind: Any, source: str, what: str, **options: Any) -> Any:
    """What transformers loads; no code of a checkpoint is ever run."""
    offline = not Path(source).is_dir() and not hub_answers()  # then what was downloaded before is looked for
    try:
        return kind.from_pretrained(source, trust_remote_code=False, local_files_only=offline, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).split("\n", 1)[0]
        if offline:
            reason = "it is no folder, and the Hugging Face hub does not answer; the folder of a checkpoint works"
        raise CheckpointError(
            f"cannot load the {what} of {source!r}, a Hugging Face id or a folder: {reason}"
        ) from error


@cache
def hub_answers() -> bool:
    """Whether the hub can be reached: transformers itself tries for most of a minute."""
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=HUB_PATIENCE):
            return True
    except HTTPError:  # an answer
        return True
    except OSError:
        return False
