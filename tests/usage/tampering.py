"""An organization with usage, and changes of its stored rows and events behind catactl's back."""

import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, select, update

from catactl.handling.handler import Handler
from catactl.store.tables import events, organizations, storage_usage, storage_usage_days
from tests.support import (
    BYTES_2,
    create_file,
    create_organization,
    delete_file,
    read_log,
    restore_file,
    upload,
)

_CHANGED = "organization.storage_usage_changed"
Tamper = Callable[[Connection, UUID], None]


def filled(handler: Handler) -> UUID:
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


def types(engine: Engine, org_id: UUID) -> list[str]:
    return [each.type for each in read_log(engine, org_id)]


def run_together(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


# --- changes --------------------------------------------------------------------------------------


def organization_bytes(conn: Connection, org_id: UUID) -> None:
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


def last_running_figure(conn: Connection, org_id: UUID) -> None:
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


ROW_CHANGES = (
    _days_closing,
    _days_peak,
    _days_integral,
    _days_deleted,
    organization_bytes,
    _organization_files,
    _organization_deleted,
    _projection_bytes,
    _projection_deleted,
    _both_deleted,
)
EVENT_CHANGES = (last_running_figure, _last_running_count, _size_of_a_part, _wrong_cause)
