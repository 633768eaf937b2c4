"""Experiences: what the loop learned from, stored, and drawn from by priority.

`experience`    the object, hindsight relabelling, and records of everything else than experiences
`rows`          experiences as bytes, by the hundred thousand; `blocks` a thousand of them in one value of LMDB
`index`         what memory knows of them: priorities, where they lie; `keys` a table of their keys
`draw`          draws without replacement by a weight, eviction; `priority` the weights that there are
`store`         the LMDB store of one run, with one writer and any number of readers
`reading`       what a transaction sees, `commit` what one writes, `verification` whether all of it is right
`environment`   opening it, `lmdb_file` whether its file is whole, `disk` whether there is room
"""

from replay.experience import Experience, Origin, ReplayError, experience_key, relabel
from replay.store import ReplayStore
from replay.verification import VerifyReport

__all__ = ["Experience", "Origin", "ReplayError", "ReplayStore", "VerifyReport", "experience_key", "relabel"]
