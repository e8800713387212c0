"""Read and write users, which are ordinary rows and not event-sourced."""

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from catactl.errors import AlreadyExists, InvalidValue, NotFound
from catactl.store.tables import users
from catactl.values.names import check_email, check_label

Role = Literal["owner", "admin", "member"]
ROLES: tuple[str, ...] = get_args(Role)
DEFAULT_ROLE: Role = "member"


def get(conn: Connection, org_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Return a user's row; raise `NotFound`."""
    row = conn.execute(
        select(users).where(users.c.org_id == org_id, users.c.user_id == user_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no user {str(user_id)!r}")
    return dict(row._mapping)


def holds(conn: Connection, org_id: UUID, user_id: UUID, version: int | None) -> bool:
    """Return whether a user is stored at a version; if the version is None, whether the user is
    removed.
    """
    query = select(users.c.version).where(users.c.org_id == org_id, users.c.user_id == user_id)
    return conn.execute(query).scalar() == version


def find_by_email(conn: Connection, org_id: UUID, email: str) -> dict[str, Any] | None:
    """Return the row of the user with an e-mail address, None if there is none."""
    row = conn.execute(
        select(users).where(users.c.org_id == org_id, users.c.email == email)
    ).one_or_none()
    return dict(row._mapping) if row is not None else None


def add(
    conn: Connection,
    org_id: UUID,
    user_id: UUID,
    *,
    email: str,
    name: str | None,
    role: str,
    created_at: datetime,
) -> dict[str, Any]:
    """Insert and return a row; raise `AlreadyExists` if a user has the e-mail address."""
    email = check_email(email)
    if find_by_email(conn, org_id, email) is not None:
        raise AlreadyExists(
            f"user {email!r} exists already", "to accept an existing user, add --if-not-exists"
        )
    row = {
        "org_id": org_id,
        "user_id": user_id,
        "email": email,
        "name": check_label("name", name) if name is not None else None,
        "role": check_role(role),
        "disabled": False,
        "created_at": created_at,
        "version": 1,
    }
    conn.execute(insert(users), row)
    return row


def change(conn: Connection, org_id: UUID, user_id: UUID, **changes: Any) -> dict[str, Any]:
    """Set the given columns and return the row. Write only if a value differs."""
    row = get(conn, org_id, user_id)
    if "email" in changes:
        changes["email"] = check_email(changes["email"])
        other = find_by_email(conn, org_id, changes["email"])
        if other is not None and other["user_id"] != user_id:
            raise AlreadyExists(f"user {changes['email']!r} exists already")
    if "role" in changes:
        check_role(changes["role"])
    if changes.get("name") is not None:
        changes["name"] = check_label("name", changes["name"])
    if all(row[column] == value for column, value in changes.items()):
        return row
    changes["version"] = row["version"] + 1
    conn.execute(
        update(users).where(users.c.org_id == org_id, users.c.user_id == user_id).values(changes)
    )
    return row | changes


def remove(conn: Connection, org_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Delete a row and return it."""
    row = get(conn, org_id, user_id)
    conn.execute(delete(users).where(users.c.org_id == org_id, users.c.user_id == user_id))
    return row


def check_role(role: str) -> str:
    """Return the role; raise `InvalidValue` if it does not exist."""
    if role not in ROLES:
        raise InvalidValue(f"no role {role!r}", f"use one of: {', '.join(ROLES)}")
    return role
