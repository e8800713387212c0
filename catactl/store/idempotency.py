"""Store the result of a command under its idempotency key, in the command's own transaction.

A key belongs to its organization. The same request under the key returns the stored result; another
request is a conflict. A request is the command with its parsed values and a digest of the content
that it reads. Options that do not change the result are not part of it.

Storage format: a stored fingerprint must stay equal for the same request. To change how requests or
fingerprints are made, increment FINGERPRINT_VERSION. A new argument of a command needs a default.
It then changes no fingerprint, because arguments at their defaults are left out.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.errors import IdempotencyConflict
from catactl.store import canonical_json
from catactl.store.sql.bulk import batched
from catactl.store.sql.statements import write_all
from catactl.store.tables import idempotency_keys

Result = dict[str, Any]

FINGERPRINT_VERSION = 2

_COLUMNS = tuple(idempotency_keys.columns.keys())
_ANSWER = tuple(
    idempotency_keys.c[name] for name in ("fingerprint", "fingerprint_version", "result")
)


class Request(NamedTuple):
    """A request under a key. `arguments` holds the command and its arguments as JSON types;
    `org_ref` is the organization as the caller named it.
    """

    key: str
    org_ref: str
    arguments: Mapping[str, Any] | None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(canonical_json.canonical(self.arguments).encode()).hexdigest()


class Answer(NamedTuple):
    """The fingerprint of a key's request, the version of the rules that made it, and the result."""

    fingerprint: str
    version: int
    result: str

    @classmethod
    def of(cls, request: Request, result: Mapping[str, object]) -> "Answer":
        # Not canonical: its fields keep their order.
        document = json.dumps(result, ensure_ascii=False)
        return cls(request.fingerprint, FINGERPRINT_VERSION, document)

    def may_be_of(self, request: Request) -> bool:
        """Return whether this may be the result of the request. Return True if an older or newer
        catactl stored it, because the requests cannot be compared then.
        """
        return self.version != FINGERPRINT_VERSION or self.fingerprint == request.fingerprint

    def to(self, request: Request) -> Result:
        """Return the result; raise `IdempotencyConflict` if it belongs to another request."""
        if self.version < FINGERPRINT_VERSION:
            raise IdempotencyConflict(
                f"idempotency key {request.key!r} was used with an older catactl, which stored "
                "its request in another form: this request cannot be compared with it",
                "look for its events: catactl event list ORG; if there are none, use a new key",
            )
        if self.version > FINGERPRINT_VERSION:
            raise IdempotencyConflict(
                f"idempotency key {request.key!r} was used with a newer catactl, which stored "
                "its request in another form: this request cannot be compared with it",
                "upgrade catactl on this machine",
            )
        if self.fingerprint != request.fingerprint:
            raise IdempotencyConflict(
                f"idempotency key {request.key!r} was used for another request",
                "use a new key for a new request",
            )
        result: Result = canonical_json.load_document(self.result)
        return result


def find_answer(conn: Connection, org_id: UUID, key: str) -> Answer | None:
    """Return the stored answer under a key of an organization, None if the key is unused."""
    table = idempotency_keys
    query = select(*_ANSWER).where(table.c.org_id == org_id, table.c.key == key)
    row = conn.execute(query).one_or_none()
    return Answer(*row) if row is not None else None


def holds(conn: Connection, org_id: UUID, key: str) -> bool:
    """Return whether an organization has a key."""
    return find_answer(conn, org_id, key) is not None


class KeyLookup(NamedTuple):
    """A key to look up, the organization as the caller named it, and the id of the organization
    that has that name now.
    """

    key: str
    org_ref: str
    org_id: UUID | None


class UsedKey(NamedTuple):
    """The answer under a key, and the organization as the caller named it then."""

    org_id: UUID
    org_ref: str
    key: str
    answer: Answer


def used(conn: Connection, lookups: Sequence[KeyLookup]) -> Iterator[UsedKey]:
    """Yield the stored answers under the keys: those of the organizations with the names or ids
    now, and those of others that had the same names then. The latest comes last.
    """
    table = idempotency_keys
    columns = (table.c.org_id, table.c.org_ref, table.c.key, *_ANSWER)
    query = select(*columns).order_by(table.c.recorded_at)
    for batch in batched(lookups):
        has_key = table.c.key.in_({each.key for each in batch})
        then = table.c.org_ref.in_({each.org_ref for each in batch})
        now = table.c.org_id.in_({each.org_id for each in batch if each.org_id is not None})
        for org_id, org_ref, key, *answer in conn.execute(query.where(has_key, then | now)):
            yield UsedKey(org_id, org_ref, key, Answer(*answer))


def done_for(
    lookup: KeyLookup, used_keys: Iterable[UsedKey], is_same: Callable[[Answer], bool]
) -> UUID | None:
    """Return the organization for which a command ran before; None if there is none. This is the
    organization that has the name now, if it has the key; else the last one that had the name then,
    if the request was the same.
    """
    org_id = None
    for used_key in used_keys:
        if used_key.org_id == lookup.org_id:
            return used_key.org_id
        if used_key.org_ref == lookup.org_ref and is_same(used_key.answer):
            org_id = used_key.org_id
    return org_id


def key_suffix(name: str) -> str:
    """Return the suffix that makes the key of one file from the key of a command. This is a storage
    format.
    """
    return f"/{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def remember(
    conn: Connection, answered: Sequence[tuple[UUID, Request, Answer]], now: datetime
) -> None:
    """Store answers under their keys, which must be unused."""
    rows = [
        (org_id, request.key, request.org_ref, *answer, now) for org_id, request, answer in answered
    ]
    write_all(conn, idempotency_keys, _COLUMNS, rows)
