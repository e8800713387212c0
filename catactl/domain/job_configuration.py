"""A job configuration: an image, its command, environment, resources, schedule and input files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from catactl.domain.decider import Command, Decider, Event, wrong_stream
from catactl.errors import AlreadyExists, CorruptLog, InvalidValue, NotFound, Refused
from catactl.values.names import check_name, check_text, check_value
from catactl.values.schedules import check_schedule
from catactl.values.sizes import check_size_bytes

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_CPU_MILLIS = 1_000_000
_MAX_TIMEOUT_SECONDS = 366 * 24 * 3600
_MAX_INPUTS = 1_000
_MAX_VALUE_BYTES = 65_536


@dataclass(frozen=True)
class JobSpec:
    """The settings of a job. `inputs` are file ids, sorted and without duplicates.

    `cpu_millis` is in thousandths of a processor. If a limit is null, the platform chooses it.
    """

    name: str
    image: str
    command: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cpu_millis: int | None = None
    memory_bytes: int | None = None
    timeout_seconds: int | None = None
    schedule: str | None = None
    inputs: tuple[UUID, ...] = ()


# --- events ---------------------------------------------------------------------------------------


class JobConfigurationCreated(Event):
    spec: JobSpec
    created_at: datetime


class JobConfigurationUpdated(Event):
    """`spec` is the whole configuration after the change."""

    spec: JobSpec
    added_inputs: tuple[UUID, ...]
    removed_inputs: tuple[UUID, ...]


class JobConfigurationEnabled(Event):
    pass


class JobConfigurationDisabled(Event):
    pass


class JobConfigurationDeleted(Event):
    released_inputs: tuple[UUID, ...]


JobConfigurationEvent = (
    JobConfigurationCreated
    | JobConfigurationUpdated
    | JobConfigurationEnabled
    | JobConfigurationDisabled
    | JobConfigurationDeleted
)

# --- state ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JobConfiguration:
    spec: JobSpec
    created_at: datetime
    enabled: bool = True
    deleted: bool = False

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def status(self) -> str:
        if self.deleted:
            return "deleted"
        return "enabled" if self.enabled else "disabled"

    @property
    def live_name(self) -> str | None:
        return None if self.deleted else self.spec.name


def evolve(state: JobConfiguration | None, event: JobConfigurationEvent) -> JobConfiguration:
    if isinstance(event, JobConfigurationCreated):
        return JobConfiguration(spec=event.spec, created_at=event.created_at)
    if state is None:
        raise CorruptLog(f"{type(event).__name__} in a stream without JobConfigurationCreated")
    match event:
        case JobConfigurationUpdated():
            return replace(state, spec=event.spec)
        case JobConfigurationEnabled():
            return replace(state, enabled=True)
        case JobConfigurationDisabled():
            return replace(state, enabled=False)
        case JobConfigurationDeleted():
            return replace(state, deleted=True)
        case _:
            raise wrong_stream(event)


# --- commands -------------------------------------------------------------------------------------


class CreateJobConfiguration(Command):
    needs_active_organization: ClassVar[bool] = True
    spec: JobSpec
    created_at: datetime


class UpdateJobConfiguration(Command):
    """`changes` holds new values of fields of `JobSpec`; other fields keep their values."""

    changes: Mapping[str, object]


class EnableJobConfiguration(Command):
    pass


class DisableJobConfiguration(Command):
    pass


class DeleteJobConfiguration(Command):
    pass


JobConfigurationCommand = (
    CreateJobConfiguration
    | UpdateJobConfiguration
    | EnableJobConfiguration
    | DisableJobConfiguration
    | DeleteJobConfiguration
)


def decide(
    state: JobConfiguration | None, command: JobConfigurationCommand
) -> list[JobConfigurationEvent]:
    if isinstance(command, CreateJobConfiguration):
        if state is not None:
            raise AlreadyExists(f"job {state.name!r} exists already")
        return [JobConfigurationCreated(check_spec(command.spec), command.created_at)]
    if state is None:
        raise NotFound("no such job")
    if state.deleted:
        raise Refused(f"job {state.name!r} is deleted")
    match command:
        case UpdateJobConfiguration():
            return _update(state, command)
        case EnableJobConfiguration():
            return [] if state.enabled else [JobConfigurationEnabled()]
        case DisableJobConfiguration():
            return [JobConfigurationDisabled()] if state.enabled else []
        case DeleteJobConfiguration():
            return [JobConfigurationDeleted(state.spec.inputs)]
        case _:
            assert_never(command)


def _update(
    state: JobConfiguration, command: UpdateJobConfiguration
) -> list[JobConfigurationEvent]:
    spec = check_spec(replace(state.spec, **command.changes), state.spec)  # type: ignore[arg-type]
    if spec == state.spec:
        return []
    before, after = set(state.spec.inputs), set(spec.inputs)
    return [
        JobConfigurationUpdated(
            spec=spec,
            added_inputs=tuple(sorted(after - before)),
            removed_inputs=tuple(sorted(before - after)),
        )
    ]


def check_spec(spec: JobSpec, stored: JobSpec | None = None) -> JobSpec:
    """Return the configuration in its canonical form; raise `InvalidValue` if it cannot run.

    The stored name and schedule remain valid, because earlier versions accepted more of them.
    """
    name = spec.name
    if stored is None or name != stored.name:
        name = check_name("job name", name)
    check_text("image", spec.image)
    if not spec.image or re.search(r"\s", spec.image):
        raise InvalidValue(
            f"not an image reference: {spec.image!r}", "use the form registry/name:tag"
        )
    if spec.command is not None:
        check_value("command", spec.command, _MAX_VALUE_BYTES)
    for variable, value in spec.env.items():
        if not _ENV_NAME.fullmatch(variable):
            raise InvalidValue(f"not a name of an environment variable: {variable!r}")
        check_value(f"value of {variable}", value, _MAX_VALUE_BYTES)
    _check_range("cpu", spec.cpu_millis, _MAX_CPU_MILLIS)
    _check_range("timeout", spec.timeout_seconds, _MAX_TIMEOUT_SECONDS)
    if spec.memory_bytes is not None and check_size_bytes(spec.memory_bytes) == 0:
        raise InvalidValue("memory must be more than 0 bytes")
    if spec.schedule is not None and (stored is None or spec.schedule != stored.schedule):
        check_schedule(spec.schedule)
    if len(spec.inputs) > _MAX_INPUTS:
        raise InvalidValue(f"a job has at most {_MAX_INPUTS:,} inputs, not {len(spec.inputs):,}")
    return replace(spec, name=name, inputs=tuple(sorted(set(spec.inputs))))


def _check_range(subject: str, value: int | None, maximum: int) -> None:
    if value is not None and not 0 < value <= maximum:
        raise InvalidValue(f"{subject} is out of range: {value}")


decider = Decider(decide, evolve)
