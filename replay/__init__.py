"""Experiences: what the loop learned from, stored, and drawn from by priority.

`experience`  the record, hindsight relabelling, and how records are written as bytes
`draw`        priorities in memory: draws without replacement, eviction
`store`       the LMDB store of one run, with one writer and any number of readers
`environment` opening it, `lmdb_file` whether its file is whole, `disk` whether there is room
"""

from replay.experience import Experience, Origin, ReplayError, experience_key, relabel
from replay.store import ReplayStore, VerifyReport

__all__ = ["Experience", "Origin", "ReplayError", "ReplayStore", "VerifyReport", "experience_key", "relabel"]
