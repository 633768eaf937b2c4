"""Tables of text: what users named stands there as they wrote it."""

from engine.tables import two_columns


def test_markup_in_names_is_text():
    shown = two_columns({"solved by": {"[/b]": 2, "[gpt-4] :smile:": 1.5}, "tasks": 3})
    for words in ("solved by [/b]", "solved by [gpt-4] :smile:", "1.5", "tasks"):
        assert words in shown
