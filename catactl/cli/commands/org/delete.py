"""catactl org delete"""

from typing import Annotated

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.errors import ConfirmationRequired
from catactl.operations.organizations import delete_organization
from catactl.results.organizations import OrganizationWritten
from catactl.values.spelling import normalized


@command(WRITES, EXPECTED_VERSION)
def delete(
    context: Context,
    org: OrgArgument,
    confirm: Annotated[
        str | None,
        Option("--confirm", metavar="NAME", help="Repeat the organization's name to confirm."),
    ] = None,
) -> OrganizationWritten:
    """Delete an organization that has no live files. Its events stay, and its name can be used
    again.

    Example: catactl org delete acme --confirm acme
    """
    if normalized(confirm or "") != normalized(org) and not context.options.dry_run:
        raise ConfirmationRequired(
            f"deleting organization {org!r} needs its name as a confirmation",
            f"add --confirm {org}",
        )
    return context.write(delete_organization, org, confirm=confirm)
