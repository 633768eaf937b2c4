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
import gc
import logging
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from engine.sampler.base import CheckpointSampler
from engine.sampler.config import SamplerConfig
from engine.sampler.constraint import SEED, PolicyGrammar, grammar_processor
from engine.sampler.device import fitted
from engine.sampler.host import guard_warm_ups, hosting
from engine.sampler.protocol import Sample, SampleRequest, sample_seed
from engine.sampler.published import Published
from engine.sampler.t5 import make_prompt, register
from engine.sampler.vllm.options import engine_arguments
from engine.sampler.vllm.transports import Transport, new_transport
from trainer.group import TrainerGroup
from trainer.processes import LinkError

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.outputs import RequestOutput
    from vllm.v1.engine import EngineCoreRequest
    from vllm.v1.engine.llm_engine import LLMEngine

log = logging.getLogger(__name__)

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
        """Shut the engine down, whatever state it is in, and free its weights and cache.

        They are parts of cycles; on a CPU vLLM's weights do not survive being freed while torch compiles something.
        """
        engine, self._engine = self._engine, None
        self._keys.clear()
        if engine is not None:
            engine.engine_core.shutdown()
            del engine
            gc.collect()

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
        prompts: dict[int, EngineCoreRequest] = {}
        for (number, k), request in samples.items():
            if number not in prompts:
                prompts[number] = self._checked(engine, request.prompt)
            one = copy(prompts[number])
            one.request_id, one.sampling_params = f"{number}.{k}", copy(one.sampling_params)
            one.sampling_params.extra_args = {SEED: sample_seed(request.seed, k)}
            engine.add_request(one.request_id, one, one.sampling_params)
            self._keys[f"{number}.{k}"] = (number, k)

    def _checked(self, engine: LLMEngine, tokens: tuple[int, ...]) -> EngineCoreRequest:
        """A request for a sample, which vLLM has checked once for all samples of a prompt.

        The prompt of an encoder-decoder policy is what its encoder reads.
        """
        from vllm.inputs import tokens_input

        if self._published.kind != "seq2seq":
            prompt = tokens_input(list(tokens))
        else:
            (prompt,) = engine.renderer.render_cmpl([make_prompt(tokens)])
        return engine.input_processor.process_inputs("", prompt, self._params(), engine.get_supported_tasks())

    def _params(self) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=0.0,  # the grammar's processor adds the noise, and vLLM takes the largest
            max_tokens=self._config.max_tokens,
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
        guard_warm_ups()
        transport.prepare()
        arguments = engine_arguments(published, fitted(config), max_model_len)
        if grammar:
            arguments["logits_processors"] = [grammar_processor(grammar, config.temperature)]
        return LLMEngine.from_engine_args(
            EngineArgs(**arguments, weight_transfer_config={"backend": transport.backend})
        )
