"""The grammar as vLLM's logits processor: whatever vLLM does with its batch, each row has the mask of its program.

vLLM's own `InputBatch` moves the rows and tells the processor; the scheduler's decisions are random.
"""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.sampler.constraint import CompactGrammar, grammar_processor
from engine.sampler.host import hosting
from interpreter.language.grammar import GrammarError, State
from interpreter.language.vocabulary import EOS, PROGRAM_TOKENS, TOKEN_IDS

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")

ROWS, VOCABULARY = 8, len(PROGRAM_TOKENS) + 20
GRAMMAR = CompactGrammar(40, typed=True)


class Engine:
    """The part of vLLM's model runner that keeps the batch, with a grammar processor."""

    def __init__(self) -> None:
        with hosting():
            from vllm import SamplingParams
            from vllm.v1.sample.logits_processor import LogitsProcessors
            from vllm.v1.worker.gpu_input_batch import CachedRequestState, InputBatch
        device = torch.device("cpu")
        config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=ROWS))
        self.processor = grammar_processor(GRAMMAR)(config, device, is_pin_memory=False)
        self.batch = InputBatch(
            max_num_reqs=ROWS,
            max_model_len=64,
            max_num_batched_tokens=256,
            device=device,
            vocab_size=VOCABULARY,
            block_sizes=[16],
            max_num_blocks_per_req=[4],
            logitsprocs=LogitsProcessors([self.processor]),
            logitsprocs_need_output_token_ids=True,
        )
        self._new_state = lambda name: CachedRequestState(
            req_id=name,
            prompt_token_ids=[5, 6],
            mm_features=[],
            sampling_params=SamplingParams(),
            generator=None,
            block_ids=([],),
            num_computed_tokens=0,
            output_token_ids=[],
        )
        self.requests = {}

    def new(self) -> str:
        name = str(len(self.requests))
        self.requests[name] = self._new_state(name)
        return name

    def step(self, removed: list[str], added: list[str], swaps: list[tuple[int, int]] = ()) -> torch.Tensor:
        """Change the batch, in the order of the model runner; the masks (rows, vocabulary) of the next token."""
        for name in removed:
            self.batch.remove_request(name)
        for name in added:
            self.batch.add_request(self.requests[name])
        self.batch.condense()
        for row, other in swaps:
            self.batch.swap_states(row, other)
        self.batch.refresh_metadata()
        return self.processor.apply(torch.zeros(self.batch.num_reqs, VOCABULARY)) == 0

    def write(self, row: int, token: int) -> None:
        """What the model runner does with a sampled token."""
        name = self.batch.req_ids[row]
        self.requests[name].output_token_ids.append(token)
        self.batch.num_tokens_no_spec[row] += 1


def state_after(tokens: list[int]) -> State:
    state = GRAMMAR.start()
    for token in tokens:
        state = GRAMMAR.advance(state, token)
    return state


def test_rows_keep_their_programs_whatever_becomes_of_the_batch() -> None:
    """Programs are added, end, are preempted and come back with what they wrote; rows are filled from behind, swapped,
    or sample nothing (a prompt that is read in parts)."""
    engine, generator = Engine(), np.random.default_rng(0)
    waiting, events = [], np.zeros(5, int)
    for _ in range(400):
        running = [name for name in engine.batch.req_ids]
        ended = [name for name in running if engine.requests[name].output_token_ids[-1:] == [EOS]]
        preempted = [name for name in running if name not in ended and generator.random() < 0.08]
        room = ROWS - len(running) + len(ended) + len(preempted)
        resumed = [name for name in waiting if generator.random() < 0.4][:room]
        new = [engine.new() for _ in range(room - len(resumed)) if generator.random() < 0.5]
        waiting = [name for name in waiting if name not in resumed] + preempted
        added = [*resumed, *new]
        generator.shuffle(added)
        rows = len(running) - len(ended) - len(preempted) + len(added)
        swaps = [tuple(generator.choice(rows, 2, replace=False).tolist()) for _ in range(rows // 4)]
        masks = engine.step([*ended, *preempted], added, swaps)
        assert len(masks) == rows
        for row, name in enumerate(engine.batch.req_ids):
            allowed = GRAMMAR.allowed(state_after(engine.requests[name].output_token_ids))
            assert np.array_equal(masks[row, : len(PROGRAM_TOKENS)], allowed)
            assert not masks[row, len(PROGRAM_TOKENS) :].any()
            if generator.random() < 0.9:
                engine.write(row, int(generator.choice(np.flatnonzero(allowed))))
        events += [len(ended), len(preempted), sum(bool(engine.requests[name].output_token_ids) for name in resumed),
                   len(swaps), len(new)]  # fmt: skip
    assert (events > 50).all(), events


def test_tokens_that_vllm_takes_back_are_forgotten() -> None:
    engine = Engine()
    before = engine.step([], [engine.new(), engine.new()])
    for token in ("hmirror", "I"):
        engine.write(1, TOKEN_IDS[token])
        engine.step([], [])
    del engine.requests["1"].output_token_ids[:]
    assert torch.equal(engine.step([], []), before)


def test_a_token_that_is_not_allowed_is_named_with_its_row() -> None:
    engine = Engine()
    engine.step([], [engine.new(), engine.new()])
    engine.write(1, TOKEN_IDS["x1"])
    with pytest.raises(GrammarError, match="row 1, 1 tokens long: token 'x1' is not allowed in phase line"):
        engine.step([], [])
