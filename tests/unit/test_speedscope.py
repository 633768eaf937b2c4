"""Flame graphs: the tree of calls in speedscope's file format, nothing lost."""

from engine.commands.speedscope import flame_graphs
from interpreter.machine.profile import Node

TREE = Node("all", 3, 4.0, 40, 8, {
    "apply": Node("apply", 2, 3.0, 30, 6, {"double": Node("double", 20, 2.0, 30, 5)}),
    "double": Node("double", 1, 1.0, 10, 2),
})  # fmt: skip


def paths(profile, graphs):
    names = [frame["name"] for frame in graphs["shared"]["frames"]]
    samples = [" ".join(names[number] for number in sample) for sample in profile["samples"]]
    return dict(zip(samples, profile["weights"], strict=True))


def test_a_sample_is_a_path_with_what_its_last_call_takes_itself():
    graphs = flame_graphs(TREE, {}, "title")
    time, fuel, memory = (paths(profile, graphs) for profile in graphs["profiles"])
    assert time == {"all apply": 1.0, "all apply double": 2.0, "all double": 1.0}
    assert fuel == {"all apply double": 30, "all double": 10}
    assert memory == {"all apply": 8, "all apply double": 40, "all double": 16}


def test_frames_are_named_once_and_their_file_is_their_part_of_the_language():
    frames = flame_graphs(TREE, {"apply": "higher_order", "double": "numbers"}, "title")["shared"]["frames"]
    assert frames == [
        {"name": "all"},
        {"name": "apply", "file": "higher_order"},
        {"name": "double", "file": "numbers"},
    ]


def test_a_child_that_seems_longer_than_its_caller_leaves_no_negative_weight():
    tree = Node("all", 1, 1.0, 0, 0, {"size": Node("size", 1, 1.0 + 1e-12, 0, 0)})
    time = flame_graphs(tree, {}, "title")["profiles"][0]
    assert time["weights"] == [1.0 + 1e-12]
    assert (time["startValue"], time["endValue"], time["unit"]) == (0, 1.0 + 1e-12, "seconds")
