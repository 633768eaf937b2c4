"""The grid language and nothing else: primitives, programs, tokens, grammar, virtual machine, pool."""
