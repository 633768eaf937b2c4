"""What processes of tests import that are forked from one that has: see `imported_once` in conftest."""

from importlib.util import find_spec

import accelerate  # noqa: F401
import peft  # noqa: F401

import engine.cli
import engine.loop.loop
import engine.sampler.vllm_sampler
import trainer.group  # noqa: F401
from engine.sampler.host import hosting

if find_spec("vllm"):
    with hosting():
        import vllm.v1.engine.llm_engine
        import vllm.v1.worker.cpu_worker  # noqa: F401

        import engine.sampler.vllm.transfer  # noqa: F401
