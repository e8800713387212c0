"""Open the blob store that a URL names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore
from catactl.errors import BadConfiguration

_OBJECT_STORES = ("s3", "gs", "az", "abfs", "abfss")
_EXAMPLES = "as in file:///srv/catactl/blobs or s3://bucket/prefix"


def open_blobs(url: str, *, is_private: bool = False) -> BlobStore:
    """Return the store that a URL names, without connecting or creating anything.

    With `is_private`, only the owner can enter a directory that the store creates. Raises
    `BadConfiguration` for an unknown URL, or if the extra that the URL needs is not installed.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadConfiguration("the blob URL is not valid", _EXAMPLES) from None
    if parts.password is not None:
        raise BadConfiguration(
            "the blob URL contains a password", "set AWS_SECRET_ACCESS_KEY instead"
        )
    if parts.query or parts.fragment:
        raise BadConfiguration(f"blob URL {url!r} has a query or a fragment", "write ? as %3F")
    if parts.scheme == "file":
        path = unquote(parts.path, errors="surrogateescape")
        if parts.netloc not in {"", "localhost"} or not path.startswith("/") or "\0" in path:
            raise BadConfiguration(f"blob URL {url!r} does not name an absolute path", _EXAMPLES)
        return Directory(Path(path), is_private=is_private)
    if parts.scheme not in _OBJECT_STORES:
        raise BadConfiguration(f"blob URL {url!r} has an unknown scheme", _EXAMPLES)
    if not parts.netloc:
        raise BadConfiguration(f"blob URL {url!r} does not name a bucket", _EXAMPLES)
    from catactl.blobs.object_store import ObjectStore  # here, because few users need it

    return ObjectStore(url)


def url_beside(database_path: str) -> str:
    """Return the URL of the folder `blobs` beside a SQLite database, the default blob store."""
    return (Path(database_path).absolute().parent / "blobs").as_uri()
