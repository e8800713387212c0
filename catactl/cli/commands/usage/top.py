"""catactl usage top"""

from collections.abc import Iterator
from typing import Annotated

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.help_format import MOST
from catactl.cli.output.clock_warning import LogsAhead
from catactl.results.usage import TopResult
from catactl.store import clock
from catactl.usage.growth import largest


@command()
def top(
    context: Context,
    limit: Annotated[
        int,
        Option("--limit", metavar="N", min=1, max=MOST, help="Maximum number of organizations."),
    ] = 10,
) -> Iterator[TopResult]:
    """Show the organizations that use most, their growth, and the estimated dates on which they
    reach their quotas.

    Growth is the usage now minus the usage at the UTC midnight at which the day 7 or 30 days ago
    began. The estimate continues the growth of 30 days as a straight line; for a younger
    organization, the growth since its creation. There is no estimate in the first two days, if
    usage does not grow, or if the quota is already reached.

    Example: catactl usage top --limit 3
    """
    conn = context.snapshot
    ahead = LogsAhead(conn, None)
    context.after_result(ahead.warn, context)
    return (
        {**row, "clock_ahead_seconds": ahead.seconds(row["org_id"])}
        for row in largest(conn, limit, clock.now(conn))
    )
