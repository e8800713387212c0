"""catactl job create"""

from typing import Annotated

import typer

from catactl.cli.commands.job.fields import (
    CommandOption,
    CpuOption,
    EnvOption,
    FromOption,
    ImageOption,
    InputOption,
    MemoryOption,
    ScheduleOption,
    TimeoutOption,
    read_fields,
)
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, IfNotExists, OrgArgument
from catactl.errors import InvalidValue
from catactl.operations.jobs import create_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION, grows=True)
def create(
    context: Context,
    org: OrgArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique among live jobs.")],
    image: ImageOption = None,
    command: CommandOption = None,
    env: EnvOption = None,
    cpu: CpuOption = None,
    memory: MemoryOption = None,
    timeout: TimeoutOption = None,
    schedule: ScheduleOption = None,
    input_: InputOption = None,
    from_: FromOption = None,
    if_not_exists: IfNotExists = False,
) -> JobWritten:
    """Create a job configuration. While it uses a file as input, the file cannot be deleted.

    Example: catactl job create acme nightly --image python:3.12 --schedule "30 4 * * *"
    """
    image, fields = read_fields(image, command, env, cpu, memory, timeout, schedule, input_, from_)
    if not image:
        raise InvalidValue("a job needs an image", "add --image IMAGE")
    return context.write(
        create_job, org, name=name, image=image, if_not_exists=if_not_exists, **fields
    )
