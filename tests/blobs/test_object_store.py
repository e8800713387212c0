"""An object store that refuses or does not respond. See test_store for the other tests."""

import resource
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from catactl.blobs import object_store
from catactl.blobs.opening import open_blobs
from catactl.blobs.store import BlobStore
from catactl.errors import BadConfiguration, ContentUnreachable, Forbidden
from tests.blobs.support import ORG, Bucket, content_of, key, read

_CONTENT = content_of(b"content")

_USES: dict[str, Callable[[BlobStore], object]] = {
    "put": lambda blobs: blobs.put(ORG, [b"content"]),
    "open": lambda blobs: read(blobs.open(ORG, _CONTENT.sha256)),
    "missing one": lambda blobs: blobs.missing(ORG, [_CONTENT]),
    "missing some": lambda blobs: blobs.missing(ORG, [_CONTENT, content_of(b"more")]),
    "list": lambda blobs: list(blobs.list(ORG)),
    "delete": lambda blobs: blobs.delete(ORG, [_CONTENT.sha256]),
}


def _uses(*, without: str = "") -> list[Any]:
    """Return all uses, except those whose name starts with `without`."""
    return [
        pytest.param(use, id=name)
        for name, use in _USES.items()
        if not without or not name.startswith(without)
    ]


# --- errors of the server -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    _uses(without="missing"),
)
def test_a_bucket_that_does_not_exist_is_a_bad_configuration(
    s3_url: str, use: Callable[[BlobStore], object]
) -> None:
    """The response to `missing` has no text, so it cannot name the reason."""
    url = s3_url.replace("bucket-", "no-bucket-")
    with pytest.raises(BadConfiguration, match="the bucket does not exist: s3://no-bucket-"):
        use(open_blobs(url))


@pytest.fixture
def strict_s3_url(s3_server: str, s3_url: str) -> Iterator[str]:
    """Yield a bucket of a server that rejects all credentials."""

    def let_in(requests: bytes) -> None:
        request = Request(f"{s3_server}/moto-api/reset-auth", requests, method="POST")
        request.add_header("Content-Type", "text/plain")
        with urlopen(request):
            pass

    let_in(b"0")
    yield s3_url
    let_in(b"inf")


@pytest.mark.parametrize("use", _uses())
def test_wrong_credentials_are_forbidden(
    strict_s3_url: str, use: Callable[[BlobStore], object]
) -> None:
    with pytest.raises(Forbidden, match=strict_s3_url) as caught:
        use(open_blobs(strict_s3_url))
    assert caught.value.hint == "check the credentials"
    assert "secret" not in caught.value.message


# --- a server that does not respond ---------------------------------------------------------------

