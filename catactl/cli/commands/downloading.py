"""Run `file download`: resolve the names, show progress, print the results."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from catactl.cli.framework import exit_codes
from catactl.cli.framework.context import Context
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.content.download import (
    DownloadedFile,
    FailedDownload,
    download_file,
    download_files,
    write_to_stream,
)
from catactl.content.download_target import make_folder
from catactl.content.readable_file import readable_file
from catactl.errors import InvalidValue, PartialFailure
from catactl.queries import resources
from catactl.results.shapes import DOWNLOADED
from catactl.store import name_lookup

_STDOUT = "-"


def run_download(
    run: Context, org: str, files: list[str], to: str, *, every: bool, force: bool
) -> None:
    """Download the named files, or every complete file. Raise the error of a single file as it is;
    if some of several files fail, raise `PartialFailure`.
    """
    if every == bool(files):
        raise InvalidValue("give either file names or --all")
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        if every:
            names = {
                UUID(row["file_id"]): row["name"]
                for row in resources.list_files(conn, org_id)
                if row["status"] == "complete"
            }
        else:
            ids = [name_lookup.resolve_file(conn, org_id, file) for file in dict.fromkeys(files)]
            names = {each: resources.get_file(conn, org_id, each)["name"] for each in ids}
    if to.endswith("/"):
        make_folder(to)
    if len(files) == 1:
        (file_id,) = names
        _download_one(run, org_id, file_id, to, force=force)
    elif os.path.isdir(to):
        _download_all(run, org_id, names, to, force=force)
    else:
        raise InvalidValue(
            f"--to {to} is not a folder", "name a folder for several files: --to back/"
        )


def _download_one(run: Context, org_id: UUID, file_id: UUID, to: str, *, force: bool) -> None:
    with run.reading() as conn:
        file = readable_file(conn, org_id, file_id)
    with Progress(run, "downloading", "byte", file.size_bytes, files=1) as progress:
        progress.begin(file.name)
        if to == _STDOUT:
            sys.stdout.flush()
            write_to_stream(run.blobs, file, sys.stdout.fileno(), progress.advance)
            return
        downloaded = download_file(run.blobs, file, to, progress.advance, force=force)
    run.output.show(_row(downloaded), DOWNLOADED)


def _download_all(
    run: Context, org_id: UUID, names: dict[UUID, str], to: str, *, force: bool
) -> None:
    counts: Counter[str] = Counter()
    with Progress(run, "downloading", "byte", files=len(names)) as progress:
        downloads = download_files(run.engine, run.blobs, org_id, names, to, progress, force=force)
        run.output.rows(_report(run, downloads, counts), DOWNLOADED)
    run.note(
        f"{counted(counts.total(), 'file')}: {counts['downloaded']:,} downloaded, "
        f"{counts['resumed']:,} resumed, {counts['unchanged']:,} unchanged, "
        f"{counts['failed']:,} failed"
    )
    if counts["failed"]:
        raise PartialFailure(
            f"{counts['failed']:,} of {counted(len(names), 'file')} were not downloaded"
        )


def _report(
    run: Context, downloads: Iterator[DownloadedFile | FailedDownload], counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row a file, and count the outcomes. Print the errors."""
    for each in downloads:
        if isinstance(each, FailedDownload):
            hint = f" ({each.error.hint})" if each.error.hint else ""
            run.failure(f"{each.name}: {each.error.message}{hint}")
        row = _row(each)
        counts[row["outcome"]] += 1
        yield row


def _row(result: DownloadedFile | FailedDownload) -> dict[str, Any]:
    if isinstance(result, FailedDownload):
        return {
            "file_id": str(result.file_id),
            "name": result.name,
            "outcome": "failed",
            "error": exit_codes.as_fields(result.error),
        }
    file = result.file
    return {
        "org_id": str(file.org_id),
        "file_id": str(file.file_id),
        "name": file.name,
        "path": result.path,
        "outcome": result.outcome,
        "size_bytes": file.size_bytes,
        "part_count": len(file.parts),
        "resumed_bytes": result.resumed_bytes,
        "error": None,
    }
