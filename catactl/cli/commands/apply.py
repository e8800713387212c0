"""catactl apply"""

import gc
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import InvalidValue, PartialFailure
from catactl.results.shapes import APPLIED

if TYPE_CHECKING:
    from catactl.operations.batch import Outcome
    from catactl.operations.batch_lines import Failed, Line

app = typer.Typer()

_MOST_LINES = 100_000


@command(app, writes=True, grows=True)
def apply(
    run: Context,
    from_: Annotated[
        str, typer.Option("--from", metavar="FILE|-", help="JSON, one command a line.")
    ],
    batch: Annotated[
        int,
        typer.Option(
            "--batch", metavar="N", min=1, max=_MOST_LINES, help="Lines that are committed at once."
        ),
    ] = 1_000,
    atomic: Annotated[
        bool, typer.Option("--atomic", help="All lines or none: one transaction.")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first line that fails.")
    ] = False,
) -> None:
    """Do many commands, one JSON object a line, with a result a line, in order.

    A line that fails leaves the others alone; exit code 7 at the end. A line may have a "key": run
    again, it is done once. With --idempotency-key each line without one gets that key and its
    number, so a whole file that broke off can be run again.

    Example: catactl apply --from commands.jsonl --idempotency-key import-2026-01
    """
    if atomic and fail_fast:
        raise InvalidValue("--atomic beside --fail-fast", "--atomic stops at the first failure")
    # What is kept until the end is left alone, and what a line leaves is freed by counting.
    gc.freeze()
    gc.set_threshold(100_000)
    with _opened(from_, again=atomic or run.common.dry_run) as file:
        applying = _Applying(run, file, batch)
        if run.common.dry_run or atomic:
            outcomes = applying.at_once()
        else:
            outcomes = applying.in_batches(fails_fast=fail_fast)
        run.line_output.rows(outcomes, APPLIED)
    applying.conclude()


class _Applying:
    """The lines of a file under way, and how many came to what."""

    def __init__(self, run: Context, file: BinaryIO, batch: int) -> None:
        self._run = run
        self._file = file
        self._batch = batch
        self._intent = run.intent("")
        self._done = self._failed = self._replayed = 0

    def in_batches(self, *, fails_fast: bool) -> Iterator[dict[str, Any]]:
        """Yield a result a line once its batch is committed."""
        from catactl.operations.batch import apply_in_batches
        from catactl.operations.batch_lines import read_lines

        with self._progress() as progress:
            lines = read_lines(self._file, self._intent)
            for outcomes in apply_in_batches(
                self._run.handler, lines, self._intent, self._batch, fails_fast=fails_fast
            ):
                yield from map(self._as_row, outcomes)
                progress.advance(len(outcomes))

    def at_once(self) -> Iterator[dict[str, Any]]:
        """Yield a result a line once all are committed; a temporary file keeps them until then."""
        from catactl.operations.batch import StoppedAt, apply_at_once
        from catactl.operations.batch_lines import read_lines

        with tempfile.TemporaryFile("w+", encoding="utf-8") as kept, self._progress() as progress:

            def open_lines() -> "Iterator[Line | Failed]":
                self._file.seek(0)
                self._done = self._failed = self._replayed = 0
                kept.seek(0)
                kept.truncate()
                return read_lines(self._file, self._intent)

            def keep(outcomes: "list[Outcome]") -> None:
                kept.writelines(json.dumps(self._as_row(outcome)) + "\n" for outcome in outcomes)
                progress.advance(len(outcomes))

            try:
                apply_at_once(self._run.handler, open_lines, self._intent, self._batch, keep)
            except StoppedAt as stopped:
                error = stopped.failed.error
                error.message = f"line {stopped.failed.number}: {error.message}; nothing was done"
                raise error from None
            kept.seek(0)
            yield from map(json.loads, kept)

    def conclude(self) -> None:
        """Say what came of it; raise when a line failed."""
        total = counted(self._done + self._failed, "line")
        before = f", {self._replayed:,} of them before" if self._replayed else ""
        failed, are_done, done = "failed", "are done", "done"
        if self._run.common.dry_run:
            failed, are_done, done = "would fail", "would be done", "would be done"
        if self._failed:
            raise PartialFailure(
                f"{self._failed:,} of {total} {failed}; {self._done:,} {are_done}{before}"
            )
        self._run.note(f"{total} {done}{before}")

    def _as_row(self, outcome: "Outcome") -> dict[str, Any]:
        from catactl.operations.batch import Done

        if isinstance(outcome, Done):
            self._done += 1
            self._replayed += outcome.replayed
            row: dict[str, Any] = {"line": outcome.number, "status": "ok"}
            if outcome.replayed:
                row["replayed"] = True
            row["result"] = outcome.result
            return row
        self._failed += 1
        if self._run.common.quiet or not self._run.line_output.is_json:
            self._run.failure(f"line {outcome.number}: {outcome.error.message}")
        return {
            "line": outcome.number,
            "status": "error",
            "error": exit_codes.as_fields(outcome.error),
        }

    def _progress(self) -> Progress:
        return Progress(self._run, "applying", "line", source=self._file)


@contextmanager
def _opened(path: str, *, again: bool) -> Iterator[BinaryIO]:
    """Open what is to be read; if it is read more than once, so that it can be."""
    try:
        file = open(  # noqa: SIM115 - closed below; what is raised there is not about reading
            sys.stdin.fileno() if path == "-" else path, "rb", closefd=path != "-"
        )
        file.peek(1)  # what is closed, or a directory, says so only when it is read
    except OSError as error:
        raise InvalidValue(f"cannot read {path}: {error.strerror}") from error
    with file:
        if not again or (path != "-" and file.seekable()):
            yield file
            return
        with tempfile.TemporaryFile() as spooled:
            shutil.copyfileobj(file, spooled)
            yield spooled
