"""Idempotency keys: a result stored in the command's own transaction, under what was asked for.

A key belongs to its organization. The same request again is answered from here; another request
under the key is a conflict.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.errors import IdempotencyConflict
from catactl.store import documents
from catactl.store.tables import idempotency_keys
from catactl.store.wire import write_all

Result = dict[str, Any]

_AT_ONCE = 500
_COLUMNS = ("org_id", "key", "org_ref", "fingerprint", "result", "recorded_at")


class Request(NamedTuple):
    """`arguments` are what the key stands for, in JSON terms, `org_ref` the organization as
    named.
    """

    key: str
    org_ref: str
    arguments: object

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(documents.canonical(self.arguments).encode()).hexdigest()


class Answer(NamedTuple):
    """What a key was used for, and what came of it."""

    fingerprint: str
    result: str

    @classmethod
    def of(cls, request: Request, result: Result) -> "Answer":
        # Not canonical: its fields keep their order.
        return cls(request.fingerprint, json.dumps(result, ensure_ascii=False))

    def to(self, request: Request) -> Result:
        """Return the result; raise if the key was used for another request."""
        if self.fingerprint != request.fingerprint:
            raise IdempotencyConflict(
                f"idempotency key {request.key!r} was used for another request",
                "use a new key for a new request",
            )
        result: Result = documents.load_document(self.result)
        return result


def find_answer(conn: Connection, org_id: UUID, key: str) -> Answer | None:
    """Return what is stored under a key, if it was used in an organization."""
    table = idempotency_keys
    query = select(table.c.fingerprint, table.c.result).where(
        table.c.org_id == org_id, table.c.key == key
    )
    row = conn.execute(query).one_or_none()
    return Answer(*row) if row is not None else None


def holds(conn: Connection, org_id: UUID, key: str) -> bool:
    """Return whether a key was used in an organization."""
    return find_answer(conn, org_id, key) is not None


class Asked(NamedTuple):
    """A key, and the organization that it is asked of: as named, and which that is now."""

    key: str
    org_ref: str
    org_id: UUID | None


class Used(NamedTuple):
    """A key that was used in an organization, named so then."""

    org_id: UUID
    org_ref: str
    key: str
    answer: Answer


def used(conn: Connection, asked: Sequence[Asked]) -> Iterator[Used]:
    """Yield what is stored under the keys, in these organizations or in others that were named so
    then; the latest last.
    """
    table = idempotency_keys
    columns = (table.c[name] for name in ("org_id", "org_ref", "key", "fingerprint", "result"))
    query = select(*columns).order_by(table.c.recorded_at)
    for first in range(0, len(asked), _AT_ONCE):
        some = asked[first : first + _AT_ONCE]
        its_keys = table.c.key.in_({each.key for each in some})
        then = table.c.org_ref.in_({each.org_ref for each in some})
        now = table.c.org_id.in_({each.org_id for each in some if each.org_id is not None})
        for org_id, org_ref, key, *answer in conn.execute(query.where(its_keys, then | now)):
            yield Used(org_id, org_ref, key, Answer(*answer))


def done_for(conn: Connection, request: Request, org_id: UUID | None) -> UUID | None:
    """Return the organization that a request was done for before: the one that its name means now,
    if the key was used there, else the last that was named so then and asked for the same.
    """
    found = None
    for each in used(conn, [Asked(request.key, request.org_ref, org_id)]):
        if each.org_id == org_id:
            return org_id
        if each.org_ref == request.org_ref and each.answer.fingerprint == request.fingerprint:
            found = each.org_id
    return found


def remember(
    conn: Connection, answered: Sequence[tuple[UUID, Request, Answer]], now: datetime
) -> None:
    """Store answers under their keys, which must be free."""
    rows = [
        (org_id, request.key, request.org_ref, answer.fingerprint, answer.result, now)
        for org_id, request, answer in answered
    ]
    write_all(conn, idempotency_keys, _COLUMNS, rows)
