"""Searches and evaluations on a Ray cluster of three nodes, each with processes and resources of its own: the results
are those of one machine, whatever dies, and what cannot work is refused in a line."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.cli import main
from engine.cluster import patience
from engine.cluster.crew import Lost
from engine.cluster.identity import own_identity
from engine.cluster.local import local_cluster
from engine.cluster.packing import pack, unpack
from engine.cluster.session import Session
from engine.cluster.workers import CrewPool
from engine.errors import UsageError
from engine.search import effort
from engine.search.effort import Growth
from engine.search.workers import Portable, Worker
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine.machine import Machine
from interpreter.machine.pool import Pool
from interpreter.runtime.outcome import Outcome

ROOT = Path(__file__).parents[2]
TASKS = "67a3c6ac,68b16354,74dd1130,3c9b0459,ed36ccf7,a416b8f3,c8f0f002,b1948b0a"
FUEL = (1000, 1000)


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(3) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def session(cluster, tmp_path_factory):
    """One that several tests share; no test that has it may connect by itself.

    Nodes look for modules in the folder where the head is, too: in an empty one they have their own.
    """
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        opened = Session(cluster.address)
    with opened:
        opened.begin_crew()
        yield opened


@pytest.fixture
def small_batches(monkeypatch):
    small = Growth(150, 600)
    monkeypatch.setattr(effort, "RANKED", replace(effort.RANKED, mutants=small, crossings=small))
    monkeypatch.setattr("report.commands.end_in_report", lambda _folder: None)


def files(folder):
    """What is the same in two folders of the same work, without times and settings."""
    names = ("search.jsonl", "keys.i64", "found.jsonl", "programs.parquet", "submission.json")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name in names}


def refusal(capsys, *arguments):
    """The one line with which a command is refused."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr().err
    assert said.startswith("codeit: ")
    assert said.count("\n") == 1
    return said


# ------------------------------------------------------------------------------------------- bad input


def test_no_ray_is_a_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("engine.cluster.starting.importlib.util.find_spec", lambda _name: None)
    assert "ray is not installed: pip install 'codeit[cluster]'" in refusal(
        capsys, "search", "--programs", "1", "--out", str(tmp_path / "out"), "--cluster"
    )
    assert not (tmp_path / "out").exists()


