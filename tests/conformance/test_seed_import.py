"""Programs of other people, imported for real: arc-dsl's solvers.py and CodeIt's texts of them."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from engine.seeds.imports import Verdict, examine
from engine.tasks import load_tasks
from interpreter.machine.machine import Machine

# One is wrong in arc-dsl too, one depends on the order in which CPython iterates over a set.
WRONG_IN_ARC_DSL = {"e40b9e2f"}
HASH_ORDER = {"228f6490"}


@pytest.fixture(scope="module")
def tasks():
    return {task.id: task for task in load_tasks("arc1-train")}


@pytest.mark.skipif("CODEIT_ARC_DSL" not in os.environ, reason="CODEIT_ARC_DSL is not set")
def test_the_solvers_of_a_checkout_of_arc_dsl(tasks):
    findings = examine(Path(os.environ["CODEIT_ARC_DSL"]), tasks, Machine())
    assert Counter(finding.verdict for finding in findings) == {Verdict.SOLVES: 398, Verdict.FAILS: 2}
    failing = {finding.entry.task for finding in findings if finding.verdict is Verdict.FAILS}
    assert failing == WRONG_IN_ARC_DSL | HASH_ORDER


@pytest.mark.skipif("CODEIT_SOLVERS" not in os.environ, reason="CODEIT_SOLVERS is not set")
def test_the_solvers_of_the_codeit_data_set(tasks):
    path = Path(os.environ["CODEIT_SOLVERS"])
    solving = {row["task"] for row in map(json.loads, path.read_text().splitlines()) if row["solves"]}
    findings = examine(path, tasks, Machine())
    verdicts = {finding.entry.task: finding.verdict for finding in findings}
    assert (len(findings), len(verdicts), len(solving)) == (400, 400, 392)
    assert set(verdicts.values()) == {Verdict.SOLVES, Verdict.FAILS}
    assert {task for task in solving if verdicts[task] is Verdict.FAILS} == HASH_ORDER
