"""An export of usage as a command: what is asked for, and the file or stdout that it goes to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from catactl.cli.framework.context import Context
from catactl.cli.framework.past_names import organizations_between
from catactl.cli.framework.time_range import time_range
from catactl.cli.output.atomic_file import whole_file
from catactl.cli.output.render import Output
from catactl.errors import InvalidValue
from catactl.results.shapes import CLOUDEVENT
from catactl.store import clock, log_queries, name_lookup
from catactl.store.event_log import END
from catactl.usage.cloudevents import cloudevents
from catactl.usage.metrics import exposition, standings


def run_export(
    run: Context,
    format_: Literal["prometheus", "cloudevents"],
    orgs: Sequence[str] | None,
    write: str | None,
    from_: str | None,
    to: str | None,
    after: int | None,
) -> None:
    """Print what the format asks for, or write it to a file; all of one snapshot."""
    is_ranged = from_ is not None or to is not None
    if format_ == "prometheus" and (is_ranged or after is not None):
        raise InvalidValue("--from, --to and --after choose events, which prometheus has none of")
    if after is not None and is_ranged:
        raise InvalidValue("--after beside --from or --to", "give one or the other")
    if after is not None and len(orgs or ()) != 1:
        raise InvalidValue("--after is a position in one organization's log", "name one ORG")
    start, end = time_range(run, from_, to)
    with run.reading() as conn, _destination(run, write) as output:
        org_ids = None
        if orgs:
            if is_ranged:
                org_ids = organizations_between(run, conn, orgs, start, end)
            else:
                org_ids = list(
                    dict.fromkeys(name_lookup.resolve_organization(conn, o) for o in orgs)
                )
        if format_ == "prometheus":
            for line in exposition(standings(conn, org_ids), clock.now(conn)):
                output.text(line)
            return
        org_ids = name_lookup.all_logs(conn) if org_ids is None else org_ids
        first = _positions(conn, org_ids, start, after or 0)
        last = _positions(conn, org_ids, end, END)
        output.as_json("jsonl").rows(cloudevents(conn, org_ids, first, last), CLOUDEVENT)


def _positions(
    conn: Connection, org_ids: Sequence[UUID], moment: datetime | None, otherwise: int
) -> dict[UUID, int]:
    """Where each log stood just before a moment, if one is given."""
    if moment is None:
        return dict.fromkeys(org_ids, otherwise)
    return log_queries.positions_before(conn, org_ids, moment)


@contextmanager
def _destination(run: Context, path: str | None) -> Iterator[Output]:
    if path is None:
        yield run.output
        return
    with whole_file(path) as out:
        yield run.output.to(out)
    run.note(f"wrote {path}")
