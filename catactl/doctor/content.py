"""Examine the blob store that holds content."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Engine

from catactl.blobs.directory import Directory
from catactl.blobs.opening import open_blobs
from catactl.blobs.probe import probe
from catactl.content.mark import is_another_logs
from catactl.doctor.database import sqlite_path
from catactl.doctor.findings import Finding, ok, problem, warning
from catactl.doctor.machine import is_writable_by_everybody
from catactl.doctor.samples import LOGS
from catactl.store import server_status
from catactl.store.sql.engine import reading


def root_of(url: str) -> Path | None:
    """Return the directory that holds content; None for an object store."""
    blobs = open_blobs(url)
    return blobs.root if isinstance(blobs, Directory) else None


def store(url: str) -> Iterator[Finding]:
    """Write, read and remove a blob. Do not create a missing directory."""
    root = root_of(url)
    if root is not None and not root.exists():
        if root.parent.is_dir():
            yield ok(f"the first upload will create {root}")
        else:
            yield problem(
                f"the folder {root.parent} does not exist",
                "create it, or check the blob URL: catactl config show",
            )
        return
    probe(open_blobs(url))
    if root is not None and is_writable_by_everybody(root):
        yield warning(f"everybody can write to {root}", f"chmod o-w {root}")
    else:
        yield ok(f"a test blob was written to {url}, read and removed")


def owner(engine: Engine, url: str) -> Iterator[Finding]:
    """Examine whether another database recorded the content of the logs that were written last."""
    blobs = open_blobs(url)
    with reading(engine) as conn:
        org_ids = [each.org_id for each in server_status.newest_logs(conn, LOGS)]
        others = [each for each in org_ids if is_another_logs(conn, blobs, each)]
    if others:
        yield warning(
            f"another log recorded the content of organization {others[0]} last: this database is "
            "a copy or a restored backup, or an upload to it was killed",
            "sweep from the database that owns the content; if this one does: "
            "catactl blob gc --claim",
        )


def no_store(url: URL) -> Iterator[Finding]:
    """Report that no blob store is configured."""
    if sqlite_path(url) is not None:
        yield ok("the first upload will create a directory for content beside the database")
        return
    yield warning(
        "no blob store is configured: commands that need one will exit 78",
        "set CATACTL_BLOB_URL=file:///srv/catactl/blobs, or s3://bucket/prefix",
    )
