"""catactl event correct-clock"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONFIRMATION, EXPECTED_VERSION, WRITES, OrgArgument
from catactl.cli.output.text import counted
from catactl.operations import organizations
from catactl.results.organizations import OrganizationWritten
from catactl.store import clock, log_queries, name_lookup
from catactl.store.canonical_json import format_instant


@command(WRITES, EXPECTED_VERSION, CONFIRMATION)
def correct_clock(context: Context, org: OrgArgument) -> OrganizationWritten:
    """Let a log that is ahead of the clock accept commands again. A log is ahead if a machine whose
    clock was wrong wrote to it.

    Such a log accepts no other command. This command adds the event organization.clock_corrected
    with the current time. Earlier events with a later date keep their date, but count from the time
    of the correction. So no closed period changes, and no bill contains time that cannot be proved.
    All commands except `catactl event` use the time from which an event counts.

    The exit code is 5 if the log is not ahead. Before you run the command, make sure that the clock
    is right: with a clock that is behind, the command also changes right dates, even in closed
    periods, and this cannot be undone. See `catactl help clocks`.

    Example: catactl event correct-clock acme --reason "a clock was set to 2031" --yes
    """
    with context.reading() as conn:
        owner, now = clock.name(conn), clock.now(conn)
        org_id = name_lookup.resolve_organization(conn, org)
        later = counted(log_queries.count_after(conn, org_id, now), "event")
    context.confirm(
        f"continue the log of {org!r} with dates of {owner} clock, which shows "
        f"{format_instant(now)}, so that {later} with later dates count from then"
    )
    return context.write(organizations.correct_clock, org)
