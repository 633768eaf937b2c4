"""Parts of `codeit bench samples`.

t5       T5 on vLLM beside transformers
grammar  what it costs to hold samples to the grammar
"""
