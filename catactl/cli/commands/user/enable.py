"""catactl user enable"""

from catactl.cli.commands.user import UserArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES, OrgArgument
from catactl.operations.users import enable_user
from catactl.results.users import UserWritten


@command(WRITES)
def enable(context: Context, org: OrgArgument, user: UserArgument) -> UserWritten:
    """Let a user sign in again.

    Example: catactl user enable acme ada@example.com
    """
    return context.write(enable_user, org, user=user)
