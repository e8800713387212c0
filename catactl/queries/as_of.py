"""Organizations, files, jobs and usage as they were at a moment or a version, from events alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, select

from catactl.domain.decider import fold
from catactl.domain.file import FileCreated, FileDeleted, FileRestored
from catactl.domain.job_configuration import (
    JobConfigurationCreated,
    JobConfigurationDeleted,
    JobConfigurationUpdated,
)
from catactl.domain.organization import Organization
from catactl.errors import CorruptLog, InvalidValue, NotFound
from catactl.results.files import FileResult, file_result
from catactl.results.jobs import JobResult, job_result
from catactl.results.organizations import OrganizationResult, organization_result
from catactl.results.result import result_from
from catactl.results.usage import CurrentUsage
from catactl.store import event_log, log_queries, name_lookup
from catactl.store.canonical_json import format_instant
from catactl.store.codec import EVENT_NAMES
from catactl.store.name_lookup import is_named
from catactl.store.tables import files, job_configurations
from catactl.values.ids import parse_id
from catactl.values.spelling import spellings
from catactl.wiring.flow import FILE, JOB_CONFIGURATION, ORGANIZATION, Aggregate

# The events that give a file or a job its name, delete it or restore it.
_NAMING = tuple(
    EVENT_NAMES[event]
    for event in (
        FileCreated,
        FileDeleted,
        FileRestored,
        JobConfigurationCreated,
        JobConfigurationUpdated,
        JobConfigurationDeleted,
    )
)


class Point(NamedTuple):
    """A point in the past of a stream: a moment or a version."""

    moment: datetime | None = None
    version: int | None = None


def organization(conn: Connection, org_id: UUID, point: Point) -> OrganizationResult:
    """Return an organization as it was; raise `NotFound` if it did not exist yet."""
    version, position = _place(conn, org_id, org_id, point, "organization")
    return organization_result(org_id, _organization(conn, org_id, position), version)


def file(conn: Connection, org_id: UUID, file_id: UUID, point: Point) -> FileResult:
    """Return a file as it was; raise `NotFound` if it did not exist yet."""
    version, state = _fold(conn, FILE, org_id, file_id, point)
    return file_result(org_id, file_id, state, version)


def job(conn: Connection, org_id: UUID, job_id: UUID, point: Point) -> JobResult:
    """Return a job configuration as it was; raise `NotFound` if it did not exist yet."""
    version, state = _fold(conn, JOB_CONFIGURATION, org_id, job_id, point)
    return job_result(org_id, job_id, state, version)


def find_file(conn: Connection, org_id: UUID, reference: str, point: Point) -> UUID:
    """Return the id of the file that had a name at the point's moment. If no live file had it,
    return the file of that name that was deleted last before then. If there is none, or the point
    has no moment, return the file that has the name now. Raise `NotFound` if there is no such file.
    """
    its_names = is_named(files.c.name, reference)  # because files keep their names
    streams = select(files.c.file_id).where(files.c.org_id == org_id, its_names)
    found = _named_at(conn, FILE, org_id, streams, reference, point.moment)
    return found or name_lookup.resolve_file(conn, org_id, reference)


def find_job(conn: Connection, org_id: UUID, reference: str, point: Point) -> UUID:
    """Return the id of the job that had a name, by the rules of `find_file`."""
    jobs = job_configurations.c
    streams = select(jobs.job_id).where(jobs.org_id == org_id)
    found = _named_at(conn, JOB_CONFIGURATION, org_id, streams, reference, point.moment)
    return found or name_lookup.resolve_job(conn, org_id, reference)


def _named_at(
    conn: Connection,
    aggregate: Aggregate,
    org_id: UUID,
    streams: Select[tuple[UUID]],
    reference: str,
    moment: datetime | None,
) -> UUID | None:
    """Return the stream that had a name at a moment, from the events that change names."""
    if moment is None or parse_id(reference) is not None:
        return None
    position = log_queries.position_at(conn, org_id, moment)
    states: dict[UUID, Any] = {}  # ordered by their last changes
    for later in log_queries.events_of_streams(conn, org_id, streams, _NAMING, position):
        before = states.pop(later.stream_id, None)
        states[later.stream_id] = aggregate.decider.evolve(before, later.event)
    forms = spellings(reference)
    named = {stream_id: state for stream_id, state in states.items() if state.name in forms}
    live = (stream_id for stream_id, state in named.items() if state.live_name is not None)
    return next(live, next(reversed(named), None))


def usage(conn: Connection, org_id: UUID, moment: datetime) -> CurrentUsage:
    """Return an organization's usage at a moment; raise `NotFound` before its creation."""
    position = log_queries.position_at(conn, org_id, moment)
    if position == 0:
        raise _did_not_exist("organization", moment)
    return _usage(org_id, _organization(conn, org_id, position), moment, position)


