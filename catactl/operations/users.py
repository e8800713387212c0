"""Writes of users, which are plain rows. They change under the lock of their organization's log."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from catactl.domain.decider import Command
from catactl.domain.organization import check_accepts
from catactl.errors import AlreadyExists
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import Email, NewRole, OptionalEmail, OptionalLabel, UserRef
from catactl.operations.operation import operation
from catactl.queries.users import user_result
from catactl.results.result import without_events
from catactl.results.users import UserWritten
from catactl.store import name_lookup, users
from catactl.values.names import check_email, check_label


@operation("user.add", is_versioned=False)
def add_user(
    unit: UnitOfWork,
    *,
    email: Email,
    name: OptionalLabel = None,
    role: NewRole = None,
    if_not_exists: bool = False,
) -> UserWritten:
    name = check_label("name", name) if name is not None else None

    _check_accepts(unit)
    existing = users.find_by_email(unit.conn, unit.org_id, check_email(email))
    if existing is None or not if_not_exists:
        added = users.add(
            unit.conn,
            unit.org_id,
            unit.new_id(),
            email=email,
            name=name,
            role=role if role is not None else users.DEFAULT_ROLE,
            created_at=unit.now,
        )
        return _written(unit, added, added["version"])
    for field, given in (("name", name), ("role", role)):
        if given is not None and existing[field] != given:
            raise AlreadyExists(
                f"user {existing['email']!r} exists with another {field}: {existing[field]!r}",
                f"catactl user update {unit.intent.org_ref} {existing['email']} --{field} …",
            )
    return _written(unit, existing, existing["version"])


@operation("user.update", is_versioned=False, is_update=True)
def update_user(
    unit: UnitOfWork,
    *,
    user: UserRef,
    email: OptionalEmail = None,
    name: OptionalLabel = None,
    role: str | None = None,
) -> UserWritten:
    given = {"email": email, "name": name, "role": role}
    changes = {field: value for field, value in given.items() if value is not None}
    return _change(unit, user, **changes)


@operation("user.disable", is_versioned=False)
def disable_user(unit: UnitOfWork, *, user: UserRef) -> UserWritten:
    return _change(unit, user, disabled=True)


@operation("user.enable", is_versioned=False)
def enable_user(unit: UnitOfWork, *, user: UserRef) -> UserWritten:
    return _change(unit, user, disabled=False)


@operation("user.remove", is_versioned=False)
def remove_user(unit: UnitOfWork, *, user: UserRef) -> UserWritten:
    _check_accepts(unit)
    user_id = name_lookup.resolve_user(unit.conn, unit.org_id, user)
    return _written(unit, users.remove(unit.conn, unit.org_id, user_id), None)


def _change(unit: UnitOfWork, user: str, **changes: Any) -> UserWritten:
    _check_accepts(unit)
    user_id = name_lookup.resolve_user(unit.conn, unit.org_id, user)
    row = users.change(unit.conn, unit.org_id, user_id, **changes)
    return _written(unit, row, row["version"])


def _check_accepts(unit: UnitOfWork) -> None:
    """Raise unless the log's clock and the organization allow a write of a user."""
    unit.check_clock(Command())
    check_accepts(unit.organization(), Command())


def _written(unit: UnitOfWork, row: Mapping[str, Any], version: int | None) -> UserWritten:
    """Return a row after its write. `version` is the one that is stored now, None if no row is."""
    ids = {"org_id": unit.org_id, "user_id": row["user_id"]}
    unit.evidence = partial(users.holds, **ids, version=version)
    return {**user_result(row), **without_events(unit)}
