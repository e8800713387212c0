"""Compute the time from which an event counts.

A machine whose clock was ahead may have dated events in the future. Stored events never change, so
`organization.clock_corrected` limits the time of all events before it in its log. An event counts
from its recorded time, or from the earliest later correction if that is earlier. Within a log these
times never decrease.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, case, literal, select
from sqlalchemy.sql.elements import ColumnElement

from catactl.domain.organization import OrganizationClockCorrected
from catactl.store.codec import EVENT_NAMES
from catactl.store.sql.types import Instant
from catactl.store.tables import IS_LIFECYCLE_EVENT, events

CLOCK_CORRECTED = EVENT_NAMES[OrganizationClockCorrected]


class Limit(NamedTuple):
    """Events before this position count from this moment at the latest."""

    position: int
    moment: datetime


# Sorted by position and by moment; () for a log whose clock was never corrected.
Limits = tuple[Limit, ...]


def limits_by_log(conn: Connection, org_ids: Collection[UUID] | None = None) -> dict[UUID, Limits]:
    """Return the limits of the logs that have corrections, among all logs or the given ones."""
    query = (
        select(events.c.org_id, events.c.position, events.c.recorded_at)
        .where(IS_LIFECYCLE_EVENT, events.c.type == CLOCK_CORRECTED)
        .order_by(events.c.org_id, events.c.position)
    )
    if org_ids is not None:
        query = query.where(events.c.org_id.in_(org_ids))
    corrections: dict[UUID, list[Limit]] = {}
    for org_id, position, recorded_at in conn.execute(query):
        corrections.setdefault(org_id, []).append(Limit(position, recorded_at))
    return {org_id: _in_force(each) for org_id, each in corrections.items()}


def limits_of(conn: Connection, org_id: UUID) -> Limits:
    """Return the limits of one log."""
    return limits_by_log(conn, [org_id]).get(org_id, ())


def _in_force(corrections: Sequence[Limit]) -> Limits:
    """Return the corrections in force. A later correction replaces one that is dated after it."""
    limits: list[Limit] = []
    for correction in reversed(corrections):
        if not limits or correction.moment < limits[-1].moment:
            limits.append(correction)
    return tuple(reversed(limits))


def effective(limits: Iterable[Limit], position: int, recorded_at: datetime) -> datetime:
    """Return the time from which the event at a position counts."""
    for limit in limits:
        if position < limit.position:
            return min(recorded_at, limit.moment)
    return recorded_at


def effective_at(limits: Limits) -> ColumnElement[datetime]:
    """Return the time from which an event counts, as an SQL expression over the events of a log."""
    recorded_at = events.c.recorded_at
    if not limits:
        return recorded_at
    limited = [
        (
            events.c.position < limit.position,
            case((recorded_at < limit.moment, recorded_at), else_=literal(limit.moment, Instant)),
        )
        for limit in limits
    ]
    return case(*limited, else_=recorded_at)
