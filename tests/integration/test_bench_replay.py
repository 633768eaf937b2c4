"""The benches of data and replay: what they say adds up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import data, replay
from bench.baselines import buffers
from bench.material import stored
from engine.errors import UsageError
from engine.tasks import training_tasks
from interpreter.language.program import canonical
from replay import ReplayStore

OFFICIAL = """
import numpy as np
from codeit.policy.tokenize import TextEncoder
from codeit.policy.tokenize import tokenize_task as tokenize
from codeit.task import Task, from_dict
from codeit.utils import get_num_pixels, get_tokenizer


class Buffer:
    def __init__(self, config):
        self.tokenizer = get_tokenizer(config)

    def sample(self, n_samples, mode):
        entries = list(self.entries[mode].values())
        priorities = np.array([entry["priority"] for entry in entries])
        drawn = np.random.choice(len(entries), size=n_samples, p=priorities / priorities.sum(), replace=False)
        return [entries[index]["experience"]["input_ids"] for index in drawn]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A buffer that has the official one's interface and imports."""
    (tmp_path / "official" / "codeit").mkdir(parents=True)
    (tmp_path / "official" / "codeit" / "__init__.py").write_text("raise AssertionError('not needed')")
    (tmp_path / "official" / "codeit" / "replay_buffer.py").write_text(OFFICIAL)
    return tmp_path / "official"


def test_the_bench_of_data_measures_both_codecs_and_a_draw(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    for _ in range(2):  # the second time the store is there
        result = data.measure(None, examples=400, stored=800, draw=300, folder=folder, repeats=1)
        assert result["stored"] == 800
    ratio = result["encode_per_s_core"] / result["readable_per_s_core"]
    assert result["encode_ratio"] == pytest.approx(ratio, rel=0.1)
    assert result["encode_ratio"] > 2
    assert result["draw_encode_100k_s"] > 0
    assert result["draw_encode_cold_s"] > 0
    with ReplayStore(folder, readonly=True) as store:
        assert store.verify().ok


def test_the_bench_of_replay_measures_the_store_and_what_there_is_beside_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torchrl", "cpprb"):
        monkeypatch.setitem(sys.modules, name, None)  # not installed
    modules = set(sys.modules)
    result = replay.measure(stored=600, draw=100, peer_stored=500, peer_draw=200, codeit=checkout, folder=None)
    assert not [name for name in set(sys.modules) - modules if name.startswith("codeit")]
    for name in ("insert_per_s", "open_s", "draw_s", "memory_mib", "disk_bytes", "at_capacity_per_s", "ratio_codeit"):
        assert result[name] > 0, name
    assert result["disk_bytes"] > 600 * 100
    assert (result["ratio_torchrl"], result["ratio_cpprb"]) == (None, None)
    assert set(result["notes"]) == {"torchrl", "cpprb"}
    assert "not installed" in result["notes"]["torchrl"]


def test_a_store_of_others_is_left_as_it_is(tmp_path: Path) -> None:
    tasks = list(training_tasks().values())
    with ReplayStore(tmp_path) as store:
        store.put_tasks({task.id: task.inputs for task in tasks})
        store.commit(stored.experiences(tasks, 0, 5), {"meta_iteration": 7})
        with pytest.raises(UsageError, match="has experiences that are not of this bench: choose another --folder"):
            stored.fill(store, tasks, 10)
        assert (len(store), store.progress()) == (5, {"meta_iteration": 7})


def test_a_store_of_the_bench_is_filled_up_with_new_ones(tmp_path: Path) -> None:
    tasks = list(training_tasks().values())
    with ReplayStore(tmp_path, capacity=10) as store:
        stored.fill(store, tasks, 10)
        stored.add(store, tasks, stored.next_number(store), 14)
        assert len(store) == 10
    with ReplayStore(tmp_path) as store:
        stored.fill(store, tasks, 12)
        assert (len(store), stored.next_number(store)) == (12, 16)


def test_without_a_checkout_the_bench_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="--codeit CHECKOUT"):
        buffers.official(None, None, None, tmp_path)
    with pytest.raises(UsageError, match="is no checkout of the official CodeIt code"):
        buffers.official(None, None, tmp_path, tmp_path)


def test_experiences_for_benches_are_distinct_and_canonical() -> None:
    tasks = list(training_tasks().values())[:3]
    some = stored.experiences(tasks, 0, 600)
    assert len({experience.key for experience in some}) == 600
    assert all(canonical(experience.program) == experience.program for experience in some)
