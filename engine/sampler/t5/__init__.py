"""T5 for vLLM, which has no encoder-decoder model with an attention bias: an out-of-tree plugin.

vLLM finds `register` by the entry point `vllm.general_plugins`; after it, `vllm.LLM` serves checkpoints of
`T5ForConditionalGeneration`. The package stands alone: it imports nothing of this project, and vLLM only where a
model is made. README.md says how to use it and what is verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def register() -> None:
    """Make the model known to vLLM. Cheap, and may be called again; nothing heavy is imported."""
    from vllm.model_executor.models.registry import ModelRegistry

    ModelRegistry.register_model("T5ForConditionalGeneration", "engine.sampler.t5.model:T5ForConditionalGeneration")


def make_prompt(encoder_ids: Sequence[int], decoder_ids: Sequence[int] = ()) -> dict[str, Any]:
    """A prompt for `LLM.generate`: what the encoder reads and how the decoder begins.

    The decoder's start token is put in front of `decoder_ids` if it is not there. vLLM passes an encoder's input as
    an item of multi-modal data, whatever it is; plain encoder token ids in a prompt would be dropped.
    """
    return {
        "encoder_prompt": {"prompt_token_ids": [0], "multi_modal_data": {"text": list(encoder_ids)}},
        "decoder_prompt": {"prompt_token_ids": list(decoder_ids)} if decoder_ids else None,
    }