def test_an_address_where_nothing_answers_is_a_line(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refusal(capsys, "search", "--programs", "1", "--out", str(tmp_path / "out"), "--cluster", address)
    assert f"--cluster {address}: nothing answers there (connection refused)" in said
    assert not (tmp_path / "out").exists()


def test_weights_that_cannot_go_by_network_are_a_line(capsys):
    options = ["--sampler.backend", "vllm", "--sampler.transfer", "ipc", "--sampler.processes", "1"]
    said = refusal(capsys, "run", "--preset", "smoke", *options, "--cluster")
    assert "with --cluster weights go by network: --sampler.transfer in_process" in said


def test_what_answers_and_is_not_ray_is_refused_in_time(tmp_path):
    """In a process of its own: Ray reads how long it waits when it is imported."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        command = ["-m", "engine.cli", "search", "--programs", "1", "--out", str(tmp_path / "out")]
        environment = {**os.environ, "RAY_py_gcs_connect_timeout_s": "1"}
        done = subprocess.run(
            [sys.executable, *command, "--cluster", address], cwd=ROOT, env=environment,
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"codeit: --cluster {address}: what answers there is not Ray" in done.stderr
    assert done.stderr.count("\n") == 1


# ---------------------------------------------------------------------------------------- same results


def test_values_come_out_as_they_went_in_and_can_be_written():
    value = {"a": np.arange(5), "none": np.zeros((0, 2), np.int64), "part": np.arange(12).reshape(3, 4)[:, 1]}
    back = unpack(pack(value))
    for name, array in value.items():
        assert np.array_equal(back[name], array)
        assert back[name].dtype == array.dtype
        assert back[name].flags.writeable


def test_a_search_finds_what_one_machine_finds(session, small_batches, monkeypatch, tmp_path):
    options = ["search", "--tasks", "arc1-train", "--task-ids", TASKS, "--programs", "1200"]
    assert main([*options, "--out", str(tmp_path / "one")]) == 0
    monkeypatch.setattr("engine.commands.search.cluster_of", lambda *_, **__: nullcontext(session))
    assert main([*options, "--out", str(tmp_path / "three"), "--cluster"]) == 0
    assert files(tmp_path / "one").keys() == {"search.jsonl", "keys.i64"}
    assert len(files(tmp_path / "one")["search.jsonl"]) > 1000
    assert files(tmp_path / "three") == files(tmp_path / "one")


def test_an_evaluation_finds_what_one_machine_finds(session, small_batches, monkeypatch, tmp_path):
    """Of programs for one task, and of programs for all."""
    seeds = [json.loads(line) for line in (ROOT / "engine/data/seeds.jsonl").read_text().splitlines()]
    rows = [seed if number % 2 else {"program": seed["program"]} for number, seed in enumerate(seeds)]
    programs = tmp_path / "programs.jsonl"
    programs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["eval", str(programs), "--tasks", "arc1-train", "--limit", "60"]
    assert main([*command, "--out", str(tmp_path / "one")]) == 0
    monkeypatch.setattr("engine.commands.evaluate.cluster_of", lambda *_, **__: nullcontext(session))
    assert main([*command, "--out", str(tmp_path / "three"), "--cluster"]) == 0
    assert files(tmp_path / "one").keys() == {"found.jsonl", "programs.parquet", "submission.json"}
    assert files(tmp_path / "three") == files(tmp_path / "one")


def test_a_batch_of_runs_gives_what_a_pool_of_one_machine_gives(session):
    """Some 3,000 runs, more than one chunk, with an outcome and a grid or none for each; and a batch of none."""
    tasks = load_tasks("arc1-train", limit=40)
    grids = GridTable.pack([grid for task in tasks for grid in task.inputs])
    seeds = [json.loads(line) for line in (ROOT / "engine/data/seeds.jsonl").read_text().splitlines()]
    code = Code.assemble([parse(seed["program"]) for seed in seeds[:24]])
    jobs = np.argwhere(np.ones((24, len(grids)), bool)).astype(np.int32)
    fuel, words = 5_000_000, 1 << 17  # more than a screen may have; few words, so that some runs have too few
    with Pool(grids, 1, fuel, words) as pool:
        wanted = pool.run(code, jobs)
    assert len(set(wanted.outcomes.tolist())) > 2
    other = session.pool(grids, None, fuel, words)
    for mine, theirs in zip(other.run(code, jobs).arrays(), wanted.arrays(), strict=True):
        assert np.array_equal(mine, theirs)
    assert len(other.run(code, jobs[:0])) == 0


def test_a_small_batch_of_runs_is_for_all_nodes(session, monkeypatch):
    crew, sizes = session.begin_crew(), []
    run = crew.run
    monkeypatch.setattr(
        crew, "run", lambda limits, work, items: sizes.extend(map(len, items)) or run(limits, work, items)
    )
    grids = GridTable.pack([np.zeros((3, 3), np.int8)])
    jobs = np.argwhere(np.ones((50, 1), bool)).astype(np.int32)
    runs = session.pool(grids, None, 10_000, 1 << 16).run(Code.assemble([parse("O = hmirror(I)")] * 50), jobs)
    assert len(runs) == sum(sizes) == 50
    assert len(sizes) == 6  # two for each of three threads
    assert (runs.outcomes == Outcome.OK).all()


class Deadly:
    """A crew whose process dies of program 3, in place of a bug of the machine that nobody knows."""

    threads = 2

    def run(self, limits, work, items):
        for number, jobs in enumerate(items):
            if 3 in jobs[:, 0]:
                raise Lost("items were lost")
            yield number, work.function(work.constant, work.batch, Worker(None, Machine(*limits[1:])), jobs)


def test_a_program_that_kills_its_process_again_and_again_has_crashed_and_no_other():
    grids = GridTable.pack([np.eye(3, dtype=np.int8), np.zeros((2, 2), np.int8)])
    code = Code.assemble([parse(f"O = {name}(I)") for name in ("hmirror", "vmirror", "rot90", "rot180", "dmirror")])
    jobs = np.array([(4, 0), (3, 1), (0, 1), (3, 0), (1, 0)], np.int32)
    runs = CrewPool(Deadly(), grids, (10_000, 1 << 16)).run(code, jobs)
    assert runs.outcomes.tolist() == [Outcome.OK, Outcome.CRASHED, Outcome.OK, Outcome.CRASHED, Outcome.OK]
    with Pool(grids, 1) as pool:
        wanted = pool.run(code, jobs[[0, 2, 4]])
    for mine, theirs in zip(runs.take(np.array([0, 2, 4])).arrays(), wanted.arrays(), strict=True):
        assert np.array_equal(mine, theirs)


# --------------------------------------------------------------------------------------------- faults


def slow(seconds, numbers, worker, item):
    """Work that takes a while, and knows where it was done."""
    time.sleep(seconds)
    return int(numbers[item]), os.getpid()


def work_with(session, act, seconds=0.05, count=150):
    """The numbers that `slow` gives for `count` items, and the processes that gave them; `act` is done after the
    first."""
    numbers = np.arange(count) ** 2
    found, processes = {}, []
    for number, (result, process) in session.begin_crew().run(FUEL, Portable(slow, seconds, numbers), range(count)):
        found[number] = result
        processes.append(process)
        if len(found) == 1:
            act(process)
    assert found == {number: number**2 for number in range(count)}
    return processes


def test_all_nodes_work(session):
    assert len(set(work_with(session, lambda _process: None))) == 3


def test_a_killed_worker_costs_time_only(session):
    processes = work_with(session, lambda process: os.kill(process, signal.SIGKILL))
    assert processes[0] not in processes[10:]


def test_a_node_that_is_killed_costs_time_only_and_one_that_comes_helps(cluster, session, caplog):
    work_with(session, lambda _process: cluster.kill(cluster.nodes[-1]), seconds=0.1)
    assert len(session.begin_crew().nodes) == 2
    assert "is gone: its work is done by others" in caplog.text
    cluster.add()
    end = time.monotonic() + 60
    while len(set(work_with(session, lambda _process: None, count=60))) < 3:
        assert time.monotonic() < end, "the new node does nothing"


def test_an_overfull_object_store_costs_time_only(session):
    import ray

    full = [ray.put(np.ones(25 << 20, np.uint8)) for _ in range(4)]
    work_with(session, lambda _process: None, seconds=0)
    assert sum(int(ray.get(part).sum()) for part in full) == 100 << 20


def fails(_constant, _batch, _worker, item):
    raise OSError(28, f"item {item}")


def test_what_the_work_raises_is_raised(session):
    with pytest.raises(OSError, match="item 0"):
        list(session.begin_crew().run(FUEL, Portable(fails, 0, 0), [0]))
    work_with(session, lambda _process: None, seconds=0)


def test_a_member_that_stands_still_is_replaced_and_named(session, monkeypatch, caplog):
    monkeypatch.setattr(patience, "WORK", 3.0)
    monkeypatch.setattr("engine.cluster.crew.TRIES", 1)
    with pytest.raises(Lost, match=r"items \[0\] of a batch were lost 1 times"):
        list(session.begin_crew().run(FUEL, Portable(slow, 60.0, [1]), [0]))
    assert "has not answered for 3 s" in caplog.text
    monkeypatch.undo()
    work_with(session, lambda _process: None, seconds=0)


def test_a_node_that_is_gone_before_it_is_ready_is_not_waited_for(session, monkeypatch, caplog):
    from engine.cluster.crew import Crew, living_nodes

    session.begin_crew().close()  # which has the processors
    nodes = living_nodes()
    dead = replace(nodes[0], id="f" * 56)
    asked = iter([[*nodes, dead]])
    monkeypatch.setattr("engine.cluster.crew.living_nodes", lambda: next(asked, nodes))
    crew = Crew(None, ("machine",), {})
    assert crew.nodes == nodes
    assert f"{dead} is gone" in caplog.text
    crew.close()


def test_a_search_whose_head_is_killed_goes_on_to_what_one_machine_finds(
    cluster, session, small_batches, monkeypatch, tmp_path
):
    """The head is the process of the command: what it has written is all that there is of the search."""
    options = ["search", "--tasks", "arc1-train", "--task-ids", TASKS, "--programs", "1200"]
    assert main([*options, "--out", str(tmp_path / "one")]) == 0
    out = tmp_path / "killed"
    code = (
        "from dataclasses import replace\nfrom engine.cli import main\nfrom engine.search import effort\n"
        "small = effort.Growth(150, 600)\n"
        "effort.RANKED = replace(effort.RANKED, mutants=small, crossings=small)\n"
        f"main({[*options, '--out', str(out), '--cluster', cluster.address]})"
    )
    session.begin_crew().close()  # which has the processors
    head = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (out / "search.jsonl").exists() or not (out / "search.jsonl").stat().st_size:
            assert head.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        head.kill()
        head.wait()
    assert files(out) != files(tmp_path / "one")
    monkeypatch.setattr("engine.commands.search.cluster_of", lambda *_, **__: nullcontext(session))
    assert main(["search", "--resume", "--out", str(out), "--programs", "1200", "--cluster"]) == 0
    assert files(out) == files(tmp_path / "one")


# ---------------------------------------------------------------------------------------- other versions


def test_a_node_with_another_version_is_refused_by_name(cluster, session, caplog, tmp_path):
    """One that comes later is left out."""
    for room in ("interpreter", "replay", "trainer", "engine"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "engine" / "ranking.py").open("a") as file:
        file.write("# another version\n")
    node = cluster.add({"PYTHONPATH": str(tmp_path)})
    end = time.monotonic() + 60
    while not caplog.text and time.monotonic() < end:
        work_with(session, lambda _process: None, count=60)
    assert f"node 127.0.0.1 ({node.node_id[:8]}) has another version of codeit" in caplog.text
    cluster.kill(node)


def test_another_language_or_version_has_a_name_of_its_own():
    own = own_identity()
    assert own.difference(own) is None
    assert replace(own, language="a").difference(own) == f"has another compiled language (a, here {own.language})"
    assert replace(own, project="a").difference(own) == f"has another version of codeit (a, here {own.project})"


def test_processors_that_others_have_are_waited_for_not_for_ever(session, monkeypatch):
    from engine.cluster.crew import Crew

    monkeypatch.setattr(patience, "START", 0.5)
    with pytest.raises(UsageError, match=r"^node \S+ \(\w{8}\): waited 0 s for 1 processors of node .* to be free"):
        Crew(None, ("machine",), {})


def test_a_cluster_with_another_version_is_refused(cluster, session, monkeypatch):
    from engine.cluster.crew import Crew, living_nodes

    session.begin_crew().close()  # which has the processors
    one = [node for node in living_nodes() if node.id == cluster.nodes[0].node_id]
    monkeypatch.setattr("engine.cluster.crew.living_nodes", lambda: one)
    head = replace(own_identity(), language="that of the head")
    monkeypatch.setattr("engine.cluster.crew.own_identity", lambda: head)
    with pytest.raises(UsageError, match=r"^node 127\.0\.0\.1 \(\w{8}\) has another compiled language"):
        Crew(None, ("machine",), {})
