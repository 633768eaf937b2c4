"""Configuration: presets load, later sources win, and mistakes are named."""

from importlib.resources import files

import pytest

from engine.config import CHANGES, PRESETS, Config, fields, load_config, overridden, read_config
from engine.errors import UsageError
from engine.run_folder import RunFolder
from trainer.catalogue import PRETRAINED


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_load_and_survive_being_written(preset, tmp_path):
    config = load_config(preset)
    folder = RunFolder.create(tmp_path / "run", config, seeds=[])
    folder.close()
    assert read_config(tmp_path / "run" / "config.toml") == config


def test_every_preset_file_is_a_preset():
    assert {path.name for path in files("engine").joinpath("presets").iterdir()} == {f"{p}.toml" for p in PRESETS}


def test_presets_stack_and_later_ones_go_before(tmp_path):
    assert load_config(["cpu"]) == load_config("cpu") == load_config([])
    both = load_config(["smoke", "a2-no-relabelling", "a3-no-priority"])
    assert (both.replay.relabel, both.replay.priority_exponent) == (False, 0.0)
    assert both.replay.draw_mutated == load_config("smoke").replay.draw_mutated
    assert load_config(["smoke", "cpu"]).replay.draw_policy == load_config("cpu").replay.draw_policy
    assert load_config(["a1-no-expert-iteration", "cpu"]).replay.draw_policy > 0
    file = tmp_path / "my.toml"
    file.write_text("[replay]\nrelabel = true\n")
    assert load_config(["smoke", "a2-no-relabelling"], file) == load_config("smoke")
    assert load_config("smoke", None, (), {"replay": {"relabel": False}}).replay.relabel is False


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_stands_on_a_preset_where_none_is_named(name):
    assert load_config(name) == load_config([CHANGES[name], name]) != load_config(CHANGES[name])


def test_ablations_change_what_they_say():
    assert load_config("a1-no-expert-iteration").replay.draw_policy == 0
    assert load_config("a4-no-pretraining").trainer.random_weights
    assert load_config("a5-one-demonstration").trainer.demonstrations == 1
    assert load_config("a6-no-mutation").fill.mutants == 0
    assert load_config("no-seeds").seeds.discover_minutes > 0
    with pytest.raises(UsageError, match="compact-3m begins with random ones anyway"):
        load_config(["cpu", "a4-no-pretraining"])


def test_a_small_language_is_one_of_the_policy_alone():
    assert 40 < len(load_config("small-language").sampler.primitives) < 80
    with pytest.raises(UsageError, match=r"does not hold for search.*must be 0"):
        load_config(["smoke", "small-language"])
    with pytest.raises(UsageError, match=r"sampler\.primitives is for compact policies"):
        load_config(["paper-codet5", "small-language"])


def test_the_papers_priorities_are_the_default():
    for preset in ("paper", "paper-codet5"):
        replay = load_config(preset).replay
        assert (replay.priority_exponent, replay.priority_by_rank, replay.importance) == (1.0, False, 0.0)
        assert (replay.performance_weight, replay.recency_weight, replay.brevity_weight) == (1.0, 0.0, 0.0)
        assert (replay.prioritize_mutated, replay.task_cap) == (True, None)


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_policies_have_their_checkpoint_and_another_one_goes_before(name):
    options = ["--trainer.policy", name]
    assert load_config("sizes", None, options).trainer.pretrained == f"Salesforce/{name}"
    assert load_config("sizes", None, [*options, "--trainer.checkpoint", "a/b"]).trainer.pretrained == "a/b"
    assert load_config("cpu").trainer.pretrained is None


def test_the_papers_policy_has_the_papers_lengths():
    for preset in ("paper-codet5", "sizes"):
        config = load_config(preset)
        assert config.sampler.max_tokens == 512
        assert config.trainer.max_prompt_tokens == 512 + 512
        assert config.trainer.policy == "codet5p-220m"


def test_the_paper_preset_has_the_papers_numbers():
    config = load_config("paper")
    assert (config.replay.draw_policy, config.replay.draw_mutated) == (90_000, 10_000)
    assert (config.sampler.n_samples, config.sampler.temperature) == (24, 0.95)
    assert config.fill.mutants == 19_200


