"""Read and write the files or objects of a blob store directly."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen
from uuid import UUID
from xml.etree import ElementTree

from catactl.blobs.opening import open_blobs
from catactl.blobs.store import BlobStore, Chunk, Content, Mark

ORG = UUID(int=0xA)
OTHER_ORG = UUID(int=0xB)
NOWHERE = "0" * 64
MARK = Mark(7, bytes(range(32)), "0123456789abcdef")
MARK_TEXT = MARK.text.encode()

# The server does not check signatures, but without one it serves only public objects.
_WHOEVER = "AWS4-HMAC-SHA256 Credential=tester/20260301/us-east-1/s3/aws4_request"


def content_of(raw: bytes, generation: int = 0) -> Content:
    return Content(hashlib.sha256(raw).hexdigest(), len(raw), generation)


def key(raw: bytes, org_id: UUID = ORG, generation: int = 0) -> str:
    """Return the path of content below the root. This spells out a storage format."""
    sha256 = hashlib.sha256(raw).hexdigest()
    return f"{org_id}/{sha256[:2]}/{sha256}" + (f".{generation}" if generation else "")


def pattern(size_bytes: int, seed: int = 0) -> bytes:
    """Return content whose chunks all differ."""
    return hashlib.shake_128(b"%d" % seed).digest(size_bytes)


def read(chunks: Iterable[Chunk]) -> bytes:
    """Return the content of the chunks. Copy each, because it is valid only until the next one."""
    return b"".join(bytes(chunk) for chunk in chunks)


def cut(raw: bytes, chunk_bytes: int = 1024 * 1024) -> Iterable[memoryview]:
    """Yield content as a source does: each chunk in the same buffer."""
    buffer = bytearray(chunk_bytes)
    for start in range(0, len(raw), chunk_bytes):
        chunk = raw[start : start + chunk_bytes]
        buffer[: len(chunk)] = chunk
        yield memoryview(buffer)[: len(chunk)]


class RawStore(Protocol):
    """A blob store, and direct access to its files or objects."""

    url: str
    blobs: BlobStore

    def all_keys(self) -> list[str]:
        """Return all paths below the root in order, also of unfinished files."""

    def write(self, key: str, raw: bytes) -> None: ...

    def read(self, key: str) -> bytes: ...


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = root.as_uri()
        self.blobs = open_blobs(self.url)

    def all_keys(self) -> list[str]:
        found = [
            os.path.relpath(os.path.join(folder, name), self.root)
            for folder, _, names in os.walk(self.root)
            for name in names
        ]
        return sorted(found)

    def write(self, key: str, raw: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()


def incoming(folder: Folder) -> list[str]:
    """Return the paths of unfinished files."""
    return [each for each in folder.all_keys() if "/incoming/" in each]


def wrong_names(folder: Folder) -> list[str]:
    """Return the final paths whose content has another digest."""
    finished = set(folder.all_keys()) - set(incoming(folder))
    return sorted(each for each in finished if each != key(folder.read(each)))


def set_age(folder: Folder, key: str, seconds: float) -> None:
    """Set the time of the last write of a file."""
    instant = time.time() - seconds
    os.utime(folder.root / key, (instant, instant))


def failing(number: int) -> Callable[..., Any]:
    """Return a function that raises an error of the operating system."""

    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


class Bucket:
    def __init__(self, server: str, url: str) -> None:
        self.url = url
        self.blobs = open_blobs(url)
        self._bucket, _, self._prefix = url.removeprefix("s3://").partition("/")
        self._address = f"{server}/{self._bucket}"

    def all_keys(self) -> list[str]:
        listing = ElementTree.fromstring(self._request("GET", "?list-type=2"))
        found = [each.text or "" for each in listing.iterfind(".//{*}Contents/{*}Key")]
        assert all(each.startswith(f"{self._prefix}/") for each in found), found
        uploads = ElementTree.fromstring(self._request("GET", "?uploads"))
        assert uploads.find("{*}Upload") is None, "an upload was left unfinished"
        return sorted(each.removeprefix(f"{self._prefix}/") for each in found)

    def write(self, key: str, raw: bytes) -> None:
        self._request("PUT", quote(f"/{self._prefix}/{key}"), raw)

    def read(self, key: str) -> bytes:
        return self._request("GET", quote(f"/{self._prefix}/{key}"))

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = Request(self._address + path, body, method=method)
        request.add_header("Content-Type", "application/octet-stream")
        request.add_header("Authorization", _WHOEVER)
        try:
            with urlopen(request) as response:
                answer: bytes = response.read()
        except HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error} {error.read().decode()}") from None
        return answer
