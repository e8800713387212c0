"""Organizations by the names that they had at the time that a command asks about."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from catactl.cli.run import Run
from catactl.errors import AmbiguousName
from catactl.resources import plain
from catactl.store import directory
from catactl.store.name_history import Bearer, bearers

_INSTANT = timedelta(microseconds=1)


def organizations_between(
    run: Run, conn: Connection, orgs: Iterable[str], start: datetime | None, end: datetime | None
) -> list[UUID]:
    """Return the ids of all organizations that had one of the names in an interval, each once.

    A name that nobody had then means the organization that has it now. The user is told which
    organizations no longer have the name.
    """
    return list(
        dict.fromkeys(
            bearer.org_id if isinstance(bearer, Bearer) else bearer
            for org in orgs
            for bearer in _between(run, conn, org, start, end)
        )
    )


def organization_between(
    run: Run, conn: Connection, org: str, start: datetime | None, end: datetime | None
) -> UUID:
    """Return the id of the one organization that had a name in an interval; raise `AmbiguousName`
    if several had it.
    """
    ids = organizations_between(run, conn, [org], start, end)
    if len(ids) > 1:
        had_it = "; ".join(_in_words(each) for each in _had(conn, org, start, end))
        raise AmbiguousName(
            f"{org!r} was the name of {len(ids)} organizations in that time: {had_it}",
            "name one by its id, or a shorter time",
        )
    return ids[0]


def organization_at(run: Run, conn: Connection, org: str, moment: datetime | None) -> UUID:
    """Return the id of the organization that had a name at a moment; None stands for now."""
    if moment is None:
        return directory.resolve_organization(conn, org)
    return organization_between(run, conn, org, moment, moment + _INSTANT)


def _between(
    run: Run, conn: Connection, org: str, start: datetime | None, end: datetime | None
) -> Sequence[Bearer | UUID]:
    found = [] if directory.parse_id(org) else _had(conn, org, start, end)
    for bearer in found:
        if bearer.until is not None:
            run.note(f"{org!r} was the name of organization {_in_words(bearer)}")
    return found or [directory.resolve_organization(conn, org)]


def _had(conn: Connection, org: str, start: datetime | None, end: datetime | None) -> list[Bearer]:
    return [each for each in bearers(conn, org) if each.had_it_between(start, end)]


def _in_words(bearer: Bearer) -> str:
    since = f"{bearer.org_id} from {plain(bearer.since)}"
    if bearer.until is None:
        return f"{since} on"
    return f"{since} to {plain(bearer.until)}, then {'deleted' if bearer.is_deleted else 'renamed'}"
