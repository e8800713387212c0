"""Find organizations by their names in the past."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection

from catactl.cli.framework.context import Context
from catactl.errors import AmbiguousName
from catactl.store import name_lookup
from catactl.store.canonical_json import format_instant
from catactl.values.ids import parse_id

if TYPE_CHECKING:
    from catactl.queries.as_of import Point
    from catactl.store.name_history import Bearer

_INSTANT = timedelta(microseconds=1)


def organizations_between(
    context: Context,
    conn: Connection,
    orgs: Iterable[str],
    start: datetime | None,
    end: datetime | None,
) -> list[UUID]:
    """Return the ids of all organizations that had one of the names in an interval, without
    duplicates.

    A name that no organization had then means the organization that has it now. A note on stderr
    lists the organizations that no longer have the name.
    """
    ids: dict[UUID, None] = {}
    for org in orgs:
        found = _had(conn, org, start, end)
        _note(context, org, found)
        now = [] if found else [name_lookup.resolve_organization(conn, org)]
        ids |= dict.fromkeys([*(each.org_id for each in found), *now])
    return list(ids)


def organization_between(
    context: Context,
    conn: Connection,
    org: str,
    start: datetime | None,
    end: datetime | None,
    *,
    prefers_now: bool = False,
) -> UUID:
    """Return the id of the organization that had a name in an interval; raise `AmbiguousName` if
    several had it. With `prefers_now`, return the one that has the name now, if it had it then too.
    """
    found = _had(conn, org, start, end)
    now = [each.org_id for each in found if each.until is None]
    ids = now if prefers_now and now else list(dict.fromkeys(each.org_id for each in found))
    if len(ids) > 1:
        raise AmbiguousName(
            f"{org!r} was the name of {len(ids)} organizations in that time: "
            + "; ".join(map(_in_words, found)),
            "use an id instead of the name, or a shorter time",
        )
    _note(context, org, found)
    return ids[0] if ids else name_lookup.resolve_organization(conn, org)


def organization_at(context: Context, conn: Connection, org: str, point: "Point | None") -> UUID:
    """Return the id of the organization that had a name at the point's moment, or has it now if
    there is no moment.
    """
    if point is None or point.moment is None:
        return name_lookup.resolve_organization(conn, org)
    return organization_between(context, conn, org, point.moment, point.moment + _INSTANT)


def _had(
    conn: Connection, org: str, start: datetime | None, end: datetime | None
) -> list["Bearer"]:
    if parse_id(org) is not None:
        return []
    from catactl.store.name_history import bearers  # here, because it loads the whole domain

    return [each for each in bearers(conn, org) if each.had_it_between(start, end)]


def _note(context: Context, org: str, found: Iterable["Bearer"]) -> None:
    for bearer in found:
        if bearer.until is not None:
            context.note(f"{org!r} was the name of organization {_in_words(bearer)}")


def _in_words(bearer: "Bearer") -> str:
    since = f"{bearer.org_id} from {format_instant(bearer.since)}"
    if bearer.until is None:
        return f"{since} on"
    end = "deleted" if bearer.is_deleted else "renamed"
    return f"{since} to {format_instant(bearer.until)}, then {end}"
