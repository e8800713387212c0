"""Check the stored days, from which bills are computed: recompute them from the usage events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Subquery, and_, case, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from catactl.store.effective_time import effective_at, limits_by_log
from catactl.store.log_queries import CORRECTED, USAGE_EVENTS
from catactl.store.sql.functions import (
    day_of,
    exact_sum,
    microseconds_between,
    midnight,
    payload_field,
    plus_product,
)
from catactl.store.tables import events, storage_usage_days


def broken_days(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of stored days of each organization that differ from its usage events, are
    missing, or have no event. Omit organizations without such days.
    """
    limits = limits_by_log(conn, org_ids)
    never_corrected = [org_id for org_id in org_ids if org_id not in limits]
    broken = _broken_days(conn, never_corrected, events.c.recorded_at)
    for org_id, of_log in limits.items():
        broken |= _broken_days(conn, [org_id], effective_at(of_log))
    return broken


def _broken_days(
    conn: Connection, org_ids: Sequence[UUID], moment: ColumnElement[datetime]
) -> dict[UUID, int]:
    exact = _recomputed(org_ids, moment).c
    stored = storage_usage_days.c
    agrees = and_(
        *(
            stored[column.name] == exact[column.name]
            for column in storage_usage_days.c
            if not column.primary_key
        )
    )
    matched = (
        select(
            exact.org_id,
            func.count(stored.day).label("stored"),
            func.sum(case((agrees, 0), else_=1)).label("broken"),
        )
        .outerjoin(storage_usage_days, and_(stored.org_id == exact.org_id, stored.day == exact.day))
        .group_by(exact.org_id)
    )
    stored_days = (
        select(stored.org_id, func.count().label("days"))
        .where(stored.org_id.in_(org_ids))
        .group_by(stored.org_id)
    )
    without_event = {row.org_id: row.days for row in conn.execute(stored_days)}
    broken = dict[UUID, int]()
    for row in conn.execute(matched):
        broken[row.org_id] = row.broken + without_event.pop(row.org_id, 0) - row.stored
    return {org_id: count for org_id, count in (broken | without_event).items() if count}


def _recomputed(org_ids: Sequence[UUID], moment: ColumnElement[datetime]) -> Subquery:
    """Return the rows of the projection of days, recomputed from the usage events. The query reads
    each log once, in its order. Each event counts from its `moment`.
    """
    used_bytes = payload_field(events.c.payload, "used_bytes")
    before_bytes = case(
        (events.c.type == CORRECTED, payload_field(events.c.payload, "before_bytes")),
        else_=used_bytes - payload_field(events.c.payload, "delta_bytes"),
    )
    step = (
        select(
            events.c.org_id,
            events.c.position,
            moment.label("moment"),
            day_of(moment).label("day"),
            used_bytes.label("used_bytes"),
            before_bytes.label("before_bytes"),
        )
        .where(events.c.org_id.in_(org_ids), events.c.type.in_(USAGE_EVENTS))
        .subquery()
    )
    in_order: dict[str, Any] = {"partition_by": step.c.org_id, "order_by": step.c.position}
    between = select(
        step,
        func.lag(step.c.day).over(**in_order).label("day_before"),
        func.lag(step.c.moment).over(**in_order).label("since"),
        func.lag(step.c.used_bytes).over(**in_order).label("level_bytes"),
        func.lead(step.c.day).over(**in_order).label("day_after"),
    ).subquery()
    each = between.c
    is_first = or_(each.day_before.is_(None), each.day_before != each.day)
    is_last = or_(each.day_after.is_(None), each.day_after != each.day)
    level_bytes = case((is_first, each.before_bytes), else_=each.level_bytes)
    since = case((is_first, midnight(each.day)), else_=each.since)
    higher_bytes = case(
        (each.before_bytes > each.used_bytes, each.before_bytes), else_=each.used_bytes
    )
    elapsed = microseconds_between(each.moment, since)
    return (
        select(
            each.org_id,
            each.day,
            func.max(case((is_first, each.before_bytes))).label("opening_bytes"),
            func.max(case((is_last, each.used_bytes))).label("closing_bytes"),
            func.max(higher_bytes).label("peak_bytes"),
            exact_sum(plus_product(0, level_bytes, elapsed)).label("byte_microseconds"),
            func.max(each.moment).label("changed_at"),
        )
        .group_by(each.org_id, each.day)
        .subquery()
    )
