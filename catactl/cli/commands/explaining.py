"""An explanation of usage as a command: the range that is meant, its rows, what does not hold."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from catactl.cli.framework.context import Context
from catactl.cli.framework.past_names import organization_between
from catactl.cli.framework.time_range import time_range
from catactl.errors import Findings, InvalidValue
from catactl.queries.resources import plain
from catactl.results.shapes import EXPLAINED
from catactl.store import log_queries, name_lookup
from catactl.usage.explain import Entry, Kind, explain


def run_explain(
    run: Context, org: str, last: int | None, from_: str | None, to: str | None
) -> None:
    """Print the rows of a range; raise `Findings` when the sum does not hold somewhere in it."""
    if last is not None and (from_ is not None or to is not None):
        raise InvalidValue("--last beside --from or --to", "give one or the other")
    start, end = time_range(run, from_, to)
    broken: list[Entry] = []
    with run.reading() as conn:
        if from_ is None and to is None:
            org_id = name_lookup.resolve_organization(conn, org)
        else:
            org_id = organization_between(run, conn, org, start, end)
        after = _after(conn, org_id, last, start)
        until = log_queries.position_before(conn, org_id, end) if end is not None else None
        entries = explain(conn, org_id, after, until)
        run.output.rows(map(_as_row, _noting(entries, broken)), EXPLAINED)
    if broken:
        raise _findings(org, broken[0])


def _after(conn: Connection, org_id: UUID, last: int | None, start: datetime | None) -> int:
    """The position after which the range begins."""
    if last is not None:
        return log_queries.before_last_usage(conn, org_id, last)
    return log_queries.position_before(conn, org_id, start) if start is not None else 0


def _noting(entries: Iterable[Entry], broken: list[Entry]) -> Iterator[Entry]:
    """Pass the entries on, and note the first one that does not hold."""
    for entry in entries:
        if entry.problem is not None and entry.settled_by is None and not broken:
            broken.append(entry)
        yield entry


def _findings(org: str, broken: Entry) -> Findings:
    hint = f"catactl usage recompute {org}"
    if broken.kind is not Kind.CLOSING:
        hint += (
            f" corrects the figure, catactl event verify {org} tells whether an event was changed"
        )
    return Findings(
        f"usage of {org!r} does not add up at position {broken.position}: {broken.problem}", hint
    )


def _as_row(entry: Entry) -> dict[str, Any]:
    problem = entry.problem
    if problem is not None and entry.settled_by is not None:
        problem += f" (settled by the correction at position {entry.settled_by})"
    return {
        "kind": entry.kind.value,
        "position": entry.position,
        "recorded_at": plain(entry.recorded_at),
        "delta_bytes": entry.delta.used_bytes if entry.delta is not None else None,
        "used_bytes": entry.figures.used_bytes,
        "cause": entry.cause,
        "cause_position": entry.cause_position,
        "file_id": plain(entry.file_id),
        "file_name": entry.file_name,
        "part_number": entry.part_number,
        "actor": entry.actor,
        "reason": entry.reason,
        "event_id": plain(entry.event_id),
        "problem": problem,
        "settled_by": entry.settled_by,
    }
