"""catactl user"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection

from catactl import resources
from catactl.cli.leaf import Org, leaf
from catactl.cli.run import Run
from catactl.cli.shapes import USER
from catactl.domain.names import check_email
from catactl.errors import AlreadyExists, InvalidValue
from catactl.ids import new_id
from catactl.store import directory, users

app = typer.Typer()

User = Annotated[str, typer.Argument(metavar="USER", help="User, by e-mail address or id.")]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The person's name.")]
Role = Annotated[
    users.Role | None, typer.Option("--role", metavar="ROLE", help="owner, admin or member.")
]


def _write(run: Run, org: str, change: Callable[[Connection, UUID], dict[str, Any]]) -> None:
    org_id = run.organization_id(org)
    result = run.handler.change_rows(
        org_id, run.intent(org), lambda conn: resources.user(change(conn, org_id))
    )
    run.output.show(result, USER)


@leaf(app, writes=True)
def add(
    run: Run,
    org: Org,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Unique in the organization.")],
    name: Name = None,
    role: Role = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="An identical one that exists is no error.")
    ] = False,
) -> None:
    """Add a user to an organization, as a member unless --role says otherwise.

    Example: catactl user add acme ada@example.com --name "Ada Lovelace" --role admin
    """
    now = datetime.now(UTC)

    def change(conn: Connection, org_id: UUID) -> dict[str, Any]:
        existing = users.find_by_email(conn, org_id, check_email(email))
        if existing is None or not if_not_exists:
            return users.add(
                conn,
                org_id,
                new_id(now),
                email=email,
                name=name,
                role=role if role is not None else "member",
                created_at=now,
            )
        for field, asked in (("name", name), ("role", role)):
            if asked is not None and existing[field] != asked:
                raise AlreadyExists(
                    f"user {existing['email']!r} exists with another {field}: {existing[field]!r}",
                    f"catactl user update {org} {existing['email']} --{field} …",
                )
        return existing

    _write(run, org, change)


@leaf(app, "list")
def list_(run: Run, org: Org) -> None:
    """List an organization's users.

    Example: catactl user list acme
    """
    with run.reading() as conn:
        org_id = directory.resolve_organization(conn, org)
        run.output.rows(resources.list_users(conn, org_id), USER)


@leaf(app)
def show(run: Run, org: Org, user: User) -> None:
    """Show a user.

    Example: catactl user show acme ada@example.com
    """
    with run.reading() as conn:
        org_id = directory.resolve_organization(conn, org)
        user_id = directory.resolve_user(conn, org_id, user)
        run.output.show(resources.user(users.get(conn, org_id, user_id)), USER)


@leaf(app, writes=True)
def update(
    run: Run,
    org: Org,
    user: User,
    email: Annotated[
        str | None, typer.Option("--email", metavar="EMAIL", help="The new address.")
    ] = None,
    name: Name = None,
    role: Role = None,
) -> None:
    """Change a user's address, name or role.

    Example: catactl user update acme ada@example.com --role owner
    """
    asked = {"email": email, "name": name, "role": role}
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        raise InvalidValue("nothing to update", "give --email, --name or --role")
    _change(run, org, user, **changes)


@leaf(app, writes=True)
def disable(run: Run, org: Org, user: User) -> None:
    """Keep a user from signing in.

    Example: catactl user disable acme ada@example.com
    """
    _change(run, org, user, disabled=True)


@leaf(app, writes=True)
def enable(run: Run, org: Org, user: User) -> None:
    """Let a user sign in again.

    Example: catactl user enable acme ada@example.com
    """
    _change(run, org, user, disabled=False)


@leaf(app, writes=True, destructive=True)
def remove(run: Run, org: Org, user: User) -> None:
    """Remove a user for good.

    Example: catactl user remove acme ada@example.com --yes
    """
    run.confirm(f"removing user {user!r} from {org!r}")
    _write(
        run,
        org,
        lambda conn, org_id: users.remove(conn, org_id, directory.resolve_user(conn, org_id, user)),
    )


def _change(run: Run, org: str, user: str, **changes: Any) -> None:
    _write(
        run,
        org,
        lambda conn, org_id: users.change(
            conn, org_id, directory.resolve_user(conn, org_id, user), **changes
        ),
    )
