"""The program: a command is run, and errors and signals become exit codes."""

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
from catactl.cli.output.render import ReaderGone, discard
from catactl.errors import CatactlError, Unreachable


class Terminated(BaseException):
    """SIGTERM: unwinds like an interrupt, so that a transaction under way is rolled back."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    is_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        # Names are UTF-8 whatever the locale; what cannot be encoded is escaped, never an error.
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
        os._exit(code)  # else one that hangs in a request to a server would be waited for
    sys.exit(code)


def _workers_are_left() -> bool:
    workers = sys.modules.get("catactl.content.workers")
    return workers is not None and workers.are_running()


def _open_standard_streams() -> None:
    """Stand in for standard streams that are closed, before other files get their numbers.

    Nothing can be read from or written to what stands in, so that it is an error, as it should be.
    """
    ways = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
    for file, way in ways.items():
        try:
            os.fstat(file)
        except OSError:
            null = os.open(os.devnull, way)
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
        from catactl.cli.completion.candidates import answer

        sys.stdout.write(answer(shell, arguments))
        return exit_codes.DONE
    try:
        with _unwinding_at_signals(arguments):
            code = root().main(args=arguments, prog_name="catactl", standalone_mode=False)
        if code == exit_codes.INTERRUPTED:
            return fail_interrupted(arguments, exit_codes.INTERRUPTED)
        return int(code or exit_codes.DONE)
    except CatactlError as error:
        return fail(arguments, error)
    except ReaderGone:
        discard(1)
        return exit_codes.DONE
    except KeyboardInterrupt:
        return fail_interrupted(arguments, exit_codes.INTERRUPTED)
    except Terminated:
        return fail_interrupted(arguments, exit_codes.TERMINATED)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return fail_usage(arguments, error)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return fail(arguments, Unreachable("the disk is full", "free some space"))
        if isinstance(error, OSError) and error.errno == errno.EBADF:  # more than a buffer holds
            discard(1)
            return fail(arguments, Unreachable(f"cannot write the output: {error.strerror}"))
        return fail_bug(arguments, error)


@contextmanager
def _unwinding_at_signals(arguments: Sequence[str]) -> Iterator[None]:
    """Let signals be raised, so that a transaction under way is rolled back; then as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    unraisable = sys.unraisablehook

    def end_if_interrupted(lost: Any) -> None:
        # Python cannot raise an interrupt everywhere, as in the callbacks of imports: the command
        # would go on as if nobody had asked it to stop.
        if issubclass(lost.exc_type, KeyboardInterrupt):
            os._exit(fail_interrupted(arguments, exit_codes.INTERRUPTED))
        if issubclass(lost.exc_type, Terminated):
            os._exit(fail_interrupted(arguments, exit_codes.TERMINATED))
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
