"""An evaluation's folder on disk, which reports and other people's tools read.

    evaluation.json    the settings: task set, sources, options      found.jsonl     every program that is ranked
    progress.json      the point to go on from                       samples-K.jsonl what the policy of source K wrote
    tasks/NAME.json    one object a task                             submission.json what ARC Prize takes
    benchmark/NAME.json  a file a task, as ARC Prize's benchmarking tool writes them
    programs.parquet   `found.jsonl` as a table                      summary.json    the figures; it is written last
    .lock              held while an evaluation is in the folder

NAME is the task's id where that is a plain name, and escaped otherwise (`engine.files.safe_name`); the id itself stands
in `task`. A folder without `summary.json` is of an evaluation that is not done.

A grid is a list of rows of integers. BOARD is `cumulative` (all that is evaluated) or, where a policy was sampled,
`policy` (this one round of samples); METHOD is `paper` or `distinct` (`engine.ranking`); K is 1, 2 or 3. COUNTS is
{METHOD: {"pass@K": number}}. A task is scored where all its test outputs are known; a test output that is not known
counts nowhere, and is null where it would be true or false.

`tasks/NAME.json`:

    {"task": id, "concept": text or null,
     "demonstrations": number, "tests": number, "scored": whether all test outputs are known,
     "train": [{"input": grid, "output": grid}, ...], "test": [{"input": grid, "output": grid or null}, ...],
     BOARD: {"programs": number of distinct programs ranked,
             "attempts": {METHOD: [ATTEMPT, at most 3, best first]}}}

ATTEMPT:

    {"program": canonical text, "demonstration_performance": 0..1, "votes": programs with the same predictions,
     "right": true, false, or null (not known: no known output is wrong, and not all are known),
     "predictions": [grid or null for each test input], "right_outputs": [true, false or null for each test input],
     "outputs": [grid or null for each demonstration], "failing": [demonstrations that it gets wrong, from 0],
     "origin": "policy", "mutated", "search" or "file", "source": index in the sources of the summary,
     "found": number in order of discovery, "meta_iteration": number or null}

`summary.json`; intervals are 95% bootstrap intervals over tasks, [low, high], in the unit of their count:

    {"task_set": text, "tasks": number, "programs": distinct (task, program) ranked, "seconds": number,
     "solved": {BOARD: COUNTS of tasks}, "solved_interval": the same with intervals for numbers,
     "outputs": number of known test outputs,
     "solved_outputs": {BOARD: COUNTS of test outputs}, "solved_outputs_interval": the same with intervals,
     "unscored": {"tasks": those with an unknown test output, "outputs": unknown test outputs},
     "arc_prize": {BOARD: share of a task's test outputs right within two attempts (distinct), mean over scored tasks},
     "demonstrations": {BOARD: {"right": tasks with a program that is right on all demonstrations,
                                "performance": mean over tasks of the best demonstration performance, 0..1}},
     "concepts": {concept: {"tasks": number, "scored": number, "outputs": number,
                            "solved": {BOARD: COUNTS}, "solved_outputs": {BOARD: COUNTS}}}, empty where there are none,
     "origins": {origin: COUNTS of tasks, of the programs of that origin alone}, where there are several,
     "sources": [{"kind": "run", "checkpoint", "search", "replay" or "programs", "path": text, "origin": text,
                  "policy": whether its policy was sampled, "programs": read, "ranked": entered, "runs": made,
                  "left_out": {reason: number of programs}}, ...],
     "runs": number, "runs_per_s": number}

`programs.parquet`, a row a (task, program) of a source that is ranked: `task`, `program`, `origin` (text), `source`,
`found`, `meta_iteration` (int64, null where not known), `characters` (int32), `performance` (float64), `prediction`
(text, the digest of the predictions in hex), `right` (bool, null where not known), `first` (bool: no earlier row has
the same task and program).

`submission.json` is {id: [{"attempt_1": grid, "attempt_2": grid} for each test input]}: the first two attempts of the
distinct ranking of `cumulative`, [[0]] where there is none.
"""
