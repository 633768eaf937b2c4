"""How a verb of the command line is declared: a section (frozen, nothing unknown in it), a field an option.

    name            the option's, with - for _ (an alias goes before it); a `bool` is a flag, `--no-...` where it is on
    annotation      its type and bounds; an `Argument` in it says how help shows it
    default         what it is where it is not given; help says it
    docstring       its help
    class docstring the verb's line in the list of verbs, then the description of its help

`parser` makes argparse, the help texts and the messages from that; what a verb does takes the model itself, whose
`model_fields_set` are the options that were given. Modules of this package import nothing heavy: what does the work
is named, and imported when it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from engine.errors import UsageError
from trainer.section import Section


@dataclass(frozen=True)
class Argument:
    """How an option is shown; `unit` is of numbers, for messages; one that is many may be given again and again, and a
    positional one has many values; one with an optional value is empty where it stands alone."""

    metavar: str
    unit: str = ""
    is_positional: bool = False
    is_many: bool = False
    is_value_optional: bool = False


@dataclass(frozen=True)
class Rest:
    """Marks the field that takes the arguments a verb does not know; without one they are refused."""


@dataclass(frozen=True)
class OneOf:
    """Options of which at most one may be given, or exactly one."""

    fields: tuple[str, ...]
    is_required: bool = False


@dataclass(frozen=True)
class Needs:
    """An option that says nothing but beside one of others; `why` follows its name."""

    field: str
    others: tuple[str, ...]
    why: str


class Options(Section):
    """A verb and its options."""

    model_config = ConfigDict(defer_build=True)

    verb: ClassVar[str]
    does: ClassVar[str]
    """The function that does it, `module:name`, which takes the options and may return an exit status."""
    epilog: ClassVar[str] = ""
    exclusive: ClassVar[tuple[OneOf, ...]] = ()
    needs: ClassVar[tuple[Needs, ...]] = ()

    def execute(self) -> int:
        """Do what the verb does; the exit status. Raises `UsageError`."""
        status = resolve_name(self.does)(self)
        return status if isinstance(status, int) else 0

    @classmethod
    def texts(cls) -> tuple[str, str]:
        """The line that a list of verbs shows, and the description above the options."""
        first, _, rest = cleandoc(cls.__doc__ or "").partition("\n\n")
        return first[:1].lower() + first[1:].rstrip("."), rest or first


@dataclass(frozen=True)
class Group:
    """A verb with verbs of its own; `metavar` says what they are."""

    verb: str
    summary: str
    metavar: str
    members: tuple[type[Options], ...]
    description: str = ""


def split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def split_all(value: Any) -> Any:
    """Values that are given again and again, or with commas, or both."""
    given = (value,) if isinstance(value, str) else value
    return [part for one in given for part in one.split(",")] if all(isinstance(one, str) for one in given) else value


def _existing(file: Path) -> Path:
    """A file that is there, or a pipe."""
    if not file.exists() or file.is_dir():
        raise UsageError(f"{file}: no such file")
    return file


def _new(file: Path) -> Path:
    """A file that is not there yet, in a folder that is."""
    if file.exists():
        raise UsageError(f"{file} exists already: choose another --out")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent}: no such folder")
    return file


def _address(text: str | None) -> str | None:
    """HOST:PORT, or nothing."""
    host, _, port = (text or "HOST:1").rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(
            f"--cluster {text}: an address is HOST:PORT, as `ray start --head` says it (other arguments go first)"
        )
    return text


Positive = Annotated[int, Field(ge=1), Argument("N")]
Natural = Annotated[int, Field(ge=0), Argument("S")]
Minutes = Annotated[float, Field(gt=0, le=10**6), Argument("MIN", unit="minutes")]
Folder = Annotated[Path, Argument("DIR")]
File = Annotated[Path, Argument("FILE")]
Checkout = Annotated[Path, Argument("CHECKOUT")]
InputFile = Annotated[Path, AfterValidator(_existing)]
NewFile = Annotated[Path, AfterValidator(_new)]

# Options that several verbs have.
Fuel = Annotated[int, Field(ge=1, le=10**12, description="work a run may do"), Argument("N")]
Workers = Annotated[int | None, Field(ge=1, description="threads (default: one a processor)"), Argument("N")]
Seeds = Annotated[
    str | None, Field(description="what `seeds import` reads (default: the embedded seeds)"), Argument("PATH")
]
Solvers = Annotated[Path | None, Field(description="JSONL to make mutants of (default: the seeds)"), Argument("FILE")]
TaskSet = Annotated[str, Field(description="task set: a name, or a file or folder of tasks"), Argument("SET")]
TaskIds = Annotated[
    tuple[str, ...] | None, BeforeValidator(split), Field(description="only these tasks"), Argument("ID,ID")
]
Limit = Annotated[int | None, Field(ge=1, description="only the first N tasks"), Argument("N")]
AsJson = Annotated[bool, Field(alias="json", description="one JSON object instead of a table")]
Cluster = Annotated[
    str | None,
    AfterValidator(_address),
    Field(description="work on a Ray cluster: the head's HOST:PORT, or one that is started here (docs/cluster.md)"),
    Argument("ADDRESS", is_value_optional=True),
]
Overrides = Annotated[tuple[str, ...], Rest()]

DEFAULT_FUEL = 4_000_000  # `interpreter.machine.machine.DEFAULT_FUEL`, which is slow to import
