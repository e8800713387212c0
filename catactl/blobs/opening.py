"""From a URL to the place it names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore
from catactl.errors import BadConfiguration

_OBJECT_STORES = ("s3", "gs", "az", "abfs", "abfss")
_EXAMPLES = "as in file:///srv/catactl/blobs or s3://bucket/prefix"


def open_blobs(url: str, *, is_private: bool = False) -> BlobStore:
    """Return the store that a URL names; nothing is connected or created yet.

    If a directory does not exist and `is_private` is true, it is made so that only its owner can
    enter it. Raises `BadConfiguration` for a URL of another kind, or if the extra that it needs is
    not installed.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadConfiguration("the blob URL cannot be read", _EXAMPLES) from None
    if parts.password is not None:
        raise BadConfiguration(
            "the blob URL holds a password", "give it in the environment: AWS_SECRET_ACCESS_KEY"
        )
    if parts.query or parts.fragment:
        raise BadConfiguration(f"blob URL {url!r} has a query or a fragment", "write ? as %3F")
    if parts.scheme == "file":
        path = unquote(parts.path, errors="surrogateescape")
        if parts.netloc not in {"", "localhost"} or not path.startswith("/") or "\0" in path:
            raise BadConfiguration(f"blob URL {url!r} names no absolute path", _EXAMPLES)
        return Directory(Path(path), is_private=is_private)
    if parts.scheme not in _OBJECT_STORES:
        raise BadConfiguration(f"blob URL {url!r} is of no kind that is known", _EXAMPLES)
    if not parts.netloc:
        raise BadConfiguration(f"blob URL {url!r} names no bucket", _EXAMPLES)
    from catactl.blobs.object_store import ObjectStore  # which most users do without

    return ObjectStore(url)


def url_beside(database_path: str) -> str:
    """The URL of the directory that keeps the content for a SQLite database, by default."""
    return (Path(database_path).absolute().parent / "blobs").as_uri()
