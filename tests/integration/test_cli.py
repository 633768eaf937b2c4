"""The command line: help at once, `exec`, and mistakes as one line with exit status 2."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.cli import main
from engine.commands.execute import BLOCK
from engine.errors import UsageError
from trainer.checkpoint import MANIFEST

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "--preset", "smok"],
            "unknown preset 'smok': one of smoke, cpu, solve, gpu, paper, paper-codet5, sizes, a1-no-expert-iteration, "
            "a2-no-relabelling, a3-no-priority, a4-no-pretraining, a5-one-demonstration, a6-no-mutation, few-seeds, "
            "no-seeds, small-language (did you mean 'smoke'?)",
        ),
        (["run", "--sampler.n-sample", "3"], "unknown option --sampler.n-sample (did you mean --sampler.n-samples?)"),
        (["run", "--tasks.search", "arc1-evil"], "unknown task set 'arc1-evil'"),
        (["run", "--tasks.task-ids", "00576224,zzz"], "task 'zzz' is not in arc1-eval"),
        (["run", "--seeds", "missing.jsonl"], "cannot read seeds from missing.jsonl"),
        (["run", "--trainer.policy", "compact-7m"], "trainer.policy: unknown policy (one of compact-tiny"),
        (["run", "--seed", "5"], "unknown option --seed"),
        (["run", "--preset", "cpu", "--preset", "a3"], "unknown preset 'a3'"),
        (["run", "--preset", "smoke,small-language"], "sampler.primitives does not hold for search"),
        (["sweep", "missing.toml"], "(there are ablations, ablations-small, examples-small, sizes-small)"),
        (["sweep", "ablations-small", "--resume"], "--resume needs --out"),
        (["sweep", "ablations-small", "--parallel", "1000"], "processors of this machine"),
        (["eval", "--run-dir", "missing", "--loop.seed", "5"], "missing is no run folder"),
        (["run", "--resume"], "--resume needs --run-dir"),
        (["run", "--resume", "--run-dir", "missing"], "missing is no run folder"),
        (["eval", "--run-dir", "missing"], "missing is no run folder"),
        (["eval"], "one of the arguments --run-dir --model is required"),
        (["eval", "--model", "missing", "--limit", "1"], "missing"),
        (["exec", "missing.jsonl"], "missing.jsonl: no such file"),
        (["exec", __file__, "--out", "nowhere/out.jsonl"], "nowhere: no such folder"),
        (["exec", __file__, "--fuel", "1" + "0" * 20], "--fuel: must be at most"),
        (["bench", "samples", "--policy", "huge"], "--policy: invalid choice: 'huge'"),
        (["exec", "missing.jsonl", "--fule", "3"], "unrecognized argument '--fule' (did you mean '--fuel'?)"),
        (["exec", "missing.jsonl", "stray"], "unrecognized argument 'stray' (see codeit exec --help)"),
        (["exec"], "the following arguments are required: FILE.jsonl (see codeit exec --help)"),
        (["exec", __file__, "--out", __file__], "test_cli.py exists already: choose another --out"),
        (["eval", "--run-dir", "a", "--model", "b"], "--model: not allowed with argument --run-dir"),
        (["eval", "--model", "a", "--samples", "1", "--stored"], "--stored: not allowed with argument --samples"),
        (["run", "--res"], "unknown option --res"),
        (["search", "--limit", "many"], "--limit: must be a whole number, not 'many' (see codeit search --help)"),
        (["search", "--limit", "5.0"], "--limit: must be a whole number, not '5.0' (see codeit search --help)"),
        (["search", "--limit", "0"], "--limit: must be at least 1, not 0"),
        (["search", "--seed", "-1"], "--seed: must be at least 0, not -1"),
        (["search", "--seed"], "--seed: expected one argument"),
        (["search", "--budget", "soon"], "--budget: must be a number of minutes, not 'soon'"),
        (["search", "--budget", "0"], "--budget: must be more than 0 minutes, not 0"),
        (["search", "--budget", "nan"], "--budget: must be"),
        (["search", "--budget", "1e9"], "--budget: must be at most 1,000,000 minutes, not 1e9"),
        (["search", "--fuel", "2000000"], "--fuel must be at most 1,000,000, not 2,000,000"),
        (["search", "--tasks", ""], "no .json file in this folder"),
        (["run", "--preset", ""], "unknown preset ''"),
        (["seeds", "discover", "--seed", "1.5"], "--seed: must be a whole number, not '1.5'"),
        (["seeds", "import", "x", "--keep-failing"], "--keep-failing says what is written: it needs --out"),
        (["report", "a", "--port", "99"], "--port says where the page is served: it needs --watch"),
        (["report", "a", "--out", "b", "--watch"], "--watch: not allowed with argument --out"),
        (["show", "a", "--run", "b", "--fuel", "5"], "a folder's run with its own: it needs --program"),
        (["show", "a", "--attempts", "3"], "--attempts says how many are shown of a folder: it needs --run"),
        (["show", "a", "--input", "9"], "--input says what the values of lines are of: it needs --program or --run"),
        (["show", "a", "--program", "O = hmirror(I)", "--run", "b"], "--run: not allowed with argument --program"),
        (["analyse", "length", "a", "--json", "--out", "b"], "--out: not allowed with argument --json"),
        (["profile", "--compare", "a", "b", "--fuel", "3"], "--fuel: not allowed with argument --compare"),
        (["profile", "--compare", "a", "b", "--repeats", "3"], "--repeats: not allowed with argument --compare"),
        (["profile", __file__, "--seeds", "nosuch"], "--seeds is about a task set, and"),
        (["profile", __file__, "--programs", "7"], "is a JSONL file: leave it out"),
        (["profile", "arc1-train", "--programs", "7"], "--programs is about the folder of a run"),
        (["search", "--method", "compose", "--rates", "argument=0.3"], "--rates is about mutants, and"),
        (["search", "--method", "compose", "--keep-repeats"], "--keep-repeats is about mutants, and"),
        (["eval", __file__, "--samples", "50"], "--samples is about sampling, and nothing is sampled"),
        (
            ["eval", __file__, "--sampler.n_samples", "3"],
            "--sampler.n-samples is about sampling, and nothing is sampled",
        ),
        (["eval", __file__, "--stored", "--sampler.threads", "3"], "--sampler.threads is about sampling, and"),
        (["seeds"], "required: ACTION (see codeit seeds --help)"),
        (["replay", "stats", "missing"], "missing"),
        (["fly"], "invalid choice: 'fly'"),
        ([], "required: VERB"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_samples_is_said_once(tmp_path, capsys):
    (tmp_path / MANIFEST).touch()
    assert main(["eval", str(tmp_path), "--samples", "50", "--sampler.n-samples", "3"]) == 2
    assert "--sampler.n-samples: not allowed with argument --samples" in capsys.readouterr().err


def test_help_names_every_verb_and_imports_nothing_heavy():
    code = (
        "import sys; from engine.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('numpy', 'numba', 'torch', 'vllm', 'pydantic_settings', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().endswith("[]")
    assert all(verb in done.stdout for verb in ("run", "eval", "exec", "replay", "bench"))


@pytest.mark.parametrize("option", [["--seed", "0"], ["--seeds", ""], ["--limit", "1"], ["--tasks", "arc1-eval"]])
def test_what_is_given_cannot_change_in_a_continued_search_whatever_its_value(option, tmp_path, capsys):
    assert main(["search", "--out", str(tmp_path), "--resume", *option]) == 2
    assert f"{option[0]} cannot change in a continued search" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--preset", "cpu"], ["--preset", ""], ["--seeds", ""], ["--config", "x"]])
def test_what_is_given_cannot_change_in_a_continued_run_whatever_its_value(option, tmp_path, capsys):
    assert main(["run", "--run-dir", str(tmp_path), "--resume", *option]) == 2
    assert "--resume takes preset, configuration and seeds from the run's folder" in capsys.readouterr().err


def test_a_run_keeps_its_tasks_in_full(tmp_path, monkeypatch):
    begun = []

    def begin(config, *_):
        begun.append(config)
        raise UsageError("enough")

    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.commands.launch.begin", begin)
    monkeypatch.setattr("engine.commands.launch.check_installed", lambda _config: None)
    assert main(["run", "--tasks.search", "mine"]) == 2
    assert (begun[0].tasks.train, begun[0].tasks.search) == ("arc1-train", str(tmp_path.resolve() / "mine"))


def test_what_is_wrong_with_the_machine_is_said_before_seeds_are_searched_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.commands.launch.begin", None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    arguments = ["--preset", "no-seeds", "--trainer.device", "cuda", "--sampler.backend", "transformers"]
    assert main(["run", *arguments, "--run-dir", str(tmp_path / "run")]) == 2
    assert "there is no GPU" in capsys.readouterr().err


def test_run_lists_the_options_of_the_configuration(capsys):
    assert main(["run", "--options"]) == 0
    shown = capsys.readouterr().out
    assert "--sampler.n-samples int  default 24\n    Programs sampled for each task" in shown
    assert "--loop.meta-iterations int  default 25\n" in shown  # of `cpu`, which is the preset of a run that names none
    assert main(["run", "--options", "--preset", "smoke", "--preset", "a3-no-priority", "--fill.mutants", "7"]) == 0
    shown = capsys.readouterr().out
    assert "--loop.meta-iterations int  default 2\n" in shown
    assert "--replay.priority-exponent float  default 0.0\n" in shown
    assert "--fill.mutants int  default 7\n" in shown


def test_exec_runs_lines_in_order_and_goes_on_after_a_broken_one(tmp_path):
    rows = [
        json.dumps({"program": "O = hmirror(I)", "inputs": [[[1, 2]], [[1], [2]]]}),
        json.dumps({"program": "x1 = hmirror(I)\nO = fil(I, ONE, x1)", "inputs": [[[1]]]}),
        "",
        json.dumps({"program": "O = hmirror(I)", "inputs": [[[1, 2], [3]]]}),
        "{",
        json.dumps({"program": "O = divide(ONE, ZERO)", "inputs": [[[1]]]}),
        json.dumps({"program": "O = hmirror(I)", "inputs": []}),
        json.dumps({"program": "x1 = size(I)\nO = canvas(x1, TWO_BY_TWO)", "inputs": [[[1]]]}),
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(("\n".join(rows) + "\n").encode() + b"\xff\n")
    assert main(["exec", str(source), "--out", str(target)]) == 0
    results = [json.loads(row) for row in target.read_text().splitlines()]
    assert results[0]["outputs"] == [[[1, 2]], [[2], [1]]]
    assert results[0]["status"] == ["ok", "ok"]
    assert all(fuel > 0 for fuel in results[0]["fuel"])
    assert results[1] == {"error": "line 2: unknown function 'fil' (did you mean 'fill'?)"}
    assert results[2] == {"error": "input 0: the rows are not equally long"}
    assert results[3]["error"].startswith("not JSON")
    assert results[4]["status"] == ["zero_division"]
    assert results[4]["outputs"] == [None]
    assert results[5] == {"outputs": [], "status": [], "fuel": []}
    assert results[6]["outputs"] == [[[1, 1], [1, 1]]]
    assert results[7]["error"].startswith("not JSON")
    assert main(["exec", str(source), "--out", str(target)]) == 2


def test_exec_stops_a_run_that_is_out_of_fuel(tmp_path, capsys):
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"program": "x1 = asobject(I)\nO = paint(I, x1)", "inputs": [[[1] * 30] * 30]}) + "\n")
    assert main(["exec", str(source), "--fuel", "50"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == ["out_of_fuel"]


WITH_CTRL_C = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have it ignored
from engine.cli import main
sys.exit(main())
"""
ENDLESS = (
    "x1 = multiply(TEN, TEN)\nx2 = multiply(x1, x1)\nx3 = multiply(x2, x2)\n"
    "x4 = power(identity, x3)\nx5 = power(x4, x3)\nO = x5(I)"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_exec_in_the_middle_of_a_run(tmp_path, number):
    """The first block of lines is quick and comes out; the next holds a run that would take a quarter of an hour."""
    source = tmp_path / "in.jsonl"
    quick = json.dumps({"program": "O = hmirror(I)", "inputs": [[[1]]]}) + "\n"
    source.write_text(quick * BLOCK + json.dumps({"program": ENDLESS, "inputs": [[[1]]]}) + "\n")
    command = [sys.executable, "-c", WITH_CTRL_C, "exec", str(source), "--fuel", str(10**12)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["status"] == ["ok"]
        time.sleep(1)  # until it is there
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == 128 + number


VERB = (
    "import sys; from engine import cli; cli.parse = lambda *_: type('Verb', (), {{'execute': lambda self: {0}}})(); "
    "sys.exit(cli.main([]))"
)


def test_only_who_reads_stdout_may_have_had_enough():
    """The end of another pipe, of a process that died, say, is no quiet end."""
    command = [sys.executable, "-c", VERB.format("print('x' * 1_000_000)")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
    command[-1] = VERB.format("__import__('multiprocessing').Pipe(False)[1].send(1)")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("BrokenPipeError")


def execute(tmp_path, lines):
    """What `exec` says about lines."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    assert main(["exec", str(source), "--out", str(target)]) == 0
    return [json.loads(row) for row in target.read_text().splitlines()]


def test_exec_takes_a_program_in_every_form(tmp_path):
    lines = "x0 = vmirror(I)\n" + "".join(f"x{k} = hmirror(x{k - 1})\n" for k in range(1, 200)) + "O = hmirror(x199)"
    programs = [
        "def solve_67a3c6ac(I):\n    O = vmirror(I)\n    return O",
        "# mirrored\nx1 = vmirror(I)  # here\nO = upscale(x1, 1)",
        lines,
    ]
    rows = [json.dumps({"program": program, "inputs": [[[1, 2]]]}).encode() for program in programs]
    rows[0] = b"\xef\xbb\xbf" + rows[0]
    assert [result["outputs"] for result in execute(tmp_path, rows)] == [[[[2, 1]]]] * len(rows)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"[" * 100_000, "not JSON that can be read: nested too deeply"),
        (b'{"program": "O = hmirror(I)", "inputs": [' + b"[" * 900 + b"]" * 900 + b"]}", "input 0: "),
        (b'{"program": "O = hmirror(I)", "inputs": [[[' + b"1" * 5_000 + b"]]]}", "not JSON: Exceeds the limit"),
        (b'{"program": "O = hmirror(I)", "inputs": [[[' + b"1" * 4_000 + b"]]]}", "input 0: cells must be integers"),
        (b'{"program": "O = \\ud800(I)", "inputs": []}', "line 1: expected"),
        (b'{"program": "O = ' + b"-" * 100_000 + b'1", "inputs": []}', "line 1: expected"),
        (b'{"program": "def f(I):\\n return ' + b"-" * 100_000 + b'1", "inputs": []}', "not Python"),
        (b'{"program": "def f(I):\\n return \\u0000", "inputs": []}', ""),
        (b'{"program": "O = hmirror(I)", "inputs": [null]}', "input 0: "),
        (b'{"program": "O = hmirror(I)", "inputs": [["\\ud800"]]}', "input 0: "),
        (b'{"program": {}, "inputs": [[[1]]]}', '"program" must be a string'),
    ],
)
def test_a_line_that_breaks_breaks_its_own_answer_alone(tmp_path, line, error):
    good = json.dumps({"program": "O = hmirror(I)", "inputs": [[[1]]]}).encode()
    before, broken, after = execute(tmp_path, [good, line, good])
    assert before["outputs"] == after["outputs"] == [[[1]]]
    assert list(broken) == ["error"]
    assert broken["error"].startswith(error)


def test_exec_is_silent_where_the_reader_has_enough(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text((json.dumps({"program": "O = hmirror(I)", "inputs": [[[1, 2]]]}) + "\n") * 20_000)
    command = [sys.executable, "-m", "engine.cli", "exec", str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as running:
        assert json.loads(running.stdout.readline())["outputs"] == [[[1, 2]]]
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_exec_reads_a_pipe(tmp_path, capsys):
    source = tmp_path / "pipe"
    os.mkfifo(source)
    line = json.dumps({"program": "O = hmirror(I)", "inputs": [[[1]]]}) + "\n"
    writer = threading.Thread(target=source.write_text, args=(line,))
    writer.start()
    assert main(["exec", str(source)]) == 0
    writer.join()
    assert json.loads(capsys.readouterr().out)["outputs"] == [[[1]]]
