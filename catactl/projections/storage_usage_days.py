"""Storage usage by day: opening, closing and peak bytes, and the exact integral over time.

A row for each UTC day on which usage changed. `byte_microseconds` integrates usage from the day's
first moment to `changed_at`, exactly; a reader adds `closing_bytes` times the rest. Days between
two rows have no row: usage stood at the closing bytes of the row before.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, case

from catactl.domain.decider import Event
from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.projections.view import Columns, Happened, Upsert
from catactl.store.tables import storage_usage_days
from catactl.store.types import (
    ExactInteger,
    Instant,
    microseconds,
    microseconds_between,
    plus_product,
)

NAME = "storage_usage_days"
TABLE = storage_usage_days
LISTENS: tuple[type[Event], ...] = (StorageUsageChanged, StorageUsageCorrected)


def _merge(new: Columns, present: Columns) -> Mapping[str, Any]:
    """Continue a day that has a row: usage stood at its closing bytes until the first new event."""
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


def apply(conn: Connection, org_id: UUID, happened: Sequence[Happened]) -> None:
    """Write a row for each day of the events, or continue the one that is there."""
    for day, on_day in groupby(happened, key=lambda each: each.recorded.recorded_at.date()):
        midnight = datetime.combine(day, time(), UTC)
        steps = [(each.recorded.recorded_at, *_before_and_after(each.event)) for each in on_day]
        first_at, opening_bytes, closing_bytes = steps[0]
        changed_at, from_first = first_at, 0
        for moment, _, used_bytes in steps[1:]:
            from_first += closing_bytes * microseconds(moment - changed_at)
            changed_at, closing_bytes = moment, used_bytes
        peak_bytes = max(max(before, after) for _, before, after in steps)
        _UPSERT.write(
            conn,
            {
                "org_id": org_id,
                "day": day,
                "opening_bytes": opening_bytes,
                "closing_bytes": closing_bytes,
                "peak_bytes": peak_bytes,
                "byte_microseconds": opening_bytes * microseconds(first_at - midnight) + from_first,
                "changed_at": changed_at,
                "first_at": first_at,
                "from_first": from_first,
            },
        )


def _before_and_after(event: Event) -> tuple[int, int]:
    match event:
        case StorageUsageChanged():
            return event.used_bytes - event.delta_bytes, event.used_bytes
        case StorageUsageCorrected():
            return event.before_bytes, event.used_bytes
        case other:
            raise AssertionError(f"{NAME} does not listen to {type(other).__name__}")
