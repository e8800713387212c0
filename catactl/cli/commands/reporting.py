"""A report of usage as a command: the period that is meant, its lines, and a page of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from catactl.cli.framework.context import Context
from catactl.cli.framework.past_names import organizations_between
from catactl.cli.output.atomic_file import write_whole
from catactl.cli.output.clock_warning import Ahead
from catactl.cli.output.text import counted
from catactl.errors import InvalidValue, NotFound
from catactl.queries.resources import plain
from catactl.results.shapes import REPORT_COLUMNS, Shape
from catactl.store import clock
from catactl.store.closed_periods import why_open
from catactl.usage.adjustments import Adjustment, adjustments
from catactl.usage.daily_totals import daily_totals
from catactl.usage.html_report import Page, render
from catactl.usage.report import Line, lines
from catactl.usage.units import Unit, byte_months, in_units, rounded
from catactl.values.times import (
    Every,
    Interval,
    checked_interval,
    microseconds,
    parse_month,
    parse_time,
)


def run_report(
    run: Context,
    orgs: Sequence[str] | None,
    month: str | None,
    from_: str | None,
    to: str | None,
    unit: Unit,
    html: str | None,
) -> None:
    """Print the lines of a period; write them as a page as well, if a file is named."""
    with run.reading() as conn:
        now = clock.now(conn)
    asked = _period(month, from_, to, now)
    interval = Interval(asked.start, min(asked.end, now))
    if interval.start >= interval.end:
        raise InvalidValue(
            "the period is empty" if asked.start == asked.end else "the period has not begun yet"
        )
    is_over = asked.end <= now
    is_closed = is_over and _is_closed(run, asked.end)
    period = {"start": plain(interval.start), "end": plain(interval.end), "closed": is_closed}
    with run.reading() as conn:
        org_ids = None
        if orgs:
            org_ids = organizations_between(run, conn, orgs, *interval)
        # A row is made while the database looks for the next one.
        found = [(line, _usage_row(line, period)) for line in lines(conn, interval, org_ids)]
        found.sort(key=lambda each: (each[0].name, each[0].org_id))
        rows = [row for _, row in found]
        corrected = [_adjustment_row(each) for each in adjustments(conn, interval, org_ids)]
        days = list(daily_totals(conn, interval, org_ids)) if html is not None else []
        ahead = Ahead(conn, org_ids)
        if not is_over:  # a report of a closed period never changes
            rows = list(ahead.added_to(rows))
        ahead.warn(run)
    if html is not None:
        total_microseconds = sum(line.span.byte_microseconds for line, _ in found)
        months = byte_months(part for line, _ in found for part in line.by_month)
        total = str(in_units(total_microseconds, months)[unit.field])
        page = Page(
            interval, is_over, is_closed, unit.value, unit.field, rows, corrected, total, days
        )
        write_whole(html, render(page))
        run.note(f"wrote {html}")
    _check_reported(run, orgs, org_ids, rows)
    columns = (*REPORT_COLUMNS, unit.field, "delta_bytes")
    run.output.rows(_in_order(rows, corrected), Shape("org_id", columns))


def _check_reported(
    run: Context,
    orgs: Sequence[str] | None,
    org_ids: Sequence[UUID] | None,
    rows: Sequence[dict[str, Any]],
) -> None:
    """Print a note for each requested organization without a line; raise `NotFound` if there is no
    line at all.
    """
    reported = {row["org_id"] for row in rows}
    missing = [str(org_id) for org_id in org_ids or () if str(org_id) not in reported]
    if missing and not rows:
        names = ", ".join(map(repr, orgs or ()))
        raise NotFound(f"{names} did not exist yet in that period", "see: catactl org list --all")
    for org_id in missing:
        run.note(f"organization {org_id} did not exist yet in that period")


def _is_closed(run: Context, end: datetime) -> bool:
    """Wait for the writers of a period that is over; return whether none can change it any more.
    Call it before the report takes its snapshot.
    """

    def waiting(count: int) -> None:
        run.note(f"waiting for {counted(count, 'transaction')} that began before the period ended")

    reason = why_open(run.engine, end, waiting)
    if reason is not None:
        run.log.warning(f"the period is over, but its figures may still change: {reason}")
    return reason is None


def _period(month: str | None, from_: str | None, to: str | None, now: datetime) -> Interval:
    if month is not None:
        if from_ is not None or to is not None:
            raise InvalidValue("--month beside --from or --to", "give one or the other")
        return parse_month(month)
    if from_ is None and to is None:
        start = Every.MONTH.floor(now)
        return Interval(start, Every.MONTH.next(start))
    if from_ is None:
        raise InvalidValue("--to without --from", "give both, or --month")
    return checked_interval(parse_time(from_, now), parse_time(to, now) if to is not None else now)


def _in_order(rows: list[dict[str, Any]], corrected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each organization's line, and after it those of its corrections."""
    by_org: dict[str, list[dict[str, Any]]] = {}
    for row in corrected:
        by_org.setdefault(row["org_id"], []).append(row)
    listed = [each for row in rows for each in (row, *by_org.pop(row["org_id"], ()))]
    return listed + [row for left in by_org.values() for row in left]


def _usage_row(line: Line, period: dict[str, Any]) -> dict[str, Any]:
    span = line.span
    return {
        "kind": "usage",
        "org_id": str(line.org_id),
        "name": line.name,
        **period,
        "opening_bytes": span.opening_bytes,
        "closing_bytes": span.closing_bytes,
        "average_bytes": rounded(span.byte_microseconds, microseconds(span.end - span.start)),
        "peak_bytes": span.peak_bytes,
        "byte_microseconds": span.byte_microseconds,
        **in_units(span.byte_microseconds, byte_months(line.by_month)),
    }


def _adjustment_row(each: Adjustment) -> dict[str, Any]:
    return {
        "kind": "adjustment",
        "org_id": str(each.org_id),
        "name": each.name,
        "start": plain(each.recorded_at),
        "end": plain(each.recorded_at),
        "delta_bytes": each.delta_bytes,
        "position": each.position,
        "actor": each.actor,
        "reason": each.reason,
    }
