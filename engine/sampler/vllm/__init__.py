"""What `engine.sampler.vllm_sampler` asks of vLLM, and what it puts in place of vLLM's own.

    options     vLLM's options for an engine          transports  how new weights reach it
    scheduler   vLLM's steps without work a row       transfer    what they add to vLLM's weight transfer

Importing this package imports no vLLM; `scheduler` and `transfer` do.
"""
