"""Idempotency keys: a result stored in the command's own transaction, under what was asked for.

A key belongs to its organization. The same request again is answered from here; another request
under the key is a conflict.
"""

import hashlib
import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, insert, select

from catactl.errors import IdempotencyConflict
from catactl.store import documents
from catactl.store.tables import idempotency_keys
from catactl.store.wire import write

Result = dict[str, Any]

_REMEMBER_RESULT = insert(idempotency_keys)


class Request(NamedTuple):
    """`arguments` are what the key stands for, in JSON terms, `org_ref` the organization as
    named.
    """

    key: str
    org_ref: str
    arguments: object


def _fingerprint(request: object) -> str:
    return hashlib.sha256(documents.canonical(request).encode()).hexdigest()


def replay(conn: Connection, org_id: UUID, request: Request) -> Result | None:
    """Return the stored result of the same request; raise if the key stands for another one."""
    row = conn.execute(
        select(idempotency_keys.c.fingerprint, idempotency_keys.c.result).where(
            idempotency_keys.c.org_id == org_id, idempotency_keys.c.key == request.key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != _fingerprint(request.arguments):
        raise IdempotencyConflict(
            f"idempotency key {request.key!r} was used for another request",
            "use a new key for a new request",
        )
    result: Result = documents.load_document(row.result)
    return result


def remember(
    conn: Connection, org_id: UUID, request: Request, result: Result, now: datetime
) -> None:
    write(
        conn,
        _REMEMBER_RESULT,
        {
            "org_id": org_id,
            "key": request.key,
            "org_ref": request.org_ref,
            "fingerprint": _fingerprint(request.arguments),
            "result": json.dumps(result, ensure_ascii=False),  # as it is: fields keep their order
            "recorded_at": now,
        },
    )
