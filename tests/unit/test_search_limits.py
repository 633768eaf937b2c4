"""When a search ends, and how much of it is left."""

import pytest

from engine.search.limits import Limits, Spent


@pytest.mark.parametrize(
    ("limits", "now", "share", "left"),
    [
        (Limits(runs=300), Spent(runs=200, seconds=60.0), 0.5, "1.0 min left"),
        (Limits(runs=900, seconds=90.0), Spent(runs=200, seconds=60.0), 2 / 3, "0.5 min left"),
        (Limits(seconds=60.0), Spent(seconds=90.0), 1.0, "0.0 min left"),
        (Limits(), Spent(runs=200, seconds=60.0), None, ""),
    ],
)
def test_what_is_left_of_a_search_is_that_of_the_nearest_limit(limits, now, share, left):
    start = Spent(runs=100, seconds=0.0)
    assert limits.share(start, now) == (share if share is None else pytest.approx(share))
    assert limits.left(start, now) == left
    assert limits.are_reached(now) == (share == 1.0)
