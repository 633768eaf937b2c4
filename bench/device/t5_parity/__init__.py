"""What `bench.device.t5` checks.

case        what one process checks
reference   transformers' T5 in float32
engine      vLLM with the plugin, what it really has, and which of its layers differs first
parity      tokens and probabilities of the two, through swaps
layers      which attention of the decoder differs first
scratch     vLLM's Triton attention alone: does it write behind its buffer?
"""
