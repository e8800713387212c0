"""catactl usage export"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from sqlalchemy import Connection
from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.help_format import MOST
from catactl.cli.framework.options import OrgArguments
from catactl.cli.framework.past_names import organizations_between
from catactl.cli.framework.time_range import time_range
from catactl.cli.output.atomic_file import atomic_file
from catactl.errors import InvalidValue
from catactl.results.result import Json, Text
from catactl.results.usage import CloudEvent
from catactl.store import clock, log_queries, name_lookup
from catactl.store.event_log import END
from catactl.usage.cloudevents import cloudevents
from catactl.usage.metrics import exposition, organization_metrics


@command()
def export(
    context: Context,
    format_: Annotated[
        Literal["prometheus", "cloudevents"], Option("--format", help="Format of the output.")
    ],
    orgs: OrgArguments = None,
    write: Annotated[
        str | None,
        Option("--write", metavar="PATH", help="File to write; it is replaced as a whole."),
    ] = None,
    from_: Annotated[
        str | None, Option("--from", metavar="TIME", help="Only events from this time on.")
    ] = None,
    to: Annotated[
        str | None, Option("--to", metavar="TIME", help="Only events before this time.")
    ] = None,
    after: Annotated[
        int | None,
        Option(
            "--after",
            metavar="POSITION",
            min=0,
            max=MOST,
            help="Only events after this position; needs one ORG.",
        ),
    ] = None,
) -> Json[Iterator[CloudEvent]] | Text[list[CloudEvent]] | None:
    """Export usage to other systems.

    prometheus: gauges of the current usage for node_exporter's textfile collector. The name of the
    file must end in .prom.

    cloudevents: each usage event as a CloudEvent, one per line, or one array with --json. To export
    new events, run the command each hour with --from -2h. An event that is sent twice has the same
    source and id, so the receiver can ignore it. For one organization, continue with --after and
    the position of the last event. See `catactl help monitoring`.

    Example: catactl usage export --format prometheus --write /var/lib/node_exporter/catactl.prom
    """
    is_ranged = from_ is not None or to is not None
    if format_ == "prometheus" and (is_ranged or after is not None):
        raise InvalidValue(
            "--from, --to and --after select events, but --format prometheus exports no events"
        )
    if after is not None and is_ranged:
        raise InvalidValue("--after cannot be used with --from or --to", "use one or the other")
    if after is not None and len(orgs or ()) != 1:
        raise InvalidValue("--after is a position in one organization's log", "name one ORG")
    start, end = time_range(context, from_, to)
    conn = context.snapshot
    org_ids = None
    if orgs and is_ranged:
        org_ids = organizations_between(context, conn, orgs, start, end)
    elif orgs:
        org_ids = name_lookup.organizations_or_all(conn, orgs)
    result: Json[Iterator[CloudEvent]] | Text[list[CloudEvent]]
    if format_ == "prometheus":
        lines = exposition(organization_metrics(conn, org_ids), clock.now(conn))
        result = Text(lines, [], is_always_text=True)
    else:
        org_ids = name_lookup.all_logs(conn) if org_ids is None else org_ids
        first = _positions(conn, org_ids, start, after or 0)
        last = _positions(conn, org_ids, end, END)
        result = Json(cloudevents(conn, org_ids, first, last), otherwise="jsonl")
    if write is None:
        return result
    with atomic_file(write) as file:
        context.output.to(file).print(result, CloudEvent)
    context.note(f"wrote {write}")
    return None


def _positions(
    conn: Connection, org_ids: Sequence[UUID], moment: datetime | None, otherwise: int
) -> dict[UUID, int]:
    """Return the position of each log just before a moment, or `otherwise` without a moment."""
    if moment is None:
        return dict.fromkeys(org_ids, otherwise)
    return log_queries.positions_before(conn, org_ids, moment)
