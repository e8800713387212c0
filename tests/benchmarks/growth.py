"""Compare the time of a command in a long history with its time in a short one, alternately.

SQL fills the histories. Their hashes form no chain, but commands do not read the hashes. Events,
states, projections and the log's head are the same as after real commands.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from uuid import UUID

import psycopg
from sqlalchemy import URL, Engine

from catactl.handling.handler import Handler
from catactl.store.sql.engine import open_engine
from catactl.values.numbers import MAX_PART_NUMBER
from tests.benchmarks.commands import create_file, create_organization, record_part
from tests.benchmarks.figures import Figure, compare
from tests.benchmarks.servers import libpq_url, postgresql_database

_FIRST_COMMAND, _LAST_COMMAND = 10, 60
_COMMANDS_A_ROUND = 40
_UNMEASURED_COMMANDS = 4
_FILLED_FILES = 50  # of 10,000 parts, each part two events: a million
_PART_BYTES = 1_000

_FILL = (
    """
    WITH log AS (
        SELECT logs.position, logs.recorded_at, organizations.version, organizations.used_bytes,
               organizations.file_count, organizations.part_count
        FROM logs JOIN organizations USING (org_id) WHERE org_id = %(org_id)s
    ), ids AS MATERIALIZED (
        SELECT number, gen_random_uuid() AS uploaded, gen_random_uuid() AS changed,
               gen_random_uuid() AS command, gen_random_uuid() AS reaction
        FROM generate_series(1, %(parts)s) AS number
    ), filled (position, stream_id, version, type, payload, event_id, command_id, causation_id) AS (
        SELECT log.position + 2 * number - 1, %(file_id)s::uuid, 1 + number, 'file.part_uploaded',
               jsonb_build_object(
                   'number', number, 'size_bytes', %(part_bytes)s, 'sha256', repeat('ab', 32),
                   'replaced_bytes', 0, 'replaced_sha256', NULL),
               uploaded, command, NULL
        FROM ids, log
        UNION ALL
        SELECT log.position + 2 * number, %(org_id)s, log.version + number,
               'organization.storage_usage_changed',
               jsonb_build_object(
                   'delta_bytes', %(part_bytes)s, 'delta_files', 0, 'delta_parts', 1,
                   'used_bytes', log.used_bytes + number * %(part_bytes)s,
                   'file_count', log.file_count, 'part_count', log.part_count + number),
               changed, reaction, uploaded
        FROM ids, log
    )
    INSERT INTO events (
        org_id, position, stream_id, version, type, schema_version, payload, event_id, actor,
        command_id, correlation_id, causation_id, recorded_at, hash)
    SELECT %(org_id)s, filled.position, stream_id, filled.version, type, 1, payload, event_id,
           'benchmark', command_id, command_id, causation_id, recorded_at,
           sha256(uuid_send(event_id))
    FROM filled, log ORDER BY filled.position
    """,
    """
    INSERT INTO file_parts (org_id, file_id, number, size_bytes, sha256)
    SELECT %(org_id)s, %(file_id)s, number, %(part_bytes)s, repeat('ab', 32)
    FROM generate_series(1, %(parts)s) AS number
    """,
    """
    UPDATE files SET version = version + %(parts)s, part_count = %(parts)s,
                     size_bytes = %(bytes)s
    WHERE org_id = %(org_id)s AND file_id = %(file_id)s
    """,
    """
    UPDATE organizations SET version = version + %(parts)s, part_count = part_count + %(parts)s,
                             used_bytes = used_bytes + %(bytes)s
    WHERE org_id = %(org_id)s
    """,
    """
    UPDATE logs SET position = position + 2 * %(parts)s,
                    head_hash = (SELECT hash FROM events WHERE events.org_id = logs.org_id
                                 ORDER BY position DESC LIMIT 1)
    WHERE org_id = %(org_id)s
    """,
    """
    UPDATE storage_usage
    SET used_bytes = organizations.used_bytes, part_count = organizations.part_count,
        position = logs.position
    FROM organizations JOIN logs USING (org_id)
    WHERE organizations.org_id = storage_usage.org_id AND storage_usage.org_id = %(org_id)s
    """,
    """
    UPDATE storage_usage_days
    SET closing_bytes = storage_usage.used_bytes, peak_bytes = storage_usage.used_bytes
    FROM storage_usage
    WHERE storage_usage.org_id = storage_usage_days.org_id
      AND storage_usage_days.org_id = %(org_id)s
    """,
)


def measure_long_stream(server: URL, seconds: float) -> Iterator[Figure]:
    """Commands 9,950 to 10,000 on a file / commands 10 to 60 on another, by one warm handler."""
    pairs: list[tuple[float, float]] = []
    with postgresql_database(server) as url, _opened(url) as engine:
        handler = Handler(engine)
        for _ in range(_rounds(seconds)):
            long, short = _start_file(handler), _start_file(handler)
            with psycopg.connect(libpq_url(url)) as conn:
                fill(conn, *long, MAX_PART_NUMBER - _LAST_COMMAND)
            vacuum(url)
            times = [
                _in_turns(
                    _Recorder(handler, *long, number=MAX_PART_NUMBER - _LAST_COMMAND + turn),
                    _Recorder(handler, *short, number=turn),
                    turn,
                )
                for turn in range(1, _LAST_COMMAND + 1)
            ]
            pairs.append(_medians(times[_FIRST_COMMAND - 1 :]))
    yield compare(
        "the 10,000th command on a file / the 10th", "ms", pairs, 1.1, larger_is_better=False
    )


def measure_million_events(server: URL, seconds: float) -> Iterator[Figure]:
    """An organization with a million events / one with ten: a warm handler, and new ones.

    The file of the commands is new in both, because the time to load a state depends on its size.
    """
    with postgresql_database(server) as url, _opened(url) as engine:
        warm = Handler(engine)
        million = create_organization(warm)
        with psycopg.connect(libpq_url(url)) as conn:
            for _ in range(_FILLED_FILES):
                fill(conn, million, create_file(warm, million), MAX_PART_NUMBER)
        vacuum(url)
        for name, makes_new in (("warm handler", False), ("a new handler each", True)):
            pairs: list[tuple[float, float]] = []
            for _ in range(_rounds(seconds)):
                ten = create_organization(warm)
                long = million, create_file(warm, million)
                short = ten, create_file(warm, ten)
                times = [
                    _in_turns(
                        _Recorder(Handler(engine) if makes_new else warm, *long, number=turn),
                        _Recorder(Handler(engine) if makes_new else warm, *short, number=turn),
                        turn,
                    )
                    for turn in range(1, _COMMANDS_A_ROUND + 1)
                ]
                pairs.append(_medians(times[_UNMEASURED_COMMANDS:]))
            yield compare(
                f"a million events / ten, {name}", "ms", pairs, 1.1, larger_is_better=False
            )


def fill(conn: psycopg.Connection, org_id: UUID, file_id: UUID, parts: int) -> None:
    """Add the parts 1 to `parts` to a new file, as commands would, and commit."""
    values = {
        "org_id": org_id,
        "file_id": file_id,
        "parts": parts,
        "part_bytes": _PART_BYTES,
        "bytes": parts * _PART_BYTES,
    }
    for statement in _FILL:
        conn.execute(statement, values)
    conn.commit()


def vacuum(url: URL) -> None:
    """Let the server finish its background work before commands are measured."""
    with psycopg.connect(libpq_url(url), autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
        conn.execute("CHECKPOINT")


@contextmanager
def _opened(url: URL) -> Iterator[Engine]:
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@dataclass(frozen=True)
class _Recorder:
    """Records a part when it is called, and returns the seconds that this took."""

    handler: Handler
    org_id: UUID
    file_id: UUID
    number: int

    def __call__(self) -> float:
        return record_part(self.handler, self.org_id, self.file_id, self.number)


def _start_file(handler: Handler) -> tuple[UUID, UUID]:
    """Return a new organization and a new file in it."""
    org_id = create_organization(handler)
    return org_id, create_file(handler, org_id)


def _rounds(seconds: float) -> int:
    return max(3, round(3 * seconds))


def _in_turns(long: _Recorder, short: _Recorder, turn: int) -> tuple[float, float]:
    """Measure both. In every second pair the short history is first."""
    if turn % 2 == 0:
        first = long()
        return first, short()
    second = short()
    return long(), second


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians in milliseconds."""
    return (
        median(long for long, _ in times) * 1000,
        median(short for _, short in times) * 1000,
    )
