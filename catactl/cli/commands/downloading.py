"""Downloading as a command: one file, or several into a folder."""

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
from catactl.content.download import Advance, to_path, to_stream
from catactl.content.reading import Readable, readable
from catactl.errors import CatactlError, Forbidden, InvalidValue, PartialFailure, Unreachable
from catactl.queries import resources
from catactl.results.shapes import DOWNLOADED
from catactl.store import name_lookup

_STDOUT = "-"


def run_download(
    run: Context, org: str, files: list[str], to: str, *, every: bool, force: bool
) -> None:
    """Download the files that are named, or every complete one.

    A single file's failure is raised as it is; of several, as `PartialFailure`.
    """
    if every == bool(files):
        raise InvalidValue("name the files to download, or give --all, not both")
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        if every:
            found = {
                UUID(row["file_id"]): row["name"]
                for row in resources.list_files(conn, org_id)
                if row["status"] == "complete"
            }
        else:
            ids = [name_lookup.resolve_file(conn, org_id, file) for file in dict.fromkeys(files)]
            found = {each: resources.get_file(conn, org_id, each)["name"] for each in ids}
    if to.endswith("/"):
        _make_folder(to)
    if len(files) == 1:
        (file_id,) = found
        _download_one(run, org_id, file_id, to, force=force)
        return
    if not os.path.isdir(to):
        raise InvalidValue(
            f"--to {to} is no folder, and there are several files", "as in --to back/"
        )
    _download_all(run, org_id, found, to, force=force)


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Forbidden(f"cannot make the folder {path!r}: {reason}") from error


def _download_one(run: Context, org_id: UUID, file_id: UUID, to: str, *, force: bool) -> None:
    file = _readable(run, org_id, file_id)
    with Progress(run, "downloading", "byte", file.size_bytes, files=1) as progress:
        progress.begin(file.name)
        if to == _STDOUT:
            sys.stdout.flush()
            to_stream(run.blobs, file, sys.stdout.fileno(), progress.advance)
            return
        row = _download(run, file, to, progress.advance, force=force)
    run.output.show(row, DOWNLOADED)


def _download_all(
    run: Context, org_id: UUID, files: dict[UUID, str], to: str, *, force: bool
) -> None:
    """Download files into a folder. `files` maps the id of each file to its name."""
    counts: Counter[str] = Counter()

    def results() -> Iterator[dict[str, Any]]:
        for file_id, name in files.items():
            try:
                file = _readable(run, org_id, file_id)
                progress.begin(file.name)
                row = _download(run, file, to, progress.advance, force=force)
            except Unreachable:
                raise
            except CatactlError as error:
                hint = f" ({error.hint})" if error.hint else ""
                run.failure(f"{name}: {error.message}{hint}")
                row = {
                    "file_id": str(file_id),
                    "name": name,
                    "outcome": "failed",
                    "error": exit_codes.as_fields(error),
                }
            counts[row["outcome"]] += 1
            yield row

    with Progress(run, "downloading", "byte", files=len(files)) as progress:
        run.output.rows(results(), DOWNLOADED)
    run.note(
        f"{counted(counts.total(), 'file')}: {counts['downloaded']:,} downloaded, "
        f"{counts['resumed']:,} resumed, {counts['unchanged']:,} unchanged, "
        f"{counts['failed']:,} failed"
    )
    if counts["failed"]:
        raise PartialFailure(
            f"{counts['failed']:,} of {counted(len(files), 'file')} were not downloaded"
        )


def _readable(run: Context, org_id: UUID, file_id: UUID) -> Readable:
    with run.reading() as conn:
        return readable(conn, org_id, file_id)


def _download(
    run: Context, file: Readable, to: str, advance: Advance, *, force: bool
) -> dict[str, Any]:
    done = to_path(run.blobs, file, to, advance, force=force)
    return {
        "org_id": str(file.org_id),
        "file_id": str(file.file_id),
        "name": file.name,
        "path": done.path,
        "outcome": done.outcome,
        "size_bytes": file.size_bytes,
        "part_count": len(file.parts),
        "resumed_bytes": done.resumed_bytes,
        "error": None,
    }