def test_the_command_line_goes_before_the_file_and_the_file_before_the_preset(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text("[sampler]\nn_samples = 5\ntemperature = 0.5\n")
    config = load_config("smoke", file, ["--sampler.n-samples", "7", "--tasks.task-ids", "a,b"])
    assert (config.sampler.n_samples, config.sampler.temperature) == (7, 0.5)
    assert config.tasks.task_ids == ["a", "b"]
    assert config.loop == load_config("smoke").loop


def test_what_is_false_or_nothing_still_goes_before(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text("[loop]\nseed = 5\n[fill]\nmutants = 0\n[sampler]\ntypes = true\n[tasks]\ntask_ids = ['a']\n")
    assert load_config("smoke", file).fill.mutants == 0
    options = ["--loop.seed", "0", "--sampler.types", "false", "--tasks.task-ids", "[]", "--sampler.temperature=0"]
    config = load_config("smoke", file, options)
    assert (config.loop.seed, config.sampler.types, config.tasks.task_ids) == (0, False, [])
    assert config.sampler.temperature == 0
    assert overridden(load_config("smoke", file), ["--loop.seed", "0"]).loop.seed == 0


def test_names_of_options_may_be_written_with_either_dash():
    for name in ("--sampler.n_samples", "--sampler.n-samples"):
        assert load_config("smoke", None, [name, "7"]).sampler.n_samples == 7
        assert load_config("smoke", None, [f"{name}=7"]).sampler.n_samples == 7


def test_the_environment_has_no_say(monkeypatch):
    monkeypatch.setenv("LOOP", '{"seed": 7}')
    assert load_config("smoke").loop.seed == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--sampler.nsamples", "8"], "did you mean --sampler.n-samples?"),
        (["--sampler.n-samples", "0"], "sampler.n_samples: input should be greater than or equal to 1, not '0'"),
        (["--interpreter.fuel", str(10**13)], "interpreter.fuel: input should be less than or equal to"),
        (["--replay.priority-exponent", "60"], "replay.priority_exponent: input should be less than or equal to 20"),
        (["--sampler.n-samples", "many"], "sampler.n_samples: input should be a valid integer"),
        (["--sampler.n-samples", "5.0"], "sampler.n_samples: input should be a valid integer"),
        (["--tasks.limit", "5.0"], "tasks.limit: input should be a valid integer"),
        (["--loop.seed"], "expected one argument"),
        (["--trainer.policy", "codet5"], "unknown policy (one of compact-tiny, compact-1m"),
        (["--trainer.device", "gpu"], "trainer.device: input should be 'auto', 'cpu' or 'cuda', not 'gpu'"),
        (["--trainer.dtype", "fp32"], "trainer.dtype: input should be 'auto', 'float32' or 'bfloat16', not 'fp32'"),
        (["--trainer.lora-rank", "8"], "lora_rank is for pretrained policies, compact-1m is trained from scratch"),
        (["--search.minutes", "-1"], "search.minutes: input should be greater than or equal to 0, not '-1'"),
        (["--search.runs", "1.5"], "search.runs: input should be a valid integer"),
        (["--search.method", "mutat"], "search.method: input should be 'all', 'compose' or 'mutate', not 'mutat'"),
        (["--search.minute", "1"], "did you mean --search.minutes?"),
        (["--replay.draw-search", "-1"], "replay.draw_search: input should be greater than or equal to 0"),
        (["--replay.performance-weight", "0"], "brevity_weight are all 0: one must be more"),
        (["--replay.importance", "1.5"], "replay.importance: input should be less than or equal to 1"),
        (["--replay.task-cap", "0"], "replay.task_cap: input should be greater than or equal to 1"),
        (["--trainer.demonstrations", "0"], "trainer.demonstrations: input should be greater than or equal to 1"),
        (["--sampler.primitives", "fil,hmirror"], "sampler.primitives: unknown primitive 'fil' (did you mean 'fill'?)"),
        (["--sampler.primitives", "fill"], "one of the primitives must give a grid from one argument"),
        (["stray"], "unrecognized arguments: stray"),
    ],
)
def test_wrong_options_are_refused(overrides, message):
    with pytest.raises(UsageError) as error:
        load_config("smoke", None, overrides)
    assert message in str(error.value)


def test_wrong_presets_and_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"unknown preset 'smok'.*did you mean 'smoke'"):
        load_config("smok")
    with pytest.raises(UsageError, match="cannot read"):
        load_config("smoke", tmp_path / "missing.toml")
    file = tmp_path / "my.toml"
    file.write_text("[sampler]\nn_sample = 5\n")
    with pytest.raises(UsageError, match=r"unknown key sampler.n_sample \(did you mean sampler.n_samples\?\)"):
        load_config("smoke", file)
    file.write_text("[sampler]\nn_samples = 5.0\n")
    with pytest.raises(UsageError, match=r"sampler\.n_samples: input should be a valid integer, not 5\.0"):
        load_config("smoke", file)
    file.write_text("[sampler\n")
    with pytest.raises(UsageError, match="is not TOML"):
        load_config("smoke", file)


def test_every_option_is_documented():
    assert [name for name, field in fields() if not field.description] == []
    assert len(list(fields())) > 20
    assert Config().loop.seed == 0


@pytest.mark.parametrize("preset", ["cpu", "paper", "paper-codet5", "sizes"])
def test_the_papers_presets_do_not_search(preset):
    assert not load_config(preset).search.is_on


def test_search_is_set_by_minutes_or_by_runs():
    assert load_config("cpu", None, ["--search.minutes", "0.5"]).search.is_on
    assert load_config("cpu", None, ["--search.runs", "1000"]).search.is_on
    assert not load_config("smoke", None, ["--search.runs", "0"]).search.is_on
