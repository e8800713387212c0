"""catactl org resume"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.organizations import resume_organization
from catactl.results.organizations import OrganizationWritten


@command(WRITES, EXPECTED_VERSION)
def resume(context: Context, org: OrgArgument) -> OrganizationWritten:
    """End the suspension of an organization.

    Example: catactl org resume acme
    """
    return context.write(resume_organization, org)
