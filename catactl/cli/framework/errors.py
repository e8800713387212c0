"""The one place where errors end: each is told on stderr, in the format of the command's output,
and becomes an exit code.
"""

import re
from collections.abc import Sequence
from typing import Any

from catactl.cli.framework import exit_codes
from catactl.cli.output.log import Log
from catactl.cli.output.render import complain
from catactl.config.masking import mask
from catactl.errors import CatactlError

# Among short options that take no value, the one that takes the output format, and its value.
_SHORT_OUTPUT = re.compile(r"-[a-np-zA-Z]*o(?P<value>.*)")
_LONG = {"--output": "output", "--log-format": "log_format", "--profile": "profile"}


def fail(arguments: Sequence[str], error: CatactlError) -> int:
    """Tell of an error of ours."""
    _log(arguments).error(exit_codes.as_fields(error))
    return exit_codes.exit_code(error)


def fail_usage(arguments: Sequence[str], error: Any) -> int:
    """Tell of Typer's own complaints: unknown commands, bad options and values."""
    if type(error).__name__ == "NoArgsIsHelpError":
        complain(error.format_message())
        return exit_codes.USAGE
    from catactl.cli.framework.usage_errors import translated

    message, hint = translated(error)
    return _tell(arguments, "usage", exit_codes.USAGE, message, hint)


def fail_bug(arguments: Sequence[str], error: Exception) -> int:
    """Write the trace where the user can find it; say so in a line that holds nothing secret."""
    import tempfile
    import traceback

    trace = mask("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="catactl-",
            suffix=".trace",
            delete=False,
            encoding="utf-8",
            errors="replace",
        ) as file:
            file.write(trace)
        hint = f"please report it with {file.name}"
    except OSError:
        hint = "please report it; no temporary folder could take its trace"
    return _tell(arguments, "bug", exit_codes.BUG, f"a bug: {type(error).__name__}", hint)


def interrupted(arguments: Sequence[str], code: int) -> int:
    """Tell that a signal ended the command."""
    word = "terminated" if code == exit_codes.TERMINATED else "interrupted"
    text = "nothing is half done: run it again, and it goes on"
    log = _log(arguments)
    if log.json or log.beside_json:
        return _tell(arguments, word, code, word, text, retryable=True)
    complain(f"catactl: {word}; {text}")
    return code


def _tell(
    arguments: Sequence[str],
    code: str,
    exit_: int,
    message: str,
    hint: str,
    *,
    retryable: bool = False,
) -> int:
    fields = {"code": code, "exit": exit_, "message": message, "hint": hint}
    _log(arguments).error(fields | {"retryable": retryable})
    return exit_


def _log(arguments: Sequence[str]) -> Log:
    """How errors are told, as far as can be known: arguments may not parse, nor the file."""
    from catactl.config.settings import guess

    flags = _flags(arguments)
    return Log(
        json=guess("log_format", flags) == "json",
        beside_json=guess("output", flags) in {"json", "jsonl"},
    )


def _flags(arguments: Sequence[str]) -> dict[str, str | None]:
    """Return what the options say that errors depend on; of one given twice, the last."""
    flags: dict[str, str | None] = {}
    is_json = False
    options = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    for argument, following in zip(options, [*options[1:], None], strict=True):
        name, equals, value = argument.partition("=")
        if name in _LONG:
            flags[_LONG[name]] = value if equals else following
        elif found := _SHORT_OUTPUT.fullmatch(argument):
            flags["output"] = found["value"].removeprefix("=") or following
        is_json = is_json or argument == "--json"
    return flags | {"output": "json"} if is_json else flags
