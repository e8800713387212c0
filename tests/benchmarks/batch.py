"""Compare `catactl apply` of many part records with a plain insertion of the same rows."""

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from time import perf_counter

import psycopg
from sqlalchemy import URL, make_url

from tests.benchmarks.figures import Figure, alternate, compare
from tests.benchmarks.servers import libpq_url, postgresql_database, upgrade
from tests.benchmarks.start_up import CATACTL, milliseconds, prepare

_LINES = 100_000
_FILES = 100
_TIMES = 3
_ROWS_OF = ("events", "file_parts")
_LAST = "(SELECT org_id FROM logs ORDER BY org_id DESC LIMIT 1)"


def measure_postgresql(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl apply` of 100,000 part records on PostgreSQL / COPY of the same rows, per second."""
    with tempfile.TemporaryDirectory() as folder, postgresql_database(server) as url:
        applying = Applying(url.set(drivername="postgresql"), folder)
        pairs = alternate(applying.per_second, lambda: _copied_per_second(url), _TIMES)
        yield from _figures("apply, PostgreSQL / COPY of its rows", pairs, wanted=10_000)


def measure_sqlite(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl apply` on SQLite / the driver's executemany of the same rows, per second."""
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"sqlite:///{folder}/catactl.db")
        upgrade(url)
        applying = Applying(url, folder)
        path = Path(folder) / "catactl.db"
        pairs = alternate(applying.per_second, lambda: _inserted_per_second(path), _TIMES)
        yield from _figures("apply, SQLite / executemany of its rows", pairs, wanted=15_000)


def _figures(name: str, pairs: list[tuple[float, float]], wanted: float) -> Iterator[Figure]:
    yield compare(name, "/s", pairs, None, larger_is_better=True)
    beside = [(ours, wanted) for ours, _ in pairs]
    yield compare("  beside what is wanted of it", "/s", beside, 1.0, larger_is_better=True)


class Applying:
    """Runs processes. Each has an organization and files of its own, which exist already."""

    def __init__(self, url: URL, folder: str) -> None:
        self._folder = Path(folder)
        self._environment = prepare(folder)
        self._environment["CATACTL_DATABASE_URL"] = url.render_as_string(hide_password=False)
        self._runs = 0
        self.per_second()  # else the first yardstick would have no rows

    def per_second(self) -> float:
        self._runs += 1
        org = f"acme-{self._runs}"
        files = [f"file-{number}" for number in range(_FILES)]
        creations: list[dict[str, object]] = [{"command": "org.create", "name": org}]
        creations += [{"command": "file.create", "org": org, "name": file} for file in files]
        self._apply(creations)
        parts: list[dict[str, object]] = [
            {
                "command": "part.record",
                "org": org,
                "file": files[number * _FILES // _LINES],
                "number": number % (_LINES // _FILES) + 1,
                "size_bytes": 1_000 + number,
                "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
            }
            for number in range(_LINES)
        ]
        return _LINES / self._apply(parts) * 1000

    def _apply(self, lines: list[dict[str, object]]) -> float:
        path = self._folder / "lines.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
        return milliseconds([CATACTL, "apply", "--from", str(path)], self._environment)


def _copied_per_second(url: URL) -> float:
    """Copy the rows of the last run into equal tables. Return the number of lines per second."""
    with psycopg.connect(libpq_url(url)) as conn:
        rows = {}
        for table in _ROWS_OF:
            copy = f"COPY (SELECT * FROM {table} WHERE org_id = {_LAST})"
            with conn.cursor().copy(f"{copy} TO STDOUT") as out:
                rows[table] = b"".join(out)
            conn.execute(f"CREATE TABLE a_{table} (LIKE {table} INCLUDING ALL)")
        conn.commit()
        started = perf_counter()
        for table in _ROWS_OF:
            source = BytesIO(rows[table])
            with conn.cursor().copy(f"COPY a_{table} FROM STDIN") as into:
                while chunk := source.read(1 << 16):
                    into.write(chunk)
        conn.commit()
        elapsed = perf_counter() - started
        for table in _ROWS_OF:
            conn.execute(f"DROP TABLE a_{table}")
        return _LINES / elapsed


def _inserted_per_second(path: Path) -> float:
    """Insert the rows of the last run into equal tables. Return the number of lines per second."""
    target = path.with_name("copy.db")
    target.unlink(missing_ok=True)
    upgrade(make_url(f"sqlite:///{target}"))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        rows = {
            table: source.execute(f"SELECT * FROM {table} WHERE org_id = {_LAST}").fetchall()
            for table in _ROWS_OF
        }
        copy.execute("PRAGMA synchronous = FULL")
        started = perf_counter()
        for table, of_table in rows.items():
            marks = ", ".join("?" * len(of_table[0]))
            copy.executemany(f"INSERT INTO {table} VALUES ({marks})", of_table)
        copy.commit()
        return _LINES / (perf_counter() - started)
