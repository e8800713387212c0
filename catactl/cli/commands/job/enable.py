"""catactl job enable"""

from catactl.cli.commands.job._fields import JobArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.jobs import enable_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION)
def enable(context: Context, org: OrgArgument, job: JobArgument) -> JobWritten:
    """Let a job run on its schedule again.

    Example: catactl job enable acme nightly
    """
    return context.write(enable_job, org, job=job)
