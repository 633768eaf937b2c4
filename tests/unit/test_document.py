"""The language's reference is what its tables say."""

from pathlib import Path

from interpreter.document import document
from interpreter.primitives import PRIMITIVES
from interpreter.runtime.outcome import Outcome


def test_the_reference_is_current():
    page = Path(__file__).parents[2] / "docs" / "language.md"
    assert page.read_text() == document(), "run: python -m interpreter.document > docs/language.md"


def test_the_reference_is_complete():
    page = document()
    assert len(PRIMITIVES) == 160
    assert all(f"`{name}(" in page for name in PRIMITIVES)
    assert all(f"`{outcome.label}`" in page for outcome in Outcome)
