"""Users as they are."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import stream_rows
from catactl.results.result import result_from
from catactl.results.users import UserResult
from catactl.store.tables import users


def list_users(conn: Connection, org_id: UUID) -> Iterator[UserResult]:
    """Yield an organization's users in order of e-mail address."""
    query = select(users).where(users.c.org_id == org_id).order_by(users.c.email)
    return map(user_result, stream_rows(conn, query))


def user_result(row: Mapping[str, Any] | RowMapping) -> UserResult:
    return result_from(UserResult, {**row, "status": "disabled" if row["disabled"] else "active"})
