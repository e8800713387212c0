"""catactl org suspend"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.organizations import suspend_organization
from catactl.results.organizations import OrganizationWritten


@command(WRITES, EXPECTED_VERSION)
def suspend(context: Context, org: OrgArgument) -> OrganizationWritten:
    """Suspend an organization. It then accepts no new parts, files or jobs. Files and jobs can
    still be deleted.

    Example: catactl org suspend acme --reason "invoice 4711 unpaid"
    """
    return context.write(suspend_organization, org)
