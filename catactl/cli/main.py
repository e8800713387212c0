"""The program: nouns, each loaded when it is asked for; errors and signals become exit codes."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from types import FrameType
from typing import Any, NoReturn

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info

from catactl.cli import exits
from catactl.cli.command import context_settings, first_sentence, write_list
from catactl.cli.failures import fail, fail_bug, fail_usage, interrupted
from catactl.cli.output import ReaderGone, discard
from catactl.errors import CatactlError, InvalidValue, Unreachable

NOUNS = {
    "org": "Organizations: create, list, show, rename, suspend, resume, delete.",
    "quota": "How much an organization may store.",
    "user": "Users of an organization.",
    "job": "Job configurations: what runs, when, on which files.",
    "file": "Files: upload, download, list, delete, restore.",
    "part": "The parts of a file.",
    "blob": "Stored content: verify it, remove what nothing refers to.",
    "usage": "Storage usage: show it, prove it, correct it.",
    "event": "The log: list, show, trace, verify.",
    "projection": "Views that are kept up from the events.",
    "db": "The database's schema.",
    "config": "Settings and where they come from.",
}
VERBS = {
    "apply": "Do many commands, one JSON object a line.",
    "doctor": "Examine settings, database, log and content; say what mends what is wrong.",
    "help": "Print the help of a command, or of all of them.",
    "schema": "Describe every command, its options and its JSON, for programs.",
    "topology": "Print what leads to what: commands, events, sagas, views.",
    "completion": "Print what makes a shell complete commands, options and names.",
    "demo": "Run the main job on real files, in a database thrown away afterwards.",
    "version": "Print the version.",
}
COMPLETION_VARIABLE = "_CATACTL_COMPLETE"  # names the shell that asks what may come next
_HELP = """Administer Catacloud: organizations, users, jobs and files.

Storage usage is exact at every commit, and anyone can prove it from the events.

Example: catactl org create acme --quota 10GB
"""


class Terminated(BaseException):
    """SIGTERM: unwinds like an interrupt, so that a transaction under way is rolled back."""


class _Noun(TyperGroup):
    """A group whose module is imported, and whose verbs are built, only when one is asked for."""

    def _infos(self) -> dict[str, Any]:
        module = importlib.import_module(f"catactl.cli.{self.name}")
        return {info.name: info for info in module.app.registered_commands}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._infos())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            close = get_close_matches(args[0], known, n=3)
            hint = f"did you mean {', '.join(map(repr, close))}?" if close else None
            raise InvalidValue(
                f"no such command {args[0]!r}", hint or f"see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        info = self._infos().get(cmd_name)
        return _build(info) if info is not None else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            write_list(
                formatter, [(name, first_sentence(self.get_command(ctx, name))) for name in names]
            )


class _Root(_Noun):
    """The nouns, and the verbs that stand alone: each a module with one command of its own name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*NOUNS, *VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what can say its own help in a line; `resolve_command` loads what is run."""
        if cmd_name in NOUNS:
            return _Noun(
                name=cmd_name,
                help=NOUNS[cmd_name],
                no_args_is_help=True,
                rich_markup_mode=None,
                context_settings=context_settings(),
            )
        if cmd_name in VERBS:
            return TyperCommand(name=cmd_name, help=VERBS[cmd_name], rich_markup_mode=None)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in VERBS:
            module = importlib.import_module(f"catactl.cli.{args[0]}")
            return args[0], _build(module.app.registered_commands[0]), args[1:]
        return super().resolve_command(ctx, args)


def _build(info: Any) -> Any:
    info.context_settings = context_settings()
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


def root() -> TyperGroup:
    """The whole command tree."""
    return _Root(
        name="catactl",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=context_settings(),
    )


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
    return workers is not None and workers.are_left()


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
        from catactl.cli.complete import answer

        sys.stdout.write(answer(shell, arguments))
        return exits.DONE
    try:
        with _unwinding_at_signals(arguments):
            code = root().main(args=arguments, prog_name="catactl", standalone_mode=False)
        if code == exits.INTERRUPTED:
            return interrupted(arguments, exits.INTERRUPTED)
        return int(code or exits.DONE)
    except CatactlError as error:
        return fail(arguments, error)
    except ReaderGone:
        discard(1)
        return exits.DONE
    except KeyboardInterrupt:
        return interrupted(arguments, exits.INTERRUPTED)
    except Terminated:
        return interrupted(arguments, exits.TERMINATED)
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
            os._exit(interrupted(arguments, exits.INTERRUPTED))
        if issubclass(lost.exc_type, Terminated):
            os._exit(interrupted(arguments, exits.TERMINATED))
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
