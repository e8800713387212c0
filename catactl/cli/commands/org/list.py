"""catactl org list"""

from collections.abc import Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WithDeleted
from catactl.queries.organizations import list_organizations
from catactl.results.organizations import OrganizationResult


@command()
def list_(context: Context, deleted: WithDeleted = False) -> Iterator[OrganizationResult]:
    """List organizations.

    Example: catactl org list --json
    """
    return list_organizations(context.snapshot, deleted=deleted)
