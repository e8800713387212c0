"""catactl demo"""

import filecmp
import io
import json
import os
import shlex
import shutil
import signal
import stat
import sys
import tempfile
import textwrap
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from functools import partial
from multiprocessing import forkserver, get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

from typer import Argument, Exit

import catactl
from catactl.blobs.opening import url_beside
from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONTENT
from catactl.cli.output.render import Output
from catactl.cli.output.streams import complain
from catactl.cli.output.text import shown
from catactl.config.paths import sqlite_url
from catactl.errors import (
    CatactlError,
    Findings,
    Forbidden,
    InvalidValue,
    NotFound,
    PartialFailure,
    QuotaExceeded,
    SourceChanged,
)
from catactl.results.demo import DemoResult
from catactl.results.result import WithError
from catactl.values.ids import new_id
from catactl.values.names import check_file_name
from catactl.values.sizes import format_size, parse_size

_PROCESSES = 8
# A server process imports them once, and then forks the workers.
_PRELOADED = ["catactl.cli.commands.demo", "catactl.cli.main", "catactl.cli.commands.file.upload"]
_PART_SIZE = "256KiB"
_INTERRUPTED_EACH = 4
_DELETED_EACH = 5
# Another process may change, remove or protect a file of the folder during the demo.
_FILE_ERRORS = (InvalidValue, NotFound, Forbidden, SourceChanged)


