"""The section `trainer` of a configuration: which policy learns, and how. Torch-free: it is read at once."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.catalogue import POLICIES, PRETRAINED
from trainer.section import Section


class TrainerConfig(Section):
    """Which policy learns, how, and on what."""

    policy: str = "compact-3m"
    """Policy by name: compact-1m, -3m, -8m, -25m, -60m and -220m, by number of parameters, are trained from
    scratch; codet5-small (60M), codet5p-220m and codet5p-770m are pretrained."""
    checkpoint: str | None = None
    """Policy to begin with instead of `policy`: the Hugging Face id or folder of a checkpoint that a run published, or
    of a decoder-only model or T5."""
    random_weights: bool = False
    """Begin with random weights of the pretrained policy's shape, not with its own: the paper's ablation A4."""
    demonstrations: int | None = Field(None, ge=1)
    """Demonstrations of a prompt at most, the first that fit; by default all that fit (the paper: 10)."""
    lora_rank: int = Field(0, ge=0)
    """Rank of the factors that learn while a pretrained policy's weights stay (needs peft); 0: all weights learn."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate of AdamW."""
    warmup_steps: int = Field(30, ge=0)
    """Optimizer steps until the peak, once a run."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    batch_tokens: int = Field(6144, ge=256)
    """Tokens of a batch, padding included."""
    accumulate: int = Field(1, ge=1)
    """Batches of an update, one after the other in the same memory."""
    processes: int = Field(1, ge=1)
    """Training processes, each on a GPU of its own (or sharing the CPU); an update has `accumulate` batches of each."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where training computes: auto takes a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type that training computes in; weights stay float32. auto takes bfloat16 where the hardware multiplies in it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch compiles the layers of a decoder-only policy, within a minute: auto does on a GPU. What is compiled
    on a CPU learns from padded batches."""
    packing: Literal["auto", "off"] = "auto"
    """Whether the examples of a batch follow one another in a single row, without padding and in any order: auto does
    for decoder-only policies (compact, Llama, Mistral, Qwen) that attend to all tokens before, on a CPU and, in
    bfloat16, on a GPU."""
    graphs: Literal["auto", "off"] = "auto"
    """Whether forward and backward of a packed batch are recorded as a CUDA graph: auto does on a GPU where one process
    trains a policy without dropout."""
    max_prompt_tokens: int = Field(640, ge=64)
    """Longer prompts lose whole demonstrations, largest first."""
    keep_checkpoints: int = Field(2, ge=1)
    """Published policy versions that are kept; older ones are removed."""
    epochs: int = Field(1, ge=1)
    """Passes over what was drawn, a meta-iteration (the paper: 1)."""

    @field_validator("policy")
    @classmethod
    def _known(cls, policy: str) -> str:
        if policy not in POLICIES and policy not in PRETRAINED:
            raise ValueError(f"unknown policy (one of {', '.join((*POLICIES, *PRETRAINED))})")
        return policy

    @property
    def pretrained(self) -> str | None:
        """Where the policy comes from; None where it is trained from scratch."""
        return self.checkpoint or PRETRAINED.get(self.policy)

    @model_validator(mode="after")
    def _pretrained_has_weights(self) -> Self:
        if self.random_weights and self.pretrained is None:
            raise ValueError(f"random_weights is for pretrained policies, {self.policy} begins with random ones anyway")
        if self.random_weights and self.lora_rank:
            raise ValueError("lora_rank keeps the weights that a policy begins with, which are random_weights")
        if self.lora_rank and self.pretrained is None:
            raise ValueError(f"lora_rank is for pretrained policies, {self.policy} is trained from scratch")
        return self
