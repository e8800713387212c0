"""catactl job delete"""

from catactl.cli.commands.job._fields import JobArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONFIRMATION, EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.jobs import delete_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION, CONFIRMATION)
def delete(context: Context, org: OrgArgument, job: JobArgument) -> JobWritten:
    """Delete a job configuration permanently. Its input files can then be deleted.

    Example: catactl job delete acme nightly --yes
    """
    context.confirm(f"deleting job {job!r} of {org!r}")
    return context.write(delete_job, org, job=job)
