"""The section `sampler` of a configuration: which engine samples, how, and how new weights reach it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.section import Section

Backend = Literal["vllm", "transformers"]
Transfer = Literal["in_process", "ipc", "nccl"]
NOT_FOR_TEXT = "sampler.primitives is for compact policies: those with a tokenizer write all primitives"


class SamplerConfig(Section):
    """How programs are sampled."""

    backend: Backend = "vllm"
    """The engine that samples; transformers needs no vLLM and is slower."""
    transfer: Transfer = "in_process"
    """How new weights reach vLLM: from the checkpoint (in_process, anywhere), or from a training process, on the same
    GPU by CUDA IPC (ipc) or on another one (nccl)."""
    n_samples: int = Field(24, ge=1)
    """Programs sampled for each task, a meta-iteration."""
    temperature: float = Field(0.95, ge=0)
    """0 is greedy."""
    max_tokens: int = Field(192, ge=8)
    """Program tokens at most; the grammar ends a compact policy's programs within them, and others nearly always."""
    types: bool = True
    """Whether the grammar of compact policies heeds declared types; it always heeds arities and known variables."""
    primitives: list[str] = Field([])
    """A smaller language: only these primitives, by name, and all constants are sampled (by compact policies) and made
    by mutation; seeds with others are left out. One of them must give a grid from one argument. Empty: all."""
    kv_cache_mib: Annotated[int, Field(ge=16)] | Literal["auto"] = "auto"
    """Memory of vLLM's key-value cache: 512 on a CPU, a fifth of a GPU's memory, or as given."""
    max_sequences: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Programs sampled at the same time: 96 on a CPU, 512 on a GPU, or as given."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of weights and activations while sampling; auto is float32 on a CPU and bfloat16 on a GPU."""
    graphs: Literal["auto", "off", "decode", "full"] = "auto"
    """CUDA graphs of vLLM: of steps that only decode (decode), or of all (full). Auto is decode for bfloat16 on a GPU,
    else off; an encoder-decoder has none."""
    attention: Literal["auto", "default", "flash", "triton"] = "auto"
    """Attention kernels of vLLM on a GPU; auto and default are what it chooses."""
    scheduler: Literal["programs", "vllm"] = "programs"
    """What decides on vLLM's steps: `programs` (engine/sampler/vllm/scheduler.py) spends no time on each sequence."""
    admit_together: int = Field(1, ge=1)
    """Places that have to be free before new samples begin, with the scheduler `programs`: more steps only decode."""
    processes: int = Field(1, ge=1)
    """Processes that sample, each with an engine of its own on the same device: more samples a second where the host's
    work, not the device's, takes the time. Each has its cache and `max_sequences`; a GPU's auto cache is shared out."""
    threads: int = Field(1, ge=1)
    """Threads of sampling on a CPU: one is the fastest for a small policy."""

    @property
    def kv_cache_bytes(self) -> int:
        """The memory of vLLM's key-value cache in bytes; it must hold one sequence of the largest length."""
        assert self.kv_cache_mib != "auto", "decided by device.fitted"
        return self.kv_cache_mib << 20

    @field_validator("primitives")
    @classmethod
    def _language_has_programs(cls, primitives: list[str]) -> list[str]:
        if primitives:
            from interpreter.language.grammar import ENDING, Grammar  # deferred: primitives are slow to import

            Grammar(ENDING, typed=True, primitives=primitives)
        return primitives

    @model_validator(mode="after")
    def _transfer_is_vllm(self) -> Self:
        if self.transfer != "in_process" and self.backend != "vllm":
            raise ValueError(f"transfer {self.transfer} is for backend vllm, {self.backend} has in_process alone")
        if self.transfer != "in_process" and self.processes > 1:
            raise ValueError(f"transfer {self.transfer} is for one sampling process, not {self.processes}")
        return self
