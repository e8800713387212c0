"""catactl job update"""

from typing import Annotated, cast

import typer

from catactl.cli.commands.job.fields import (
    CommandOption,
    CpuOption,
    EnvOption,
    FromOption,
    ImageOption,
    InputOption,
    JobArgument,
    MemoryOption,
    ScheduleOption,
    TimeoutOption,
    read_fields,
)
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, OrgArgument
from catactl.operations.jobs import JobChanges, update_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION)
def update(
    context: Context,
    org: OrgArgument,
    job: JobArgument,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="A new name.")] = None,
    image: ImageOption = None,
    command: CommandOption = None,
    env: EnvOption = None,
    cpu: CpuOption = None,
    memory: MemoryOption = None,
    timeout: TimeoutOption = None,
    schedule: ScheduleOption = None,
    input_: InputOption = None,
    from_: FromOption = None,
) -> JobWritten:
    """Change the given fields of a job configuration. --env replaces all variables, and --input
    replaces all input files. In the JSON of --from, null clears a field.

    Example: catactl job update acme nightly --memory 2GiB
    """
    image, fields = read_fields(image, command, env, cpu, memory, timeout, schedule, input_, from_)
    changes = cast(JobChanges, {**fields})
    if image is not None:
        changes["image"] = image
    if name is not None:
        changes["name"] = name
    return context.write(update_job, org, job=job, **changes)
