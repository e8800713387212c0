"""catactl usage history"""

from collections.abc import Iterator
from typing import Annotated

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument
from catactl.cli.framework.past_names import organization_between
from catactl.results.result import Text
from catactl.results.usage import HistoryResult
from catactl.usage.history import history_result, usage_history
from catactl.values.times import Every, checked_interval, parse_time

_BUCKETS = 30


@command()
def history(
    context: Context,
    org: OrgArgument,
    from_: Annotated[
        str | None,
        Option("--from", metavar="TIME", help="Start, included. [default: 30 periods ago]"),
    ] = None,
    to: Annotated[str, Option("--to", metavar="TIME", help="End, excluded.")] = "now",
    every: Annotated[Every, Option("--every", help="Length of a period.")] = Every.DAY,
    plot: Annotated[
        bool, Option("--plot", help="Draw mean and peak of each period as wide as the terminal.")
    ] = False,
) -> Iterator[HistoryResult] | Text[list[HistoryResult]]:
    """Show usage over time, with one row per hour, day or month (UTC): opening, closing and peak
    bytes, and byte-hours. Periods without events have a row too. The last period ends now.

    With --from or --to, a name means the organization that had it at that time.

    Example: catactl usage history acme --from -7d --every hour
    """
    now = context.now()
    end = min(parse_time(to, now), now)
    start = parse_time(from_, now) if from_ is not None else every.back(end, _BUCKETS)
    interval = checked_interval(start, end)
    conn = context.snapshot
    is_now = from_ is None and to == "now"
    org_id = organization_between(context, conn, org, *interval, prefers_now=is_now)
    spans = usage_history(conn, org_id, interval, every)
    if not plot:
        return map(history_result, spans)
    from catactl.cli.output.plot import plot as draw

    kept = list(spans)
    return Text([draw(kept, interval)], [history_result(span) for span in kept])
