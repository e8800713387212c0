"""catactl org show"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import AsOf, AtVersion, OrgArgument
from catactl.queries.organizations import get_organization
from catactl.results.organizations import OrganizationResult


@command()
def show(
    context: Context, org: OrgArgument, as_of: AsOf = None, at_version: AtVersion = None
) -> OrganizationResult:
    """Show an organization, now or in the past. With --as-of, a name means the organization that
    had it at that time.

    Example: catactl org show acme
    """
    from catactl.cli.framework.past_names import organization_at

    point = context.point(as_of, at_version)
    with context.reading() as conn:
        org_id = organization_at(context, conn, org, point)
        if point is None:
            return get_organization(conn, org_id)
        from catactl.queries import as_of as past

        return past.organization(conn, org_id, point)
