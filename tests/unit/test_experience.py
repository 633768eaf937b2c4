"""Hindsight relabelling, and experiences as records."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interpreter.grids import Grid
from replay import Experience, Origin, ReplayError, experience_key, relabel
from replay.experience import SCHEMA_VERSION, pack, summarize, unpack
from replay.rows import Rows, pack_rows

ONE = np.array([[1]], np.int8)
TWO = np.array([[2, 2]], np.int8)
TOO_TALL = np.zeros((31, 1), np.int8)
BAD_COLOR = np.full((2, 2), 10, np.int8)

grids = arrays.arrays(np.int8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 9))


def relabelled(outputs: list[Grid | None], targets: list[Grid]) -> Experience | None:
    return relabel("task", "O = hmirror(I)", outputs, targets, Origin.MUTATED, meta_iteration=3, policy_version=2)


def test_relabel_keeps_the_outputs_that_were_really_produced() -> None:
    experience = relabelled([TWO, ONE], [ONE, ONE])
    assert experience is not None
    assert experience.pairs == (0, 1)
    assert [output.tolist() for output in experience.outputs] == [[[2, 2]], [[1]]]
    assert (experience.origin, experience.meta_iteration, experience.policy_version) == (Origin.MUTATED, 3, 2)


@pytest.mark.parametrize("invalid", [None, TOO_TALL, BAD_COLOR, -ONE, np.zeros((0, 3), np.int8)])
def test_relabel_drops_pairs_without_a_valid_grid(invalid: Grid | None) -> None:
    experience = relabelled([ONE, invalid, TWO], [ONE, ONE, ONE])
    assert experience is not None
    assert experience.pairs == (0, 2)
    assert relabelled([invalid, invalid], [ONE, ONE]) is None


@pytest.mark.parametrize(
    ("outputs", "priority"),
    [
        ([ONE, TWO, ONE, TWO], 1.0),
        ([ONE, TWO, ONE, None], 0.75),
        ([ONE, None, None, None], 0.25),  # a share of all demonstrations, not of those that are kept
        ([TWO, ONE, TWO, ONE], 0.0),
        ([ONE, TWO.T, ONE, TWO[:, :1]], 0.5),  # same cells, other shape
    ],
)
def test_priority_is_the_share_of_demonstrations_matched_exactly(outputs: list[Grid | None], priority: float) -> None:
    experience = relabelled(outputs, [ONE, TWO, ONE, TWO])
    assert experience is not None
    assert experience.priority == priority


def test_relabel_owns_its_outputs() -> None:
    buffer = ONE.copy()
    experience = relabelled([buffer], [ONE])
    assert experience is not None
    buffer[:] = 7
    assert experience.outputs[0].tolist() == [[1]]
    with pytest.raises(ValueError, match="read-only"):
        experience.outputs[0][0, 0] = 7


def test_relabel_wants_an_output_for_each_demonstration() -> None:
    with pytest.raises(ReplayError, match="1 outputs for 2 demonstrations"):
        relabelled([ONE], [ONE, ONE])
    with pytest.raises(ReplayError, match="0 demonstrations"):
        relabelled([], [])


def test_key_depends_on_task_and_program_alone() -> None:
    experience = relabelled([ONE], [ONE])
    assert experience is not None
    assert experience.key == experience_key("task", "O = hmirror(I)")
    assert replace(experience, priority=0.5, origin=Origin.POLICY, outputs=(TWO,)).key == experience.key
    assert replace(experience, task="other").key != experience.key
    assert experience_key("a", "bc") != experience_key("ab", "c")


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": (), "outputs": ()},
        {"pairs": (0, 1)},
        {"pairs": (1, 0), "outputs": (ONE, ONE)},
        {"pairs": (0, 0), "outputs": (ONE, ONE)},
        {"pairs": (-1,)},
        {"priority": 1.5},
        {"priority": float("nan")},
    ],
)
def test_fields_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    experience = relabelled([ONE], [ONE])
    assert experience is not None
    with pytest.raises(ReplayError):
        replace(experience, **change)


@given(
    task=st.text(min_size=1),
    program=st.text(),
    outputs=st.dictionaries(st.integers(0, 20), grids, min_size=1, max_size=4),
    origin=st.sampled_from(Origin),
    priority=st.floats(0, 1),
    finders=st.dictionaries(st.sampled_from([*Origin, "somebody"]), st.integers(0, 1 << 40), max_size=3),
)
def test_records_come_back_as_they_were(
    task: str, program: str, outputs: dict[int, Grid], origin: Origin, priority: float, finders: dict[str, int]
) -> None:
    pairs = tuple(sorted(outputs))
    experience = Experience(
        task, program, pairs, tuple(outputs[pair] for pair in pairs), origin, priority, 4, 5, finders
    )
    other = Experience("other", "O = hmirror(I)", (0,), (TWO,), origin, 0.5, 1, 2)
    rows = Rows.of([other, experience, other])
    assert rows.programs() == [other.program, program, other.program]
    again = rows.experience(1)
    assert again == experience
    assert again.finders == experience.finders == rows.finders(1)
    assert list(rows.take(np.array([2, 1]))) == [other, experience]
    assert list(Rows.concatenate([rows, rows]))[3:] == [other, experience, other]
    assert hash(again) == hash(experience)
    assert all(np.array_equal(a, b) for a, b in zip(again.outputs, experience.outputs, strict=True))
    assert again.origin is origin


def test_two_cells_cost_a_byte() -> None:
    small, large = (replace(relabelled([ONE], [ONE]), outputs=(np.zeros((side, 30), np.int8),)) for side in (10, 30))
    large_row, small_row = pack_rows([large, small])
    assert len(large_row) - len(small_row) <= 10 * 30 + 1


def test_invalid_grids_are_never_written() -> None:
    experience = relabelled([ONE], [ONE])
    with pytest.raises(ReplayError, match="not a grid"):
        pack_rows([experience, replace(experience, outputs=(BAD_COLOR,))])


@pytest.mark.parametrize("change", [{"outputs": (TWO,)}, {"pairs": (1,)}, {"priority": 0.5}, {"meta_iteration": 4}])
def test_experiences_that_differ_in_a_field_are_not_equal(change: dict[str, object]) -> None:
    experience = relabelled([ONE], [ONE])
    assert experience is not None
    assert replace(experience) == experience
    assert replace(experience, **change) != experience


def test_a_row_that_was_cut_is_damaged() -> None:
    experience = relabelled([TWO, ONE], [ONE, ONE])
    assert experience is not None
    rows = Rows.of([experience])
    for size in range(len(rows.buffer)):
        with pytest.raises(ReplayError, match=f"experience {experience.key.hex()}: the record is damaged"):
            replace(rows, ends=rows.starts + size).experience(0)


def test_another_schema_version_is_refused_by_name() -> None:
    record = pack({"meta_iteration": 1})
    assert unpack(record, "progress record", dict) == {"meta_iteration": 1}
    newer = bytes([SCHEMA_VERSION + 1]) + record[1:]
    with pytest.raises(ReplayError, match=f"schema version {SCHEMA_VERSION + 1}, but this codeit reads"):
        unpack(newer, "progress record", dict)
    for damaged in (record[:-3], record[:1], record[:1] + b"\xc0", record + b"\x00"):
        with pytest.raises(ReplayError, match="damaged"):
            unpack(damaged, "progress record", dict)


def test_summary_counts_what_is_there() -> None:
    half = relabelled([ONE, TWO], [ONE, ONE])
    full = relabelled([ONE, ONE], [ONE, ONE])
    assert half is not None
    assert full is not None
    summary = summarize([half, full, replace(full, task="other", origin=Origin.POLICY, meta_iteration=4)])
    assert summary["experiences"] == 3
    assert summary["counts"] == {"policy": 1, "mutated": 2, "search": 0}
    assert summary["distinct_programs"] == 1
    assert {tenth: n for tenth, n in summary["priorities"].items() if n} == {"0.5": 1, "1.0": 2}
    assert summary["mean_program_length"] == len("O = hmirror(I)")
    assert summary["meta_iterations"] == {3: 2, 4: 1}
    assert summarize([])["mean_program_length"] == 0.0