def list_usage(conn: Connection, org_ids: Sequence[UUID], moment: datetime) -> list[CurrentUsage]:
    """Return the usage of the organizations that existed at a moment, in order of their names."""
    rows = []
    for org_id, position in log_queries.positions_at(conn, org_ids, moment).items():
        state = _organization(conn, org_id, position) if position else None
        if state is not None and state.live_name is not None:
            rows.append(_usage(org_id, state, moment, position))
    return sorted(rows, key=lambda row: (row["name"], row["org_id"]))


def _organization(conn: Connection, org_id: UUID, position: int) -> Organization:
    events = log_queries.organization_events(conn, org_id, position)
    state: Organization | None = fold(ORGANIZATION.decider, None, (later.event for later in events))
    if state is None:
        raise CorruptLog(f"the log {org_id} does not begin with a creation", "catactl event verify")
    return state


def _usage(org_id: UUID, state: Organization, moment: datetime, position: int) -> CurrentUsage:
    others = {"org_id": org_id, "position": position, "as_of": moment}
    return result_from(CurrentUsage, {**vars(state), **others})


def _fold(
    conn: Connection, aggregate: Aggregate, org_id: UUID, stream_id: UUID, point: Point
) -> tuple[int, Any]:
    noun = aggregate.name.replace("_", " ")
    version, _ = _place(conn, org_id, stream_id, point, noun)
    state = None
    for later in event_log.read_stream(conn, org_id, stream_id):
        if later.version > version:
            break
        state = aggregate.decider.evolve(state, later.event)
    return version, state


def _place(
    conn: Connection, org_id: UUID, stream_id: UUID, point: Point, noun: str
) -> tuple[int, int]:
    """Return the version of a stream, and the position of the log, at a point."""
    if point.version is not None:
        position = log_queries.position_of_version(conn, org_id, stream_id, point.version)
        if position is None:
            last = log_queries.version_at(conn, org_id, stream_id, event_log.END)
            raise NotFound(f"the {noun} has no version {point.version}", f"its last is {last}")
        return point.version, position
    assert point.moment is not None
    position = log_queries.position_at(conn, org_id, point.moment)
    version = log_queries.version_at(conn, org_id, stream_id, position)
    if version == 0:
        raise _did_not_exist(noun, point.moment)
    return version, position


def _did_not_exist(noun: str, moment: datetime) -> NotFound:
    return NotFound(f"the {noun} did not exist yet at {format_instant(moment)}")


def point(moment: datetime | None, version: int | None, now: datetime) -> Point:
    """Return the point of a moment or a version; None if both are None.

    Raises `InvalidValue` if both are given, or if the moment is in the future.
    """
    if moment is not None and version is not None:
        raise InvalidValue("--as-of cannot be used with --at-version", "use one of them")
    if moment is not None and moment > now:
        raise InvalidValue(f"{format_instant(moment)} is in the future")
    return Point(moment, version)
