"""Store content in an object store: S3 and compatible servers, Google Cloud Storage, Azure.

The store uses the package obstore, which the extra `catactl[s3]` installs, and imports it only when
it is needed. Credentials and endpoints come from the environment, such as `AWS_ACCESS_KEY_ID` and
`AWS_ENDPOINT_URL`, or from the role of the machine. Configuration files of the vendors are ignored.
An object is either complete or absent. A killed writer leaves an unfinished upload, which the
life-cycle rules of the bucket should remove.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any
from uuid import UUID

from catactl.blobs.store import (
    CHUNK_BYTES,
    NO_GENERATIONS,
    Blob,
    Chunk,
    Content,
    Generations,
    Mark,
    Measure,
    key_of,
    mark_key_of,
    parse_address,
)
from catactl.errors import BadConfiguration, ContentMissing, ContentUnreachable, Forbidden

_IN_MEMORY_BYTES = 16 * 1024 * 1024
_REQUESTS_AT_ONCE = 8
_RETRIES: Any = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}
_TIMEOUTS: Any = {"timeout": "120s", "connect_timeout": "10s"}


class ObjectStore:
    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise BadConfiguration(
                f"the blob URL {url} needs the package obstore",
                "install catactl with its extra s3, as in: pip install '.[s3]'",
            ) from None
        options: Any = dict(_TIMEOUTS)
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            options["allow_http"] = True
        self._url = url.rstrip("/")
        self._requests = obstore
        with _translated(self._url):
            try:
                self._store = from_url(url, client_options=options, retry_config=_RETRIES)
            except (obstore.exceptions.GenericError, ValueError) as error:
                raise BadConfiguration(f"blob URL {url}: {_first_line(error)}") from error

    def put(
        self, org_id: UUID, chunks: Iterable[Chunk], generations: Generations = NO_GENERATIONS
    ) -> Content:
        measure = Measure()
        with _spool() as spool:
            for chunk in measure.passing(chunks):
                with _translated_disk():
                    spool.write(chunk)
            written = measure.content
            content = written._replace(generation=generations.get(written.sha256, 0))
            with _translated_disk():
                spool.seek(0)
            with _translated(self.locate(org_id, content.address)):
                self._requests.put(
                    self._store,
                    key_of(org_id, content.address),
                    # A large spool is read and copied in pieces.
                    spool.read() if content.size_bytes <= _IN_MEMORY_BYTES else spool,
                    chunk_size=_IN_MEMORY_BYTES,
                    max_concurrency=1,
                )
        return content

    def open(self, org_id: UUID, address: str) -> Iterator[Chunk]:
        where = self.locate(org_id, address)
        try:
            with _translated(where):
                response = self._requests.get(self._store, key_of(org_id, address))
                for chunk in response.stream(min_chunk_size=CHUNK_BYTES):
                    yield memoryview(chunk)
        except FileNotFoundError:
            raise ContentMissing(f"the content is missing: {where}") from None

    def missing(self, org_id: UUID, contents: Collection[Content]) -> set[Content]:
        wanted = list(contents)
        if len(wanted) < 2:
            present = [self._has_size(org_id, content) for content in wanted]
        else:
            with ThreadPoolExecutor(min(len(wanted), _REQUESTS_AT_ONCE)) as pool:
                present = list(pool.map(partial(self._has_size, org_id), wanted))
        return {content for content, is_there in zip(wanted, present, strict=True) if not is_there}

    def list(self, org_id: UUID) -> Iterator[Blob]:
        with _translated(f"{self._url}/{org_id}"):
            for page in self._requests.list(self._store, str(org_id), chunk_size=1_000):
                for found in page:
                    address = found["path"].rpartition("/")[2]
                    parsed = parse_address(address)
                    if parsed is not None and found["path"] == key_of(org_id, address):
                        yield Blob(*parsed, found["size"], found["last_modified"])

    def delete(self, org_id: UUID, addresses: Collection[str]) -> None:
        with _translated(f"{self._url}/{org_id}"):
            self._requests.delete(self._store, [key_of(org_id, address) for address in addresses])

    def mark(self, org_id: UUID, mark: Mark) -> None:
        key = mark_key_of(org_id)
        with _translated(f"{self._url}/{key}"):
            self._requests.put(self._store, key, mark.text.encode())

    def read_mark(self, org_id: UUID) -> Mark | None:
        key = mark_key_of(org_id)
        try:
            with _translated(f"{self._url}/{key}"):
                return Mark.parse(bytes(self._requests.get(self._store, key).bytes()))
        except FileNotFoundError:
            return None

    def discard_abandoned(self, org_id: UUID) -> int:
        return 0  # the API does not list unfinished uploads

    def locate(self, org_id: UUID, address: str) -> str:
        return f"{self._url}/{key_of(org_id, address)}"

    def _has_size(self, org_id: UUID, content: Content) -> bool:
        with _translated(self.locate(org_id, content.address)):
            try:
                found = self._requests.head(self._store, key_of(org_id, content.address))
            except FileNotFoundError:
                return False
        return bool(found["size"] == content.size_bytes)


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Translate the errors of obstore. Pass a `FileNotFoundError` on unchanged."""
    from obstore import exceptions

    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        # While listing, obstore reports most errors only in the text.
        text = str(error)
        refusals = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        if "NoSuchBucket" in text:
            raise BadConfiguration(
                f"the bucket does not exist: {where}", "create it, or check the blob URL"
            ) from error
        if isinstance(error, FileNotFoundError):
            raise
        message = f"{where}: {_first_line(error)}"
        if isinstance(error, refusals) or "403 Forbidden" in text or "401 Unauthorized" in text:
            raise Forbidden(message, "check the credentials") from error
        raise ContentUnreachable(message, "run it again") from error


@contextmanager
def _spool() -> Iterator[Any]:
    """Yield a temporary file that is in memory until it is too large."""
    spool = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed below
    try:
        yield spool
    finally:
        # Closing writes the rest and can fail again, which would hide the first error.
        with suppress(OSError):
            spool.close()


@contextmanager
def _translated_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ContentUnreachable(
            f"a part does not fit in the folder for temporary files: {error.strerror}",
            "free some space, or set TMPDIR to another folder",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(": <?xml")[0]
