"""Questions about runs and searches, answered with data: each module is one question, and returns what JSON takes.

forgetting     which tasks are solved, lost and solved again over meta-iterations
refinement     how solving programs become shorter, and what they use, beside mutation's
length         whether programs that are right on the demonstrations are right on the tests, by length and grid size
relabelling    how many programs there is something to learn from, with hindsight relabelling and without
abstractions   sub-programs that recur in solutions and that no seed has
failures       what is not solved, by how long a known solver is and what it uses

subject        what a run, a search or an evaluation holds, in one form       analyses   all of them by name
"""
