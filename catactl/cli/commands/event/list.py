"""catactl event list"""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.help_format import MOST
from catactl.cli.framework.options import OrgArgument
from catactl.errors import InvalidValue
from catactl.results.events import EventResult, event_result
from catactl.store import event_log, name_lookup
from catactl.values.ids import parse_id


@command()
def list_(
    context: Context,
    org: OrgArgument,
    stream: Annotated[
        str | None,
        Option("--stream", metavar="ID", help="Only events of this file, job or organization."),
    ] = None,
    after: Annotated[
        int,
        Option(
            "--after", metavar="POSITION", min=0, max=MOST, help="Only events after this position."
        ),
    ] = 0,
    limit: Annotated[
        int | None,
        Option("--limit", metavar="N", min=1, max=MOST, help="Maximum number of events."),
    ] = None,
) -> Iterator[EventResult]:
    """List an organization's events in order.

    Example: catactl event list acme --after 100 --limit 20
    """
    stream_id = parse_id(stream) if stream is not None else None
    if stream is not None and stream_id is None:
        raise InvalidValue(f"--stream needs an id, not {stream!r}")
    conn = context.snapshot
    org_id = name_lookup.resolve_organization(conn, org)
    events = event_log.read_after(conn, org_id, after, stream_id)
    return map(event_result, islice(events, limit))
