"""The options that describe a job, and the same fields in a JSON document."""

import json
import sys
from typing import Annotated, Any, cast

from typer import Argument, Option

from catactl.errors import InvalidValue
from catactl.operations.jobs import JobFields, update_job
from catactl.values.durations import parse_duration
from catactl.values.environment import parse_environment
from catactl.values.numbers import parse_cpu_millis
from catactl.values.sizes import parse_size
from catactl.values.text_input import decode

_MAX_DOCUMENT_BYTES = 1024 * 1024

JobArgument = Annotated[str, Argument(metavar="JOB", help="Job configuration, by name or id.")]
ImageOption = Annotated[str | None, Option("--image", metavar="IMAGE", help="Image to run.")]
CommandOption = Annotated[
    str | None, Option("--command", metavar="TEXT", help="Command to run in the image.")
]
EnvOption = Annotated[
    list[str] | None, Option("--env", metavar="K=V", help="Environment variable; may be repeated.")
]
CpuOption = Annotated[
    str | None, Option("--cpu", metavar="N", help="Number of processors, for example 0.5.")
]
MemoryOption = Annotated[
    str | None, Option("--memory", metavar="SIZE", help="Memory, for example 512MiB.")
]
TimeoutOption = Annotated[
    str | None,
    Option("--timeout", metavar="D", help="Maximum run time: seconds, or 90s, 15m, 2h, 1d."),
]
ScheduleOption = Annotated[
    str | None,
    Option("--schedule", metavar="CRON", help="Schedule, for example '30 4 * * 1-5' or @daily."),
]
InputOption = Annotated[
    list[str] | None,
    Option("--input", metavar="FILE", help="Input file, by name or id; may be repeated."),
]
FromOption = Annotated[
    str | None,
    Option("--from", metavar="FILE.json|-", help="The same fields as JSON; options override them."),
]


def read(
    image: str | None,
    command: str | None,
    env: list[str] | None,
    cpu: str | None,
    memory: str | None,
    timeout: str | None,
    schedule: str | None,
    input_: list[str] | None,
    from_: str | None,
) -> tuple[str | None, JobFields]:
    """Return the image and the other fields, from the options and the document. Options override
    the document.
    """
    given: dict[str, Any] = {
        "image": image,
        "job_command": command,
        "env": parse_environment(env) if env else None,
        "cpu_millis": parse_cpu_millis(cpu) if cpu is not None else None,
        "memory_bytes": parse_size(memory) if memory is not None else None,
        "timeout_seconds": parse_duration(timeout) if timeout is not None else None,
        "schedule": schedule,
        "inputs": input_ or None,
    }
    document = _read_document(from_) if from_ is not None else {}
    fields = document | {field: value for field, value in given.items() if value is not None}
    return fields.pop("image", None), cast(JobFields, fields)


def _read_document(path: str) -> dict[str, Any]:
    """Read a JSON object with arguments of `job update`; raise `InvalidValue` for other input."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(_MAX_DOCUMENT_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(_MAX_DOCUMENT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidValue(f"cannot read {path}: {reason}") from error
    if len(data) > _MAX_DOCUMENT_BYTES:
        raise InvalidValue(f"{path} is over {_MAX_DOCUMENT_BYTES:,} bytes long")
    text = decode(path, data)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidValue(f"{path} does not contain a JSON object")
    known = {
        "command" if name == "job_command" else name: (name, argument)
        for name, argument in update_job.arguments.items()
        if name not in ("job", "name")
    }
    fields = {}
    for field, value in document.items():
        if field not in known:
            raise InvalidValue(f"unknown field {field!r}", f"known: {', '.join(known)}")
        name, argument = known[field]
        if not argument.accepts(value):
            raise InvalidValue(f"{field!r} is not {argument.words}")
        fields[name] = value
    return fields
