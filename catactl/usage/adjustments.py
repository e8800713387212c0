"""Corrections of usage in a period, which are lines of its report."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.results.usage import ReportLine
from catactl.store.canonical_json import format_instant
from catactl.store.effective_time import effective, limits_by_log
from catactl.store.log_queries import CORRECTED
from catactl.store.sql.functions import payload_field
from catactl.store.sql.types import checked_integer
from catactl.store.tables import IS_LIFECYCLE_EVENT, events, organizations
from catactl.usage.past_organizations import organizations_changed_since
from catactl.values.times import Interval


def adjustments(
    conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None
) -> Iterator[ReportLine]:
    """Yield a line for each correction that counts from a moment in the period, oldest first."""
    before = payload_field(events.c.payload, "before_bytes")
    after = payload_field(events.c.payload, "used_bytes")
    query = (
        select(
            events.c.org_id,
            organizations.c.name,
            events.c.position,
            events.c.recorded_at,
            events.c.actor,
            events.c.reason,
            (after - before).label("delta_bytes"),
        )
        .outerjoin(organizations, organizations.c.org_id == events.c.org_id)
        .where(
            IS_LIFECYCLE_EVENT, events.c.type == CORRECTED, events.c.recorded_at >= interval.start
        )
    )
    if org_ids is not None:
        query = query.where(events.c.org_id.in_(org_ids))
    rows = conn.execute(query).all()
    if not rows:
        return
    limits = limits_by_log(conn)
    past = organizations_changed_since(conn, interval.end)
    dated = [
        (effective(limits.get(row.org_id, ()), row.position, row.recorded_at), row) for row in rows
    ]
    for moment, row in sorted(dated, key=lambda each: (each[0], each[1].org_id)):
        if interval.start <= moment < interval.end:
            name = past[row.org_id].name if row.org_id in past else row.name
            yield {
                "kind": "adjustment",
                "org_id": str(row.org_id),
                "name": name or str(row.org_id),
                "start": format_instant(moment),
                "end": format_instant(moment),
                "delta_bytes": checked_integer(row.delta_bytes),
                "position": row.position,
                "actor": row.actor,
                "reason": row.reason,
            }
