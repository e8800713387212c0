"""catactl user show"""

from catactl.cli.commands.user import UserArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument
from catactl.queries.users import user_result
from catactl.results.users import UserResult
from catactl.store import name_lookup, users


@command()
def show(context: Context, org: OrgArgument, user: UserArgument) -> UserResult:
    """Show a user.

    Example: catactl user show acme ada@example.com
    """
    with context.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        user_id = name_lookup.resolve_user(conn, org_id, user)
        return user_result(users.get(conn, org_id, user_id))
