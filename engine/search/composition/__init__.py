"""Composition: functions from grids to grids, mined from programs, applied to what they gave before.

macro      such a function, with slots for colours; mining
patterns   macros that are there from the start; object_patterns, moved_patterns: those of objects, and of what moves;
           calls: what they are made of
library    macros with their slots filled, one for each behaviour
writing    programs of compositions, conjugates, fits and stacks
values     what has been reached for a task: distinct tuples of grids
composer   the search for one task
ingredients: what of this can be left out
"""
