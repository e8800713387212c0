"""catactl projection rebuild"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES
from catactl.cli.output.progress import Progress
from catactl.errors import AlreadyExists, Busy, CatactlError, CorruptLog, NotFound, SchemaMismatch
from catactl.results.projections import RebuiltProjection
from catactl.results.result import WithError

if TYPE_CHECKING:
    from catactl.handling.intent import Intent


@command(WRITES)
def rebuild(
    context: Context,
    names: Annotated[
        list[str] | None, Argument(metavar="[VIEW…]", help="Projections, or states. [default: all]")
    ] = None,
) -> WithError[list[RebuiltProjection]]:
    """Rebuild projections and states from the events. The command locks one organization at a time,
    so that other commands can write meanwhile. It rewrites only tables that differ from the events,
    and deletes rows of organizations without any event.

    If one organization cannot be rebuilt, the others still are. `catactl projection check` shows
    the differences that this command would remove.

    Example: catactl projection rebuild storage_usage
    """
    from catactl.handling import row_check
    from catactl.handling.rebuild import delete_orphans
    from catactl.handling.replay import STATES
    from catactl.wiring.flow import PROJECTIONS

    known = [*(each.NAME for each in PROJECTIONS), STATES]
    for name in names or ():
        if name not in known:
            raise NotFound(f"no projection {name!r}", f"one of: {', '.join(known)}")
    chosen = list(dict.fromkeys(names)) if names else known
    # Without names the request contains no list, because later versions have more projections.
    views = {"views": sorted(chosen)} if names else {}
    intent = context.intent("", lambda: {"command": "projection.rebuild", **views})
    context.handler.transact_across(intent, lambda work: delete_orphans(work.conn, chosen))
    with context.reading() as conn:
        org_ids = row_check.organization_ids(conn)
    events = dict.fromkeys(chosen, 0)
    failures: list[CatactlError] = []
    with Progress(context, "rebuilding", "organization", len(org_ids)) as progress:
        for org_id in progress.counting(org_ids):
            try:
                counts = _rebuild(context, org_id, intent, chosen)
            except (AlreadyExists, Busy, CorruptLog, SchemaMismatch) as error:
                failures.append(error)
                context.failure(f"{org_id}: {error}")
            else:
                for name, count in counts.items():
                    events[name] += count
    rows = [
        _result(name, len(org_ids) - len(failures), count, dry_run=context.options.dry_run)
        for name, count in events.items()
    ]
    return WithError(rows, failures[0] if failures else None)


def _rebuild(
    context: Context, org_id: UUID, intent: "Intent", names: Sequence[str]
) -> dict[str, int]:
    """Rebuild views and states of an organization; return the number of events that each read."""
    from catactl.handling.rebuild import rebuild as rebuild_rows

    counts: dict[str, int] = {}
    context.handler.inspect_and_handle(
        org_id, intent, lambda conn: counts.update(rebuild_rows(conn, org_id, names))
    )
    return counts


def _result(name: str, organizations: int, events: int, *, dry_run: bool) -> RebuiltProjection:
    result: RebuiltProjection = {"name": name, "organizations": organizations, "events": events}
    if dry_run:
        result["dry_run"] = True
    return result
