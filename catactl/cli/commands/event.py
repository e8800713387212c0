"""catactl event"""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from catactl.cli.commands.usage import Orgs
from catactl.cli.framework.command import Org, command
from catactl.cli.framework.context import Context
from catactl.cli.framework.help_format import MOST
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import Findings, InvalidValue, NotFound
from catactl.queries import resources
from catactl.results.shapes import EVENT, ORGANIZATION, VERIFIED
from catactl.store import clock, event_log, hash_chain, log_queries, name_lookup
from catactl.values.ids import parse_id

if TYPE_CHECKING:
    from catactl.store.event_log import StoredEvent

app = typer.Typer()

Position = Annotated[
    int, typer.Argument(metavar="POSITION", max=MOST, help="Position in the log, from 1.")
]


@command(app, "list")
def list_(
    run: Context,
    org: Org,
    stream: Annotated[
        str | None,
        typer.Option("--stream", metavar="ID", help="Only this file's, job's or organization's."),
    ] = None,
    after: Annotated[
        int,
        typer.Option("--after", metavar="POSITION", min=0, max=MOST, help="Only what comes after."),
    ] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, max=MOST, help="At most so many.")
    ] = None,
) -> None:
    """List an organization's events in order.

    Example: catactl event list acme --after 100 --limit 20
    """
    stream_id = parse_id(stream) if stream is not None else None
    if stream is not None and stream_id is None:
        raise InvalidValue(f"--stream takes an id, not {stream!r}")
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        found = event_log.read_after(conn, org_id, after, stream_id)
        run.output.rows(map(resources.event, islice(found, limit)), EVENT)


@command(app)
def show(run: Context, org: Org, position: Position) -> None:
    """Show one event, with payload and hash.

    Example: catactl event show acme 7 --json
    """
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        run.output.show(resources.event(_at(conn, org_id, position)), EVENT)


@command(app)
def trace(run: Context, org: Org, position: Position) -> None:
    """Show what one command led to: its events, the sagas' answers to them, the views they reached.

    Example: catactl event trace acme 7
    """
    from catactl.cli.output.event_tree import draw

    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        events = list(_of_same_command(conn, org_id, position))
    if run.output.is_for_programs:
        run.output.rows(map(resources.event, events), EVENT)
    else:
        run.output.text("\n".join(draw(events, lambda recorded: recorded.payload)))


@command(app)
def verify(run: Context, orgs: Orgs = None) -> None:
    """Walk the hash chain of each log and find any event changed, removed, inserted or reordered.

    Exit code 6 names the position of the first break.

    Example: catactl event verify acme
    """
    with run.reading() as conn:
        ids = [name_lookup.resolve_organization(conn, org) for org in orgs or ()]
        ids = ids or name_lookup.all_logs(conn)
    rows: list[dict[str, Any]] = []
    with Progress(run, "verifying", "organization", len(ids)) as progress:
        for org_id in ids:
            with run.reading() as conn:
                holding, found = hash_chain.verify(conn, org_id)
                name = name_lookup.organization_name(conn, org_id)
            rows.append(
                {
                    "org_id": str(org_id),
                    "name": name,
                    "events": holding,
                    "ok": found is None,
                    "position": found.position if found is not None else None,
                    "problem": found.problem if found is not None else None,
                }
            )
            progress.advance(1)
    run.output.rows(rows, VERIFIED)
    broken = [row for row in rows if not row["ok"]]
    if broken:
        first = broken[0]
        raise Findings(
            f"{len(broken)} of {len(rows)} logs do not prove themselves: {first['name']!r} breaks "
            f"at position {first['position']}: {first['problem']}",
            "compare with a backup: catactl event list ORG",
        )


@command(app, "correct-clock", writes=True, versioned=True, destructive=True)
def correct_clock(run: Context, org: Org) -> None:
    """Let a log that is ahead of the clock accept commands again. A log is ahead if a machine whose
    clock was wrong wrote to it.

    Such a log accepts no other command. This command adds the event organization.clock_corrected,
    dated now. Events before it that are dated later keep their dates, but count from the time of
    the correction: no closed period changes, and nobody is billed for time that cannot be proved.
    Every command but `catactl event` uses the time from which an event counts.

    Exit code 5 if the log is not ahead. Make sure that the clock is right first: a clock that is
    behind corrects right dates as well, also in closed periods, and nothing takes that back.

    Example: catactl event correct-clock acme --reason "a clock was set to 2031" --yes
    """
    with run.reading() as conn:
        whose, now = clock.name(conn), clock.now(conn)
        org_id = name_lookup.resolve_organization(conn, org)
        later = counted(log_queries.count_after(conn, org_id, now), "event")
    run.confirm(
        f"continue the log of {org!r} with dates of {whose} clock, which says "
        f"{resources.plain(now)}, so that {later} with later dates count from then"
    )
    run.output.show(run.write("event.correct-clock", org, {}), ORGANIZATION)


def _at(conn: Any, org_id: UUID, position: int) -> "StoredEvent":
    found = next(event_log.read_after(conn, org_id, position - 1), None)
    if found is None or found.position != position:
        raise NotFound(f"no event at position {position}", "see: catactl event list ORG")
    return found


def _of_same_command(conn: Any, org_id: UUID, position: int) -> "Iterator[StoredEvent]":
    """Yield the events with the same correlation: they lie together, written under one lock."""
    correlation_id = _at(conn, org_id, position).correlation_id
    first = position
    while first > 1 and _at(conn, org_id, first - 1).correlation_id == correlation_id:
        first -= 1
    for recorded in event_log.read_after(conn, org_id, first - 1):
        if recorded.correlation_id != correlation_id:
            return
        yield recorded
