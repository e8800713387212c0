"""catactl job create"""

from typing import Annotated

from typer import Argument

from catactl.cli.commands.job import _fields as fields
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, IfNotExists, OrgArgument
from catactl.errors import InvalidValue
from catactl.operations.jobs import create_job
from catactl.results.jobs import JobWritten


@command(WRITES, EXPECTED_VERSION, grows=True)
def create(
    context: Context,
    org: OrgArgument,
    name: Annotated[str, Argument(metavar="NAME", help="Unique among live jobs.")],
    image: fields.ImageOption = None,
    command: fields.CommandOption = None,
    env: fields.EnvOption = None,
    cpu: fields.CpuOption = None,
    memory: fields.MemoryOption = None,
    timeout: fields.TimeoutOption = None,
    schedule: fields.ScheduleOption = None,
    input_: fields.InputOption = None,
    from_: fields.FromOption = None,
    if_not_exists: IfNotExists = False,
) -> JobWritten:
    """Create a job configuration. While it uses a file as input, the file cannot be deleted.

    Example: catactl job create acme nightly --image python:3.12 --schedule "30 4 * * *"
    """
    image, others = fields.read(image, command, env, cpu, memory, timeout, schedule, input_, from_)
    if not image:
        raise InvalidValue("a job needs an image", "add --image IMAGE")
    return context.write(
        create_job, org, name=name, image=image, if_not_exists=if_not_exists, **others
    )
