"""Pretrained policies without pretraining: tiny random models of real architectures, saved with real tokenizers.

The tokenizers are those classes of transformers that the checkpoints on Hugging Face have, with a vocabulary learned
from the seed programs and a few grids.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from trainer.text.codec import write_grid


@cache
def texts() -> list[str]:
    """Seed programs, and random grids as text."""
    generator = np.random.default_rng(0)
    lines = files("engine").joinpath("data/seeds.jsonl").read_text().splitlines()
    grids = [generator.integers(0, 10, generator.integers(2, 31, 2)).astype(np.int8) for _ in range(40)]
    return [json.loads(line)["program"] for line in lines] + [write_grid(grid) for grid in grids]


def roberta_tokenizer() -> Any:
    """As CodeT5 has it: byte-level, with <s> and </s> around every text."""
    from transformers import RobertaTokenizer

    vocabulary, merges = _byte_level(["<pad>", "<s>", "</s>", "<unk>", "<mask>"])
    return RobertaTokenizer(vocabulary, merges)


def qwen_tokenizer() -> Any:
    """As Qwen2.5-Coder has it: byte-level, with nothing around a text."""
    from transformers import Qwen2Tokenizer

    vocabulary, merges = _byte_level(["<|endoftext|>"])
    return Qwen2Tokenizer(vocabulary, merges)


def llama_tokenizer() -> Any:
    """As Llama and Mistral have it: a space before every text, <s> in front, unknown characters as bytes."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaTokenizer

    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    learned.train_from_iterator(
        [text.replace("\n", " ") for text in texts()],
        trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False),
    )
    return LlamaTokenizer(*_parts(learned))


def _byte_level(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    from tokenizers import ByteLevelBPETokenizer

    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(texts(), vocab_size=700, special_tokens=special, show_progress=False)
    return _parts(learned)


def _parts(tokenizer: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "roberta": roberta_tokenizer,
    "qwen": qwen_tokenizer,
    "llama": llama_tokenizer,
}


def save_t5(folder: Path, seed: int = 0) -> Path:
    """A CodeT5-like checkpoint with weights that make every part of it show in the output."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = roberta_tokenizer()
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(tokenizer) + 4,
        d_model=64,
        d_kv=64,
        d_ff=128,
        num_layers=2,
        num_heads=1,
        decoder_start_token_id=0,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_qwen(folder: Path, seed: int = 0) -> Path:
    """A checkpoint like Qwen2.5-Coder's."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = qwen_tokenizer()
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer) + 4,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
