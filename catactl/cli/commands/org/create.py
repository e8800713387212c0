"""catactl org create"""

from typing import Annotated

from typer import Argument, Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES, IfNotExists
from catactl.operations.organizations import create_organization
from catactl.results.organizations import OrganizationWritten
from catactl.values.sizes import parse_size


@command(WRITES, grows=True)
def create(
    context: Context,
    name: Annotated[str, Argument(metavar="NAME", help="Unique among live organizations.")],
    quota: Annotated[
        str | None, Option("--quota", metavar="SIZE", help="Maximum storage, for example 10GB.")
    ] = None,
    if_not_exists: IfNotExists = False,
) -> OrganizationWritten:
    """Create an organization.

    Example: catactl org create acme --quota 10GB
    """
    quota_bytes = parse_size(quota) if quota is not None else None
    return context.write(
        create_organization, name, name=name, quota_bytes=quota_bytes, if_not_exists=if_not_exists
    )
