"""catactl projection"""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection, func, select

from catactl.cli.leaf import leaf
from catactl.cli.progress import progress
from catactl.cli.run import Run
from catactl.cli.shapes import VIEW, VIEW_REBUILT
from catactl.errors import NotFound
from catactl.rebuild import rebuild_states, rebuild_view
from catactl.store import codec, directory
from catactl.store.tables import files, job_configurations, organizations
from catactl.wiring import VIEWS

app = typer.Typer()

_STATES = "states"
_STATE_TABLES = (organizations, files, job_configurations)
Rebuild = Callable[..., int]


@leaf(app, "list")
def list_(run: Run) -> None:
    """List the views, the events each listens to, and how many rows it has; and the states, which
    are what `list` and `show` read.

    Example: catactl projection list
    """
    with run.reading() as conn:
        rows = [
            {
                "name": view.NAME,
                "listens": [codec.EVENT_NAMES[event] for event in view.LISTENS],
                "rows": conn.execute(select(func.count()).select_from(view.TABLE)).scalar(),
            }
            for view in VIEWS
        ]
        held = (select(func.count()).select_from(table) for table in _STATE_TABLES)
        states = sum(conn.execute(count).scalar_one() for count in held)
        rows.append({"name": _STATES, "listens": list(codec.EVENT_CLASSES), "rows": states})
    run.output.rows(rows, VIEW)


@leaf(app, writes=True)
def rebuild(
    run: Run,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[VIEW…]", help="Views, or states; none: all.")
    ] = None,
) -> None:
    """Rebuild views and states from the events, one organization at a time: writers elsewhere go
    on.

    Example: catactl projection rebuild storage_usage
    """
    known: dict[str, Rebuild] = {view.NAME: partial(rebuild_view, view=view) for view in VIEWS}
    known[_STATES] = rebuild_states
    for name in names or ():
        if name not in known:
            raise NotFound(f"no view {name!r}", f"one of: {', '.join(known)}")
    chosen = list(dict.fromkeys(names)) if names else list(known)
    with run.reading() as conn:
        org_ids = directory.all_logs(conn)
    counts = dict.fromkeys(chosen, 0)
    views = {"views": sorted(chosen)} if names else {}  # without names: also those to come
    intent = run.intent("", lambda: {"command": "projection.rebuild", **views})

    def rebuild_in(org_id: UUID) -> Callable[[Connection], None]:
        def inspect(conn: Connection) -> None:
            for name in chosen:
                counts[name] += known[name](conn, org_id=org_id)

        return inspect

    with progress(run, "rebuilding", len(org_ids)) as advance:
        for org_id in org_ids:
            run.handler.inspect_and_handle(org_id, intent, rebuild_in(org_id))
            advance(1)
    run.output.rows(
        (
            {"name": name, "organizations": len(org_ids), "events": count}
            | ({"dry_run": True} if run.common.dry_run else {})
            for name, count in counts.items()
        ),
        VIEW_REBUILT,
    )
