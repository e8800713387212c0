"""catactl job disable"""

from catactl.cli.commands.job._fields import JobArgument
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.jobs import disable_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION)
def disable(context: Context, org: OrgArgument, job: JobArgument) -> JobWritten:
    """Stop a job from running on its schedule. `job enable` reverses this.

    Example: catactl job disable acme nightly
    """
    return context.write(disable_job, org, job=job)
