"""catactl job"""

import json
import sys
from typing import Annotated, Any

import typer

from catactl.cli.commands.org import Deleted
from catactl.cli.framework.command import AsOf, AtVersion, Org, command
from catactl.cli.framework.context import Context
from catactl.cli.framework.past_names import organization_at
from catactl.errors import InvalidValue
from catactl.queries import resources
from catactl.results.shapes import JOB
from catactl.store import name_lookup
from catactl.values.durations import parse_duration
from catactl.values.environment import parse_environment
from catactl.values.numbers import parse_cpu_millis
from catactl.values.sizes import parse_size
from catactl.values.text_input import decode

app = typer.Typer()

_MAX_DOCUMENT_BYTES = 1024 * 1024

Job = Annotated[str, typer.Argument(metavar="JOB", help="Job configuration, by name or id.")]
Image = Annotated[str | None, typer.Option("--image", metavar="IMAGE", help="What runs.")]
Command = Annotated[
    str | None, typer.Option("--command", metavar="TEXT", help="What it runs there.")
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="K=V", help="Environment variable; may be repeated."),
]
Cpu = Annotated[str | None, typer.Option("--cpu", metavar="N", help="Processors, as in 0.5.")]
Memory = Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="As in 512MiB.")]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="D", help="Seconds, or as in 90s, 15m, 2h, 1d.")
]
Schedule = Annotated[
    str | None,
    typer.Option("--schedule", metavar="CRON", help="As in '30 4 * * 1-5', or @daily."),
]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="FILE", help="Input file, by name or id; may be repeated."),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="FILE.json|-", help="The same fields as JSON; options go before it."
    ),
]


@command(app, writes=True, grows=True, versioned=True)
def create(
    run: Context,
    org: Org,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique among live jobs.")],
    image: Image = None,
    command: Command = None,
    env: Env = None,
    cpu: Cpu = None,
    memory: Memory = None,
    timeout: Timeout = None,
    schedule: Schedule = None,
    input_: Input = None,
    from_: From = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="An identical one that exists is no error.")
    ] = False,
) -> None:
    """Create a job configuration. Its input files cannot be deleted while it names them.

    Example: catactl job create acme nightly --image python:3.12 --schedule "30 4 * * *"
    """
    asked = _asked(image, command, env, cpu, memory, timeout, schedule, input_, from_)
    asked["name"] = name
    if not asked.get("image"):
        raise InvalidValue("a job needs an image", "add --image IMAGE")
    asked["if_not_exists"] = if_not_exists
    run.output.show(run.write("job.create", org, asked), JOB)


@command(app, "list")
def list_(run: Context, org: Org, deleted: Deleted = False) -> None:
    """List an organization's job configurations.

    Example: catactl job list acme
    """
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        run.output.rows(resources.list_jobs(conn, org_id, deleted=deleted), JOB)


@command(app)
def show(
    run: Context, org: Org, job: Job, as_of: AsOf = None, at_version: AtVersion = None
) -> None:
    """Show a job configuration, as it is or as it was. With --as-of names mean the organization and
    the job configuration that had them then.

    Example: catactl job show acme nightly
    """
    point = run.point(as_of, at_version)
    moment = point.moment if point is not None else None
    with run.reading() as conn:
        org_id = organization_at(run, conn, org, moment)
        job_id = (
            name_lookup.resolve_job(conn, org_id, job)
            if moment is None
            else run.past.find_job(conn, org_id, job, moment)
        )
        if point is None:
            row = resources.get_job(conn, org_id, job_id)
        else:
            row = run.past.job(conn, org_id, job_id, point)
    run.output.show(row, JOB)


@command(app, writes=True, versioned=True)
def update(
    run: Context,
    org: Org,
    job: Job,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="A new name.")] = None,
    image: Image = None,
    command: Command = None,
    env: Env = None,
    cpu: Cpu = None,
    memory: Memory = None,
    timeout: Timeout = None,
    schedule: Schedule = None,
    input_: Input = None,
    from_: From = None,
) -> None:
    """Change the given fields; --env and --input replace all of theirs. In --from, null clears a
    field.

    Example: catactl job update acme nightly --memory 2GiB
    """
    asked = _asked(image, command, env, cpu, memory, timeout, schedule, input_, from_)
    if name is not None:
        asked["name"] = name
    if not asked:
        raise InvalidValue("nothing to update", "give at least one option")

    run.output.show(run.write("job.update", org, {"job": job, **asked}), JOB)


@command(app, writes=True, versioned=True)
def enable(run: Context, org: Org, job: Job) -> None:
    """Let a job run on its schedule again.

    Example: catactl job enable acme nightly
    """
    run.output.show(run.write("job.enable", org, {"job": job}), JOB)


@command(app, writes=True, versioned=True)
def disable(run: Context, org: Org, job: Job) -> None:
    """Keep a job from running, without forgetting it.

    Example: catactl job disable acme nightly
    """
    run.output.show(run.write("job.disable", org, {"job": job}), JOB)


@command(app, writes=True, versioned=True, destructive=True)
def delete(run: Context, org: Org, job: Job) -> None:
    """Delete a job configuration for good; its input files can be deleted again.

    Example: catactl job delete acme nightly --yes
    """
    run.confirm(f"deleting job {job!r} of {org!r}")
    run.output.show(run.write("job.delete", org, {"job": job}), JOB)


def _asked(
    image: str | None,
    command: str | None,
    env: list[str] | None,
    cpu: str | None,
    memory: str | None,
    timeout: str | None,
    schedule: str | None,
    input_: list[str] | None,
    from_: str | None,
) -> dict[str, Any]:
    """Return the fields that were given, as a line of a batch has them; options go before a
    document's.
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
    options = {field: value for field, value in given.items() if value is not None}
    document = _read_document(from_) if from_ is not None else {}
    if "command" in document:
        document["job_command"] = document.pop("command")
    return document | options


_TYPES: dict[str, Any] = {
    "image": str,
    "command": str,
    "env": dict,
    "cpu_millis": int,
    "memory_bytes": int,
    "timeout_seconds": int,
    "schedule": str,
    "inputs": list,
}
_REQUIRED = frozenset({"image", "env", "inputs"})


def _read_document(path: str) -> dict[str, Any]:
    """Read a JSON object with fields of `JobSpec`; raise `InvalidValue` that names what is
    wrong.
    """
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
        raise InvalidValue(f"{path} is not JSON that can be read: {error}") from error
    if not isinstance(document, dict):
        raise InvalidValue(f"{path} holds no JSON object")
    for field, value in document.items():
        if field not in _TYPES:
            raise InvalidValue(f"unknown field {field!r}", f"known: {', '.join(_TYPES)}")
        clears = value is None and field not in _REQUIRED
        if not clears and (not isinstance(value, _TYPES[field]) or isinstance(value, bool)):
            raise InvalidValue(f"{field!r} must be of type {_TYPES[field].__name__}")
        members = value.values() if isinstance(value, dict) else value
        if isinstance(value, (dict, list)) and not all(isinstance(each, str) for each in members):
            raise InvalidValue(f"{field!r} must hold strings")
    return document
