"""Compare uploads and downloads, each in a process, with programs that copy the same bytes.

All files are in one temporary folder, so on one file system. The files of a run are removed before
the next one, and the disk gets time to sync. Neither is measured.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from uuid import UUID, uuid4

from sqlalchemy import URL, make_url

from catactl.handling.handler import Handler
from catactl.store.sql.engine import open_engine
from tests.benchmarks.commands import create_file, create_organization, record_part
from tests.benchmarks.figures import Figure, alternate, compare
from tests.benchmarks.servers import postgresql_database, upgrade
from tests.benchmarks.start_up import CATACTL, prepare

_MIB = 1024 * 1024
_LARGE_MIB = 1024
_SMALL_BYTES = 4 * 1024
_SMALL_FILES, _FEW_SMALL_FILES = 10_000, 2_000  # only a few for a quick run
_SECONDS_FOR_ALL = 3.0
_LARGE_PAIRS, _SMALL_PAIRS = 3, 2
_COPY = 'sha256sum "$1" && cp "$1" "$2" && sync "$2"'
_DIGEST = 'cat "$1" | sha256sum'


def measure_upload_large(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl file upload` of 1 GiB / `sha256sum`, `cp` and `sync` of the same file."""
    with _sqlite_place() as place:
        source = _write_large(place)
        pairs = alternate(
            lambda: _LARGE_MIB / place.upload(source, place.start_organization()),
            lambda: _LARGE_MIB / place.shell(_COPY, source, place.target),
            _LARGE_PAIRS,
        )
    yield compare(
        "upload of 1 GiB / sha256sum, cp, sync", "MiB/s", pairs, 0.7, larger_is_better=True
    )


def measure_upload_small(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl file upload` of 4 KiB files in one process / a warm handler that records as many
    parts, and writes, syncs and renames a file for each.
    """
    count = _SMALL_FILES if seconds >= _SECONDS_FOR_ALL else _FEW_SMALL_FILES
    with _sqlite_place() as place:
        yield _measure_small(place, f"upload of {count:,} x 4 KiB, SQLite", count)
    with postgresql_database(server) as url, _place(url) as place:
        yield _measure_small(place, f"upload of {count:,} x 4 KiB, PostgreSQL", count)


def measure_download_large(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl file download` of 1 GiB, to a path and to `-` / `cat` into `sha256sum`; cached."""
    with _sqlite_place() as place:
        source = _write_large(place)
        org_id = place.start_organization()
        place.upload(source, org_id)
        place.shell(_DIGEST, source)
        yield _measure_download(place, source, org_id, "a path", str(place.target))
        yield _measure_download(place, source, org_id, "-", "-")


@dataclass(frozen=True)
class _Place:
    """A folder for all written files, and a database. `target` exists during a run."""

    folder: Path
    handler: Handler
    environment: dict[str, str]

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def start_organization(self) -> UUID:
        """Return a new organization, with an empty blob store."""
        shutil.rmtree(self.blobs, ignore_errors=True)
        return create_organization(self.handler)

    def upload(self, source: Path, org_id: UUID) -> float:
        return self.catactl("file", "upload", str(org_id), str(source))

    def catactl(self, *arguments: str) -> float:
        """Run catactl. Return the seconds that it took."""
        return self._seconds([sys.executable, "-c", CATACTL, *arguments])

    def shell(self, script: str, *arguments: Path) -> float:
        return self._seconds(["sh", "-c", script, "sh", *map(str, arguments)])

    def _seconds(self, command: list[str]) -> float:
        os.sync()
        started = perf_counter()
        done = subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        elapsed = perf_counter() - started
        self.target.unlink(missing_ok=True)
        if done.returncode != 0:
            raise RuntimeError(f"{command[3:]} failed: {done.stderr.decode().strip()}")
        return elapsed


@contextmanager
def _sqlite_place() -> Iterator[_Place]:
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"sqlite:///{folder}/catactl.db")
        upgrade(url)
        with _place(url) as place:
            yield place


@contextmanager
def _place(url: URL) -> Iterator[_Place]:
    engine = open_engine(url)
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare(folder) | {
            "CATACTL_DATABASE_URL": url.render_as_string(hide_password=False),
            "CATACTL_BLOB_URL": Path(folder, "blobs").as_uri(),
        }
        try:
            yield _Place(Path(folder), Handler(engine), environment)
        finally:
            engine.dispose()


def _write_large(place: _Place) -> Path:
    path = place.folder / "large.bin"
    with path.open("wb") as file:
        for _ in range(_LARGE_MIB):
            file.write(os.urandom(_MIB))
    return path


def _measure_download(place: _Place, source: Path, org_id: UUID, name: str, to: str) -> Figure:
    pairs = alternate(
        lambda: (
            _LARGE_MIB / place.catactl("file", "download", str(org_id), source.name, "--to", to)
        ),
        lambda: _LARGE_MIB / place.shell(_DIGEST, source),
        _LARGE_PAIRS,
    )
    name = f"download of 1 GiB to {name} / cat | sha256sum"
    return compare(name, "MiB/s", pairs, 0.7, larger_is_better=True)


def _measure_small(place: _Place, name: str, count: int) -> Figure:
    """Measure in files per second, with random content that is the same for both."""
    contents = [os.urandom(_SMALL_BYTES) for _ in range(count)]
    source = place.folder / "small"
    source.mkdir()
    for number, content in enumerate(contents):
        (source / f"{number:05}.bin").write_bytes(content)
    pairs = alternate(
        lambda: count / place.upload(source, place.start_organization()),
        lambda: count / _record_and_write(place, contents),
        _SMALL_PAIRS,
    )
    return compare(name, "/s", pairs, 0.5, larger_is_better=True)


def _record_and_write(place: _Place, contents: list[bytes]) -> float:
    """Write each content as the blob store does, and record it as a part of one file. Return the
    seconds that this took.
    """
    org_id = place.start_organization()
    file_id = create_file(place.handler, org_id)
    for number in range(256):
        (place.blobs / f"{number:02x}").mkdir(parents=True)
    os.sync()
    started = perf_counter()
    for number, content in enumerate(contents, start=1):
        _write_synced(place.blobs, content)
        record_part(place.handler, org_id, file_id, number)
    return perf_counter() - started


def _write_synced(blobs: Path, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    incoming, folder = blobs / uuid4().hex, blobs / sha256[:2]
    with incoming.open("xb", buffering=0) as file:
        file.write(content)
        os.fsync(file)
    incoming.rename(folder / sha256)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)
