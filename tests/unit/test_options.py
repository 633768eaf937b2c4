"""Declared options: help, checks and values all come from the declaration."""

from importlib import import_module, metadata
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name

import pytest
from pydantic import ValidationError

from engine.cli import main
from engine.commands.options import VERBS, EvaluateOptions, RunOptions, SearchOptions
from engine.commands.options.declaration import DEFAULT_FUEL, Argument, Group, Rest
from engine.commands.options.parser import parse
from engine.errors import UsageError
from interpreter.machine import machine

LEAVES = [leaf for verb in VERBS for leaf in (verb.members if isinstance(verb, Group) else (verb,))]


def read(*arguments):
    return parse(VERBS, "", arguments)


@pytest.mark.parametrize("verb", LEAVES, ids=lambda verb: verb.__name__)
def test_every_option_is_documented(verb):
    for name, field in verb.model_fields.items():
        shown = [mark for mark in field.metadata if isinstance(mark, Argument)]
        if not any(isinstance(mark, Rest) for mark in field.metadata) and not (shown and shown[0].is_positional):
            assert field.description, name
    assert all(verb.texts())


@pytest.mark.parametrize("verb", LEAVES, ids=lambda verb: verb.__name__)
def test_what_a_verb_does_takes_its_options(verb):
    [parameter] = signature(resolve_name(verb.does)).parameters.values()
    assert parameter.annotation in (verb.__name__, "Options")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if isinstance(verb, Group)][-1].members)
def test_the_options_of_a_bench_are_the_parameters_of_what_measures(verb):
    signature(import_module(f"bench.{verb.verb}").measure).bind(**dict.fromkeys(verb.model_fields))


@pytest.mark.parametrize("path", [[], ["run"], ["search"], ["seeds"], ["seeds", "import"], ["bench", "samples"]])
def test_help_ends_well_and_shows_defaults(path, capsys):
    with pytest.raises(SystemExit) as end:
        read(*path, "--help")
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join(['codeit', *path])} [-h]")
    if path == ["search"]:
        assert "by compose and all, without limit (default: 150,000)" in " ".join(text.split())
        assert "the search's folder (default: runs/search-<time>)" in " ".join(text.split())


def test_a_report_of_a_fault_can_name_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"codeit {metadata.version('codeit')}, commit ")
    assert f"numba {metadata.version('numba')}" in line


def test_what_is_given_is_known_apart_from_what_has_its_default():
    options = read("search", "--seed", "0", "--task-ids", "a,b", "--budget", "0.5")
    assert options == SearchOptions(seed=0, task_ids=("a", "b"), budget=0.5)
    assert options.model_fields_set == {"seed", "task_ids", "budget"}
    assert options.fuel == 200_000


def test_a_budget_alone_takes_the_place_of_the_number_of_programs():
    assert read("search").most_programs == 150_000
    assert read("search", "--budget", "3").most_programs is None
    assert read("search", "--budget", "3", "--programs", "150000").most_programs == 150_000


def test_options_of_the_configuration_may_stand_between_the_verbs_own():
    options = read("run", "--sampler.n-samples", "3", "--preset", "smoke", "--loop.seed=0", "--resume")
    assert options == RunOptions(preset="smoke", resume=True, overrides=("--sampler.n-samples", "3", "--loop.seed=0"))
    assert read("eval", "--model", "m", "--sampler.threads", "2").overrides == ("--sampler.threads", "2")


def test_a_value_of_the_configuration_is_no_positional_argument():
    options = read("eval", "runs/a", "--sampler.threads", "2", "b.jsonl", "--sampler.backend=vllm", "--stored")
    assert options.sources == (Path("runs/a"), Path("b.jsonl"))
    assert options.overrides == ("--sampler.threads", "2", "--sampler.backend=vllm")
    assert options.stored
    with pytest.raises(UsageError, match=r"unrecognized argument '--sampler\.threads'"):
        read("search", "--sampler.threads", "2")


def test_a_cluster_needs_no_address():
    assert read("search").cluster is None
    assert read("search", "--cluster").cluster == ""
    assert read("search", "--cluster", "--limit", "3").cluster == ""
    assert read("run", "--cluster", "10.0.0.1:6379", "--cluster.gpus", "2").cluster == "10.0.0.1:6379"
    assert read("eval", "runs/a", "--cluster", "head:6379").sources == (Path("runs/a"),)
    for address in ("runs/a", "head", "head:port", ":1", "head:70000", "ray://head:10001"):
        with pytest.raises(UsageError, match=f"--cluster {address}: an address is HOST:PORT"):
            read("eval", "--cluster", address)


def test_flags_turn_on_what_is_off_and_off_what_is_on():
    assert read("bench", "samples").t5
    assert not read("bench", "samples", "--no-t5").t5
    assert read("replay", "stats", "folder", "--json").as_json


@pytest.mark.parametrize("abbreviation", ["--keep-rep", "--exh", "--work", "--progr"])
def test_options_cannot_be_abbreviated(abbreviation):
    with pytest.raises(UsageError, match=f"unrecognized argument '{abbreviation}'"):
        read("search", abbreviation)


@pytest.mark.parametrize("verb", LEAVES, ids=lambda verb: verb.__name__)
def test_whole_numbers_have_no_point(verb):
    whole = [name for name, field in verb.model_fields.items() if field.annotation in (int, int | None)]
    names = {name: verb.model_fields[name].alias or name for name in whole}
    for name, given in names.items():
        with pytest.raises(ValidationError) as refused:
            verb(**{given: "5.0"})
        assert (given, "int_parsing") in [(*error["loc"], error["type"]) for error in refused.value.errors()], name


def test_a_whole_number_with_a_point_is_refused_in_one_line():
    with pytest.raises(UsageError, match=r"^--limit: must be a whole number, not '5\.0' \(see codeit search --help\)$"):
        read("search", "--limit", "5.0")
    assert read("search", "--limit", "5").limit == 5
    assert read("search", "--budget", "5").budget == 5.0


def test_the_seed_of_a_bench_is_not_its_seeds():
    with pytest.raises(UsageError, match=r"unrecognized argument '--seeds' \(did you mean '--seed'\?\)"):
        read("bench", "fuzz", "--seeds", "3")


def test_options_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        EvaluateOptions(run_dir="a").limit = 3


def test_the_default_fuel_is_that_of_the_machine():
    assert DEFAULT_FUEL == machine.DEFAULT_FUEL


def test_percent_signs_are_text(capsys):
    class Percent(RunOptions):
        """Half. 50% of it.

        100%s of it.
        """

    with pytest.raises(SystemExit):
        parse([Percent], "", ["run", "--help"])
    assert "100%s of it." in capsys.readouterr().out
