"""Reports of evaluations: they show what was scored."""

import json

from report_folders import data_of, page_of, write_evaluation, write_tasks

from engine.cli import main


def test_an_evaluation_is_drawn_as_it_was_scored(tmp_path, capsys):
    """Its programs ran with less fuel than they would have now."""
    tasks = write_tasks(
        tmp_path / "tasks", {"grown": ([([[1, 2]], [[2, 1]])], [([[1, 2] * 10] * 20, [[2, 1] * 10] * 20)])}
    )
    (tmp_path / "p.jsonl").write_text('{"program": "O = vmirror(I)"}\n')
    out = tmp_path / "out"
    assert (
        main(["eval", str(tmp_path / "p.jsonl"), "--tasks", str(tasks), "--out", str(out), "--interpreter.fuel", "100"])
        == 0
    )
    (program,) = data_of(page_of(out), "task-0")["results"][0]["programs"]
    assert (program["outputs"], program["predictions"]) == (["21"], ["!out_of_fuel"])
    capsys.readouterr()
    assert main(["show", "grown", "--run", str(out), "--input", "2"]) == 0
    assert capsys.readouterr().out.count("out_of_fuel") == 2  # of the grid, and of the line


def test_what_an_older_evaluation_wrote_down_is_drawn(tmp_path, capsys):
    """It does not say with how much fuel."""
    folder = write_evaluation(tmp_path / "eval")
    file = folder / "tasks" / "0.json"
    record = json.loads(file.read_text())
    for rows in record["cumulative"]["attempts"].values():
        rows[0] |= {"right": False, "predictions": [None]}
    file.write_text(json.dumps(record))
    main(["report", str(folder)])
    assert data_of(page_of(folder), "task-0")["results"][0]["programs"][0]["predictions"] == ["!no_grid"]
    assert main(["show", "mirror", "--run", str(folder)]) == 0
    assert "no grid" in capsys.readouterr().out


def test_a_right_program_that_ranks_too_low_is_told_from_none(tmp_path):
    """Three others that are right on the demonstrations, each alone with its prediction, are shorter."""
    flat = [[1, 1], [1, 1]]
    tasks = write_tasks(
        tmp_path / "tasks",
        {
            "low": ([(flat, flat)], [([[1, 2], [3, 4]], [[3, 1], [4, 2]])]),
            "wrong": ([(flat, flat)], [([[1, 2], [3, 4]], [[5, 5], [5, 5]])]),
        },
    )
    right = "x1 = rot90(I)\nx2 = rot180(x1)\nO = rot180(x2)"
    rows = [{"program": text} for text in ("O = hmirror(I)", "O = vmirror(I)", "O = rot180(I)", right)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    assert main(["eval", str(tmp_path / "p.jsonl"), "--tasks", str(tasks), "--out", str(out)]) == 0
    told = {task["id"]: task["results"][0]["status"] for task in data_of(page_of(out))["tasks"]}
    assert told == {"low": "low", "wrong": "near"}
