"""catactl user add"""

from typing import Annotated

from typer import Argument

from catactl.cli.commands.user import NameOption, RoleOption
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES, IfNotExists, OrgArgument
from catactl.operations.users import add_user
from catactl.results.users import UserWritten


@command(WRITES, grows=True)
def add(
    context: Context,
    org: OrgArgument,
    email: Annotated[str, Argument(metavar="EMAIL", help="Unique in the organization.")],
    name: NameOption = None,
    role: RoleOption = None,
    if_not_exists: IfNotExists = False,
) -> UserWritten:
    """Add a user to an organization. The default role is member.

    Example: catactl user add acme ada@example.com --name "Ada Lovelace" --role admin
    """
    return context.write(
        add_user, org, email=email, name=name, role=role, if_not_exists=if_not_exists
    )
