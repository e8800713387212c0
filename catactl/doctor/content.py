"""Where content is kept."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from catactl.blobs.directory import Directory
from catactl.blobs.opening import open_blobs
from catactl.blobs.probe import probe
from catactl.doctor.database import path_in
from catactl.doctor.machine import is_open_to_all
from catactl.doctor.said import Said, ok, problem, warning


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


def no_place(url: URL) -> Iterator[Said]:
    if path_in(url) is not None:
        yield ok("content will be beside the database, once there is one")
        return
    yield warning(
        "no place for content is configured: commands that need one will exit 78",
        "CATACTL_BLOB_URL=file:///srv/catactl/blobs, or s3://bucket/prefix",
    )
