"""Run a command, and map the errors and signals that end it to exit codes."""

import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command_tree import COMPLETION_VARIABLE, root
from catactl.cli.framework.errors import fail, fail_bug, fail_interrupted, fail_usage
from catactl.cli.output.streams import ReaderGone, discard
from catactl.errors import CatactlError, Unreachable


class Terminated(BaseException):
    """Raised on SIGTERM, so that an open transaction is rolled back."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    is_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        # Names are UTF-8 in every locale. Characters that cannot be encoded are escaped.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard(1)
    except OSError as error:
        discard(1)
        code = fail(arguments, Unreachable(f"cannot write the output: {error.strerror}"))
    if is_process and _workers_are_left():
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)  # because sys.exit waits for threads that hang in a request to a server
    sys.exit(code)


def _workers_are_left() -> bool:
    workers = sys.modules.get("catactl.content.workers")
    return workers is not None and workers.are_running()


def _open_standard_streams() -> None:
    """Open the null device in place of closed standard streams, before other files get their
    numbers.

    It is write-only for stdin and read-only for stdout, so that a command that uses them fails.
    """
    modes = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
    for file, mode in modes.items():
        try:
            os.fstat(file)
        except OSError:
            null = os.open(os.devnull, mode)
            if null != file:
                os.dup2(null, file)
                os.close(null)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it stays open
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _run(arguments: Sequence[str]) -> int:
    if shell := os.environ.get(COMPLETION_VARIABLE):
        from catactl.cli.completion.candidates import complete

        sys.stdout.write(complete(shell, arguments))
        return exit_codes.DONE
    try:
        with _signals_raised(arguments):
            code = root().main(args=arguments, prog_name="catactl", standalone_mode=False)
        if code == exit_codes.INTERRUPTED:
            raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt, Terminated) as error:
        return _fail(arguments, error)
    return int(code or exit_codes.DONE)


def _fail(arguments: Sequence[str], error: Exception | KeyboardInterrupt | Terminated) -> int:
    """Print the error or signal that ended a command, and return its exit code."""
    match error:
        case CatactlError():
            return fail(arguments, error)
        case ReaderGone():
            discard(1)
            return exit_codes.DONE
        case KeyboardInterrupt():
            return fail_interrupted(arguments, exit_codes.INTERRUPTED)
        case Terminated():
            return fail_interrupted(arguments, exit_codes.TERMINATED)
        case OSError(errno=errno.ENOSPC):
            return fail(arguments, Unreachable("the disk is full", "free some space"))
        case OSError(errno=errno.EBADF):  # stdout is closed, and the result exceeds its buffer
            discard(1)
            return fail(arguments, Unreachable(f"cannot write the output: {error.strerror}"))
        case _ if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return fail_usage(arguments, error)  # Typer does not export the class of its errors
    return fail_bug(arguments, error)


@contextmanager
def _signals_raised(arguments: Sequence[str]) -> Iterator[None]:
    """Raise signals as exceptions within the block, so that an open transaction is rolled back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    unraisable = sys.unraisablehook

    def end_if_interrupted(lost: Any) -> None:
        # Exit here, because Python ignores exceptions in some places, such as callbacks of imports,
        # and the command would continue after the signal.
        if issubclass(lost.exc_type, KeyboardInterrupt | Terminated):
            os._exit(_fail(arguments, lost.exc_type()))
        unraisable(lost)

    sys.unraisablehook = end_if_interrupted
    try:
        if before[signal.SIGINT] is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _terminate)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
