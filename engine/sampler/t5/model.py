"""`T5ForConditionalGeneration` for vLLM: encoder, decoder, logits, weights.

A request's first step runs the encoder and caches its keys and values; later steps are the decoder's alone. The n
samples of a prompt are n requests for vLLM; those that begin in the same step are encoded once.

Weights keep no copy that could go stale: the bias is looked up in each step, and the output head is a layer of its
own even where it is tied, because vLLM's CPU layers multiply with a packed copy that only a load of the layer itself
makes anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from transformers import T5Config
from vllm.config import VllmConfig
from vllm.forward_context import get_forward_context
from vllm.model_executor.layers.logits_processor import LogitsProcessor
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead
from vllm.model_executor.models.interfaces import SupportsMultiModal
from vllm.model_executor.models.utils import AutoWeightsLoader, WeightsMapper, maybe_prefix
from vllm.multimodal import MULTIMODAL_REGISTRY

from engine.sampler.t5.attention import GatherAttention, OneHotAttention, TritonAttention
from engine.sampler.t5.bias import RelativeBias
from engine.sampler.t5.inputs import IDS, T5DummyInputs, T5ProcessingInfo, T5Processor
from engine.sampler.t5.layers import (
    CrossAttention,
    EncoderSelfAttention,
    EncoderStates,
    EqualLengths,
    FeedForward,
    Projections,
    norm,
)
from engine.sampler.t5.limits import check_engine, decoder_bias, keep_float32_exact, max_source_positions
from engine.sampler.t5.ordering import guard_encoder_order

_HEAD = "lm_head.weight"
_EMBEDDING = "shared.weight"
_EMBEDDINGS = {_EMBEDDING, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.self_attention_norm = norm(config)
        self.self_attention = EncoderSelfAttention(config)
        self.feed_forward_norm = norm(config)
        self.feed_forward = FeedForward(config)

    def forward(self, x: torch.Tensor, prompts: list[EqualLengths]) -> torch.Tensor:
        x = x + self.self_attention(self.self_attention_norm(x), prompts)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Encoder(nn.Module):
    """Reads whole prompts."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.bias = RelativeBias(config, bidirectional=True)
        self.block = nn.ModuleList(EncoderBlock(config) for _ in range(config.num_layers))
        self.final_layer_norm = norm(config)

    def forward(self, x: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        """Encode prompts, sorted by length, whose embeddings (tokens, d_model) follow one another."""
        prompts = list(self._by_length(lengths, x.dtype))
        for block in self.block:
            x = block(x, prompts)
        return self.final_layer_norm(x)

    def _by_length(self, lengths: list[int], dtype: torch.dtype) -> Iterator[EqualLengths]:
        start = 0
        for length in sorted(set(lengths)):
            stop = start + length * lengths.count(length)
            position = torch.arange(length, device=self.bias.weight.device)
            bias = self.bias(position - position[:, None]).to(dtype)
            yield EqualLengths(slice(start, stop), length, bias[None])
            start = stop


class DecoderSelfAttention(Projections):
    """Causal self-attention with a bias."""

    def __init__(self, config: T5Config, vllm_config: VllmConfig, prefix: str, bias: RelativeBias) -> None:
        super().__init__(config)
        chosen = decoder_bias(config)
        if chosen == "one_hot":
            self.attend = OneHotAttention(config, vllm_config, prefix)
        else:
            own = TritonAttention if chosen == "triton" else GatherAttention
            self.attend = own(config, vllm_config, prefix, bias)

    def forward(self, x: torch.Tensor, extension: Any) -> torch.Tensor:
        q, k, v = self.qkv(x)[0].chunk(3, dim=-1)
        return self.o(self.attend(q, k, v, extension))[0]


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention and feed-forward."""

    def __init__(self, config: T5Config, vllm_config: VllmConfig, prefix: str, bias: RelativeBias) -> None:
        super().__init__()
        self.self_attention_norm = norm(config)
        self.self_attention = DecoderSelfAttention(config, vllm_config, f"{prefix}.self_attention", bias)
        self.cross_attention_norm = norm(config)
        self.cross_attention = CrossAttention(config, vllm_config, f"{prefix}.cross_attention")
        self.feed_forward_norm = norm(config)
        self.feed_forward = FeedForward(config)

    def forward(self, x: torch.Tensor, extension: Any, encoded: EncoderStates | None) -> torch.Tensor:
        x = x + self.self_attention(self.self_attention_norm(x), extension)
        x = x + self.cross_attention(self.cross_attention_norm(x), encoded)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Decoder(nn.Module):
    """Writes, one step at a time."""

    def __init__(self, config: T5Config, vllm_config: VllmConfig, prefix: str) -> None:
        super().__init__()
        self.bias = RelativeBias(config, bidirectional=False)
        self.block = nn.ModuleList(
            DecoderBlock(config, vllm_config, f"{prefix}.block.{layer}", self.bias)
            for layer in range(config.num_decoder_layers)
        )
        self.final_layer_norm = norm(config)

    def forward(self, x: torch.Tensor, positions: torch.Tensor, encoded: EncoderStates | None) -> torch.Tensor:
        attend = self.block[0].self_attention.attend
        extension = attend.extend(self.bias, positions) if isinstance(attend, OneHotAttention) else None
        for block in self.block:
            x = block(x, extension, encoded)
        return self.final_layer_norm(x)


@MULTIMODAL_REGISTRY.register_processor(T5Processor, info=T5ProcessingInfo, dummy_inputs=T5DummyInputs)
class T5ForConditionalGeneration(nn.Module, SupportsMultiModal):
    """The model that vLLM runs."""

    hf_to_vllm_mapper = WeightsMapper(
        orig_to_new_regex={
            re.compile(r"\.layer\.1\.EncDecAttention\.relative_attention_bias\."): None,  # unused, in old checkpoints
            re.compile(r"\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias\."): ".bias.",
            re.compile(r"\.layer\.0\.SelfAttention\."): ".self_attention.",
            re.compile(r"\.layer\.0\.layer_norm\."): ".self_attention_norm.",
            re.compile(r"\.layer\.1\.EncDecAttention\."): ".cross_attention.",
            re.compile(r"^(decoder\..*)\.layer\.1\.layer_norm\."): r"\1.cross_attention_norm.",
            re.compile(r"\.layer\.\d\.layer_norm\."): ".feed_forward_norm.",
            re.compile(r"\.layer\.\d\.DenseReluDense\."): ".feed_forward.",
        },
        orig_to_new_stacked={
            ".self_attention.q.": (".self_attention.qkv.", "q"),
            ".self_attention.k.": (".self_attention.qkv.", "k"),
            ".self_attention.v.": (".self_attention.qkv.", "v"),
            ".cross_attention.k.": (".cross_attention.kv.", 0),
            ".cross_attention.v.": (".cross_attention.kv.", 1),
            ".wi.": (".wi.", 0),
            ".wi_0.": (".wi.", 0),
            ".wi_1.": (".wi.", 1),
        },
    )

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        check_engine(vllm_config)
        guard_encoder_order()
        self.config: T5Config = vllm_config.model_config.hf_config
        self.config.max_source_positions = max_source_positions(self.config)  # read when CUDA graphs are captured
        self._tied: bool | None = None  # known when weights have been loaded
        self.shared = nn.Embedding(self.config.vocab_size, self.config.d_model)
        with self._mark_composite_model(vllm_config, language_targets=Decoder, tower_targets={"text": Encoder}):
            self.encoder = Encoder(self.config)
            self.decoder = Decoder(self.config, vllm_config, maybe_prefix(prefix, "decoder"))
        self.lm_head = ParallelLMHead(self.config.vocab_size, self.config.d_model)
        self.logits_processor = LogitsProcessor(self.config.vocab_size)

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        return None

    def get_language_model(self) -> nn.Module:
        return self.decoder

    def embed_input_ids(self, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.shared(input_ids)

    def embed_multimodal(self, **kwargs: Any) -> list[torch.Tensor]:
        """The encoder's output (tokens, d_model) for each prompt; the same object for prompts that are the same."""
        prompts = [ids.flatten() for ids in kwargs[IDS]]
        keys = [tuple(ids.tolist()) for ids in prompts]
        distinct = dict(sorted(zip(keys, prompts, strict=True), key=lambda item: len(item[0])))
        lengths = [len(key) for key in distinct]
        states = self.encoder(self.shared(torch.cat(list(distinct.values()))), lengths)
        encoded = dict(zip(distinct, states.split(lengths), strict=True))
        return [encoded[key] for key in keys]

    def forward(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
        intermediate_tensors: None = None,
        inputs_embeds: None = None,
        encoder_outputs: list[torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        keep_float32_exact(self.shared.weight)
        outputs = encoder_outputs or []
        if positions.device.type == "cpu" and get_forward_context().attn_metadata is not None:
            _check_all_encoded(positions, len(outputs))
        encoded = EncoderStates.of(outputs) if outputs else None
        return self.decoder(self.shared(input_ids), positions, encoded)

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        # T5 1.0 has one matrix for embeddings and logits and scales the latter; 1.1 has two and does not.
        if getattr(self.config, "scale_decoder_outputs", self.config.tie_word_embeddings):
            hidden_states = hidden_states * self.config.d_model**-0.5
        return self.logits_processor(self.lm_head, hidden_states)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Load tensors by their checkpoint names; the names of the parameters that were loaded."""
        return AutoWeightsLoader(self).load_weights(self._with_head(weights), mapper=self.hf_to_vllm_mapper)

    def _with_head(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        """The same weights, with the embedding under one name and for the output head, too, where that is tied.

        The first load tells whether it is. Raises ValueError if a later one contradicts it.
        """
        embedding = head = None
        for name, tensor in weights:
            if name in _EMBEDDINGS:
                embedding = tensor
            elif name == _HEAD:
                head = tensor
            else:
                yield name, tensor
        if self._tied is None:
            self._tied = head is None or (embedding is not None and torch.equal(head, embedding))
        elif self._tied and not (head is None or embedding is None or torch.equal(head, embedding)):
            raise ValueError(f"{_HEAD} differs from {_EMBEDDING}, but the running model has one matrix for both")
        if embedding is not None:
            yield _EMBEDDING, embedding
        head = embedding if self._tied else head
        if head is not None:
            yield _HEAD, head


def _check_all_encoded(positions: torch.Tensor, encoded: int) -> None:
    """Raise RuntimeError for a request without encoder input, which would be answered with noise."""
    begun = int((positions == 0).sum())
    if begun != encoded:
        raise RuntimeError(
            f"{begun - encoded} of {begun} new requests have no encoder input: "
            'give token ids as encoder_prompt["multi_modal_data"] = {"text": ids} (engine.sampler.t5.make_prompt)'
        )
