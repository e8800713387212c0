"""catactl user remove"""

from catactl.cli.commands.user import UserArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONFIRMATION, WRITES, OrgArgument
from catactl.operations.users import remove_user
from catactl.results.users import UserWritten


@command(WRITES, CONFIRMATION)
def remove(context: Context, org: OrgArgument, user: UserArgument) -> UserWritten:
    """Remove a user permanently.

    Example: catactl user remove acme ada@example.com --yes
    """
    context.confirm(f"removing user {user!r} from {org!r}")
    return context.write(remove_user, org, user=user)
