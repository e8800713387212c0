"""catactl usage report"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArguments
from catactl.cli.framework.past_names import organizations_between
from catactl.cli.output.atomic_file import write_file
from catactl.cli.output.clock_warning import LogsAhead
from catactl.cli.output.text import counted
from catactl.errors import InvalidValue, NotFound
from catactl.results.result import Columns, Listed
from catactl.results.usage import REPORT_COLUMNS, ReportLine
from catactl.store import clock
from catactl.store.closed_periods import why_open
from catactl.usage.adjustments import adjustments
from catactl.usage.daily_totals import daily_totals
from catactl.usage.html_report import Page, render
from catactl.usage.report import lines
from catactl.usage.report_lines import in_order, total_in, usage_line
from catactl.usage.units import Unit
from catactl.values.times import Every, Interval, checked_interval, parse_month, parse_time


@command()
def report(
    context: Context,
    orgs: OrgArguments = None,
    month: Annotated[
        str | None,
        Option("--month", metavar="YYYY-MM", help="Month. [default: the current month until now]"),
    ] = None,
    from_: Annotated[str | None, Option("--from", metavar="TIME", help="Start, included.")] = None,
    to: Annotated[str | None, Option("--to", metavar="TIME", help="End, excluded.")] = None,
    unit: Annotated[Unit, Option("--unit", help="Unit in lists.")] = Unit.BYTE_HOURS,
    html: Annotated[
        str | None, Option("--html", metavar="PATH", help="Also write a web page with charts.")
    ] = None,
) -> Listed[ReportLine]:
    """Report the usage of each organization over a month or an interval, for bills. A name means
    each organization that had it in that time.

    The figures of a closed period never change. Before the command reports a past period, it waits
    for transactions that began before the period ended, at most for --lock-timeout. A correction
    made in a period is a separate line of the kind adjustment. See `catactl help billing`.

    Example: catactl usage report --month 2026-01 --unit GB-month -o csv
    """
    with context.reading() as conn:
        now = clock.now(conn)
    requested = _period(month, from_, to, now)
    interval = Interval(requested.start, min(requested.end, now))
    if interval.start >= interval.end:
        is_empty = requested.start == requested.end
        raise InvalidValue("the period is empty" if is_empty else "the period has not begun yet")
    is_over = requested.end <= now
    is_closed = is_over and _is_closed(context, requested.end)
    with context.reading() as conn:
        org_ids = organizations_between(context, conn, orgs, *interval) if orgs else None
        # Stream the rows while the query runs.
        used = [
            (line, usage_line(line, interval, is_closed=is_closed))
            for line in lines(conn, interval, org_ids)
        ]
        used.sort(key=lambda each: (each[0].name, each[0].org_id))
        rows = [row for _, row in used]
        corrected = list(adjustments(conn, interval, org_ids))
        days = list(daily_totals(conn, interval, org_ids)) if html is not None else []
        ahead = LogsAhead(conn, org_ids)
        if not is_over:  # because a report of a closed period never changes
            for row in rows:
                row["clock_ahead_seconds"] = ahead.seconds(row["org_id"])
        ahead.warn(context)
    if html is not None:
        total = total_in(unit, [line for line, _ in used])
        page = Page(interval, is_over, is_closed, unit, rows, corrected, total, days)
        write_file(html, render(page))
        context.note(f"wrote {html}")
    _check_reported(context, orgs, org_ids, rows)
    columns = Columns((*REPORT_COLUMNS, unit.field, "delta_bytes"), id_field="org_id")
    return Listed(in_order(rows, corrected), columns)


def _period(month: str | None, from_: str | None, to: str | None, now: datetime) -> Interval:
    """Return the period that options name, which may end in the future."""
    if month is not None:
        if from_ is not None or to is not None:
            raise InvalidValue("--month cannot be used with --from or --to", "use one or the other")
        return parse_month(month)
    if from_ is None and to is None:
        start = Every.MONTH.floor(now)
        return Interval(start, Every.MONTH.next(start))
    if from_ is None:
        raise InvalidValue("--to needs --from", "use both, or --month")
    return checked_interval(parse_time(from_, now), parse_time(to, now) if to is not None else now)


def _is_closed(context: Context, end: datetime) -> bool:
    """Wait for the writers of a past period. Return False if a transaction can still change the
    period. Call it before the report takes its snapshot.
    """

    def note_wait(count: int) -> None:
        transactions = counted(count, "transaction")
        context.note(f"waiting for {transactions} that began before the period ended")

    reason = why_open(context.engine, end, note_wait)
    if reason is not None:
        context.log.warning(f"the period is over, but its figures may still change: {reason}")
    return reason is None


def _check_reported(
    context: Context,
    orgs: Sequence[str] | None,
    org_ids: Sequence[UUID] | None,
    rows: Sequence[ReportLine],
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
        context.note(f"organization {org_id} did not exist yet in that period")
