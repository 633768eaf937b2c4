"""Native code from the cache: the same in any order of imports, mended where it is damaged, checked before use."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from interpreter import compilation
from interpreter.runtime import native

ROOT = Path(__file__).parents[2]
PROGRAM = "x1 = objects(I, T, F, T)\nx2 = argmax(x1, size)\nO = subgrid(x2, I)"
LINE = {"program": PROGRAM, "inputs": [[[0, 1, 1], [0, 0, 2], [2, 2, 0]]]}
FIRST = ["interpreter.runtime.locations", "interpreter.primitives.objects", "interpreter.runtime.ordering",
         "interpreter.runtime.digests", "interpreter.machine.machine"]  # fmt: skip


@pytest.fixture(scope="module")
def compiled():
    """The folder of compiled code, with all that runs programs."""
    compilation.warm_up(compilation.MACHINE)
    return native.store().folder


@pytest.fixture
def cache(compiled, tmp_path):
    """A copy of it, of our own."""
    base = tmp_path / "cache"
    base.mkdir(mode=0o755)
    shutil.copytree(compiled, base / compiled.name)
    return base / compiled.name


def execute(base, tmp_path, changes=None, **options):
    """`codeit exec` of one program with a cache."""
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(LINE))
    environment = {**os.environ, "CODEIT_CACHE": str(base), **(changes or {})}
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-c", "import sys; from engine.cli import main; sys.exit(main())", "exec", str(file)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, **options)


def assert_runs(done):
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == [[[1, 1]]]


def assert_refused(done, *words):
    """One line, and exit status 2."""
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("compiling the interpreter")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def run_in(root, cache, *first, program=PROGRAM):
    """What a program gives in a process with these sources and this cache that imports some modules first; and what is
    at the words of the header."""
    code = (
        f"{''.join(f'import {module}; ' for module in first)}import json, numpy as np\n"
        "from interpreter.runtime import native\nfrom interpreter.machine.machine import Machine\n"
        "from interpreter.grids import GridTable\nfrom interpreter.language.bytecode import Code\n"
        "from interpreter.language.program import parse\n"
        f"grids = GridTable.pack([np.array({LINE['inputs'][0]}, np.int8)])\n"
        f"runs = Machine().run(Code.assemble([parse({program!r})]), grids, np.zeros((1, 2), np.int32))\n"
        "words = {word: one.function.__qualname__ for word, one in native._HEADER.items()}\n"
        "print(json.dumps([int(runs.outcomes[0]), runs.outputs[0].tolist(), words]))"
    )
    environment = {**os.environ, "CODEIT_CACHE": str(cache.parent), "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcome, output, words = json.loads(done.stdout)
    assert outcome == 0
    return output, words


@pytest.mark.parametrize("first", FIRST)
def test_code_does_not_depend_on_what_is_imported_first(cache, first):
    before = contents(cache)
    output, words = run_in(ROOT, cache, first)
    assert output == [[1, 1]]
    assert words == {str(word): one.function.__qualname__ for word, one in native._HEADER.items()}
    assert contents(cache) == before


def test_an_edit_compiles_what_it_reaches_and_nothing_else(cache, tmp_path):
    shutil.copytree(ROOT / "interpreter", tmp_path / "interpreter", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "interpreter/primitives/transforms.py"
    source = file.read_text()
    upside_down = "return upright(A, block, area(A, block) - width, -width, 1)"
    assert source.count(upside_down) == 1
    file.write_text(f"# An edit.\n{source.replace(upside_down, 'return upright(A, block, 0, width, 1)')}")
    before = contents(cache)
    assert run_in(ROOT, cache, program="O = hmirror(I)")[0] == LINE["inputs"][0][::-1]
    assert contents(cache) == before
    assert run_in(tmp_path, cache, program="O = hmirror(I)")[0] == LINE["inputs"][0]
    after = contents(cache)
    (new,) = after.keys() - before.keys()
    assert new.startswith("primitives.transforms.hmirror-")
    assert {name: after[name] for name in before} == before


def test_damaged_files_are_compiled_again(cache, tmp_path):
    files = sorted(cache.glob("primitives.*.nbc"))[::40]
    whole = {file: file.read_bytes() for file in files}
    files[0].write_bytes(whole[files[0]][:100])
    files[1].write_bytes(b"")
    files[2].write_bytes(b"no code at all")
    files[3].write_bytes(whole[files[0]])
    assert_runs(execute(cache.parent, tmp_path))
    assert all(len(file.read_bytes()) > 1000 for file in files)
    mended = contents(cache)
    assert_runs(execute(cache.parent, tmp_path))
    assert contents(cache) == mended


def test_a_cache_that_others_can_write_is_refused_in_one_line(cache, tmp_path):
    cache.chmod(0o777)
    assert_refused(execute(cache.parent, tmp_path), str(cache), "CODEIT_CACHE")


def test_a_folder_with_no_room_is_refused_in_one_line(tmp_path):
    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = execute(tmp_path / "small", tmp_path, preexec_fn=no_room)
    assert_refused(done, str(tmp_path / "small"), "CODEIT_CACHE")


def test_a_cache_is_used_without_a_home(cache, tmp_path):
    assert_runs(execute(cache.parent, tmp_path, {"HOME": None}))


def test_numba_without_compilation_is_refused_in_one_line(tmp_path):
    assert_refused(execute(tmp_path, tmp_path, {"NUMBA_DISABLE_JIT": "1"}), "NUMBA_DISABLE_JIT", "unset")


def test_importing_what_warms_up_registers_all_that_is_compiled():
    code = (
        "import importlib, interpreter.compilation\nfrom pathlib import Path\n"
        "from interpreter.runtime import native\n"
        "registered = len(native._OTHERS), len(native._HEADER)\n"
        "for file in sorted(Path('interpreter').rglob('*.py')):\n"
        "    importlib.import_module('.'.join(file.with_suffix('').parts).removesuffix('.__init__'))\n"
        "assert registered == (len(native._OTHERS), len(native._HEADER))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("group", [compilation.MACHINE, compilation.SEARCH])
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_every_function_of_a_group_is_in_one_part(monkeypatch, group, parts):
    compiled = []
    monkeypatch.setattr(native.Addressed, "compiled", lambda one: compiled.append(one))
    monkeypatch.setattr(native.Entry, "compiled", lambda one: compiled.append(one))
    for part in range(parts):  # one with a long function before it may be empty
        compilation.compile_part(group, part, parts)
    every = [one for one in (*native._HEADER.values(), *native._OTHERS) if one.group == group]
    assert {id(one) for one in compiled} == {id(one) for one in every}
    assert len(compiled) == len(every)


def test_processes_that_compile_end_with_one_that_is_killed(tmp_path):
    """Two of them, on any machine, which fill the cache with what they get done."""
    code = (
        "import os; os.sched_getaffinity = lambda _: {0, 1}\nfrom interpreter import compilation; compilation.warm_up()"
    )
    environment = {**os.environ, "CODEIT_CACHE": str(tmp_path)}
    parent = psutil.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.rglob("*.nbc")):
            assert time.monotonic() < deadline
            assert parent.poll() is None
            time.sleep(0.1)
        children = parent.children()
        assert len(children) == 2
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert psutil.wait_procs(children, timeout=60)[1] == []


def test_compiled_functions_are_called_as_numba_calls_them():
    native.check_convention()


def test_another_convention_is_an_error_that_names_the_versions(monkeypatch):
    monkeypatch.setattr(native, "_called", lambda: [1, 2, 3, 4, 5])
    with pytest.raises(native.CompilationError, match=r"numba [\d.]+ calls .* tested are numba 0\.65\.x and 0\.68\.x"):
        native.check_convention()


def test_another_declaration_is_seen_before_anything_is_called(monkeypatch):
    def crash():
        raise AssertionError

    class Context:
        call_conv = property(lambda self: self)

        def get_function_type(self, returned, arguments):
            return native.ir.FunctionType(native.ir.IntType(64), [native.WORD] * (len(arguments) + 1))

    monkeypatch.setattr(native, "_called", crash)
    monkeypatch.setattr(native, "cpu_target", type("Target", (), {"target_context": Context()}))
    with pytest.raises(native.CompilationError, match=r"in another way .*i64"):
        native.check_convention()
