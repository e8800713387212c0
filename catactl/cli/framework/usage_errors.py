"""Typer's complaints about a command line, said as our own errors are: what is wrong, what to do.

Typer keeps the classes of its errors and types to itself, so they are told apart by name.
"""

from typing import Any

from catactl.cli.framework.help_format import MOST


def translated(error: Any) -> tuple[str, str]:
    """Return what is wrong with a command line, and the mend or where to look."""
    path = error.ctx.command_path if error.ctx is not None else "catactl"
    see = f"see: {path} --help"
    match type(error).__name__:
        case "NoSuchOption":
            return f"no such option {error.option_name}", _meant(error, path) or see
        case "BadOptionUsage":
            return _bad_option(error), see
        case "MissingParameter":
            return f"missing {_named(error.param)}", _usage(error.ctx)
        case "BadParameter":
            return _bad_value(error), see
        case _ if error.message.startswith("Got unexpected extra argument"):
            extra = error.message.partition("(s) (")[2].rstrip(".").removesuffix(")")
            return f"too many arguments: {extra}", _usage(error.ctx)
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:], see


def _meant(error: Any, path: str) -> str | None:
    if error.possibilities:
        return f"did you mean {' or '.join(error.possibilities)}?"
    if " " not in path and error.option_name == "--version":
        return "catactl version"
    if " " not in path:
        return f"options go after the command, as in: {path} org list {error.option_name}"
    if error.option_name[1:2].isdigit():
        return f"a value that begins with - goes after --, as in: {path} -- …"
    return None


def _bad_option(error: Any) -> str:
    params = error.ctx.command.get_params(error.ctx) if error.ctx is not None else ()
    param = next((each for each in params if error.option_name in each.opts), None)
    if param is not None and param.is_flag:
        return f"{error.option_name} takes no value"
    return f"{error.option_name} needs a value"


def _bad_value(error: Any) -> str:
    value, says_so, _ = error.message.partition(" is not ")
    if not says_so:
        return f"{_named(error.param)}: {error.message.rstrip('.')}"
    return f"{_named(error.param)} takes {_what_it_takes(error.param.type, value)}, not {value}"


def _what_it_takes(type_: Any, value: str) -> str:
    choices = [str(getattr(each, "value", each)) for each in getattr(type_, "choices", ())]
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    least, most = getattr(type_, "min", None), getattr(type_, "max", None)
    number = "a whole number" if type_.name.startswith("int") else "a number"
    if most == MOST and len(value) < len(str(MOST)):
        most = None  # which is not what is wrong
    match least, most:
        case None, None:
            return number
        case None, _:
            return f"{number} up to {most}"
        case _, None:
            return f"{number} of {least} or more"
    return f"{number} from {least} to {most}"


def _named(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"argument {param.metavar}"
    return str(max(param.opts, key=len))


def _usage(ctx: Any) -> str:
    return f"as in: {ctx.command_path} {' '.join(ctx.command.collect_usage_pieces(ctx))}"
