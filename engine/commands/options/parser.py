"""The parser of the command line, made from declarations: argparse finds the arguments, pydantic checks them.

A mistake is one line that says what would be right. An option cannot be abbreviated: `--seed` is not `--seeds`.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from engine.commands.options.declaration import Argument, Group, Options, Rest
from engine.errors import UsageError

Mark = TypeVar("Mark", Argument, Rest)

_PARSER, _DECLARATION = ":parser", ":declaration"  # no option has such a name


class _Parser(argparse.ArgumentParser):
    """argparse, with errors in one line, and without abbreviations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


class _Version(argparse.Action):
    """`--version`: print what `const` gives, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"{self.const()}\n")
        parser.exit()


def parse(
    verbs: Sequence[type[Options] | Group],
    description: str,
    arguments: Sequence[str] | None,
    version: Callable[[], str] = str,
) -> Options:
    """The verb that `arguments` (None: the process's own) name, with its options; `version` is what `--version` says.

    Raises `UsageError` for what is wrong, and `SystemExit` after `--help` and `--version`.
    """
    parser = _Parser(prog="codeit", description=description)
    what = "the version, the commit, and the versions of what it stands on"
    parser.add_argument("--version", action=_Version, nargs=0, const=version, default=argparse.SUPPRESS, help=what)
    _add_verbs(parser, verbs, "VERB")
    plain, dotted = _apart(sys.argv[1:] if arguments is None else arguments)
    namespace, unknown = parser.parse_known_args(plain)
    unknown += dotted
    given = vars(namespace)
    leaf, declaration = given.pop(_PARSER), given.pop(_DECLARATION)
    rest = next((name for name, field in declaration.model_fields.items() if _marked(field, Rest)), None)
    if rest is not None:
        given[rest] = unknown
    elif unknown:
        raise UsageError(_unrecognized(unknown[0], declaration, leaf))
    try:
        options = declaration(**given)
    except ValidationError as error:
        raise UsageError(_message(error, declaration, leaf)) from None
    _check_together(options, leaf)
    return options


def _apart(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments without those of the form `--section.field value`, which no verb declares, and these: a value of
    theirs is no positional argument."""
    plain: list[str] = []
    dotted: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if not (name.startswith("--") and "." in name):
            plain.append(argument)
            continue
        dotted.append(argument)
        if not equals and (value := next(rest, None)) is not None:
            (plain if value.startswith("--") and "." not in value else dotted).append(value)
    return plain, dotted


def _add_verbs(parser: argparse.ArgumentParser, verbs: Sequence[type[Options] | Group], metavar: str) -> None:
    added = parser.add_subparsers(metavar=metavar, required=True)
    for verb in verbs:
        if isinstance(verb, Group):
            group = added.add_parser(verb.verb, help=_escaped(verb.summary), description=verb.description)
            _add_verbs(group, verb.members, verb.metavar)
        else:
            summary, about = verb.texts()
            leaf = added.add_parser(verb.verb, help=_escaped(summary), description=about, epilog=verb.epilog)
            leaf.set_defaults(**{_PARSER: leaf, _DECLARATION: verb})
            _add_options(leaf, verb)


def _add_options(parser: argparse.ArgumentParser, verb: type[Options]) -> None:
    groups = {}
    for one_of in verb.exclusive:
        group = parser.add_mutually_exclusive_group(required=one_of.is_required)
        groups |= dict.fromkeys(one_of.fields, group)
    for name, field in verb.model_fields.items():
        if not _marked(field, Rest):
            groups.get(name, parser).add_argument(*_names(name, field), **_settings(name, field))


def _names(name: str, field: FieldInfo) -> list[str]:
    """The option as it is written."""
    name = field.alias or name
    if (argument := _marked(field, Argument)) and argument.is_positional:
        return [name]
    return [f"--{'no-' if field.default is True else ''}{name.replace('_', '-')}"]


def _settings(name: str, field: FieldInfo) -> dict[str, Any]:
    """What argparse is told about an option; a value that is not given is left to the declaration."""
    settings = {"default": argparse.SUPPRESS, "help": _escaped(_help(field))}
    argument = _marked(field, Argument)
    if field.annotation is bool:
        action = "store_false" if field.default is True else "store_true"
        return settings | {"action": action, "dest": field.alias or name}
    if get_origin(field.annotation) is Literal:
        settings["choices"] = get_args(field.annotation)
    if argument is not None:
        settings["metavar"] = argument.metavar
        if argument.is_positional:
            many = "+" if field.is_required() else "*"
            return settings | ({"nargs": many} if argument.is_many else {})
        if argument.is_many:
            settings["action"] = "append"
        if argument.is_value_optional:
            settings |= {"nargs": "?", "const": ""}
    return settings | {"dest": name, "required": field.is_required()}


def _help(field: FieldInfo) -> str:
    """The text of an option, with its default, unless that is None, which the text explains."""
    text = field.description or ""
    if field.default is None or isinstance(field.default, tuple) or field.annotation is bool or field.is_required():
        return text
    default = f"{field.default:,}" if isinstance(field.default, int | float) else str(field.default)
    return f"{text} (default: {default})"


def _escaped(text: str) -> str:
    """A help text as argparse takes it, which fills in its `%`, unlike that of a description."""
    return text.replace("%", "%%")


def _marked(field: FieldInfo, kind: type[Mark]) -> Mark | None:
    """The mark of a kind in a field's annotation, that of the members of a union included."""
    members = (mark for member in get_args(field.annotation) for mark in getattr(member, "__metadata__", ()))
    return next((mark for mark in (*field.metadata, *members) if isinstance(mark, kind)), None)


def _check_together(options: Options, leaf: argparse.ArgumentParser) -> None:
    """Raise `UsageError` for what is given and would be ignored beside what else is given, or is not."""
    given = options.model_fields_set
    names = {name: _names(name, field)[0] for name, field in type(options).model_fields.items()}
    for one_of in options.exclusive:
        several = [names[name] for name in one_of.fields if name in given]
        if len(several) > 1:
            raise UsageError(f"{several[1]}: not allowed with argument {several[0]} (see {leaf.prog} --help)")
    for needs in options.needs:
        if needs.field in given and not given & {*needs.others}:
            others = " or ".join(names[name] for name in needs.others)
            raise UsageError(f"{names[needs.field]} {needs.why}: it needs {others} (see {leaf.prog} --help)")


# ------------------------------------------------------------------------------------------------ messages


def _unrecognized(argument: str, declaration: type[Options], leaf: argparse.ArgumentParser) -> str:
    known = [option for name, field in declaration.model_fields.items() for option in _names(name, field)]
    close = difflib.get_close_matches(argument.split("=", 1)[0], known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"see {leaf.prog} --help"
    return f"unrecognized argument {argument!r} ({hint})"


def _message(error: ValidationError, declaration: type[Options], leaf: argparse.ArgumentParser) -> str:
    """What is wrong with the first wrong option, and what would be right."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":  # a check of ours, which says all
        return str(first["ctx"]["error"])
    where = first["loc"][0]
    name, field = next((n, f) for n, f in declaration.model_fields.items() if where in (n, f.alias))
    argument = _marked(field, Argument)
    return f"{_names(name, field)[0]}: {_wrong(first, argument.unit if argument else '')} (see {leaf.prog} --help)"


def _wrong(error: Any, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    given, bounds = error["input"], error.get("ctx", {})
    match error["type"]:
        case "int_parsing" | "int_parsing_size" | "int_from_float":
            return f"must be a whole number, not {given!r}"
        case "float_parsing":
            return f"must be a number{' of' + unit if unit else ''}, not {given!r}"
        case "greater_than_equal":
            return f"must be at least {bounds['ge']:,}{unit}, not {_grouped(given)}"
        case "greater_than":
            return f"must be more than {bounds['gt']:,g}{unit}, not {_grouped(given)}"
        case "less_than_equal":
            return f"must be at most {bounds['le']:,.0f}{unit}, not {_grouped(given)}"
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {given!r}"


def _grouped(number: str) -> str:
    try:
        return f"{int(number):,}"
    except ValueError:
        return number
