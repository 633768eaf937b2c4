"""Evaluation: which tasks are solved within k attempts, what was tried, and the files that say so.

scoreboard   programs of tasks ranked and scored        folder       what is written, and its format
"""

from engine.evaluation.scoreboard import Scoreboard, summary_record, verdict, write_evaluation

__all__ = ["Scoreboard", "summary_record", "verdict", "write_evaluation"]
