"""Where candidates come from, a file a source: each proposes programs batch after batch, from what the search knows.

source          what a source is, a proposal, and what sources know
mutation        mutants of seeds, and mutants of what was found, on all tasks
recombination   mutants and crossings of what is right on some demonstrations of a task, on that task
enumeration     the cheapest programs that are right on a task's demonstrations, built bottom-up
composition     macros applied to what they gave before, and fits and stacks of that, for each task
combined        all of these by turns
given           what was written elsewhere: a policy's samples
own_task        what a candidate does on the task that it comes from: what sources leave out by it
"""
