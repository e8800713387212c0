"""catactl user list"""

from collections.abc import Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument
from catactl.queries.users import list_users
from catactl.results.users import UserResult
from catactl.store import name_lookup


@command()
def list_(context: Context, org: OrgArgument) -> Iterator[UserResult]:
    """List an organization's users.

    Example: catactl user list acme
    """
    conn = context.snapshot
    return list_users(conn, name_lookup.resolve_organization(conn, org))
