"""Profiles of the interpreter: which programs run on which inputs, and two profiles beside each other.

    work          what is profiled: a file, a run, a search, an evaluation, a task set
    comparison    two profiles, by primitive and by program

`engine.commands.profile` runs it.
"""
