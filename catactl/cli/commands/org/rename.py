"""catactl org rename"""

from typing import Annotated

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.organizations import rename_organization
from catactl.results.organizations import OrganizationWritten


@command(WRITES, EXPECTED_VERSION)
def rename(
    context: Context,
    org: OrgArgument,
    new: Annotated[str, Argument(metavar="NEW", help="The new name.")],
) -> OrganizationWritten:
    """Change the name of an organization. Its id stays the same.

    Example: catactl org rename acme acme-inc
    """
    return context.write(rename_organization, org, new=new)
