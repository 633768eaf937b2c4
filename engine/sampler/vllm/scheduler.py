"""vLLM's scheduler without its work a row, for programs: their step is one token each, and nobody waits for parts.

With 512 sequences, vLLM spends more time on deciding that each goes on by a token, and on telling of each token, than a
GPU on a small policy. Here, whoever is running goes on by one token without being looked at, but for those that need a
new block of the cache; who is waiting is admitted by vLLM's own code; and only samples that have ended are told of,
with all their tokens. Where blocks run out, or a sequence is not at its last token, vLLM's own code decides.

Made for engines as `vllm_sampler` opens them: decoder-only, one group of layers in the cache, no drafts, no connectors,
outputs FINAL_ONLY.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm.v1.core.sched.output import CachedRequestData, SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.core.sched.utils import check_stop
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs

from engine.sampler.t5.private import private

if TYPE_CHECKING:
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import Request


for _used in ("_free_request", "_update_after_schedule", "_update_request_with_output"):
    private(Scheduler, _used)  # called below, or what is done here in place of it


class ProgramScheduler(Scheduler):
    """Samples of programs; `together`: how many have to be admitted at once, unless fewer are left."""

    together = 1

    def schedule(self, throttle_prefills: bool = False) -> SchedulerOutput:
        going = self._go_on()
        if going is None:
            return super().schedule(throttle_prefills)
        admitted = self._admit() if self._is_time_to_admit() else None
        return self._merged(going, admitted)

    def _go_on(self) -> CachedRequestData | None:
        """Let each sequence that runs go on by a token; None, and nothing done, where vLLM has to decide."""
        names, computed, full = [], [], []
        for row, request in enumerate(self.running):
            tokens = request.num_computed_tokens
            if tokens + 1 != request.num_tokens:
                return None
            if tokens % self.block_size == 0:
                full.append(row)
            names.append(request.request_id)
            computed.append(tokens)
        free = self.kv_cache_manager.block_pool.get_num_free_blocks()
        if len(full) > free or len(names) > self.max_num_scheduled_tokens:
            return None
        blocks: list[tuple[list[int], ...] | None] = [None] * len(names)
        for row in full:
            new = self.kv_cache_manager.allocate_slots(self.running[row], 1)
            assert new is not None  # there was a free block for each
            blocks[row] = new.get_block_ids(allow_none=True)
        written = []
        for request in self.running:
            request.num_computed_tokens += 1
            written.append(request.num_output_tokens)
        # Sequences that were not in the last step are not in the model runner's batch.
        absent = set(names) - self.prev_step_scheduled_req_ids
        return CachedRequestData(
            req_ids=names,
            resumed_req_ids=set(),
            new_token_ids=[],
            all_token_ids={name: self.requests[name].all_token_ids.copy() for name in absent},
            new_block_ids=blocks,
            num_computed_tokens=computed,
            num_output_tokens=written,
        )

    def _is_time_to_admit(self) -> bool:
        waiting = len(self.waiting)
        room = self.max_num_active_reqs - len(self.running)
        return waiting > 0 and room >= min(self.together, waiting, self.max_num_active_reqs)

    def _admit(self) -> SchedulerOutput:
        """What vLLM would schedule if those who are running were not there, but for the room that they take."""
        running, self.running = self.running, []
        rows, tokens = self.max_num_active_reqs, self.max_num_scheduled_tokens
        self.max_num_active_reqs, self.max_num_scheduled_tokens = rows - len(running), tokens - len(running)
        try:
            return super().schedule()
        finally:
            self.max_num_active_reqs, self.max_num_scheduled_tokens = rows, tokens
            self.running = running + self.running

    def _merged(self, data: CachedRequestData, admitted: SchedulerOutput | None) -> SchedulerOutput:
        """Those who go on, and those who were admitted, as one step."""
        scheduled = dict.fromkeys(data.req_ids, 1)
        if admitted is not None:
            self.prev_step_scheduled_req_ids.update(data.req_ids)
            resumed = admitted.scheduled_cached_reqs
            data.resumed_req_ids = resumed.resumed_req_ids
            data.all_token_ids |= resumed.all_token_ids
            for name in ("req_ids", "new_block_ids", "num_computed_tokens", "num_output_tokens"):
                getattr(data, name).extend(getattr(resumed, name))
            admitted.scheduled_cached_reqs = data
            admitted.num_scheduled_tokens = scheduled | admitted.num_scheduled_tokens
            admitted.total_num_scheduled_tokens += len(scheduled)
            return admitted
        self.prev_step_scheduled_req_ids.clear()
        self.prev_step_scheduled_req_ids.update(scheduled)
        self.kv_cache_manager.take_new_block_ids()  # they are listed to be zeroed, which attention does not need
        output = SchedulerOutput(
            scheduled_new_reqs=[],
            scheduled_cached_reqs=data,
            num_scheduled_tokens=scheduled,
            total_num_scheduled_tokens=len(scheduled),
            scheduled_spec_decode_tokens={},
            scheduled_encoder_inputs={},
            preempted_req_ids=self.reset_preempted_req_ids,
            finished_req_ids=self.finished_req_ids,
            free_encoder_mm_hashes=[],
        )
        self.finished_req_ids, self.reset_preempted_req_ids = set(), set()
        return output

    def update_from_output(
        self, scheduler_output: SchedulerOutput, model_runner_output: ModelRunnerOutput
    ) -> dict[int, EngineCoreOutputs]:
        """Append the tokens that were sampled; the samples that have ended."""
        rows, sampled = model_runner_output.req_id_to_index, model_runner_output.sampled_token_ids
        longest, requests, ended = self.max_model_len, self.requests, []
        for name in scheduler_output.num_scheduled_tokens:
            request = requests[name]
            request.num_in_flight_tokens = 0
            if not (tokens := sampled[rows[name]]):
                continue  # a prompt that is read in parts
            (token,) = tokens
            written, params = request._output_token_ids, request.sampling_params
            written.append(token)
            request._all_token_ids.append(token)
            length = request.num_tokens
            if length % self.hash_block_size == 0:
                request.update_block_hashes()
            is_last = token in params.stop_token_ids or len(written) >= request.max_tokens or length >= longest
            if is_last and check_stop(request, longest):
                ended.append(request)
        if not ended:
            return {}
        return {0: EngineCoreOutputs(outputs=[self._end(request) for request in self._without(ended)])}

    def _without(self, ended: list[Request]) -> list[Request]:
        """`ended`, who are not running any more."""
        names = {request.request_id for request in ended}
        self.running = [request for request in self.running if request.request_id not in names]
        return ended

    def _end(self, request: Request) -> EngineCoreOutput:
        output = EngineCoreOutput(
            request_id=request.request_id,
            new_token_ids=[*request.output_token_ids],
            finish_reason=request.get_finished_reason(),
            stop_reason=request.stop_reason,
        )
        self._free_request(request)
        return output


def program_scheduler(together: int) -> type[ProgramScheduler]:
    """The class to open an engine with."""
    return type("ProgramScheduler", (ProgramScheduler,), {"together": together})
