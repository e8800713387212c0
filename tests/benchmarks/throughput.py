"""Compare the parts recorded per second with pgbench, which runs a minimal equivalent transaction.

The yardstick locks the organization's row, inserts the two events of an upload, updates the log's
head and the usage, and commits: plain SQL in tables of its own. It uses pgbench's default protocol.
The prepared protocol is printed for information.
"""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from time import perf_counter
from uuid import UUID

import psycopg
from sqlalchemy import URL

from catactl.handling.handler import Handler
from catactl.store.sql.engine import open_engine
from catactl.store.sql.urls import parse_url
from tests.benchmarks.commands import create_file, create_organization, record_part
from tests.benchmarks.figures import Figure, alternate, compare
from tests.benchmarks.servers import libpq_url, pgbench, postgresql_database

_WARM_UP_COMMANDS = 50
_SCHEMA = """
DROP TABLE IF EXISTS yardstick_logs, yardstick_events, yardstick_usage;
CREATE TABLE yardstick_logs (org_id uuid PRIMARY KEY, position bigint NOT NULL);
CREATE TABLE yardstick_events (
    org_id uuid, position bigint, stream_id uuid, version bigint, type text, payload jsonb,
    recorded_at timestamptz DEFAULT now(),
    PRIMARY KEY (org_id, position), UNIQUE (org_id, stream_id, version)
);
CREATE TABLE yardstick_usage (org_id uuid PRIMARY KEY, used bigint NOT NULL);
INSERT INTO yardstick_logs VALUES ('00000000-0000-0000-0000-000000000001', 0);
INSERT INTO yardstick_usage VALUES ('00000000-0000-0000-0000-000000000001', 0);
"""
_UPLOAD = r"""
BEGIN;
SELECT position FROM yardstick_logs
    WHERE org_id = '00000000-0000-0000-0000-000000000001' FOR UPDATE \gset
INSERT INTO yardstick_events VALUES
    ('00000000-0000-0000-0000-000000000001', :position + 1, '00000000-0000-0000-0000-0000000000f1',
     :position + 1, 'file.part_uploaded', '{"number": 1, "size_bytes": 1024}'),
    ('00000000-0000-0000-0000-000000000001', :position + 2, '00000000-0000-0000-0000-000000000001',
     :position + 1, 'organization.storage_usage_changed', '{"delta_bytes": 1024}');
UPDATE yardstick_logs SET position = position + 2
    WHERE org_id = '00000000-0000-0000-0000-000000000001';
UPDATE yardstick_usage SET used = used + 1024
    WHERE org_id = '00000000-0000-0000-0000-000000000001';
COMMIT;
"""


def measure_one_process(server: URL, seconds: float) -> Iterator[Figure]:
    """One process that records parts / pgbench with one client."""
    yield from _measure(server, "one process, parts recorded", 1, seconds, 0.55)


def measure_eight_processes(server: URL, seconds: float) -> Iterator[Figure]:
    """Eight processes that record parts in one organization / pgbench, eight clients on one row."""
    yield from _measure(server, "eight processes, one organization", 8, seconds, 0.45)


def _measure(
    server: URL, name: str, processes: int, seconds: float, target: float
) -> Iterator[Figure]:
    with postgresql_database(server) as url:
        simple = alternate(
            lambda: _parts_per_second(url, processes, seconds),
            lambda: _yardstick_per_second(url, processes, seconds, "simple"),
            times=5,
        )
        yield compare(name, "/s", simple, target, larger_is_better=True)
        prepared = alternate(
            lambda: _parts_per_second(url, processes, seconds),
            lambda: _yardstick_per_second(url, processes, seconds, "prepared"),
            times=3,
        )
        yield compare(
            "  beside pgbench -M prepared",
            "/s",
            prepared,
            None,
            larger_is_better=True,
        )


def _yardstick_per_second(url: URL, clients: int, seconds: float, protocol: str) -> float:
    with psycopg.connect(libpq_url(url), autocommit=True) as conn:
        conn.execute(_SCHEMA)
    return pgbench(url, _UPLOAD, clients=clients, protocol=protocol, seconds=seconds)


def _parts_per_second(url: URL, processes: int, seconds: float) -> float:
    """Run processes that record parts in a new organization, each with its own handler and file."""
    engine = open_engine(url)
    org_id = create_organization(Handler(engine))
    engine.dispose()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    rates: Queue[float] = context.Queue()
    arguments = (url.render_as_string(hide_password=False), org_id, seconds, barrier, rates)
    workers = [context.Process(target=_record, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    total = sum(rates.get(timeout=seconds + 60) for _ in workers)
    for worker in workers:
        worker.join()
    return total


def _record(
    url: str, org_id: UUID, seconds: float, barrier: Barrier, rates: "Queue[float]"
) -> None:
    """Record parts in one of the processes."""
    engine = open_engine(parse_url(url))
    handler = Handler(engine)
    file_id = create_file(handler, org_id)
    for number in range(1, _WARM_UP_COMMANDS + 1):
        record_part(handler, org_id, file_id, number)
    barrier.wait(timeout=300)
    recorded = 0
    started = perf_counter()
    while perf_counter() - started < seconds:
        recorded += 1
        record_part(handler, org_id, file_id, _WARM_UP_COMMANDS + recorded)
    rates.put(recorded / (perf_counter() - started))
    engine.dispose()
