"""arc-dsl's names on plain Python values: `interpreter.dsl`.

Invariants: values cross the border as messages of words, so that nothing outside knows how a block looks. Users import
`interpreter.dsl`; nothing else of the project does.

    dsl         the names                             conversion  Python values and messages
    messages    messages and values, compiled       arc_types   types for annotations
"""
