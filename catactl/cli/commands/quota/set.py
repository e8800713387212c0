"""catactl quota set"""

from typing import Annotated

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.organizations import set_quota
from catactl.results.organizations import OrganizationWritten
from catactl.values.sizes import parse_size


@command(WRITES, EXPECTED_VERSION)
def set_(
    context: Context,
    org: OrgArgument,
    size: Annotated[str, Argument(metavar="SIZE", help="Bytes, or for example 10GB or 10GiB.")],
) -> OrganizationWritten:
    """Set the maximum that an organization may store. If it already stores more, it cannot add
    content until files are deleted.

    Example: catactl quota set acme 10GiB
    """
    quota_bytes = parse_size(size)
    result = context.write(set_quota, org, size_bytes=quota_bytes)
    if result["used_bytes"] > quota_bytes:
        context.note(
            f"{result['used_bytes']:,} bytes are used, more than the quota of {quota_bytes:,}: "
            "nothing more can be added until files are deleted"
        )
    return result
