"""catactl usage show"""

from collections.abc import Iterable, Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import AsOf, OrgArguments
from catactl.cli.framework.past_names import organization_at
from catactl.cli.output.clock_warning import LogsAhead
from catactl.results.usage import CurrentUsage, UsageResult, UsageWithGrowth
from catactl.store import clock, name_lookup
from catactl.usage import growth


@command()
def show(
    context: Context, orgs: OrgArguments = None, as_of: AsOf = None
) -> UsageResult | Iterator[UsageResult]:
    """Show storage usage, now or in the past: bytes, files and parts. With --as-of, a name means
    the organization that had it at that time.

    Without --as-of, the result also has the growth over 7 and 30 days and an estimate of the date
    on which the quota is reached. `catactl usage top --help` explains these fields.

    Example: catactl usage show acme --as-of 2026-01-01
    """
    point = context.point(as_of)
    moment = point.moment if point is not None else None
    conn = context.snapshot
    now = clock.now(conn)
    ids = [organization_at(context, conn, org, point) for org in orgs or ()]
    ahead = LogsAhead(conn, ids or None)
    context.after_result(ahead.warn, context)
    rows: Iterable[CurrentUsage | UsageWithGrowth]
    if moment is not None:
        from catactl.queries import as_of as past

        if ids:
            rows = (past.usage(conn, org_id, moment) for org_id in ids)
        else:
            rows = past.list_usage(conn, name_lookup.all_logs(conn), moment)
    elif ids:
        rows = (growth.get_usage(conn, org_id, now) for org_id in ids)
    else:
        rows = growth.list_usage(conn, now)
    results = _results(rows, ahead)
    return next(results) if len(ids) == 1 else results


def _results(
    rows: Iterable[CurrentUsage | UsageWithGrowth], ahead: LogsAhead
) -> Iterator[UsageResult]:
    for row in rows:
        yield {**row, "clock_ahead_seconds": ahead.seconds(row["org_id"])}
