"""Describe the errors of Typer, with hints.

Typer does not export the classes of its errors, so this module compares their names.
"""

import re
from typing import Any

from catactl.cli.framework.help_format import without_most

# A value above the largest limit of any option, which has 19 digits.
_TOO_LARGE = re.compile(r"\d{19} is not in the range")


def describe(error: Any) -> tuple[str, str]:
    """Return the message and the hint of one of Typer's errors, in the form of other errors."""
    path = error.ctx.command_path if error.ctx is not None else "catactl"
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message.replace("int range", "integer")  # Typer's name for an integer with limits
    message = message[:1].lower() + message[1:]
    if not _TOO_LARGE.search(message):
        message = without_most(message)
    hint = f"see: {path} --help"
    match type(error).__name__:
        case "NoSuchOption":
            message, hint = f"no such option {error.option_name}", _suggestion(error, path) or hint
        case "MissingParameter":
            hint = _usage(error.ctx)
        case _ if "unexpected extra argument" in message:
            hint = _usage(error.ctx)
    return message, hint


def _suggestion(error: Any, path: str) -> str | None:
    """Return a similar option, or the place where the option belongs."""
    if error.possibilities:
        return f"did you mean {' or '.join(error.possibilities)}?"
    if path == "catactl" and error.option_name == "--version":
        return "catactl version"
    if path == "catactl":
        return f"options go after the command, as in: {path} org list {error.option_name}"
    if error.option_name[1:2].isdigit():
        return f"a value that begins with - goes after --, as in: {path} -- …"
    return None


def _usage(ctx: Any) -> str:
    return f"as in: {ctx.command_path} {' '.join(ctx.command.collect_usage_pieces(ctx))}"
