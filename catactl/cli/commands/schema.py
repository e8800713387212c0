"""catactl schema"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import typer

import catactl
from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import command
from catactl.cli.framework.command_tree import root
from catactl.cli.framework.context import Context
from catactl.cli.framework.help_format import (
    EVERY_COMMAND,
    WRITES,
    CatactlCommand,
    contexts,
    section_of,
    takes,
)
from catactl.results.fields import Fields
from catactl.results.results import RESULTS, Result
from catactl.results.shapes import Shape

app = typer.Typer()

_GROUPS = {EVERY_COMMAND: "every_command", WRITES: "writes"}
_ERROR: Fields = {
    "code": "string",
    "exit": "integer",
    "message": "string",
    "hint": "string?",
    "retryable": "boolean",
}
_FORMATS = {"uuid": "uuid", "time": "date-time"}
# These change a database, and have none of the options of writes: nothing of it is an event.
_WRITES_ANYHOW = {"db upgrade", "demo"}


@command(app)
def schema(run: Context) -> None:
    """Describe every command, its arguments, options and result, the exit codes, and what the lines
    of `apply` may say: always JSON.

    Options that many commands take are listed once, as a group that commands name.

    Example: catactl schema > catactl.json
    """
    leaves = [ctx for ctx in contexts(root()) if isinstance(ctx.command, CatactlCommand)]
    groups = {
        name: next(_params(ctx, section) for ctx in leaves if takes(ctx.command, section))
        for section, name in _GROUPS.items()
    }
    document = {
        "version": catactl.__version__,
        "commands": [_command(ctx) for ctx in leaves],
        "option_groups": groups,
        "exit_codes": [
            {"code": code, "meaning": row.meaning} for code, row in exit_codes.EXIT_CODES.items()
        ],
        "error": list(_fields(_ERROR)),
        "lines": _lines(),
    }
    run.output.as_json().show(document, Shape("", ()))


def _lines() -> list[dict[str, Any]]:
    """What a line of a batch may ask for, and the arguments that it takes."""
    from catactl.operations.commands import VERBS

    return [
        {
            "command": verb.name,
            "arguments": [
                {"name": name, "takes": argument.words, "required": argument.is_required}
                for name, argument in verb.arguments.items()
            ],
        }
        for verb in VERBS.values()
    ]


def _command(ctx: Any) -> dict[str, Any]:
    command = ctx.command
    path = ctx.command_path.removeprefix("catactl ")
    text, _, example = command.help.partition("Example: ")
    return {
        "command": path,
        "help": " ".join(text.split()),
        "example": " ".join(example.split()),
        "writes": takes(command, WRITES) or path in _WRITES_ANYHOW,
        "arguments": _params(ctx, "Arguments"),
        "options": _params(ctx, "Options"),
        "option_groups": [name for section, name in _GROUPS.items() if takes(command, section)],
        "result": _result(RESULTS[path]),
    }


def _params(ctx: Any, section: str) -> list[dict[str, Any]]:
    params = ctx.command.get_params(ctx)
    return [_param(each) for each in params if section_of(each) == section]


def _param(param: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"name": param.name.rstrip("_")}
    if param.param_type_name == "option":
        described["flags"] = sorted(param.opts, key=len, reverse=True)
    described |= {
        "metavar": param.metavar,
        "help": param.help or "",
        "type": _type_of(param),
        "required": param.required,
        "repeatable": param.multiple or param.nargs == -1,
    }
    default = param.default
    described["default"] = default.value if isinstance(default, Enum) else default
    choices = getattr(param.type, "choices", None)
    if choices is not None:
        described["choices"] = [str(getattr(each, "value", each)) for each in choices]
    for key, bound in (("minimum", "min"), ("maximum", "max")):
        if getattr(param.type, bound, None) is not None:
            described[key] = getattr(param.type, bound)
    return described


def _type_of(param: Any) -> str:
    if getattr(param, "is_flag", False):
        return "boolean"
    name = param.type.name
    return "integer" if name.startswith("int") else "number" if name == "float" else "string"


def _result(result: Result) -> dict[str, Any]:
    kinds = {False: "object", True: "array", None: "object or array"}
    fields = [
        {**field, "always": always}
        for always, some in ((True, result.fields), (False, result.sometimes))
        for field in _fields(some)
        if always or field["name"] not in result.fields
    ]
    return {"type": kinds[result.is_array], "fields": fields}


def _fields(fields: Fields) -> Iterator[dict[str, Any]]:
    for name, type_ in fields.items():
        field = {"name": name, "nullable": False}
        if isinstance(type_, Mapping):
            field |= {"type": "array", "items": "object", "fields": [*_fields(type_)]}
        elif type_.startswith("["):
            field |= {"type": "array", "items": type_.strip("[]")}
        else:
            plain = type_.removesuffix("?")
            field |= {"type": plain, "nullable": plain != type_}
            if plain in _FORMATS:
                field |= {"type": "string", "format": _FORMATS[plain]}
        yield field
