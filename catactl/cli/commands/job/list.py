"""catactl job list"""

from collections.abc import Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument, WithDeleted
from catactl.queries.jobs import list_jobs
from catactl.results.jobs import JobResult
from catactl.store import name_lookup


@command()
def list_(context: Context, org: OrgArgument, deleted: WithDeleted = False) -> Iterator[JobResult]:
    """List an organization's job configurations.

    Example: catactl job list acme
    """
    conn = context.snapshot
    org_id = name_lookup.resolve_organization(conn, org)
    return list_jobs(conn, org_id, deleted=deleted)
