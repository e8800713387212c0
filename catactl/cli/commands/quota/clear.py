"""catactl quota clear"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.organizations import clear_quota
from catactl.results.organizations import OrganizationWritten


@command(WRITES, EXPECTED_VERSION)
def clear(context: Context, org: OrgArgument) -> OrganizationWritten:
    """Remove the limit on what an organization may store.

    Example: catactl quota clear acme
    """
    return context.write(clear_quota, org)
