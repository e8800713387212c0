"""Where content is kept."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Engine

from catactl.blobs.directory import Directory
from catactl.blobs.opening import open_blobs
from catactl.blobs.probe import probe
from catactl.content.mark import is_another_logs
from catactl.doctor.database import path_in
from catactl.doctor.machine import is_open_to_all
from catactl.doctor.proofs import LOGS
from catactl.doctor.said import Said, ok, problem, warning
from catactl.store import server_status
from catactl.store.sql.engine import reading


def root_of(url: str) -> Path | None:
    """The directory that keeps content, None if an object store does."""
    blobs = open_blobs(url)
    return blobs.root if isinstance(blobs, Directory) else None


def place(url: str) -> Iterator[Said]:
    """Whether content can be written, read and removed. A directory is not made for that."""
    root = root_of(url)
    if root is not None and not root.exists():
        if root.parent.is_dir():
            yield ok(f"content will be in {root}, which the first upload makes")
        else:
            yield problem(
                f"there is no folder {root.parent} to keep content in",
                "create it, or check the blob URL: catactl config show",
            )
        return
    probe(open_blobs(url))
    if root is not None and is_open_to_all(root):
        yield warning(f"everybody can write to {root}", f"chmod o-w {root}")
    else:
        yield ok(f"content was written to {url}, read and removed")


def log(engine: Engine, url: str) -> Iterator[Said]:
    """Examine which log recorded the content of the logs that were written last."""
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


def no_place(url: URL) -> Iterator[Said]:
    if path_in(url) is not None:
        yield ok("content will be beside the database, once there is one")
        return
    yield warning(
        "no place for content is configured: commands that need one will exit 78",
        "CATACTL_BLOB_URL=file:///srv/catactl/blobs, or s3://bucket/prefix",
    )
