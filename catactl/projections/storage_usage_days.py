"""Storage usage by day: opening, closing and peak bytes, and the exact integral over time.

There is a row for each UTC day on which usage changed. `byte_microseconds` is the exact integral of
usage from midnight to `changed_at`; a reader adds `closing_bytes` times the rest of the day. On a
day without a row usage was constant, at the closing bytes of the row before.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, case

from catactl.domain.decider import Event
from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.projections.projection import DecodedEvent, Rows
from catactl.store.sql.functions import microseconds_between, plus_product
from catactl.store.sql.types import ExactInteger, Instant
from catactl.store.sql.upsert import Columns, Upsert
from catactl.store.tables import storage_usage_days
from catactl.values.times import microseconds

NAME = "storage_usage_days"
TABLE = storage_usage_days
LISTENS: tuple[type[Event], ...] = (StorageUsageChanged, StorageUsageCorrected)


def _merge(new: Columns, present: Columns) -> Mapping[str, Any]:
    """Update the row of a day, whose usage was its closing bytes until the first new event."""
    until_first = plus_product(
        present["byte_microseconds"],
        present["closing_bytes"],
        microseconds_between(bindparam("first_at", type_=Instant), present["changed_at"]),
    )
    return {
        "closing_bytes": new["closing_bytes"],
        "peak_bytes": case(
            (new["peak_bytes"] > present["peak_bytes"], new["peak_bytes"]),
            else_=present["peak_bytes"],
        ),
        "byte_microseconds": plus_product(
            until_first, bindparam("from_first", type_=ExactInteger), 1
        ),
        "changed_at": new["changed_at"],
    }


_UPSERT = Upsert(storage_usage_days, _merge)


def fold(rows: Rows, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
    """Update the row of each event's day, or create it."""
    for stored, event in events:
        before, after = _before_and_after(event)
        moment = stored.recorded_at
        day = moment.date()
        row = rows.get(day)
        if row is None:
            row = rows[day] = {
                "org_id": org_id,
                "day": day,
                "opening_bytes": before,
                "peak_bytes": before,
                "byte_microseconds": before * microseconds(moment - _midnight(day)),
                "first_at": moment,
            }
        else:
            elapsed = microseconds(moment - row["changed_at"])
            row["byte_microseconds"] += row["closing_bytes"] * elapsed
        row["peak_bytes"] = max(row["peak_bytes"], before, after)
        row["closing_bytes"] = after
        row["changed_at"] = moment


def apply(conn: Connection, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
    """Create or update the row of each day of the events."""
    rows: Rows = {}
    fold(rows, org_id, events)
    for day, row in rows.items():
        until_first = row["opening_bytes"] * microseconds(row["first_at"] - _midnight(day))
        _UPSERT.write(conn, row | {"from_first": row["byte_microseconds"] - until_first})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _before_and_after(event: Event) -> tuple[int, int]:
    match event:
        case StorageUsageChanged():
            return event.used_bytes - event.delta_bytes, event.used_bytes
        case StorageUsageCorrected():
            return event.before_bytes, event.used_bytes
        case other:
            raise AssertionError(f"{NAME} does not listen to {type(other).__name__}")
