"""catactl event show"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument, PositionArgument
from catactl.queries.events import get_event
from catactl.results.events import EventResult, event_result
from catactl.store import name_lookup


@command()
def show(context: Context, org: OrgArgument, position: PositionArgument) -> EventResult:
    """Show one event with its payload and hash.

    Example: catactl event show acme 7 --json
    """
    with context.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        return event_result(get_event(conn, org_id, position))
