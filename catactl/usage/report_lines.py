"""Convert the lines of a report to results."""

from collections.abc import Iterable, Mapping

from catactl.results.usage import ReportLine
from catactl.store.canonical_json import format_instant
from catactl.usage.report import UsageLine
from catactl.usage.units import Unit, byte_months, in_units, rounded
from catactl.values.times import Interval, microseconds


def usage_line(line: UsageLine, interval: Interval, *, is_closed: bool) -> ReportLine:
    """Return an organization's usage over the interval of a report."""
    span = line.span
    amounts = in_units(span.byte_microseconds, byte_months(line.by_month))
    return {
        "kind": "usage",
        "org_id": str(line.org_id),
        "name": line.name,
        "start": format_instant(interval.start),
        "end": format_instant(interval.end),
        "closed": is_closed,
        "opening_bytes": span.opening_bytes,
        "closing_bytes": span.closing_bytes,
        "average_bytes": rounded(span.byte_microseconds, microseconds(span.end - span.start)),
        "peak_bytes": span.peak_bytes,
        "byte_microseconds": span.byte_microseconds,
        "byte_hours": amounts["byte_hours"],
        "gb_hours": amounts["gb_hours"],
        "gib_hours": amounts["gib_hours"],
        "gb_month": amounts["gb_month"],
        "gib_month": amounts["gib_month"],
    }


def in_order(rows: Iterable[ReportLine], corrected: Iterable[ReportLine]) -> list[ReportLine]:
    """Return each organization's line, followed by the lines of its corrections. Corrections of
    organizations without a line come last.
    """
    by_org: dict[str, list[ReportLine]] = {}
    for row in corrected:
        by_org.setdefault(row["org_id"], []).append(row)
    listed = [each for row in rows for each in (row, *by_org.pop(row["org_id"], ()))]
    return listed + [row for left in by_org.values() for row in left]


def total_in(unit: Unit, lines: Iterable[UsageLine]) -> str:
    """Return the usage of all lines together in a unit."""
    lines = list(lines)
    total_microseconds = sum(line.span.byte_microseconds for line in lines)
    months = byte_months(part for line in lines for part in line.by_month)
    amounts: Mapping[str, object] = in_units(total_microseconds, months)
    return str(amounts[unit.field])
