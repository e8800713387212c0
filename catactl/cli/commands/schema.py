"""catactl schema"""

from enum import Enum
from typing import Any

import catactl
from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import Context, command, declaration
from catactl.cli.framework.command_tree import root
from catactl.cli.framework.help_format import (
    EVERY_COMMAND_TITLE,
    WRITES_TITLE,
    CatactlCommand,
    contexts,
    section_of,
    takes,
)
from catactl.results.error import ErrorResult
from catactl.results.program import CommandSchema
from catactl.results.result import Json
from catactl.results.schema import describe_fields, describe_result

_GROUPS = {EVERY_COMMAND_TITLE: "every_command", WRITES_TITLE: "writes"}
# They write, but without the options of write commands, because the user adds no events.
_WRITES_ANYHOW = {"db upgrade", "demo"}


@command()
def schema(context: Context) -> Json[CommandSchema]:
    """Describe every command, its arguments, options and result, the exit codes, and the fields of
    the lines of `apply`. The format is always JSON.

    Options that many commands take are listed once, in a group to which the commands refer.

    Example: catactl schema > catactl.json
    """
    commands = [ctx for ctx in contexts(root()) if isinstance(ctx.command, CatactlCommand)]
    groups = {
        name: next(_params(ctx, section) for ctx in commands if takes(ctx.command, section))
        for section, name in _GROUPS.items()
    }
    return Json(
        {
            "version": catactl.__version__,
            "commands": [_command(ctx) for ctx in commands],
            "option_groups": groups,
            "exit_codes": [
                {"code": code, "meaning": row.meaning}
                for code, row in exit_codes.EXIT_CODES.items()
            ],
            "error": describe_fields(ErrorResult),
            "lines": _lines(),
        }
    )


def _lines() -> list[dict[str, Any]]:
    """Describe the operations that a line of `apply` may name, with their arguments."""
    from catactl.operations.registry import OPERATIONS

    return [
        {
            "command": operation.name,
            "arguments": [
                {"name": name, "takes": argument.words, "required": argument.is_required}
                for name, argument in operation.arguments.items()
            ],
        }
        for operation in OPERATIONS.values()
    ]


def _command(ctx: Any) -> dict[str, Any]:
    command = ctx.command
    path = ctx.command_path.removeprefix("catactl ")
    text, _, example = command.help.partition("Example: ")
    return {
        "command": path,
        "help": " ".join(text.split()),
        "example": " ".join(example.split()),
        "writes": takes(command, WRITES_TITLE) or path in _WRITES_ANYHOW,
        "arguments": _params(ctx, "Arguments"),
        "options": _params(ctx, "Options"),
        "option_groups": [name for section, name in _GROUPS.items() if takes(command, section)],
        "result": describe_result(declaration(*path.split()).returned),
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
