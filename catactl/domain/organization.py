"""An organization: its name, its status, its quota, and the storage that its files use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from catactl.domain.decider import Command, Decider, Event, fast_replace, wrong_stream
from catactl.errors import (
    AlreadyExists,
    CorruptLog,
    NotEmpty,
    NotFound,
    QuotaExceeded,
    Refused,
    Suspended,
)
from catactl.values.names import check_name
from catactl.values.sizes import MAX_BYTES, check_size_bytes

# --- events ---------------------------------------------------------------------------------------


class OrganizationCreated(Event):
    name: str
    created_at: datetime


class OrganizationRenamed(Event):
    name: str


class QuotaSet(Event):
    quota_bytes: int


class QuotaCleared(Event):
    pass


class OrganizationSuspended(Event):
    pass


class OrganizationResumed(Event):
    pass


class OrganizationDeleted(Event):
    pass


class StorageUsageChanged(Event):
    """A file event changed the usage by `delta_*`; the other fields are the usage after it."""

    delta_bytes: int
    delta_files: int
    delta_parts: int
    used_bytes: int
    file_count: int
    part_count: int


class StorageUsageCorrected(Event):
    """The running figures differed from the file events, and were corrected.

    `before_*` are the running figures, `used_bytes`, `file_count` and `part_count` the sums of the
    file events. `unpaired_events` is the number of file and usage events without a counterpart.
    """

    before_bytes: int
    before_files: int
    before_parts: int
    used_bytes: int
    file_count: int
    part_count: int
    compared: str
    unpaired_events: int


class OrganizationContentSwept(Event):
    """Unreferenced content may be removed from now on.

    `generations` maps each digest to the generation in which later uploads store its content. A
    late removal deletes an earlier generation, so it never deletes the content of a later upload.
    """

    generations: Mapping[str, int]


class OrganizationClockCorrected(Event):
    """The log was ahead of the clock: its last event was dated `last_recorded_at`.

    Each earlier event that is dated later than `corrected_at` counts from `corrected_at`.
    """

    last_recorded_at: datetime
    corrected_at: datetime


OrganizationEvent = (
    OrganizationCreated
    | OrganizationRenamed
    | QuotaSet
    | QuotaCleared
    | OrganizationSuspended
    | OrganizationResumed
    | OrganizationDeleted
    | StorageUsageChanged
    | StorageUsageCorrected
    | OrganizationContentSwept
    | OrganizationClockCorrected
)

# --- state ----------------------------------------------------------------------------------------


class OrganizationStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(frozen=True)
class Organization:
    name: str
    created_at: datetime
    status: OrganizationStatus = OrganizationStatus.ACTIVE
    quota_bytes: int | None = None
    used_bytes: int = 0
    file_count: int = 0
    part_count: int = 0

    @property
    def live_name(self) -> str | None:
        return None if self.status is OrganizationStatus.DELETED else self.name


def evolve(state: Organization | None, event: OrganizationEvent) -> Organization:
    if isinstance(event, OrganizationCreated):
        return Organization(name=event.name, created_at=event.created_at)
    if state is None:
        raise CorruptLog(f"{type(event).__name__} in a log without OrganizationCreated")
    match event:
        case StorageUsageChanged() | StorageUsageCorrected():
            return fast_replace(
                state,
                used_bytes=event.used_bytes,
                file_count=event.file_count,
                part_count=event.part_count,
            )
        case OrganizationRenamed():
            return fast_replace(state, name=event.name)
        case QuotaSet():
            return fast_replace(state, quota_bytes=event.quota_bytes)
        case QuotaCleared():
            return fast_replace(state, quota_bytes=None)
        case OrganizationSuspended():
            return fast_replace(state, status=OrganizationStatus.SUSPENDED)
        case OrganizationResumed():
            return fast_replace(state, status=OrganizationStatus.ACTIVE)
        case OrganizationDeleted():
            return fast_replace(state, status=OrganizationStatus.DELETED)
        case OrganizationClockCorrected():
            return fast_replace(state, created_at=min(state.created_at, event.corrected_at))
        case OrganizationContentSwept():
            return state
        case _:
            raise wrong_stream(event)


# --- commands -------------------------------------------------------------------------------------


class CreateOrganization(Command):
    name: str
    created_at: datetime
    quota_bytes: int | None = None


class RenameOrganization(Command):
    name: str


class SetQuota(Command):
    quota_bytes: int


class ClearQuota(Command):
    pass


class SuspendOrganization(Command):
    pass


class ResumeOrganization(Command):
    pass


class DeleteOrganization(Command):
    pass


class ChangeStorageUsage(Command):
    """Only the storage usage saga sends it, once for each file event that changes usage."""

    delta_bytes: int
    delta_files: int
    delta_parts: int


class CorrectStorageUsage(Command):
    """Only recomputation sends it, with the sums of the file events."""

    used_bytes: int
    file_count: int
    part_count: int
    compared: str
    unpaired_events: int


class SweepOrganizationContent(Command):
    """Only the sweep sends it, with the content that it found unreferenced under the lock."""

    generations: Mapping[str, int]


class CorrectClock(Command):
    """Date the next events of a log by the clock, although the last event is dated later."""

    last_recorded_at: datetime
    now: datetime


OrganizationCommand = (
    CreateOrganization
    | RenameOrganization
    | SetQuota
    | ClearQuota
    | SuspendOrganization
    | ResumeOrganization
    | DeleteOrganization
    | ChangeStorageUsage
    | CorrectStorageUsage
    | SweepOrganizationContent
    | CorrectClock
)


def check_accepts(organization: Organization | None, command: Command) -> None:
    """Raise unless the organization accepts a command to one of its files or job configurations.

    A suspended organization refuses commands that add something. A deleted one refuses all.
    """
    if organization is None or organization.status is OrganizationStatus.DELETED:
        raise _does_not_exist()
    if organization.status is OrganizationStatus.SUSPENDED and command.needs_active_organization:
        raise Suspended(
            f"organization {organization.name!r} is suspended, so nothing can be added to it",
            f"catactl org resume {organization.name}",
        )


def _does_not_exist() -> NotFound:
    return NotFound("organization does not exist or is deleted")


def decide(state: Organization | None, command: OrganizationCommand) -> list[OrganizationEvent]:
    if isinstance(command, CreateOrganization):
        return _create(state, command)
    if state is None:
        raise _does_not_exist()
    # A deleted organization accepts these two, because its log and its content remain.
    if isinstance(command, SweepOrganizationContent):
        return [OrganizationContentSwept(command.generations)] if command.generations else []
    if isinstance(command, CorrectClock):
        return [_correct_clock(state, command)]
    if state.status is OrganizationStatus.DELETED:
        raise _does_not_exist()
    match command:
        case ChangeStorageUsage():
            return [_change_usage(state, command)]
        case CorrectStorageUsage():
            return [_correct_usage(state, command)]
        case RenameOrganization():
            name = check_name("organization name", command.name)
            return [] if name == state.name else [OrganizationRenamed(name)]
        case SetQuota():
            quota_bytes = check_size_bytes(command.quota_bytes)
            return [] if quota_bytes == state.quota_bytes else [QuotaSet(quota_bytes)]
        case ClearQuota():
            return [] if state.quota_bytes is None else [QuotaCleared()]
        case SuspendOrganization():
            suspended = state.status is OrganizationStatus.SUSPENDED
            return [] if suspended else [OrganizationSuspended()]
        case ResumeOrganization():
            active = state.status is OrganizationStatus.ACTIVE
            return [] if active else [OrganizationResumed()]
        case DeleteOrganization():
            if state.file_count:
                raise NotEmpty(
                    f"organization {state.name!r} still has {state.file_count:,} files",
                    f"catactl file list {state.name}",
                )
            return [OrganizationDeleted()]
        case _:
            assert_never(command)


def _create(state: Organization | None, command: CreateOrganization) -> list[OrganizationEvent]:
    if state is not None:
        raise AlreadyExists(f"organization {state.name!r} exists already")
    events: list[OrganizationEvent] = [
        OrganizationCreated(check_name("organization name", command.name), command.created_at)
    ]
    if command.quota_bytes is not None:
        events.append(QuotaSet(check_size_bytes(command.quota_bytes)))
    return events


def _change_usage(state: Organization, command: ChangeStorageUsage) -> StorageUsageChanged:
    used_bytes = state.used_bytes + command.delta_bytes
    quota_bytes = state.quota_bytes
    if command.delta_bytes > 0 and quota_bytes is not None and used_bytes > quota_bytes:
        raise QuotaExceeded(
            f"quota of organization {state.name!r} exceeded: {state.used_bytes:,} of "
            f"{quota_bytes:,} bytes are used, {command.delta_bytes:,} more do not fit",
            f"delete files, or raise the quota: catactl quota set {state.name} SIZE",
        )
    if used_bytes > MAX_BYTES:
        raise Refused(f"storage usage would exceed {MAX_BYTES:,} bytes (2^63-1)")
    return StorageUsageChanged(
        delta_bytes=command.delta_bytes,
        delta_files=command.delta_files,
        delta_parts=command.delta_parts,
        used_bytes=used_bytes,
        file_count=state.file_count + command.delta_files,
        part_count=state.part_count + command.delta_parts,
    )


def _correct_usage(state: Organization, command: CorrectStorageUsage) -> StorageUsageCorrected:
    return StorageUsageCorrected(
        before_bytes=state.used_bytes,
        before_files=state.file_count,
        before_parts=state.part_count,
        used_bytes=command.used_bytes,
        file_count=command.file_count,
        part_count=command.part_count,
        compared=command.compared,
        unpaired_events=command.unpaired_events,
    )


def _correct_clock(state: Organization, command: CorrectClock) -> OrganizationClockCorrected:
    if command.last_recorded_at <= command.now:
        raise Refused(f"the log of organization {state.name!r} is not ahead of the clock")
    return OrganizationClockCorrected(command.last_recorded_at, command.now)


decider = Decider(decide, evolve)
