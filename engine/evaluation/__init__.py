"""Evaluation: which tasks are solved within k attempts, what was tried, and the files that say so.

    scoreboard   programs ranked and scored as they come, for the loop and for searches

    evaluator    `codeit eval`: programs of sources run on tasks, into a folder
    sources      where programs come from           batches      they, as arrays
    runs         what they do on tasks              ranked       ranked, task by task
    scoring      which attempts are right           figures      counts and intervals
    results      what is written at the end         folder       the files, and their format
    submission   ARC Prize's forms                  table        Parquet

Nothing before `scoring` knows a test output.
"""

from engine.evaluation.scoreboard import Scoreboard, summary_record, verdict

__all__ = ["Scoreboard", "summary_record", "verdict"]
