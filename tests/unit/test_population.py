"""What a search remembers of a task: the best by the ranking, however many come."""

from engine.ranking import Entry
from engine.search.population import Population


def entry(program, performance, found):
    return Entry(program, performance, b"", found)


def test_the_best_are_kept_in_the_order_of_the_ranking():
    population = Population(kept=3)
    shares = [0.25, 0.5, 0.75, 0.5, 0.25, 0.5, 0.75, 0.25]
    for number, share in enumerate(shares):
        population.add(0, entry(f"p{number}", share, number))
    assert [one.program for one in population.best(0)] == ["p2", "p6", "p1"]
    assert len(list(population.all())) <= 6


def test_a_shorter_program_comes_before_one_found_earlier():
    population = Population(kept=3)
    population.add(0, entry("longer", 0.5, 0))
    population.add(0, entry("short", 0.5, 1))
    assert [one.program for one in population.best(0)] == ["short", "longer"]


def test_near_misses_are_right_on_some_demonstrations_not_on_all():
    population = Population(kept=3)
    for number, share in enumerate([0.0, 0.5, 1.0]):
        population.add(0, entry(f"p{number}", share, number))
    assert [one.program for one in population.near_misses(0)] == ["p1"]
    assert population.promise(0) == 1.0
    assert population.promise(1) == 0.0


def test_a_program_that_comes_again_counts_once():
    population = Population(kept=3)
    assert [population.add(0, entry("same", 0.5, number)) for number in range(3)] == [True, False, False]
    assert population.add(1, entry("same", 0.5, 3))
    assert [one.found for one in population.best(0)] == [0]
