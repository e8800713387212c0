"""catactl job show"""

from catactl.cli.commands.job._fields import JobArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import AsOf, AtVersion, OrgArgument
from catactl.cli.framework.past_names import organization_at
from catactl.queries.jobs import get_job
from catactl.results.jobs import JobResult
from catactl.store import name_lookup


@command()
def show(
    context: Context,
    org: OrgArgument,
    job: JobArgument,
    as_of: AsOf = None,
    at_version: AtVersion = None,
) -> JobResult:
    """Show a job configuration, now or in the past. With --as-of, names mean the organization and
    the job configuration that had them at that time.

    Example: catactl job show acme nightly
    """
    point = context.point(as_of, at_version)
    with context.reading() as conn:
        org_id = organization_at(context, conn, org, point)
        if point is None:
            return get_job(conn, org_id, name_lookup.resolve_job(conn, org_id, job))
        from catactl.queries import as_of as past

        return past.job(conn, org_id, past.find_job(conn, org_id, job, point), point)
