"""catactl apply"""

import gc
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, BinaryIO

from typer import Option

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import InvalidValue, PartialFailure
from catactl.results.program import AppliedLine
from catactl.results.result import Json

if TYPE_CHECKING:
    from catactl.operations.batch import LineOutcome
    from catactl.operations.batch_lines import BatchLine, FailedLine


@command(WRITES, grows=True)
def apply(
    context: Context,
    from_: Annotated[
        str, Option("--from", metavar="FILE|-", help="JSON, one command per line, or - (stdin).")
    ],
    batch: Annotated[
        int,
        Option(
            "--batch", metavar="N", min=1, max=100_000, help="Number of lines in one transaction."
        ),
    ] = 1_000,
    atomic: Annotated[
        bool, Option("--atomic", help="Run all lines or none, in one transaction.")
    ] = False,
    fail_fast: Annotated[
        bool, Option("--fail-fast", help="Stop at the first line that fails.")
    ] = False,
) -> Iterator[AppliedLine] | Json[Iterator[AppliedLine]]:
    """Run many commands, one JSON object per line, and print one result per line, in order.

    If a line fails, the other lines still run, and the exit code is 7. A line that has a "key" is
    run only once, even if the file is run again. --idempotency-key gives each other line a key of
    its own, so that a file can be run again after an interruption. See `catactl help bulk`.

    Example: catactl apply --from commands.jsonl --idempotency-key import-2026-01
    """
    if atomic and fail_fast:
        raise InvalidValue(
            "--atomic cannot be used with --fail-fast", "--atomic stops at the first failure anyway"
        )
    from catactl.store import migrations

    migrations.ensure(context.database)  # because input without lines runs no transaction
    # Collect garbage rarely, because reference counting frees the objects of each line.
    gc.freeze()
    gc.set_threshold(100_000)
    is_at_once = atomic or context.options.dry_run
    file = context.until_printed.enter_context(_opened(from_, rereads=is_at_once))
    run = _Run(context, file, batch)
    results = run.at_once() if is_at_once else run.in_batches(fails_fast=fail_fast)
    return Json(results, otherwise="jsonl") if _is_json_by_default(context) else results


def _is_json_by_default(context: Context) -> bool:
    """Return whether to print JSON lines, because the user chose no format except table."""
    chosen = context.settings.output
    return chosen is None or chosen.value == "table"


class _Run:
    """One run over the lines of a file, with the numbers of lines that ran, failed or were
    replayed.
    """

    def __init__(self, context: Context, file: BinaryIO, batch: int) -> None:
        self._context = context
        self._file = file
        self._batch = batch
        self._intent = context.intent("")
        self._done = self._failed = self._replayed = 0
        is_json = context.output.is_json or _is_json_by_default(context)
        self._prints_failures = context.options.quiet or not is_json

    def in_batches(self, *, fails_fast: bool) -> Iterator[AppliedLine]:
        """Yield the result of each line once its batch is committed."""
        from catactl.operations.batch import apply_in_batches
        from catactl.operations.batch_lines import read_lines

        with self._progress() as progress:
            lines = read_lines(self._file, self._intent)
            for outcomes in apply_in_batches(
                self._context.handler, lines, self._intent, self._batch, fails_fast=fails_fast
            ):
                yield from map(self._result, outcomes)
                progress.advance(len(outcomes))
        self._conclude()

    def at_once(self) -> Iterator[AppliedLine]:
        """Yield the result of each line once all lines are committed. A temporary file keeps the
        results until then.
        """
        from catactl.operations.batch import StoppedAt, apply_at_once
        from catactl.operations.batch_lines import read_lines

        with tempfile.TemporaryFile("w+", encoding="utf-8") as kept, self._progress() as progress:

            def open_lines() -> "Iterator[BatchLine | FailedLine]":
                self._file.seek(0)
                self._done = self._failed = self._replayed = 0
                kept.seek(0)
                kept.truncate()
                return read_lines(self._file, self._intent)

            def keep(outcomes: "list[LineOutcome]") -> None:
                kept.writelines(json.dumps(self._result(outcome)) + "\n" for outcome in outcomes)
                progress.advance(len(outcomes))

            try:
                apply_at_once(self._context.handler, open_lines, self._intent, self._batch, keep)
            except StoppedAt as stopped:
                error = stopped.failed.error
                number = stopped.failed.number
                error.message = f"line {number}: {error.message}; no line was committed"
                raise error from None
            kept.seek(0)
            yield from map(json.loads, kept)
        self._conclude()

    def _result(self, outcome: "LineOutcome") -> AppliedLine:
        """Count a line and return its result."""
        from catactl.operations.batch import DoneLine

        if isinstance(outcome, DoneLine):
            self._done += 1
            self._replayed += outcome.replayed
            line: AppliedLine = {"line": outcome.number, "status": "ok"}
            if outcome.replayed:
                line["replayed"] = True
            line["result"] = outcome.result
            return line
        self._failed += 1
        if self._prints_failures:
            self._context.failure(f"line {outcome.number}: {outcome.error.message}")
        error = exit_codes.as_fields(outcome.error)
        return {"line": outcome.number, "status": "error", "error": error}

    def _conclude(self) -> None:
        """Print the numbers of lines; raise `PartialFailure` if a line failed."""
        total = counted(self._done + self._failed, "line")
        before = f", {self._replayed:,} of them by an earlier run" if self._replayed else ""
        failed, are_done, done = "failed", "are done", "done"
        if self._context.options.dry_run:
            failed, are_done, done = "would fail", "would be done", "would be done"
        if self._failed:
            raise PartialFailure(
                f"{self._failed:,} of {total} {failed}; {self._done:,} {are_done}{before}"
            )
        self._context.after_result(self._context.note, f"{total} {done}{before}")

    def _progress(self) -> Progress:
        return Progress(self._context, "applying", "line", source=self._file)


@contextmanager
def _opened(path: str, *, rereads: bool) -> Iterator[BinaryIO]:
    """Open a file, or standard input for `-`; copy it if it is read twice but cannot seek."""
    try:
        file = open(  # noqa: SIM115 - closed below, where errors are not about opening
            sys.stdin.fileno() if path == "-" else path, "rb", closefd=path != "-"
        )
        file.peek(1)  # because a closed descriptor or a directory fails only when it is read
    except OSError as error:
        raise InvalidValue(f"cannot read {path}: {error.strerror}") from error
    with file:
        if not rereads or (path != "-" and file.seekable()):
            yield file
            return
        with tempfile.TemporaryFile() as spooled:
            shutil.copyfileobj(file, spooled)
            yield spooled
