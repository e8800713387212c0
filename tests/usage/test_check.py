"""The check finds every manipulation of usage, and recomputation corrects it."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, Connection, Engine, delete, select, text, update

from catactl.handling.handler import Handler
from catactl.handling.rebuild import rebuild
from catactl.store.sql.engine import reading
from catactl.store.tables import (
    events,
    file_parts,
    files,
    job_configurations,
    organizations,
    storage_usage,
    storage_usage_days,
)
from catactl.usage.check import check
from catactl.usage.comparison import Comparison
from catactl.usage.recompute import recompute
from tests.support import (
    BYTES_2,
    INTENT,
    Usage,
    assert_consistent,
    contents,
    create_file,
    create_job,
    create_organization,
    delete_file,
    opened,
    projection_rows,
    read_log,
    restore_file,
    tampering,
    upload,
    usage,
)
from tests.support import recompute as recompute_in_python

_CHANGED = "organization.storage_usage_changed"
_CORRECTED = "organization.storage_usage_corrected"
Tamper = Callable[[Connection, UUID], None]


def _filled(handler: Handler) -> UUID:
    """Create an organization with 180 bytes in 2 files and 3 parts, after deletes and a restore."""
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 100)
    upload(handler, org_id, file_id, 2, 50)
    upload(handler, org_id, file_id, 1, 130, BYTES_2)
    for name in ("gone.bin", "back.bin"):
        other_id = create_file(handler, org_id, name)
        upload(handler, org_id, other_id, 1, 0)
        delete_file(handler, org_id, other_id)
    restore_file(handler, org_id, other_id)
    return org_id


def _check(engine: Engine, org_id: UUID) -> Comparison:
    (comparison,) = check(engine, [org_id])
    return comparison


def _recompute(url: URL, org_id: UUID) -> Comparison:
    """Recompute as a new process, without states in memory."""
    with opened(url) as engine:
        (comparison,) = recompute(Handler(engine), engine, [org_id], INTENT)
    return comparison


def _types(engine: Engine, org_id: UUID) -> list[str]:
    return [each.type for each in read_log(engine, org_id)]


# --- tampering ------------------------------------------------------------------------------------


def _organization_bytes(conn: Connection, org_id: UUID) -> None:
    conn.execute(update(organizations).values(used_bytes=7))


def _organization_files(conn: Connection, org_id: UUID) -> None:
    conn.execute(update(organizations).values(file_count=7))


def _organization_deleted(conn: Connection, org_id: UUID) -> None:
    conn.execute(delete(organizations))


def _projection_bytes(conn: Connection, org_id: UUID) -> None:
    conn.execute(update(storage_usage).values(used_bytes=7))


def _projection_deleted(conn: Connection, org_id: UUID) -> None:
    conn.execute(delete(storage_usage))


def _both_deleted(conn: Connection, org_id: UUID) -> None:
    conn.execute(delete(organizations))
    conn.execute(delete(storage_usage))


def _usage_events(conn: Connection, org_id: UUID) -> list[Any]:
    column = events.c
    query = select(events).where(column.org_id == org_id, column.type == _CHANGED)
    return list(conn.execute(query.order_by(column.position)))


def _rewrite(conn: Connection, row: Any, **fields: int) -> None:
    # A plain engine returns a payload as an object on PostgreSQL.
    is_text = isinstance(row.payload, str)
    payload = (json.loads(row.payload) if is_text else row.payload) | fields
    conn.execute(
        update(events)
        .where(events.c.org_id == row.org_id, events.c.position == row.position)
        .values(payload=json.dumps(payload) if is_text else payload)
    )


def _last_running_figure(conn: Connection, org_id: UUID) -> None:
    _rewrite(conn, _usage_events(conn, org_id)[-1], used_bytes=999)


def _last_running_count(conn: Connection, org_id: UUID) -> None:
    _rewrite(conn, _usage_events(conn, org_id)[-1], part_count=999)


def _size_of_a_part(conn: Connection, org_id: UUID) -> None:
    part = events.c.type == "file.part_uploaded"
    query = select(events).where(events.c.org_id == org_id, part).order_by(events.c.position)
    _rewrite(conn, conn.execute(query).all()[1], size_bytes=51)


def _wrong_cause(conn: Connection, org_id: UUID) -> None:
    """Give the last usage event itself as its cause."""
    row = _usage_events(conn, org_id)[-1]
    conn.execute(
        update(events)
        .where(events.c.org_id == org_id, events.c.position == row.position)
        .values(causation_id=row.event_id)
    )


def _days_closing(conn: Connection, org_id: UUID) -> None:
    table = storage_usage_days
    conn.execute(update(table).values(closing_bytes=table.c.closing_bytes + 1))


def _days_peak(conn: Connection, org_id: UUID) -> None:
    conn.execute(update(storage_usage_days).values(peak_bytes=0))


def _days_integral(conn: Connection, org_id: UUID) -> None:
    table = storage_usage_days
    conn.execute(update(table).values(byte_microseconds=table.c.byte_microseconds + 1))


def _days_deleted(conn: Connection, org_id: UUID) -> None:
    conn.execute(delete(storage_usage_days))


_ROWS = (
    _days_closing,
    _days_peak,
    _days_integral,
    _days_deleted,
    _organization_bytes,
    _organization_files,
    _organization_deleted,
    _projection_bytes,
    _projection_deleted,
    _both_deleted,
)
_EVENTS = (_last_running_figure, _last_running_count, _size_of_a_part, _wrong_cause)


def test_unchanged_data_has_not_drifted(handler: Handler, engine: Engine) -> None:
    org_id = _filled(handler)
    comparison = _check(engine, org_id)
    assert not comparison.drifted
    assert usage(engine, org_id) == Usage(180, 2, 3)
    with reading(engine) as conn:
        assert recompute_in_python(conn, org_id) == Usage(180, 2, 3)


@pytest.mark.parametrize("tamper", _ROWS)
def test_rows_are_rebuilt_from_their_events_without_a_new_event(
    tamper: Tamper, handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    before = _types(engine, org_id)
    with tampering(database_url) as conn:
        tamper(conn, org_id)
    found = _check(engine, org_id)
    assert (found.drifted, found.rows_differ, found.events_differ) == (True, True, False)
    assert _recompute(database_url, org_id).correction == "rebuilt"
    assert _types(engine, org_id) == before
    assert assert_consistent(engine, org_id) == Usage(180, 2, 3)
    assert not _check(engine, org_id).drifted
    assert _recompute(database_url, org_id).correction is None


def test_lost_files_are_found_and_rebuilt(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    create_job(handler, org_id, inputs=(create_file(handler, org_id, "input"),))
    lost = (file_parts, files, job_configurations)
    before = contents(engine)
    with tampering(database_url) as conn:
        for table in lost:
            conn.execute(delete(table))
    found = _check(engine, org_id)
    assert (found.drifted, found.files_differ, found.rows_differ) == (True, True, False)
    assert found.as_result()["files_bytes"] == 0
    assert _recompute(database_url, org_id).correction == "rebuilt"
    assert contents(engine) == before
    assert not _check(engine, org_id).drifted


def test_a_stored_figure_that_is_not_a_number_differs_from_0(
    sqlite_engine: Engine, sqlite_url: URL
) -> None:
    org_id = create_organization(Handler(sqlite_engine))
    with tampering(sqlite_url) as conn:
        conn.execute(text("UPDATE organizations SET used_bytes = 'x'"))
    assert _check(sqlite_engine, org_id).rows_differ
    assert _recompute(sqlite_url, org_id).correction == "rebuilt"


@pytest.mark.parametrize("tamper", _EVENTS)
def test_a_wrong_running_figure_is_corrected_by_an_event(
    tamper: Tamper, handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    before = _types(engine, org_id)
    with tampering(database_url) as conn:
        tamper(conn, org_id)
    assert _check(engine, org_id).events_differ
    assert _recompute(database_url, org_id).correction == "event"
    assert _types(engine, org_id) == [*before, _CORRECTED]
    assert not _check(engine, org_id).drifted
    with reading(engine) as conn:
        exact = recompute_in_python(conn, org_id)
    assert usage(engine, org_id) == exact
    assert _recompute(database_url, org_id).correction is None
    assert _types(engine, org_id) == [*before, _CORRECTED]


def test_usage_is_exact_after_a_correction(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    with tampering(database_url) as conn:
        _last_running_figure(conn, org_id)
    _recompute(database_url, org_id)
    with opened(database_url) as other:
        later = Handler(other)
        file_id = create_file(later, org_id, "later.bin")
        upload(later, org_id, file_id, 1, 20)
    assert not _check(engine, org_id).drifted
    assert usage(engine, org_id) == Usage(200, 3, 4)


def test_a_handler_with_states_in_memory_reads_the_correction(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    with tampering(database_url) as conn:
        _last_running_figure(conn, org_id)
    _recompute(database_url, org_id)
    create_file(handler, org_id, "later.bin")
    assert usage(engine, org_id) == Usage(180, 3, 3)
    assert not _check(engine, org_id).drifted


@pytest.mark.parametrize("tamper", [_organization_bytes, _last_running_figure])
def test_two_recomputations_at_once_correct_once(
    tamper: Tamper, handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    with tampering(database_url) as conn:
        tamper(conn, org_id)
    barrier = threading.Barrier(2)
    corrections: list[str | None] = []

    def work() -> None:
        with opened(database_url) as own:
            barrier.wait()
            (comparison,) = recompute(Handler(own), own, [org_id], INTENT)
            corrections.append(comparison.correction)

    _run_together(work, work)
    assert len(corrections) == 2
    assert sum(each is not None for each in corrections) == 1
    expected = 1 if tamper is _last_running_figure else 0
    assert _types(engine, org_id).count(_CORRECTED) == expected
    assert not _check(engine, org_id).drifted


def _run_together(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


# --- rebuilding projections ----------------------------------------------------------------------


def _rebuild(url: URL, org_id: UUID) -> None:
    def inspect(conn: Connection) -> None:
        rebuild(conn, org_id)

    with opened(url) as engine:
        Handler(engine).inspect_and_handle(org_id, INTENT, inspect)


def test_rebuilt_projections_equal_the_ones_that_commands_wrote(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    with reading(engine) as conn:
        before = projection_rows(conn, org_id)
    with tampering(database_url) as conn:
        conn.execute(update(storage_usage).values(used_bytes=1, position=1))
        conn.execute(delete(storage_usage_days))
    for _ in range(2):
        _rebuild(database_url, org_id)
        with reading(engine) as conn:
            assert projection_rows(conn, org_id) == before


def test_projections_rebuilt_during_writes_miss_no_event(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = _filled(handler)
    file_id = create_file(handler, org_id, "busy.bin")

    def write() -> None:
        with opened(database_url) as own:
            writer = Handler(own)
            for number in range(1, 31):
                upload(writer, org_id, file_id, number, number)

    def rebuild() -> None:
        for _ in range(6):
            _rebuild(database_url, org_id)

    _run_together(write, rebuild)
    assert assert_consistent(engine, org_id) == Usage(180 + 465, 3, 33)


def _ids(comparisons: Iterator[Comparison]) -> list[UUID]:
    return [comparison.org_id for comparison in comparisons]


def test_comparisons_have_the_order_of_the_given_ids(handler: Handler, engine: Engine) -> None:
    ids = [create_organization(handler, f"org-{number}") for number in range(3)]
    assert _ids(check(engine, ids[::-1])) == ids[::-1]
