"""catactl event trace"""

from collections.abc import Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument, PositionArgument
from catactl.queries.events import events_of_command
from catactl.results.events import EventResult, event_result
from catactl.results.result import Text
from catactl.store import name_lookup


@command()
def trace(
    context: Context, org: OrgArgument, position: PositionArgument
) -> Text[Iterator[EventResult]]:
    """Show the effects of one command: its events, the commands that sagas sent in reaction, and
    the updated projections.

    Example: catactl event trace acme 7
    """
    from catactl.cli.output.event_tree import draw_tree

    with context.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        events = list(events_of_command(conn, org_id, position))
    return Text(draw_tree(events, lambda event: event.payload), map(event_result, events))
