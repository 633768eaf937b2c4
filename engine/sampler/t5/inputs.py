"""Encoder prompts on their way into vLLM: token ids as the one item of a modality "text".

vLLM's encoder-decoder path is made for speech and images. The processor is given the ids, checks them, and passes
them through; a placeholder for each token tells the scheduler how much cross-attention cache the request needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import BatchFeature, T5Config
from vllm.config.multimodal import MultiModalDummyOptions
from vllm.inputs import MultiModalDataDict
from vllm.inputs.engine import MultiModalEncDecInput, MultiModalInput, mm_enc_dec_input
from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems
from vllm.multimodal.parse import ModalityDataParser, MultiModalDataItems, MultiModalDataParser, ProcessorBatchItems
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseProcessingInfo,
    EncDecMultiModalProcessor,
    InputProcessingContext,
    PromptReplacement,
    PromptUpdate,
)

from engine.sampler.t5.limits import check_model, max_source_positions

MODALITY = "text"
IDS = "encoder_input_ids"
"""The keyword of the ids in the model's `embed_multimodal`."""
_PLACEHOLDER = 0


class EncoderIds(ProcessorBatchItems[torch.Tensor]):
    """The ids (tokens,) of encoder prompts; tensors, because vLLM hashes lists number by number."""

    def __init__(self, prompts: Sequence[torch.Tensor]) -> None:
        super().__init__(prompts, MODALITY)

    def get_processor_data(self) -> Mapping[str, object]:
        return {}

    def get_passthrough_data(self) -> Mapping[str, object]:
        return {IDS: self.get_all()}


class EncoderIdsParser(MultiModalDataParser):
    """Reads a prompt's ids and refuses what the encoder must not see: an id outside it kills the engine."""

    def __init__(self, vocabulary: int, max_tokens: int) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._max_tokens = max_tokens

    def _get_subparsers(self) -> Mapping[str, ModalityDataParser]:
        return {MODALITY: self._parse}

    def _parse(self, prompt: Any) -> EncoderIds:
        try:
            ids = torch.as_tensor(prompt)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"an encoder prompt is a list of token ids: {error}") from error
        if ids.ndim != 1:
            raise ValueError(f"an encoder prompt is a list of token ids, but this has {ids.ndim} dimensions")
        if not 1 <= len(ids) <= self._max_tokens:
            raise ValueError(
                f"an encoder prompt has 1 to {self._max_tokens} tokens, not {len(ids)}: "
                "for longer ones set hf_overrides={'max_source_positions': ...}"
            )
        if ids.is_floating_point() or ids.min() < 0 or ids.max() >= self._vocabulary:
            raise ValueError(f"encoder token ids are whole numbers from 0 to {self._vocabulary - 1}")
        return EncoderIds([ids.long()])


class T5ProcessingInfo(BaseProcessingInfo):
    """What vLLM wants to know of the encoder before there is a model."""

    def __init__(self, ctx: InputProcessingContext) -> None:
        super().__init__(ctx)
        check_model(ctx.model_config)

    def get_hf_config(self) -> T5Config:
        return self.ctx.get_hf_config(T5Config)

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        return {MODALITY: 1}

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int]:
        return {MODALITY: max_source_positions(self.get_hf_config())}

    def get_data_parser(self) -> MultiModalDataParser:
        config = self.get_hf_config()
        return EncoderIdsParser(config.vocab_size, max_source_positions(config))

    @property
    def skip_prompt_length_check(self) -> bool:
        return True  # the parser has checked it; max_model_len is the decoder's


class T5DummyInputs(BaseDummyInputsBuilder[T5ProcessingInfo]):
    """The longest encoder prompt, for measuring memory."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        return ""

    def get_dummy_mm_data(
        self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Mapping[str, MultiModalDummyOptions]
    ) -> MultiModalDataDict:
        return {MODALITY: [_PLACEHOLDER] * max_source_positions(self.info.get_hf_config())}


class T5Processor(EncDecMultiModalProcessor[T5ProcessingInfo]):
    """Turns a prompt's ids into the model's keyword arguments and its placeholders."""

    requires_tokenizer = False

    def create_encoder_prompt(self, prompt: list[int], mm_items: MultiModalDataItems) -> list[int]:
        return [_PLACEHOLDER]

    def _get_enc_dec_inputs(
        self, prompt: list[int], mm_items: MultiModalDataItems, encoder_inputs: MultiModalInput
    ) -> MultiModalEncDecInput:
        """Without a decoder prompt, the decoder has its start token alone, which vLLM puts in front."""
        return mm_enc_dec_input(encoder_inputs, [])

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return {IDS: MultiModalFieldConfig.batched(MODALITY)}

    def _get_prompt_updates(
        self,
        mm_items: MultiModalDataItems,
        hf_processor_mm_kwargs: Mapping[str, object],
        out_mm_kwargs: MultiModalKwargsItems,
    ) -> Sequence[PromptUpdate]:
        prompts = mm_items[MODALITY]

        def placeholders(item: int) -> list[int]:
            return [_PLACEHOLDER] * len(prompts.get(item))

        return [PromptReplacement(modality=MODALITY, target=[_PLACEHOLDER], replacement=placeholders)]