_FEW_RETRIES = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {
        "init_backoff": timedelta(milliseconds=1),
        "max_backoff": timedelta(milliseconds=2),
        "base": 2,
    },
}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a URL on a port that no server listens to, and that no server can open."""
    monkeypatch.setattr(object_store, "_RETRIES", _FEW_RETRIES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        _point_to(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield "s3://bucket/prefix"


def _point_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)


@pytest.mark.parametrize("use", _uses())
def test_a_server_that_does_not_respond_is_unreachable(
    away: str, use: Callable[[BlobStore], object]
) -> None:
    with pytest.raises(ContentUnreachable, match=f"{away}/{ORG}") as caught:
        use(open_blobs(away))
    assert caught.value.retryable
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message


def test_opening_a_store_sends_no_request(away: str) -> None:
    open_blobs(away)


@pytest.mark.parametrize(("failures", "is_put"), [(2, True), (3, False)])
def test_a_failed_request_is_repeated_a_few_times(
    monkeypatch: pytest.MonkeyPatch, failures: int, is_put: bool
) -> None:
    monkeypatch.setattr(object_store, "_RETRIES", _FEW_RETRIES)
    with _failing_server(failures) as (address, paths):
        _point_to(monkeypatch, address)
        blobs = open_blobs("s3://bucket/prefix")
        if is_put:
            assert blobs.put(ORG, [b"content"]) == _CONTENT
        else:
            with pytest.raises(ContentUnreachable):
                blobs.put(ORG, [b"content"])
    assert paths == [f"/bucket/prefix/{key(b'content')}"] * 3


@contextmanager
def _failing_server(failures: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server that fails that often and then accepts anything, and the paths
    of its requests.
    """
    paths: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(503 if len(paths) <= failures else 200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", paths
        finally:
            server.shutdown()
            thread.join()


# --- the folder for temporary files ---------------------------------------------------------------

_DISK_BYTES = 1_000_000


@pytest.fixture
def spool_folder(away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the temporary folder of a store that uses little memory and has no server."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(object_store, "_IN_MEMORY_BYTES", 10_000)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@contextmanager
def _files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to enlarge a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "chunk_sizes",
    [
        pytest.param([_DISK_BYTES + 100_000], id="at once"),
        pytest.param([_DISK_BYTES, 100_000], id="in the end"),
        pytest.param([_DISK_BYTES, 10], id="in the end by little"),
        pytest.param([_DISK_BYTES, 10, 100_000], id="early by little"),
    ],
)
def test_content_that_does_not_fit_in_the_temporary_folder_is_unreachable(
    away: str, spool_folder: Path, chunk_sizes: list[int]
) -> None:
    blobs = open_blobs(away)
    with (
        _files_of_at_most(_DISK_BYTES),
        pytest.raises(ContentUnreachable, match="does not fit in the folder") as caught,
    ):
        blobs.put(ORG, (bytes(size_bytes) for size_bytes in chunk_sizes))
    assert caught.value.hint is not None
    assert "TMPDIR" in caught.value.hint
    assert list(spool_folder.iterdir()) == []


def test_a_missing_temporary_folder_is_unreachable(away: str, spool_folder: Path) -> None:
    spool_folder.rmdir()
    with pytest.raises(ContentUnreachable, match="folder for temporary files"):
        open_blobs(away).put(ORG, [bytes(10_001)])


def test_only_large_content_is_written_to_the_temporary_folder(bucket: Bucket) -> None:
    large, small = bytes(17 * 1024 * 1024), bytes(15 * 1024 * 1024)
    with _files_of_at_most(0):
        with pytest.raises(ContentUnreachable, match="folder for temporary files"):
            bucket.blobs.put(ORG, [large])
        assert bucket.blobs.put(ORG, [small]) == content_of(small)
    assert bucket.all_keys() == [key(small)]


# --- the URL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://{}", ""),
        ("s3://{}/", ""),
        ("s3://{}/a", "a/"),
        ("s3://{}/a/b/", "a/b/"),
        ("s3://{}/a%20b", "a b/"),
    ],
)
def test_content_is_stored_below_the_prefix_of_the_url(
    s3_server: str, s3_url: str, url: str, prefix: str
) -> None:
    name = s3_url.split("/")[2]
    blobs = open_blobs(url.format(name))
    blobs.put(ORG, [b"content"])
    with urlopen(f"{s3_server}/{name}?list-type=2") as response:
        assert f"<Key>{prefix}{key(b'content')}</Key>" in response.read().decode()
    assert [blob.sha256 for blob in blobs.list(ORG)] == [_CONTENT.sha256]
    assert read(blobs.open(ORG, _CONTENT.sha256)) == b"content"
    assert blobs.locate(ORG, _CONTENT.sha256) == (
        f"{url.format(name).rstrip('/')}/{key(b'content')}"
    )


def test_an_object_store_has_no_abandoned_files(bucket: Bucket) -> None:
    bucket.write(f"{ORG}/incoming/old", b"half")
    assert bucket.blobs.discard_abandoned(ORG) == 0
    assert bucket.all_keys() == [f"{ORG}/incoming/old"]


def test_without_the_extra_the_hint_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(BadConfiguration, match="s3://bucket/prefix") as caught:
        open_blobs("s3://bucket/prefix")
    assert caught.value.hint == "install catactl with its extra s3, as in: pip install '.[s3]'"
    assert caught.value.__suppress_context__
