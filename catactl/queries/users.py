"""Users as they are."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import stream_rows
from catactl.results.users import UserResult
from catactl.store.canonical_json import format_instant
from catactl.store.tables import users


def list_users(conn: Connection, org_id: UUID) -> Iterator[UserResult]:
    """Yield an organization's users in order of e-mail address."""
    query = select(users).where(users.c.org_id == org_id).order_by(users.c.email)
    return map(user_result, stream_rows(conn, query))


def user_result(row: Mapping[str, Any] | RowMapping) -> UserResult:
    return {
        "org_id": str(row["org_id"]),
        "user_id": str(row["user_id"]),
        "email": row["email"],
        "name": row["name"],
        "role": row["role"],
        "status": "disabled" if row["disabled"] else "active",
        "created_at": format_instant(row["created_at"]),
        "version": row["version"],
    }
