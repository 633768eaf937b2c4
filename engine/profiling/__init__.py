"""Profiles of the interpreter: which programs run on which inputs, and two profiles beside each other.

    work          what is profiled: a file, a run, a search, an evaluation, a task set
    comparison    two profiles, by primitive and by program
    listing       tables of a profile and of a comparison, as text

`engine.commands.profile` runs it.
"""
