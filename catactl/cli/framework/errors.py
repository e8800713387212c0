"""Print the error that ends a command, in the format of the command's output, and return its exit
code.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperOption

from catactl.cli.framework import exit_codes
from catactl.cli.output.streams import complain
from catactl.errors import CatactlError

if TYPE_CHECKING:
    from catactl.cli.framework.options import Options
    from catactl.cli.output.log import Log


def fail(arguments: Sequence[str], error: CatactlError) -> int:
    """Print an error of catactl."""
    _log(arguments).error(exit_codes.as_fields(error))
    return exit_codes.exit_code(error)


def fail_usage(arguments: Sequence[str], error: Any) -> int:
    """Print an error of Typer: an unknown command, a bad option or a bad value."""
    if type(error).__name__ == "NoArgsIsHelpError":
        complain(error.format_message())
        return exit_codes.USAGE
    from catactl.cli.framework.usage_errors import describe

    message, hint = describe(error)
    return _fail(arguments, "usage", exit_codes.USAGE, message, hint)


def fail_bug(arguments: Sequence[str], error: Exception) -> int:
    """Write the traceback to a temporary file, without passwords, and print its path."""
    import tempfile
    import traceback

    from catactl.config.masking import mask

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
        hint = "please report it; its traceback could not be written to a temporary folder"
    return _fail(arguments, "bug", exit_codes.BUG, f"a bug: {type(error).__name__}", hint)


def fail_interrupted(arguments: Sequence[str], exit_code: int) -> int:
    """Print that a signal ended the command."""
    word = "terminated" if exit_code == exit_codes.TERMINATED else "interrupted"
    text = "no partial change was committed; run it again to continue"
    log = _log(arguments)
    if log.json or log.beside_json:
        return _fail(arguments, word, exit_code, word, text, retryable=True)
    complain(f"catactl: {word}; {text}")
    return exit_code


def _fail(
    arguments: Sequence[str],
    code: str,
    exit_code: int,
    message: str,
    hint: str,
    *,
    retryable: bool = False,
) -> int:
    fields = {"code": code, "exit": exit_code, "message": message, "hint": hint}
    _log(arguments).error(fields | {"retryable": retryable})
    return exit_code


def _log(arguments: Sequence[str]) -> "Log":
    """Return a log in the format that the command line, the environment or the file chooses, even
    if they contain errors.
    """
    from catactl.cli.output.log import Log  # here, because `--help` does not need it
    from catactl.config.settings import guess

    settings = _options(arguments).settings
    return Log(
        json=guess("log_format", settings) == "json",
        beside_json=guess("output", settings) in {"json", "jsonl"},
    )


def _options(arguments: Sequence[str]) -> "Options":
    """Parse the options that decide the format, and ignore all other arguments."""
    from catactl.cli.framework.options import Options

    command = TyperCommand(
        "catactl",
        params=[
            TyperOption(param_decls=["--output", "-o"]),
            TyperOption(param_decls=["--json"], is_flag=True),
            TyperOption(param_decls=["--log-format"]),
            TyperOption(param_decls=["--profile"]),
        ],
        add_help_option=False,
    )
    context = command.make_context(
        "catactl",
        list(arguments),
        ignore_unknown_options=True,
        allow_extra_args=True,
        resilient_parsing=True,
    )
    return Options(**context.params)
