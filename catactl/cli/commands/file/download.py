"""catactl file download"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from typer import Argument, Option

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONTENT, OrgArgument
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
from catactl.queries.files import get_file, list_files
from catactl.results.files import DownloadResult
from catactl.store import name_lookup

_STDOUT = "-"


@command(CONTENT)
def download(
    context: Context,
    org: OrgArgument,
    files: Annotated[
        list[str] | None, Argument(metavar="[FILE…]", help="Files, by name or id.")
    ] = None,
    to: Annotated[
        str, Option("--to", metavar="PATH", help="A file, a folder for the files, or - (stdout).")
    ] = ".",
    all_: Annotated[bool, Option("--all", help="Download all complete files.")] = False,
    force: Annotated[
        bool, Option("--force", help="Replace existing files that have other content.")
    ] = False,
) -> DownloadResult | Iterator[DownloadResult] | None:
    """Download files and check each part against its digest. After an interruption, run the command
    again: it continues where it stopped. Existing files with the same content stay unchanged.

    If --to ends with /, the command creates that folder. If a file cannot be downloaded, the others
    still are, and the exit code is 7.

    Example: catactl file download acme reports/2026.csv --to /tmp/2026.csv
    """
    if all_ == bool(files):
        raise InvalidValue("use either file names or --all")
    with context.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        if files:
            ids = [name_lookup.resolve_file(conn, org_id, file) for file in dict.fromkeys(files)]
            names = {each: get_file(conn, org_id, each)["name"] for each in ids}
        else:
            names = {
                UUID(file["file_id"]): file["name"]
                for file in list_files(conn, org_id)
                if file["status"] == "complete"
            }
    if to.endswith("/"):
        make_folder(to)
    if files and len(files) == 1:
        (file_id,) = names
        return _download_one(context, org_id, file_id, to, force=force)
    if not os.path.isdir(to):
        raise InvalidValue(
            f"--to {to} is not a folder", "name a folder for several files: --to back/"
        )
    return _download_several(context, org_id, names, to, force=force)


def _download_one(
    context: Context, org_id: UUID, file_id: UUID, to: str, *, force: bool
) -> DownloadResult | None:
    """Download a file. Return None if its content was written to standard output."""
    with context.reading() as conn:
        file = readable_file(conn, org_id, file_id)
    with Progress(context, "downloading", "byte", file.size_bytes, files=1) as progress:
        progress.begin(file.name)
        if to == _STDOUT:
            sys.stdout.flush()
            write_to_stream(context.blobs, file, sys.stdout.fileno(), progress.advance)
            return None
        return _result(download_file(context.blobs, file, to, progress.advance, force=force))


def _download_several(
    context: Context, org_id: UUID, names: dict[UUID, str], to: str, *, force: bool
) -> Iterator[DownloadResult]:
    """Download files; yield their results, and print errors and a summary. Raise `PartialFailure`
    at the end if a file failed.
    """
    counts: Counter[str] = Counter()
    with Progress(context, "downloading", "byte", files=len(names)) as progress:
        for each in download_files(
            context.engine, context.blobs, org_id, names, to, progress, force=force
        ):
            if isinstance(each, FailedDownload):
                hint = f" ({each.error.hint})" if each.error.hint else ""
                context.failure(f"{each.name}: {each.error.message}{hint}")
            result = _result(each)
            counts[result["outcome"]] += 1
            yield result
    context.after_result(
        context.note,
        f"{counted(counts.total(), 'file')}: {counts['downloaded']:,} downloaded, "
        f"{counts['resumed']:,} resumed, {counts['unchanged']:,} unchanged, "
        f"{counts['failed']:,} failed",
    )
    if counts["failed"]:
        raise PartialFailure(
            f"{counts['failed']:,} of {counted(len(names), 'file')} were not downloaded"
        )


def _result(download: DownloadedFile | FailedDownload) -> DownloadResult:
    if isinstance(download, FailedDownload):
        return {
            "file_id": str(download.file_id),
            "name": download.name,
            "outcome": "failed",
            "error": exit_codes.as_fields(download.error),
        }
    file = download.file
    return {
        "org_id": str(file.org_id),
        "file_id": str(file.file_id),
        "name": file.name,
        "path": download.path,
        "outcome": download.outcome,
        "size_bytes": file.size_bytes,
        "part_count": len(file.parts),
        "resumed_bytes": download.resumed_bytes,
        "error": None,
    }
