"""catactl job update"""

from typing import Annotated, cast

import typer

from catactl.cli.commands.job.fields import (
    Cpu,
    Env,
    From,
    Image,
    Input,
    Job,
    JobCommand,
    Memory,
    Schedule,
    Timeout,
    read_fields,
)
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, Org
from catactl.operations.jobs import JobChanges, update_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION)
def update(
    context: Context,
    org: Org,
    job: Job,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="A new name.")] = None,
    image: Image = None,
    command: JobCommand = None,
    env: Env = None,
    cpu: Cpu = None,
    memory: Memory = None,
    timeout: Timeout = None,
    schedule: Schedule = None,
    input_: Input = None,
    from_: From = None,
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
