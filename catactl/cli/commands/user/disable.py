"""catactl user disable"""

from catactl.cli.commands.user import UserArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES, OrgArgument
from catactl.operations.users import disable_user
from catactl.results.users import UserWritten


@command(WRITES)
def disable(context: Context, org: OrgArgument, user: UserArgument) -> UserWritten:
    """Prevent a user from signing in.

    Example: catactl user disable acme ada@example.com
    """
    return context.write(disable_user, org, user=user)
