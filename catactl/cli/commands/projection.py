"""catactl projection"""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection, func, select

from catactl.cli.commands.usage import Orgs
from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import (
    AlreadyExists,
    Busy,
    CatactlError,
    CorruptLog,
    Findings,
    NotFound,
    SchemaMismatch,
)
from catactl.handling.replay import STATES
from catactl.results.shapes import DIFFERENCE, VIEW, VIEW_REBUILT
from catactl.store import codec, name_lookup
from catactl.store.tables import files, job_configurations, organizations
from catactl.wiring.flow import PROJECTIONS, listens

app = typer.Typer()

_STATE_TABLES = (organizations, files, job_configurations)


@command(app, "list")
def list_(run: Context) -> None:
    """List the views, the events each listens to, and how many rows it has; and the states, which
    are what `list` and `show` read.

    Example: catactl projection list
    """
    with run.reading() as conn:
        rows = [
            {
                "name": view.NAME,
                "listens": [codec.EVENT_NAMES[event] for event in listens(view)],
                "rows": conn.execute(select(func.count()).select_from(view.TABLE)).scalar(),
            }
            for view in PROJECTIONS
        ]
        held = (select(func.count()).select_from(table) for table in _STATE_TABLES)
        states = sum(conn.execute(count).scalar_one() for count in held)
        rows.append({"name": STATES, "listens": list(codec.EVENT_CLASSES), "rows": states})
    run.output.rows(rows, VIEW)


@command(app)
def check(run: Context, orgs: Orgs = None) -> None:
    """Compare every stored row with the events: organizations and their names, files and their
    parts, job configurations, and the views.

    Prints a line for each difference, at most 20 for each organization. Exit code 6 if there is
    one; nothing is written. Users and idempotency keys are not compared, because no events prove
    them. Without ORG, rows of organizations that have no log are found as well.

    Example: catactl projection check acme
    """
    from catactl.handling import row_check

    with run.reading() as conn:
        chosen = [name_lookup.resolve_organization(conn, org) for org in dict.fromkeys(orgs or ())]
        ids = chosen or row_check.organization_ids(conn)
        found = [] if orgs else row_check.orphans(conn)
    with Progress(run, "checking", "organization", len(ids)) as progress:
        for checked in row_check.check(run.engine, ids):
            found.append(checked)
            progress.advance(1)
    differing = [checked for checked in found if checked.differs]
    summary: dict[str, Any] = {
        "checked": len(found),
        "differing": len(differing),
        "organizations": [
            {
                "org_id": checked.org_id,
                "name": checked.name,
                "differences": checked.differences,
                "rows": [difference._asdict() for difference in checked.first],
                "error": exit_codes.as_fields(checked.error) if checked.error is not None else None,
            }
            for checked in found
        ],
    }
    lines = (
        {"org_id": checked.org_id, "name": checked.name, **difference._asdict()}
        for checked in differing
        for difference in checked.first
    )
    run.output.report(summary, "organizations", DIFFERENCE, lines)
    unreadable = [checked for checked in differing if checked.error is not None]
    for checked in unreadable:
        run.failure(f"{checked.name or checked.org_id}: {checked.error}")
    if unreadable:
        raise CorruptLog(
            f"the events of {len(unreadable):,} of {counted(len(found), 'organization')} cannot be "
            f"read; the rows of {len(differing) - len(unreadable):,} others differ",
            "catactl event verify",
        )
    if differing:
        count = sum(checked.differences for checked in differing)
        raise Findings(
            f"stored rows of {len(differing):,} of {counted(len(found), 'organization')} differ "
            f"from the events: {counted(count, 'difference')}",
            "catactl projection rebuild",
        )
    run.note(f"the stored rows of {counted(len(found), 'organization')} agree with the events")


@command(app, writes=True)
def rebuild(
    run: Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[VIEW…]", help="Views, or states; none: all.")
    ] = None,
) -> None:
    """Rebuild views and states from the events, one organization at a time, so that others can
    write meanwhile. Only tables that differ from the events are rewritten. Rows of organizations
    without any event are deleted.

    If one organization cannot be rebuilt, the others still are. `catactl projection check` shows
    what this command would change.

    Example: catactl projection rebuild storage_usage
    """
    from catactl.handling import row_check
    from catactl.handling.rebuild import delete_orphans
    from catactl.handling.rebuild import rebuild as rebuild_rows

    known = [*(view.NAME for view in PROJECTIONS), STATES]
    for name in names or ():
        if name not in known:
            raise NotFound(f"no view {name!r}", f"one of: {', '.join(known)}")
    chosen = list(dict.fromkeys(names)) if names else known
    rebuilt: dict[UUID, dict[str, int]] = {}
    # Without names the request names no views, because later versions have more of them.
    views = {"views": sorted(chosen)} if names else {}
    intent = run.intent("", lambda: {"command": "projection.rebuild", **views})
    run.handler.transact_across(intent, lambda work: delete_orphans(work.conn, chosen))
    with run.reading() as conn:
        org_ids = row_check.organization_ids(conn)

    def rebuild_in(org_id: UUID) -> Callable[[Connection], None]:
        def inspect(conn: Connection) -> None:
            rebuilt[org_id] = rebuild_rows(conn, org_id, chosen)

        return inspect

    failures: list[CatactlError] = []
    with Progress(run, "rebuilding", "organization", len(org_ids)) as progress:
        for org_id in org_ids:
            try:
                run.handler.inspect_and_handle(org_id, intent, rebuild_in(org_id))
            except (AlreadyExists, Busy, CorruptLog, SchemaMismatch) as error:
                rebuilt.pop(org_id, None)
                failures.append(error)
                run.failure(f"{org_id}: {error}")
            progress.advance(1)
    run.output.rows(
        (
            {
                "name": name,
                "organizations": len(org_ids) - len(failures),
                "events": sum(counts[name] for counts in rebuilt.values()),
            }
            | ({"dry_run": True} if run.common.dry_run else {})
            for name in chosen
        ),
        VIEW_REBUILT,
    )
    if failures:
        raise failures[0]
