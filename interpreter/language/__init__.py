"""Programs: their text, tokens, grammar, types, and the arrays that compiled code reads.

Invariants: programs are data, nothing is evaluated; canonical text is what is stored, ranked and tokenised. Everybody
may import these modules; none of them runs a program.

    program     text, parsing, the canonical form     vocabulary  program tokens
    grammar     which tokens may follow               type_check  declared types along a program
    symbols     programs as arrays of names           bytecode    programs as the machine reads them
"""
