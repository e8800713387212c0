"""catactl user"""

from typing import Annotated

import typer

from catactl.cli.framework.command import Org, command
from catactl.cli.framework.context import Context
from catactl.errors import InvalidValue
from catactl.queries import resources
from catactl.results.shapes import USER
from catactl.store import name_lookup, users

app = typer.Typer()

User = Annotated[str, typer.Argument(metavar="USER", help="User, by e-mail address or id.")]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The person's name.")]
Role = Annotated[
    users.Role | None, typer.Option("--role", metavar="ROLE", help="owner, admin or member.")
]


@command(app, writes=True, grows=True)
def add(
    run: Context,
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
    arguments = {"email": email, "name": name, "role": role, "if_not_exists": if_not_exists}
    run.output.show(run.write("user.add", org, arguments), USER)


@command(app, "list")
def list_(run: Context, org: Org) -> None:
    """List an organization's users.

    Example: catactl user list acme
    """
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        run.output.rows(resources.list_users(conn, org_id), USER)


@command(app)
def show(run: Context, org: Org, user: User) -> None:
    """Show a user.

    Example: catactl user show acme ada@example.com
    """
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        user_id = name_lookup.resolve_user(conn, org_id, user)
        run.output.show(resources.user(users.get(conn, org_id, user_id)), USER)


@command(app, writes=True)
def update(
    run: Context,
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
    if email is None and name is None and role is None:
        raise InvalidValue("nothing to update", "give --email, --name or --role")
    arguments = {"user": user, "email": email, "name": name, "role": role}
    run.output.show(run.write("user.update", org, arguments), USER)


@command(app, writes=True)
def disable(run: Context, org: Org, user: User) -> None:
    """Keep a user from signing in.

    Example: catactl user disable acme ada@example.com
    """
    run.output.show(run.write("user.disable", org, {"user": user}), USER)


@command(app, writes=True)
def enable(run: Context, org: Org, user: User) -> None:
    """Let a user sign in again.

    Example: catactl user enable acme ada@example.com
    """
    run.output.show(run.write("user.enable", org, {"user": user}), USER)


@command(app, writes=True, destructive=True)
def remove(run: Context, org: Org, user: User) -> None:
    """Remove a user for good.

    Example: catactl user remove acme ada@example.com --yes
    """
    run.confirm(f"removing user {user!r} from {org!r}")
    run.output.show(run.write("user.remove", org, {"user": user}), USER)
