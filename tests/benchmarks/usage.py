"""Measure processes that check, report and look up usage in large databases.

The yardstick of the first two is psql, which runs the same statements. They are recorded while
catactl runs. So the ratio shows the time that Python adds to the database's own work.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import sub
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psycopg
from sqlalchemy import URL, Connection, Engine, event

from catactl.handling.handler import Handler
from catactl.store import name_lookup
from catactl.store.sql.engine import open_engine, reading
from catactl.usage import check
from catactl.usage.adjustments import adjustments
from catactl.usage.report import lines
from catactl.values.numbers import MAX_PART_NUMBER
from catactl.values.times import parse_month
from tests.benchmarks.commands import create_file, create_organization
from tests.benchmarks.figures import Figure, alternate, compare
from tests.benchmarks.growth import fill, vacuum
from tests.benchmarks.servers import libpq_url, postgresql_database, psql
from tests.benchmarks.start_up import CATACTL, milliseconds, prepare

_CHECKED_ORGANIZATIONS, _CHECKED_PARTS = 1_000, 5_000  # so many each: 5 million, and as many more
_PAST_FILES = 50  # of 10,000 parts, each part two events: a million
_BILLED_ORGANIZATIONS = 10_000
_MONTH = "2026-01"
_FILL_DAYS = (
    """
    WITH made AS (
        INSERT INTO logs
        SELECT gen_random_uuid(), 1, '2026-02-01Z', '' FROM generate_series(1, %(organizations)s)
        RETURNING org_id
    )
    INSERT INTO organizations (
        org_id, name, status, used_bytes, file_count, part_count, created_at, version)
    SELECT org_id, 'acme-' || org_id, 'active', 62000, 1, 62, '2025-12-01Z', 63 FROM made
    """,
    """
    INSERT INTO storage_usage_days (
        org_id, day, opening_bytes, closing_bytes, peak_bytes, byte_microseconds, changed_at)
    SELECT org_id, date '2025-12-01' + n, n * 1000, (n + 1) * 1000, (n + 1) * 1000,
           n * 1000 * 3600000000::numeric,
           (date '2025-12-01' + n + time '01:00') AT TIME ZONE 'UTC'
    FROM organizations, generate_series(0, 61) AS n
    """,
)


def measure_check(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl usage check` of 5 million file events / psql running its statements."""
    with postgresql_database(server) as url:
        with psycopg.connect(libpq_url(url)) as conn:
            conn.execute("ALTER TABLE events SET UNLOGGED")  # because it is only read
        with _handler(url) as handler, psycopg.connect(libpq_url(url)) as conn:
            for _ in range(_CHECKED_ORGANIZATIONS):
                org_id = create_organization(handler)
                fill(conn, org_id, create_file(handler, org_id), _CHECKED_PARTS)
        vacuum(url)
        yield _beside_psql(
            "usage check, 5 million file events / psql", url, ["check"], _check, 1.3, times=3
        )


def measure_report(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl usage report` of 10,000 busy organizations and a month / psql as well."""
    with postgresql_database(server) as url:
        with psycopg.connect(libpq_url(url)) as conn:
            for statement in _FILL_DAYS:
                conn.execute(statement, {"organizations": _BILLED_ORGANIZATIONS})
        vacuum(url)
        arguments = ["report", "--month", _MONTH]
        yield _beside_psql(
            "usage report, 10,000 organizations / psql", url, arguments, _report, 2.0, times=7
        )


def measure_as_of(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl usage show --as-of` in a log of a million events / in one of ten; how much longer
    than `catactl version` that takes.
    """
    with postgresql_database(server) as url, tempfile.TemporaryDirectory() as folder:
        with _handler(url) as handler, psycopg.connect(libpq_url(url)) as conn:
            ten, million = create_organization(handler), create_organization(handler)
            fill(conn, ten, create_file(handler, ten), 4)
            for number in range(_PAST_FILES):
                fill(conn, million, create_file(handler, million), MAX_PART_NUMBER)
                if number == _PAST_FILES // 2:
                    moment = datetime.now(UTC)
        vacuum(url)
        environment = _environment(url, folder)

        def show(org_id: UUID) -> Callable[[], float]:
            script = [CATACTL, "usage", "show", str(org_id), "--as-of", moment.isoformat()]
            return lambda: milliseconds(script, environment)

        pairs = alternate(show(million), show(ten), times=11)
        yield compare(
            "usage show --as-of, a million events / ten", "ms", pairs, 1.1, larger_is_better=False
        )
        pairs = alternate(
            show(million), lambda: milliseconds([CATACTL, "version"], environment), times=11
        )
        yield compare("  less catactl version", "ms", pairs, 500, larger_is_better=False, by=sub)


def _check(engine: Engine) -> None:
    with reading(engine) as conn:
        org_ids = name_lookup.all_logs(conn)
    for _ in check.check(engine, org_ids):
        pass


def _report(engine: Engine) -> None:
    month = parse_month(_MONTH)
    with reading(engine) as conn:
        for _ in (*lines(conn, month, None), *adjustments(conn, month, None)):
            pass


def _beside_psql(
    name: str,
    url: URL,
    arguments: list[str],
    work: Callable[[Engine], None],
    target: float,
    times: int,
) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "statements.sql")
        script.write_text(_statements(url, work))
        environment = _environment(url, folder)
        pairs = alternate(
            lambda: milliseconds([CATACTL, "usage", *arguments], environment),
            lambda: psql(url, script),
            times,
        )
    return compare(name, "ms", pairs, target, larger_is_better=False)


def _statements(url: URL, work: Callable[[Engine], None]) -> str:
    """Return the statements that the work sends, with their values, for psql."""
    engine, given = open_engine(url), list[str]()

    @event.listens_for(engine, "before_cursor_execute")
    def take_down(
        conn: Connection, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        driver: Any = conn.connection.driver_connection
        given.append(psycopg.ClientCursor(driver).mogrify(statement, parameters))

    real_stream = psycopg.Cursor.stream

    def stream(cursor: Any, statement: str, parameters: Any, **options: Any) -> Iterator[Any]:
        given.append(psycopg.ClientCursor(cursor.connection).mogrify(statement, parameters))
        return real_stream(cursor, statement, parameters, **options)

    try:
        with patch.object(psycopg.Cursor, "stream", stream):
            work(engine)
    finally:
        engine.dispose()
    return "".join(f"{statement};\n" for statement in given)


def _environment(url: URL, folder: str) -> dict[str, str]:
    return prepare(folder) | {"CATACTL_DATABASE_URL": url.render_as_string(hide_password=False)}


@contextmanager
def _handler(url: URL) -> Iterator[Handler]:
    engine = open_engine(url)
    try:
        yield Handler(engine)
    finally:
        engine.dispose()
