"""catactl job update"""

from typing import Annotated, cast

from typer import Option

from catactl.cli.commands.job import _fields as fields
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.jobs import JobChanges, update_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION)
def update(
    context: Context,
    org: OrgArgument,
    job: fields.JobArgument,
    name: Annotated[str | None, Option("--name", metavar="NAME", help="A new name.")] = None,
    image: fields.ImageOption = None,
    command: fields.CommandOption = None,
    env: fields.EnvOption = None,
    cpu: fields.CpuOption = None,
    memory: fields.MemoryOption = None,
    timeout: fields.TimeoutOption = None,
    schedule: fields.ScheduleOption = None,
    input_: fields.InputOption = None,
    from_: fields.FromOption = None,
) -> JobWritten:
    """Change the given fields of a job configuration. --env replaces all variables, and --input
    replaces all input files. In the JSON of --from, null clears a field.

    Example: catactl job update acme nightly --memory 2GiB
    """
    image, others = fields.read(image, command, env, cpu, memory, timeout, schedule, input_, from_)
    changes = cast(JobChanges, {**others})
    if image is not None:
        changes["image"] = image
    if name is not None:
        changes["name"] = name
    return context.write(update_job, org, job=job, **changes)
