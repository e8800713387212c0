"""catactl job create"""

from typing import Annotated

import typer

from catactl.cli.commands.job.fields import (
    Cpu,
    Env,
    From,
    Image,
    Input,
    JobCommand,
    Memory,
    Schedule,
    Timeout,
    read_fields,
)
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, IfNotExists, Org
from catactl.errors import InvalidValue
from catactl.operations.jobs import create_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION, grows=True)
def create(
    context: Context,
    org: Org,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique among live jobs.")],
    image: Image = None,
    command: JobCommand = None,
    env: Env = None,
    cpu: Cpu = None,
    memory: Memory = None,
    timeout: Timeout = None,
    schedule: Schedule = None,
    input_: Input = None,
    from_: From = None,
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
