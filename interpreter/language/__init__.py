"""Programs: their text, tokens, grammar, types, and the arrays that compiled code reads.

Invariants: programs are data, nothing is evaluated; canonical text is what is stored, ranked and tokenised. Everybody
may import these modules; none of them runs a program.

    program         text, parsing, the canonical form     vocabulary  program tokens
    grammar         which tokens may follow               type_check  declared types along a program
    grammar_tables  the same as bit sets                  symbols     programs as arrays of names
    grammar_batch   the same for many programs at once    bytecode    programs as the machine reads them
    noise           what draws samples from logits
"""
