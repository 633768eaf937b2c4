"""Programs bottom-up, in order of cost, with observational equivalence.

Invariants: of terms with equal values the cheapest is kept; the same task, costs and limits give the same programs in
the same order, however the work is cut. Others import what stands here.

    enumerator   the enumeration of one task          productions  the calls that are tried, and their costs
    bank         terms and what fits where            growth       the compiled order of trying
"""

from interpreter.enumeration.enumerator import Enumerator, Limits, NearMiss, Progress, Stage
from interpreter.enumeration.productions import Costs

__all__ = ["Costs", "Enumerator", "Limits", "NearMiss", "Progress", "Stage"]
