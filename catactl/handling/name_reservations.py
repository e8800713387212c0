"""The names that a transaction takes and releases before it writes them.

A stream that takes a name takes all of its Unicode forms.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from catactl.errors import AlreadyExists
from catactl.store import name_lookup
from catactl.values.ids import CachedId
from catactl.values.spelling import normalized
from catactl.wiring.flow import ORGANIZATION, Aggregate

_Name = tuple[str, str]


class NameReservations:
    """Names of live streams: of files and jobs in one organization, and of organizations in all."""

    def __init__(self, conn: Connection, org_id: UUID) -> None:
        self._conn = conn
        self._org_id = org_id
        self._holders: dict[_Name, UUID | None] = {}
        self._before: list[tuple[_Name, UUID | None, bool]] = []

    def __len__(self) -> int:
        return len(self._holders)

    def find(self, aggregate: Aggregate, name: str) -> UUID | None:
        """Return the live stream with a name, after the commands of this transaction so far."""
        key = _key(aggregate, name)
        if key in self._holders:
            return self._holders[key]
        if aggregate is ORGANIZATION:
            return name_lookup.find_organization(self._conn, name)
        self.look_up(aggregate, [name])
        return self._holders[key]

    def look_up(self, aggregate: Aggregate, names: Collection[str]) -> None:
        """Look up the live streams of several names of files or jobs in one query."""
        unknown = [name for name in names if _key(aggregate, name) not in self._holders]
        if unknown:
            table = aggregate.store.table
            found = name_lookup.find_all_live(self._conn, table, self._org_id, unknown)
            for name in unknown:
                holder = CachedId.of(found[name]) if name in found else None
                self._holders[_key(aggregate, name)] = holder

    def take(
        self, aggregate: Aggregate, stream_id: UUID, before: str | None, name: str | None
    ) -> None:
        """Give a stream its live name, which must be free, and release its name before."""
        if name is not None:
            holder = self.find(aggregate, name)
            if holder is not None and holder != stream_id:
                noun = aggregate.name.replace("_", " ")
                raise AlreadyExists(f"{noun} {name!r} exists already", f"its id is {holder}")
        if before is not None:
            self._set(_key(aggregate, before), None)
        if name is not None:
            self._set(_key(aggregate, name), stream_id)

    def begin(self) -> None:
        """Begin a command, whose changes `undo` can take back."""
        self._before.clear()

    def undo(self) -> None:
        """Take back the changes since `begin`."""
        for name, holder, was_known in reversed(self._before):
            self._holders[name] = holder
            if not was_known:  # not looked up yet, which is different from free
                del self._holders[name]

    def _set(self, name: _Name, holder: UUID | None) -> None:
        self._before.append((name, self._holders.get(name), name in self._holders))
        self._holders[name] = holder


def _key(aggregate: Aggregate, name: str) -> _Name:
    return aggregate.name, normalized(name)
