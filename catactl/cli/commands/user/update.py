"""catactl user update"""

from typing import Annotated

from typer import Option

from catactl.cli.commands.user import NameOption, RoleOption, UserArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES, OrgArgument
from catactl.operations.users import update_user
from catactl.results.users import UserWritten


@command(WRITES)
def update(
    context: Context,
    org: OrgArgument,
    user: UserArgument,
    email: Annotated[
        str | None, Option("--email", metavar="EMAIL", help="The new address.")
    ] = None,
    name: NameOption = None,
    role: RoleOption = None,
) -> UserWritten:
    """Change a user's address, name or role.

    Example: catactl user update acme ada@example.com --role owner
    """
    return context.write(update_user, org, user=user, email=email, name=name, role=role)
