"""Run `file upload` and `part upload`: check the options, show progress, print the results."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from catactl.cli.framework import exit_codes
from catactl.cli.framework.context import Context
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.content.own_files import OwnFiles, find_own_files, refusal
from catactl.content.paths import Found, FoundFile, SkippedPath, UnusablePath, find_files, totals
from catactl.content.source import PART_READER, Item
from catactl.content.stream_source import STANDARD_INPUT, StandardInput
from catactl.content.upload import upload_files
from catactl.content.upload_options import UploadedFile, UploadOptions
from catactl.content.upload_part import upload_part
from catactl.errors import InvalidValue, PartialFailure
from catactl.operations.registry import normal_name
from catactl.results.shapes import UPLOADED
from catactl.store.sql.urls import file_of
from catactl.values.names import check_file_name
from catactl.values.sizes import format_size

_STDIN = 0


def run_upload(
    run: Context,
    org: str,
    paths: list[str],
    name: str | None,
    part_bytes: int | None,
    workers: int,
    *,
    follow_links: bool,
    verify: bool,
) -> None:
    """Upload the files at the paths and below them. Raise the error of a single file as it is; if
    some of several files fail, raise `PartialFailure`.
    """
    has_folder = any(_is_folder(path, follow_links=follow_links) for path in paths)
    is_single = len(paths) == 1 and not has_folder
    name = _check_name(paths, name, has_folder=has_folder)
    if part_bytes == 0:
        raise InvalidValue("--part-size is 0", "as in 8MiB")
    own = _own_files(run)
    if len(paths) == 1:
        _refuse_own(paths[0], own)
    options = UploadOptions(run.intent(org), not is_single, part_bytes, workers, verify)
    if is_single:
        org_id = run.organization_id(options.intent, is_read=False)
    else:
        org_id = run.claim_key(org, options.request(folder=name or ""))
    if not run.common.dry_run:
        run.keep_reserve()
    count, size_bytes = 1, None
    items: Iterator[Item | UnusablePath]
    if paths == [STANDARD_INPUT]:
        items = iter([StandardInput(name or "", _STDIN)])
    else:
        items = _usable(run, find_files(paths, name, follow_links=follow_links, own=own))
        if not run.common.quiet:
            count, size_bytes = totals(paths, follow_links=follow_links, own=own)
    summary = _Summary()
    with Progress(run, "uploading", "byte", size_bytes, files=count) as progress:
        uploaded = upload_files(run.handler, run.blobs, org_id, items, options, progress)
        if not is_single:
            run.output.rows(_report(run, uploaded, summary), UPLOADED)
            summary.finish(run)
            return
        rows = [_row_or_error(each) for each in uploaded]
    if len(rows) == 1:
        run.output.show(rows[0], UPLOADED)
    else:  # another process replaced the file by a folder
        run.output.rows(rows, UPLOADED)


def _is_folder(path: str, *, follow_links: bool) -> bool:
    return os.path.isdir(path) and (follow_links or not os.path.islink(path))


def _check_name(paths: list[str], name: str | None, *, has_folder: bool) -> str | None:
    """Return the value of `--name` in the form in which it is stored."""
    if name is not None:
        name = check_file_name(name.rstrip("/") if has_folder else name)
        if len(paths) > 1:
            raise InvalidValue("--name with several paths", "upload them one by one")
    if STANDARD_INPUT in paths and (len(paths) > 1 or name is None):
        raise InvalidValue("standard input needs a name and no other path", "--name NAME -")
    return name


def _own_files(run: Context) -> OwnFiles:
    return find_own_files(file_of(run.engine.url), run.blobs)


def _refuse_own(path: str, own: OwnFiles) -> None:
    """Raise `InvalidValue` if the path belongs to catactl."""
    if path != STANDARD_INPUT and (error := refusal(path, own)):
        raise error


def _usable(run: Context, found: Iterator[Found]) -> Iterator[FoundFile | UnusablePath]:
    for each in found:
        if isinstance(each, SkippedPath):
            run.note(f"skipped {each.path}: {each.reason}")
        else:
            yield each


class _Summary:
    """The number of files by outcome, and the bytes that were read."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._read_bytes = 0

    def add(self, row: dict[str, Any]) -> None:
        self._counts[row["outcome"]] += 1
        self._read_bytes += row["stored_bytes"] + row["skipped_bytes"]

    def finish(self, run: Context) -> None:
        """Print the summary. Raise `PartialFailure` if a file failed."""
        counts, seconds = self._counts, max(time.monotonic() - self._started, 1e-6)
        size = format_size(self._read_bytes)
        rate = format_size(int(self._read_bytes / seconds))
        run.note(
            f"{counted(counts.total(), 'file')}, {size} in {seconds:.1f} s ({rate}/s): "
            f"{counts['uploaded']:,} uploaded, {counts['resumed']:,} resumed, "
            f"{counts['unchanged']:,} unchanged, {counts['failed']:,} failed"
        )
        if counts["failed"]:
            raise PartialFailure(
                f"{counts['failed']:,} of {counted(counts.total(), 'file')} were not uploaded",
                "fix the errors above, then run it again: files that are complete are skipped",
            )


def _report(
    run: Context, uploaded: Iterator[UploadedFile], summary: _Summary
) -> Iterator[dict[str, Any]]:
    """Yield a row a file. Print the errors."""
    for each in uploaded:
        if each.error is not None:
            hint = f" ({each.error.hint})" if each.error.hint else ""
            run.failure(f"{each.path}: {each.error.message}{hint}")
        row = _row(each)
        summary.add(row)
        yield row


def _row_or_error(uploaded: UploadedFile) -> dict[str, Any]:
    if uploaded.error is not None:
        raise uploaded.error
    return _row(uploaded)


def _row(uploaded: UploadedFile) -> dict[str, Any]:
    path, name, row, error = uploaded
    if row is None:
        row = {"file_id": None, "name": name, "outcome": "failed"}
        row |= {"stored_bytes": 0, "skipped_bytes": 0}
    return row | {"path": path, "error": exit_codes.as_fields(error) if error is not None else None}


def run_part_upload(run: Context, org: str, file: str, number: int, path: str) -> dict[str, Any]:
    """Upload one part from a path or standard input. Return the part with the events."""
    request = {"command": "part.upload", "file": normal_name(file), "number": number}
    intent = run.intent(org, lambda: request)
    org_id = run.organization_id(intent, is_read=False)
    if not intent.dry_run:
        run.keep_reserve()
    _refuse_own(path, _own_files(run))
    item: Item = FoundFile(path, path, follow_links=True, reader=PART_READER)
    size_bytes = None
    if path == STANDARD_INPUT:
        item = StandardInput(path, _STDIN)
    else:
        with suppress(OSError, ValueError):  # the upload raises the error
            size_bytes = os.stat(path).st_size
    with Progress(run, "uploading", "byte", size_bytes, files=1) as progress:
        return upload_part(run.handler, run.blobs, org_id, file, number, item, intent, progress)
