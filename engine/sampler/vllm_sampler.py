"""Sampling with vLLM's engine in this process.

The n samples of a request are n sequences that share the prompt's blocks in vLLM's prefix cache. All requests are
given to the engine at once and it decodes `max_sequences` of them together. Sampled tokens do not depend on how the
stream is consumed; across different batches they agree up to the rounding of matrix products.

A process should have one open VllmSampler: closing another takes the distributed state with it, and the engine that is
left has to start again. OpenMP's environment (OMP_NUM_THREADS, OMP_WAIT_POLICY) is read when torch is imported and is
the caller's decision; `SamplerConfig.threads` holds for the engine's steps.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from engine.sampler.base import CheckpointSampler
from engine.sampler.config import SamplerConfig
from engine.sampler.constraint import SEED, PolicyGrammar, grammar_processor
from engine.sampler.host import hosting
from engine.sampler.protocol import Sample, SampleRequest, sample_seed
from engine.sampler.published import Published
from engine.sampler.t5 import make_prompt, register
from engine.sampler.transports import LinkError, Transport, new_transport
from trainer.group import TrainerGroup

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.inputs import EngineInput
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.llm_engine import LLMEngine

log = logging.getLogger(__name__)

# Tokens that share a cached block. 32 is the least that vLLM's CPU attention supports: of a prompt, only the tokens
# after its last full block are computed again for each sample.
_BLOCK = 32
_BATCHED_TOKENS = 4096
# Of an encoder-decoder, the samples of a prompt are encoded once if they start in one step; so many do.
_ENCODED_TOGETHER = 24

Key = tuple[int, int]  # (request, index) of a sample


class VllmSampler(CheckpointSampler):
    """A `Sampler` on vLLM. See `open_sampler`."""

    def __init__(
        self, checkpoint: Path, config: SamplerConfig, max_model_len: int, trainers: TrainerGroup | None = None
    ) -> None:
        super().__init__(checkpoint, config, max_model_len)
        self._transport = new_transport(config.transfer, trainers)
        self._keys: dict[str, Key] = {}  # samples that the engine is working on, by vLLM's request id
        self._engine: LLMEngine | None = None
        self._running()
        atexit.register(self.close)  # while vLLM's modules are there: a stream that is left over is silent after it

    def close(self) -> None:
        super().close()
        atexit.unregister(self.close)
        self._discard()

    def _running(self) -> LLMEngine:
        """The engine with the current weights, started if there is none."""
        if self._engine is None:
            self._engine = open_engine(
                self._published, self._config, self._max_model_len, self._grammar, self._transport
            )
            try:
                self._transport.connect(self._engine, self._published)
            except LinkError:
                self._discard()
                raise
        return self._engine

    def _discard(self) -> None:
        """Shut the engine down, whatever state it is in."""
        engine, self._engine = self._engine, None
        self._keys.clear()
        if engine is not None:
            engine.engine_core.shutdown()

    def _load(self, published: Published) -> None:
        weights = self._transport.read(published)
        self._published = published
        engine = self._running()
        try:
            self._transport.update(engine, weights)
        except LinkError:
            self._discard()
            raise
        except Exception:  # whatever vLLM raises: some of the weights may be new
            log.exception("weights could not be transferred: vLLM starts again from %s", published.folder)
            self._discard()
            self._running()

    def _stream(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        """Yield samples as engine steps finish them. An engine that fails is started again, once, for the rest."""
        missing = {(number, k): request for number, request in enumerate(requests) for k in range(request.n)}
        may_fail = True
        try:
            self._submit(missing)
            while missing:
                try:
                    outputs = self._step()
                except Exception:  # whatever vLLM raises: the engine is lost
                    log.exception("vLLM failed with %d samples unfinished", len(missing))
                    self._discard()
                    if not may_fail:
                        raise
                    may_fail = False
                    self._submit(missing)
                    continue
                for output in outputs:
                    key = self._keys.pop(output.request_id)
                    del missing[key]
                    yield self._sample(key, output)
        finally:
            self._abort()

    def _submit(self, samples: dict[Key, SampleRequest]) -> None:
        """Queue one sequence for each sample."""
        engine = self._running()
        prompts: dict[int, EngineInput] = {}
        for (number, k), request in samples.items():
            params = self._params(sample_seed(request.seed, k))
            name = f"{number}.{k}"
            if number not in prompts:
                prompts[number] = self._prompt(engine, request.prompt)
            engine.add_request(name, prompts[number], params)
            self._keys[name] = (number, k)

    def _prompt(self, engine: LLMEngine, tokens: tuple[int, ...]) -> EngineInput:
        """A prompt as the engine takes it; that of an encoder-decoder policy is what its encoder reads."""
        from vllm.inputs import tokens_input

        if self._published.kind != "seq2seq":
            return tokens_input(list(tokens))
        (prompt,) = engine.renderer.render_cmpl([make_prompt(tokens)])
        return prompt

    def _params(self, seed: int) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=0.0,  # the grammar's processor adds the noise, and vLLM takes the largest
            max_tokens=self._config.max_tokens,
            extra_args={SEED: seed},
            ignore_eos=True,  # vLLM knows no <eos> without a tokenizer; it is a stop token like any other
            stop_token_ids=[self._grammar.eos],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _step(self) -> list[RequestOutput]:
        """One engine step: the samples that it finished. It draws nothing from global generators."""
        with self._threads():
            return self._running().step()

    def _sample(self, key: Key, output: RequestOutput) -> Sample:
        tokens = tuple(output.outputs[0].token_ids)
        return Sample(*key, tokens, self.policy_version, finished=tokens[-1] == self._grammar.eos)

    def _abort(self) -> None:
        """Drop what the engine is still working on."""
        if self._engine is not None:
            self._engine.abort_request(list(self._keys))
        self._keys.clear()


def open_engine(
    published: Published, config: SamplerConfig, max_model_len: int, grammar: PolicyGrammar | None, transport: Transport
) -> LLMEngine:
    """A vLLM engine in this process with the weights of a checkpoint; without a grammar it may write anything."""
    with hosting():
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        register()
        transport.prepare()
        arguments = EngineArgs(
            model=str(published.folder),
            skip_tokenizer_init=True,
            generation_config="vllm",
            load_format="safetensors",
            dtype=config.dtype,
            max_num_seqs=config.max_sequences,
            **_lengths(published, max_model_len, config.max_tokens),
            **_memory(config.kv_cache_bytes),
            block_size=_BLOCK,
            enable_prefix_caching=published.kind != "seq2seq",  # vLLM has none for encoder-decoders
            enable_chunked_prefill=False,  # with a seeded request it crashes on a CPU
            async_scheduling=False,  # the grammar needs the token of the step before
            enforce_eager=True,
            logits_processors=[grammar_processor(grammar, config.temperature)] if grammar else [],
            weight_transfer_config={"backend": transport.backend},
            use_tqdm_on_load=False,
            disable_log_stats=True,
        )
        return LLMEngine.from_engine_args(arguments)


def _memory(cache_bytes: int) -> dict[str, Any]:
    """vLLM's memory. At its start on a GPU it asks for a share to be free, by default most of it, but a trainer may be
    there already: it should ask for what the cache takes."""
    memory: dict[str, Any] = {"kv_cache_memory_bytes": cache_bytes}
    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        memory["gpu_memory_utilization"] = min(1.0, cache_bytes / total)
    return memory


def _lengths(published: Published, max_model_len: int, max_tokens: int) -> dict[str, Any]:
    """vLLM's limits on tokens. An encoder-decoder's model length is its decoder's, the start token included."""
    if published.kind != "seq2seq":
        batched = max(_BATCHED_TOKENS, max_model_len)
        return {"max_model_len": max_model_len, "max_num_batched_tokens": batched}
    prompt = max_model_len - max_tokens
    return {
        "max_model_len": max_tokens + 1,
        "max_num_batched_tokens": max(_BATCHED_TOKENS, _ENCODED_TOGETHER * prompt),
        "hf_overrides": {"max_source_positions": prompt},
    }