@command(CONTENT)
def demo(
    context: Context,
    path: Annotated[
        str | None, Argument(metavar="[PATH]", help="A folder. [default: some files of catactl]")
    ] = None,
) -> WithError[DemoResult] | None:
    """Upload all files of a folder by eight processes at once, then check usage and content.

    Every fourth file has other content first, as if its upload had been interrupted. Every fifth
    file is deleted. One upload exceeds the quota. Then the demo checks usage against the events,
    downloads all files and compares them. The database is temporary, unless --database-url names
    one.

    Example: catactl demo .
    """
    folder = path if path is not None else os.path.relpath(Path(catactl.__file__).parent / "store")
    if not os.path.isdir(folder):
        raise InvalidValue(f"{folder!r} is not a folder")
    scratch = tempfile.mkdtemp(prefix="catactl-demo-")
    try:
        settings = _settings(context, scratch)
        processes = get_context("forkserver")
        processes.set_forkserver_preload(_PRELOADED)
        # Workers inherit that Ctrl-C is ignored, because this process terminates them.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        forkserver.ensure_running()
        signal.signal(signal.SIGINT, handler)
        with processes.Pool(_PROCESSES, _start_worker, (os.environ | settings,)) as pool:
            checked = _demonstrate(_Commands(pool, context.output), folder, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if context.output.is_for_programs:
        return checked
    if checked.error is not None:
        raise checked.error
    return None


def _settings(context: Context, scratch: str) -> dict[str, str]:
    """Return the variables of the commands: for the database of the options or a temporary one."""
    if context.options.database_url or context.options.database_url_file or context.options.profile:
        database_url = context.settings.database_url.value
        blob_url = "" if context.is_content_beside else context.blob_url
    else:
        database_url = sqlite_url(Path(scratch) / "catactl.db")
        blob_url = context.options.blob_url or url_beside(f"{scratch}/catactl.db")
    return {
        "CATACTL_DATABASE_URL": database_url,
        "CATACTL_DATABASE_URL_FILE": "",
        "CATACTL_PROFILE": "",
        "CATACTL_BLOB_URL": blob_url,
        "CATACTL_ACTOR": context.settings.actor.value,
    }


def _demonstrate(commands: "_Commands", folder: str, scratch: str) -> WithError[DemoResult]:
    started = time.monotonic()
    files = _files(folder)
    total_bytes = sum(file.status.st_size for file in files)
    quota_bytes = 2 * total_bytes + parse_size(_PART_SIZE)
    org = f"demo-{new_id(datetime.now(UTC)).hex[-8:]}"
    commands.run("org", "create", org, f"--quota={quota_bytes}", "--reason=catactl demo")
    processes = f"{_PROCESSES} processes"
    commands.print(f"# {len(files)} files, {format_size(total_bytes)}, by {processes} at once")
    live = commands.upload(org, files, scratch)

    commands.print("# upload a file that exceeds the quota: nothing is written")
    too_big = f"{scratch}/too-big.bin"
    Path(too_big).touch()
    os.truncate(too_big, quota_bytes + 1)
    commands.run("file", "upload", org, too_big, allowed=(QuotaExceeded,))

    usage = commands.run_as_json("usage", "show", org, "--as-of", "now")
    (finding,) = commands.run_as_json("usage", "check", org)["organizations"]
    (log,) = commands.run_as_json("event", "verify", org)

    commands.print("# download every file, and compare it with the original")
    downloads = f"{scratch}/downloads/"
    commands.run("file", "download", org, "--all", "--to", downloads, allowed=(PartialFailure,))
    unchanged = [file for file in live if _is_unchanged(file)]
    same = sum(_is_same(file.path, downloads + file.name) for file in unchanged)
    commands.print(f"  {same:,} of {len(unchanged):,} files are the same, byte for byte")
    content = commands.run_as_json("blob", "verify", org)
    commands.print(commands.run("topology").stdout)

    seconds = time.monotonic() - started
    commands.print(
        f"# {'DRIFT' if finding['drifted'] else 'exact'}: {usage['used_bytes']:,} bytes in "
        f"{usage['file_count']:,} files by {processes}; "
        f"{commands.count:,} commands in {seconds:.1f} s"
    )
    summary = {
        "commands": commands.count,
        "files_compared": len(unchanged),
        "files_same": same,
        "content_problems": len(content["problems"]),
        "seconds_millis": round(seconds * 1000),
    }
    del usage["clock_ahead_seconds"], finding["error"]
    has_drifted = finding["drifted"] or not log["ok"]
    error = None
    if has_drifted or content["problems"] or same != len(unchanged):
        error = Findings("the demo found drift or lost content: this is a bug")
    return WithError(cast(DemoResult, usage | finding | summary), error)


class FileArgument(NamedTuple):
    """A file to upload, with its number in the folder and its name in the organization."""

    number: int
    path: str
    name: str
    status: os.stat_result


def _files(folder: str) -> list[FileArgument]:
    """Return the regular files below the folder whose names can be stored, in order of path."""
    files: list[FileArgument] = []
    for path in sorted(Path(folder).rglob("*")):
        with suppress(CatactlError, OSError):
            name, status = check_file_name(path.relative_to(folder).as_posix()), path.lstat()
            if stat.S_ISREG(status.st_mode) and path.parent.name != "__pycache__":
                files.append(FileArgument(len(files) + 1, str(path), name, status))
    return files


def _is_unchanged(file: FileArgument) -> bool:
    try:
        return os.stat(file.path).st_mtime_ns == file.status.st_mtime_ns
    except OSError:
        return False


def _is_same(path: str, copy: str) -> bool:
    return os.path.exists(copy) and filecmp.cmp(path, copy, shallow=False)


# --- commands, in worker processes ----------------------------------------------------------------


class Completed(NamedTuple):
    """A command that a worker process ran."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class _Commands:
    """Runs commands in worker processes, prints them for people, and counts them."""

    def __init__(self, pool: Pool, output: Output) -> None:
        self.count = 0
        self._pool = pool
        self._output = output

    def run(self, *arguments: str, allowed: tuple[type[CatactlError], ...] = ()) -> Completed:
        """Run a command; exit with its code unless it succeeds or ends with an allowed error."""
        completed = self._pool.apply(_run, arguments)
        self._print_command(completed, allowed)
        return completed

    def run_as_json(self, *arguments: str) -> Any:
        """Run a command that may find problems, print its JSON, and return it."""
        completed = self.run(*arguments, "-o", "json", allowed=(Findings,))
        self.print(textwrap.indent(completed.stdout, "  "))
        return json.loads(completed.stdout)

    def upload(self, org: str, files: list[FileArgument], scratch: str) -> list[FileArgument]:
        """Upload files at once; return the live files."""
        live = []
        for file, uploading in self._pool.imap_unordered(partial(_upload, org, scratch), files):
            for completed in uploading:
                self._print_command(completed, _FILE_ERRORS)
            if completed.code == exit_codes.DONE and completed.arguments[1] != "delete":
                live.append(file)
        return live

    def print(self, text: str) -> None:
        if not self._output.is_for_programs:
            self._output.text([text.rstrip()])

    def _print_command(self, completed: Completed, allowed: tuple[type[CatactlError], ...]) -> None:
        self.count += 1
        self.print(f"$ catactl {shown(shlex.join(completed.arguments))}")
        if completed.code == exit_codes.DONE:
            return
        if completed.code not in {exit_codes.exit_code(error("")) for error in allowed}:
            complain(completed.stderr.rstrip())
            raise Exit(completed.code)
        self.print(textwrap.indent(completed.stderr, "  "))


def _start_worker(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


class _Captured(io.StringIO):
    def reconfigure(self, **_settings: object) -> None:
        """Ignore the settings of `main` for encodings."""


def _run(*arguments: str) -> Completed:
    """Run a command in this process, which ends if the command is terminated."""
    from catactl.cli.main import main

    code: Any = None
    with redirect_stdout(_Captured()) as stdout, redirect_stderr(_Captured()) as stderr:
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    if code == exit_codes.TERMINATED:
        sys.exit(code)
    return Completed(arguments, code, stdout.getvalue(), stderr.getvalue())


def _upload(org: str, scratch: str, file: FileArgument) -> tuple[FileArgument, list[Completed]]:
    """Upload one file. First upload a part with other content, or at last delete the file, if its
    number is due.
    """
    commands = []
    half = Path(scratch, f"half-{file.number}")
    if file.number % _INTERRUPTED_EACH == 0 and file.status.st_size:
        with suppress(OSError), open(file.path, "rb") as source:
            half.write_bytes(source.read(parse_size(_PART_SIZE))[::2])
            commands.append(_run("file", "create", org, "--", file.name))
            commands.append(_run("part", "upload", org, "--", file.name, "1", str(half)))
            half.unlink()
    options = (f"--name={file.name}", f"--part-size={_PART_SIZE}")
    commands.append(_run("file", "upload", org, *options, "--", file.path))
    if file.number % _DELETED_EACH == 0 and commands[-1].code == exit_codes.DONE:
        commands.append(_run("file", "delete", org, "--", file.name))
    return file, commands
