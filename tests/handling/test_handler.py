"""One command, one transaction: exact usage, nothing half-done, and states that heal themselves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, Connection, Engine, delete, func, select, update

from catactl.domain.decider import Command, CommandEnvelope
from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    RestoreFile,
    SweepFileContent,
    UploadPart,
)
from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    JobSpec,
    UpdateJobConfiguration,
)
from catactl.domain.organization import (
    ClearQuota,
    CreateOrganization,
    DeleteOrganization,
    RenameOrganization,
    ResumeOrganization,
    SetQuota,
    SuspendOrganization,
)
from catactl.errors import (
    AlreadyExists,
    Busy,
    CatactlError,
    Conflict,
    IdempotencyConflict,
    InUse,
    NotEmpty,
    NotFound,
    QuotaExceeded,
    Refused,
    Suspended,
    VersionConflict,
)
from catactl.handling.handler import Handler, Intent, Outcome
from catactl.handling.unit_of_work import UnitOfWork
from catactl.projections import projection
from catactl.store import event_log, state_store
from catactl.store.sql import pipeline, statements
from catactl.store.sql.engine import reading
from catactl.store.tables import (
    events,
    file_parts,
    files,
    idempotency_keys,
    logs,
    metadata,
    organization_names,
    organizations,
)
from catactl.values.ids import new_id
from catactl.wiring.flow import FILE, JOB_CONFIGURATION, ORGANIZATION
from tests.support import (
    BYTES_1,
    BYTES_2,
    INTENT,
    NOON,
    Clock,
    Usage,
    assert_consistent,
    complete,
    contents,
    create_file,
    create_job,
    create_organization,
    delete_file,
    event_types,
    opened,
    perform,
    read_log,
    restore_file,
    run,
    summary,
    tampering,
    upload,
    usage,
)

# --- usage ----------------------------------------------------------------------------------------


def test_usage_is_exact_after_every_kind_of_command(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)
    file_id = create_file(handler, org_id)
    assert assert_consistent(engine, org_id) == Usage(0, 1, 0)
    upload(handler, org_id, file_id, 1, 100)
    assert assert_consistent(engine, org_id) == Usage(100, 1, 1)
    upload(handler, org_id, file_id, 1, 100)
    assert assert_consistent(engine, org_id) == Usage(100, 1, 1)
    upload(handler, org_id, file_id, 2, 50)
    upload(handler, org_id, file_id, 1, 30, BYTES_2)
    assert assert_consistent(engine, org_id) == Usage(80, 1, 2)
    complete(handler, org_id, file_id)
    other_id = create_file(handler, org_id, "other.bin")
    upload(handler, org_id, other_id, 9_999, 7)
    assert assert_consistent(engine, org_id) == Usage(87, 2, 3)
    delete_file(handler, org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(7, 1, 1)
    restore_file(handler, org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(87, 2, 3)
    job_id = create_job(handler, org_id, inputs=(file_id,))
    run(handler, org_id, job_id, DeleteJobConfiguration())
    assert assert_consistent(engine, org_id) == Usage(87, 2, 3)
    for each in (file_id, other_id):
        delete_file(handler, org_id, each)
    run(handler, org_id, org_id, DeleteOrganization())
    assert assert_consistent(engine, org_id) == usage(engine, org_id) == Usage(0, 0, 0)


def test_usage_may_reach_the_largest_number_of_bytes(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 2**63 - 2)
    upload(handler, org_id, file_id, 2, 1)
    with pytest.raises(Refused, match="2\\^63-1"):
        upload(handler, org_id, file_id, 3, 1)
    assert assert_consistent(engine, org_id).used_bytes == 2**63 - 1


def test_the_same_part_again_is_no_event(handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    first = upload(handler, org_id, file_id, 1, 10)
    again = upload(handler, org_id, file_id, 1, 10)
    assert event_types(again) == []
    assert (again.version, again.position) == (first.version, first.position)


def test_an_outcome_tells_state_version_position_and_events(handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    outcome = upload(handler, org_id, file_id, 1, 10)
    assert (outcome.org_id, outcome.stream_id, outcome.dry_run) == (org_id, file_id, False)
    assert (outcome.version, outcome.position) == (2, 5)
    assert outcome.state.parts.size_bytes == 10
    assert event_types(outcome) == ["file.part_uploaded", "organization.storage_usage_changed"]


def test_a_quota_refusal_rolls_everything_back(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=100)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 60)
    before = contents(engine)
    with pytest.raises(QuotaExceeded, match="60 of 100 bytes are used, 41 more do not fit"):
        upload(handler, org_id, file_id, 2, 41)
    assert contents(engine) == before
    upload(handler, org_id, file_id, 2, 40)
    assert assert_consistent(engine, org_id) == Usage(100, 1, 2)


def test_restoring_what_no_longer_fits_is_refused(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 60)
    delete_file(handler, org_id, file_id)
    run(handler, org_id, org_id, SetQuota(59))
    with pytest.raises(QuotaExceeded):
        restore_file(handler, org_id, file_id)
    run(handler, org_id, org_id, ClearQuota())
    restore_file(handler, org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(60, 1, 1)


def test_content_that_comes_for_a_recorded_part_is_charged_nothing(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    complete(handler, org_id, file_id)
    run(handler, org_id, org_id, SetQuota(0))
    came = run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1, stored=True))
    assert event_types(came) == ["file.part_uploaded", "organization.storage_usage_changed"]
    assert assert_consistent(engine, org_id) == Usage(10, 1, 1)
    assert event_types(upload(handler, org_id, file_id, 1, 10)) == []


@pytest.mark.parametrize("remembers", [False, True], ids=["fresh", "remembering"])
def test_a_swept_file_holds_nothing_and_stays_deleted(
    engine: Engine, handler: Handler, remembers: bool
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1, stored=True))
    delete_file(handler, org_id, file_id)
    run(handler, org_id, org_id, SuspendOrganization())
    swept = run(handler, org_id, file_id, SweepFileContent())
    assert event_types(swept) == ["file.content_swept"]
    run(handler, org_id, org_id, ResumeOrganization())
    with pytest.raises(Refused, match="was swept"):
        restore_file(handler if remembers else Handler(engine), org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)


# --- the organization comes first -----------------------------------------------------------------


def test_nothing_reaches_an_organization_that_is_not_there(engine: Engine) -> None:
    handler, before = Handler(engine), contents(engine)
    with pytest.raises(NotFound):
        create_file(handler, new_id(NOON))
    with pytest.raises(NotFound):
        run(handler, UUID(int=1), UUID(int=1), RenameOrganization("beta"))
    assert contents(engine) == before


def test_a_suspended_organization_takes_nothing_but_lets_go(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    kept, gone = create_file(handler, org_id, "kept"), create_file(handler, org_id, "gone")
    delete_file(handler, org_id, gone)
    run(handler, org_id, org_id, SuspendOrganization())
    before = contents(engine)
    refusals: list[Callable[[], object]] = [
        lambda: create_file(handler, org_id, "new"),
        lambda: upload(handler, org_id, kept, 1, 1),
        lambda: restore_file(handler, org_id, gone),
        lambda: create_job(handler, org_id),
    ]
    for refused in refusals:
        with pytest.raises(Suspended):
            refused()
    assert contents(engine) == before
    delete_file(handler, org_id, kept)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)


def test_a_deleted_organization_takes_nothing_and_one_with_files_is_not_deleted(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    with pytest.raises(NotEmpty):
        run(handler, org_id, org_id, DeleteOrganization())
    delete_file(handler, org_id, file_id)
    run(handler, org_id, org_id, DeleteOrganization())
    for command in (
        lambda: create_file(handler, org_id),
        lambda: restore_file(handler, org_id, file_id),
    ):
        with pytest.raises(NotFound):
            command()
    assert_consistent(engine, org_id)


@pytest.mark.parametrize("remembers", [False, True])
def test_a_command_to_a_stream_of_another_kind_finds_nothing(
    engine: Engine, remembers: bool
) -> None:
    first = Handler(engine)
    org_id = create_organization(first)
    file_id, job_id = create_file(first, org_id), create_job(first, org_id)
    before = contents(engine)
    spec = JobSpec("other", "image")
    wrong: list[tuple[UUID, Command]] = [
        (job_id, UploadPart(1, 1, BYTES_1)),
        (org_id, UploadPart(1, 1, BYTES_1)),
        (file_id, DeleteJobConfiguration()),
        (file_id, RenameOrganization("beta")),
        (new_id(NOON), CreateJobConfiguration(replace(spec, inputs=(org_id,)), NOON)),
        (new_id(NOON), CreateJobConfiguration(replace(spec, inputs=(job_id,)), NOON)),
        (new_id(NOON), CreateJobConfiguration(replace(spec, inputs=(new_id(NOON),)), NOON)),
    ]
    for stream_id, command in wrong:
        handler = first if remembers else Handler(engine)
        with pytest.raises(NotFound):
            run(handler, org_id, stream_id, command)
    assert contents(engine) == before


# --- jobs and their inputs ------------------------------------------------------------------------


def test_an_input_of_a_job_is_not_deleted_until_the_job_lets_go(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    a, b = create_file(handler, org_id, "a"), create_file(handler, org_id, "b")
    job_id = create_job(handler, org_id, inputs=(a,))
    with pytest.raises(InUse):
        delete_file(handler, org_id, a)
    outcome = run(handler, org_id, job_id, UpdateJobConfiguration({"inputs": (b,)}))
    assert event_types(outcome) == ["job_configuration.updated", "file.linked", "file.unlinked"]
    delete_file(handler, org_id, a)
    with pytest.raises(InUse):
        delete_file(handler, org_id, b)
    run(handler, org_id, job_id, DeleteJobConfiguration())
    delete_file(handler, org_id, b)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)


def test_a_job_whose_input_is_deleted_is_not_created_at_all(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    a, b = create_file(handler, org_id, "a"), create_file(handler, org_id, "b")
    delete_file(handler, org_id, b)
    before = contents(engine)
    with pytest.raises(Refused, match="can be no input"):
        create_job(handler, org_id, inputs=(a, b))
    assert contents(engine) == before


# --- names ----------------------------------------------------------------------------------------


def test_names_of_live_organizations_are_unique_and_free_again(handler: Handler) -> None:
    org_id = create_organization(handler)
    with pytest.raises(AlreadyExists, match="organization 'acme' exists already"):
        create_organization(handler)
    other_id = create_organization(handler, "beta")
    with pytest.raises(AlreadyExists):
        run(handler, other_id, other_id, RenameOrganization("acme"))
    run(handler, org_id, org_id, RenameOrganization("gamma"))
    run(handler, other_id, other_id, RenameOrganization("acme"))
    run(handler, other_id, other_id, DeleteOrganization())
    create_organization(handler)


def test_names_of_live_files_are_unique_in_their_organization_and_free_again(
    handler: Handler,
) -> None:
    org_id, other_id = create_organization(handler), create_organization(handler, "beta")
    file_id = create_file(handler, org_id)
    create_file(handler, other_id)
    create_job(handler, org_id, "data.bin")
    with pytest.raises(AlreadyExists, match=r"file 'data\.bin' exists already"):
        create_file(handler, org_id)
    delete_file(handler, org_id, file_id)
    create_file(handler, org_id)


def test_a_file_whose_name_is_taken_is_not_restored(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    old = create_file(handler, org_id)
    delete_file(handler, org_id, old)
    new = create_file(handler, org_id)
    before = contents(engine)
    with pytest.raises(AlreadyExists, match=r"'data\.bin' exists already"):
        restore_file(handler, org_id, old)
    assert contents(engine) == before
    delete_file(handler, org_id, new)
    restore_file(handler, org_id, old)
    assert_consistent(engine, org_id)


def test_names_of_live_jobs_are_unique_and_free_again(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    job_id = create_job(handler, org_id)
    with pytest.raises(AlreadyExists, match="job configuration 'nightly' exists already"):
        create_job(handler, org_id)
    other_id = create_job(handler, org_id, "hourly")
    with pytest.raises(AlreadyExists):
        run(handler, org_id, other_id, UpdateJobConfiguration({"name": "nightly"}))
    run(handler, org_id, job_id, DeleteJobConfiguration())
    run(handler, org_id, other_id, UpdateJobConfiguration({"name": "nightly"}))
    assert_consistent(engine, org_id)


# --- healing --------------------------------------------------------------------------------------

_Tamper = Callable[[Connection], object]
_TAMPERINGS: dict[str, _Tamper] = {
    "organization deleted": lambda conn: conn.execute(delete(organizations)),
    "organization and name deleted": lambda conn: (
        conn.execute(delete(organizations)),
        conn.execute(delete(organization_names)),
    ),
    "organization stale": lambda conn: conn.execute(
        update(organizations).values(
            version=organizations.c.version - 2, used_bytes=0, file_count=1, part_count=0
        )
    ),
    "organization ahead": lambda conn: conn.execute(
        update(organizations).values(version=1_000, used_bytes=77, file_count=7, part_count=77)
    ),
    "file deleted, parts left": lambda conn: conn.execute(delete(files)),
    "file and parts deleted": lambda conn: (
        conn.execute(delete(file_parts)),
        conn.execute(delete(files)),
    ),
    "file stale, parts there": lambda conn: conn.execute(update(files).values(version=1)),
    "file stale, parts deleted": lambda conn: (
        conn.execute(delete(file_parts)),
        conn.execute(update(files).values(version=1, size_bytes=0, part_count=0)),
    ),
    "file ahead": lambda conn: conn.execute(update(files).values(version=1_000, size_bytes=77)),
    "file ahead, parts deleted": lambda conn: (
        conn.execute(delete(file_parts)),
        conn.execute(update(files).values(version=1_000, deleted=True)),
    ),
    "everything deleted": lambda conn: (
        conn.execute(delete(file_parts)),
        conn.execute(delete(files)),
        conn.execute(delete(organizations)),
        conn.execute(delete(organization_names)),
    ),
}
_COMMANDS: dict[str, Callable[[Handler, UUID, UUID], Outcome]] = {
    "new part": lambda handler, org_id, file_id: upload(handler, org_id, file_id, 3, 7),
    "other content": lambda handler, org_id, file_id: upload(
        handler, org_id, file_id, 1, 9, BYTES_2
    ),
    "delete": delete_file,
}


@pytest.mark.parametrize("remembers", [False, True], ids=["fresh", "remembering"])
@pytest.mark.parametrize("tampered", _TAMPERINGS)
def test_a_stored_state_that_was_tampered_with_is_healed_by_the_next_command(
    engine: Engine, database_url: URL, tampered: str, remembers: bool
) -> None:
    for name, command in _COMMANDS.items():
        handler = Handler(engine)
        org_id = create_organization(handler, name)
        file_id = create_file(handler, org_id)
        upload(handler, org_id, file_id, 1, 10)
        upload(handler, org_id, file_id, 2, 20)
        with tampering(database_url) as conn:
            _TAMPERINGS[tampered](conn)
        command(handler if remembers else Handler(engine), org_id, file_id)
        assert_consistent(engine, org_id)
        with tampering(database_url) as conn:  # the next round's names are to be found alone
            for table in (file_parts, files, organization_names, organizations):
                conn.execute(delete(table))


@pytest.mark.parametrize("tampered", ["deleted", "stale", "ahead"])
@pytest.mark.parametrize("remembers", [False, True], ids=["fresh", "remembering"])
def test_a_stored_job_that_was_tampered_with_is_healed_by_the_next_command(
    engine: Engine, database_url: URL, tampered: str, remembers: bool
) -> None:
    table = metadata.tables["job_configurations"]
    handler = Handler(engine)
    org_id = create_organization(handler)
    job_id = create_job(handler, org_id, inputs=(create_file(handler, org_id),))
    run(handler, org_id, job_id, UpdateJobConfiguration({"image": "other"}))
    with tampering(database_url) as conn:
        conn.execute(
            {
                "deleted": delete(table),
                "stale": update(table).values(version=1),
                "ahead": update(table).values(version=9, enabled=False),
            }[tampered]
        )
    run(
        handler if remembers else Handler(engine),
        org_id,
        job_id,
        UpdateJobConfiguration({"command": "run"}),
    )
    assert_consistent(engine, org_id)


@pytest.mark.parametrize("remembers", [False, True], ids=["fresh", "remembering"])
def test_a_part_row_that_is_gone_alone_does_not_make_usage_drift(
    engine: Engine, database_url: URL, remembers: bool
) -> None:
    """A file's row still says how many parts and bytes there are, so the loss can be noticed."""
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    for number in (1, 2, 3):
        upload(handler, org_id, file_id, number, 10 * number)
    with tampering(database_url) as conn:
        conn.execute(delete(file_parts).where(file_parts.c.number == 1))
    upload(handler if remembers else Handler(engine), org_id, file_id, 1, 15, BYTES_2)
    assert_consistent(engine, org_id)


# --- several handlers -----------------------------------------------------------------------------


def test_two_handlers_that_take_turns_stay_right(engine: Engine, database_url: URL) -> None:
    with opened(database_url) as elsewhere:
        handlers = (Handler(engine), Handler(elsewhere))
        org_id = create_organization(handlers[0])
        file_ids = [create_file(handlers[n % 2], org_id, f"file-{n}") for n in range(4)]
        for turn in range(40):
            file_id = file_ids[turn % 3]
            digest = BYTES_1 if turn % 5 else BYTES_2
            upload(handlers[turn % 2], org_id, file_id, turn // 4 + 1, turn, digest)
            if turn % 9 == 0:
                delete_file(handlers[(turn + 1) % 2], org_id, file_ids[3])
                restore_file(handlers[turn % 2], org_id, file_ids[3])
        assert assert_consistent(engine, org_id) == usage(elsewhere, org_id)


def test_a_handler_that_missed_very_many_events_starts_afresh(
    engine: Engine, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MANY_EVENTS", 6)
    monkeypatch.setattr(event_log, "_LATER", event_log._LATER.limit(6))
    with opened(database_url) as elsewhere:
        first, second = Handler(engine), Handler(elsewhere)
        org_id = create_organization(first)
        file_id = create_file(first, org_id)
        for missed in range(1, 6):
            for number in range(missed):
                upload(second, org_id, file_id, number + 1, missed)
            upload(first, org_id, file_id, 50, missed)
            assert_consistent(engine, org_id)


def test_a_handler_remembers_no_more_than_it_should(engine: Engine) -> None:
    handler = Handler(engine)
    for number in range(20):
        org_id = create_organization(handler, f"org-{number}")
        create_file(handler, org_id)
    memories = handler._memories._memories
    assert len(memories) <= 16
    for number in range(80):
        create_file(handler, org_id, f"file-{number}")
    assert all(len(memory.states) <= 64 for memory in memories.values())
    assert_consistent(engine, org_id)


def test_a_log_that_was_put_back_to_a_backup_is_not_mistaken_for_the_remembered_one(
    engine: Engine, database_url: URL
) -> None:
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    last = read_log(engine, org_id)[2]
    with tampering(database_url) as conn:
        conn.execute(delete(events).where(events.c.position > 3))
        conn.execute(
            update(logs).values(position=3, recorded_at=last.recorded_at, head_hash=last.hash)
        )
        for table in (file_parts, files, organizations, organization_names):
            conn.execute(delete(table))
        for name in ("storage_usage", "storage_usage_days"):
            conn.execute(delete(metadata.tables[name]))
    upload(handler, org_id, file_id, 2, 20)
    assert usage(engine, org_id) == Usage(20, 1, 1)


@pytest.mark.parametrize("has_key", [False, True], ids=["without key", "with key"])
def test_two_creations_of_one_organization_at_once_do_it_once(
    engine: Engine, database_url: URL, has_key: bool
) -> None:
    """There is no row to lock yet: whoever comes second waits, and then finds the first one's."""
    org_id = new_id(NOON)
    intent = Intent(
        "tester", idempotency_key="k" if has_key else None, request={"command": "create"}
    )
    command = CreateOrganization("acme", NOON)
    first_holds_the_lock = Event()
    second: list[dict[str, Any] | Conflict] = []

    def create_second() -> None:
        first_holds_the_lock.wait()
        with opened(database_url) as elsewhere:
            try:
                second.append(perform(Handler(elsewhere), org_id, org_id, command, intent))
            except Conflict as conflict:
                second.append(conflict)

    def present(outcome: Outcome) -> dict[str, Any]:
        first_holds_the_lock.set()
        return summary(outcome)

    overtaken = Thread(target=create_second)
    overtaken.start()
    first = Handler(engine).handle(org_id, command, intent, present)
    overtaken.join()
    if has_key:
        assert second == [first]
    else:
        assert isinstance(second[0], Conflict)
    assert len(read_log(engine, org_id)) == 1
    assert_consistent(engine, org_id)


# --- idempotency ----------------------------------------------------------------------------------


def test_the_same_request_under_a_key_gives_the_stored_result_and_no_events(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"size": 10})
    command = UploadPart(1, 10, BYTES_1)
    first = perform(handler, org_id, file_id, command, intent)
    upload(handler, org_id, file_id, 2, 20)
    before = contents(engine)
    for again in (handler, Handler(engine)):
        assert perform(again, org_id, file_id, command, intent) == first
    assert contents(engine) == before


def test_a_key_is_replayed_even_where_the_command_would_now_be_refused(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"command": "delete"})
    first = perform(handler, org_id, file_id, DeleteFile(), intent)
    assert perform(handler, org_id, file_id, DeleteFile(), intent) == first
    with pytest.raises(Refused):
        perform(handler, org_id, file_id, DeleteFile())
    assert_consistent(engine, org_id)


def test_another_request_under_a_key_is_a_conflict(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"size": 10})
    perform(handler, org_id, file_id, UploadPart(1, 10, BYTES_1), intent)
    before = contents(engine)
    with pytest.raises(IdempotencyConflict, match="'k1' was used for another request"):
        perform(
            handler,
            org_id,
            file_id,
            UploadPart(1, 11, BYTES_1),
            replace(intent, request={"size": 11}),
        )
    assert contents(engine) == before


def test_a_key_counts_in_its_organization_alone(engine: Engine, handler: Handler) -> None:
    intent = replace(INTENT, idempotency_key="k1", request={"command": "same"})
    for name in ("acme", "beta"):
        org_id = create_organization(handler, name)
        result = perform(handler, org_id, org_id, SetQuota(5), intent)
        assert result["events"] == ["organization.quota_set"]


def test_a_command_that_changes_nothing_still_remembers_its_key(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    intent = replace(INTENT, idempotency_key="k1", request={"command": "clear"})
    first = perform(handler, org_id, org_id, ClearQuota(), intent)
    assert first["events"] == []
    run(handler, org_id, org_id, SetQuota(5))
    assert perform(Handler(engine), org_id, org_id, ClearQuota(), intent) == first
    with reading(engine) as conn:
        assert conn.execute(select(organizations.c.quota_bytes)).scalar() == 5


def test_a_command_that_failed_leaves_its_key_free(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=5)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"command": "part"})
    with pytest.raises(QuotaExceeded):
        perform(handler, org_id, file_id, UploadPart(1, 6, BYTES_1), intent)
    run(handler, org_id, org_id, ClearQuota())
    result = perform(handler, org_id, file_id, UploadPart(1, 6, BYTES_1), intent)
    assert result["events"] == ["file.part_uploaded", "organization.storage_usage_changed"]


# --- expected versions, dry runs ------------------------------------------------------------------


def test_the_version_that_a_caller_saw_must_be_the_one_that_is_there(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    before = contents(engine)
    for wrong in (0, 2):
        with pytest.raises(VersionConflict, match=f"at version 1, not {wrong}"):
            run(
                handler,
                org_id,
                file_id,
                UploadPart(1, 1, BYTES_1),
                replace(INTENT, expected_version=wrong),
            )
    assert contents(engine) == before
    right = replace(INTENT, expected_version=1)
    assert run(handler, org_id, file_id, UploadPart(1, 1, BYTES_1), right).version == 2


def test_expecting_version_0_creates_what_must_not_be_there_yet(handler: Handler) -> None:
    org_id = create_organization(handler)
    intent = replace(INTENT, expected_version=0)
    assert run(handler, org_id, new_id(NOON), CreateFile("a", NOON), intent).version == 1


def test_a_dry_run_returns_what_would_be_and_leaves_nothing(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler, quota_bytes=50)
    file_id = create_file(handler, org_id)
    before = contents(engine)
    dry = replace(INTENT, dry_run=True, idempotency_key="k1", request={"command": "part"})
    would_be = run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1), dry)
    assert would_be.dry_run
    assert contents(engine) == before
    real = upload(handler, org_id, file_id, 1, 10)
    assert not real.dry_run
    assert summary(would_be) == summary(real)
    assert would_be.state == real.state
    assert_consistent(engine, org_id)


def test_a_dry_run_refuses_what_would_be_refused(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=5)
    file_id = create_file(handler, org_id)
    with pytest.raises(QuotaExceeded):
        run(handler, org_id, file_id, UploadPart(1, 6, BYTES_1), replace(INTENT, dry_run=True))


def test_a_dry_run_of_the_first_command_creates_no_log(engine: Engine, handler: Handler) -> None:
    before = contents(engine)
    run(
        handler,
        UUID(int=1),
        UUID(int=1),
        CreateOrganization("acme", NOON),
        replace(INTENT, dry_run=True),
    )
    assert contents(engine) == before
    create_organization(handler)


# --- what events say ------------------------------------------------------------------------------


def test_every_event_says_who_why_and_what_led_to_it(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = Intent("ada@host", reason="ticket 7")
    uploaded, changed = run(handler, org_id, file_id, UploadPart(1, 1, BYTES_1), intent).events
    assert (uploaded.type, changed.type) == (
        "file.part_uploaded",
        "organization.storage_usage_changed",
    )
    for event in (uploaded, changed):
        assert (event.actor, event.reason) == ("ada@host", "ticket 7")
        assert event.correlation_id == uploaded.command_id
    assert uploaded.causation_id is None
    assert changed.causation_id == uploaded.event_id
    assert changed.command_id not in {uploaded.command_id, uploaded.event_id}
    stored = read_log(engine, org_id)[-2:]
    assert [row.event_id for row in stored] == [uploaded.event_id, changed.event_id]


def test_every_command_has_a_tree_of_its_own(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=5)
    create_job(handler, org_id, inputs=(create_file(handler, org_id),))
    history = read_log(engine, org_id)
    trees: dict[UUID, list[str]] = {}
    for each in history:
        trees.setdefault(each.correlation_id, []).append(each.type)
    assert list(trees.values()) == [
        ["organization.created", "organization.quota_set"],
        ["file.created", "organization.storage_usage_changed"],
        ["job_configuration.created", "file.linked"],
    ]
    by_id = {each.event_id: each for each in history}
    assert len(by_id) == len(history)
    for each in history:
        if each.causation_id is None:
            assert each.command_id == each.correlation_id
        else:
            assert by_id[each.causation_id].correlation_id == each.correlation_id


def test_recorded_time_never_goes_backwards_with_a_clock_that_does(engine: Engine) -> None:
    clock = Clock()
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    clock.advance(seconds=-60)
    upload(handler, org_id, file_id, 1, 10)
    assert read_log(engine, org_id)[-1].recorded_at == NOON
    clock.advance(seconds=60, microseconds=1)
    upload(handler, org_id, file_id, 2, 10)
    assert read_log(engine, org_id)[-1].recorded_at == NOON + timedelta(microseconds=1)
    assert_consistent(engine, org_id)


# --- transactions ---------------------------------------------------------------------------------


def test_a_command_is_committed_for_everybody_to_see(engine: Engine, database_url: URL) -> None:
    """On PostgreSQL a remembering handler sends nothing but pipelines, the commit included."""
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    for number in range(1, 6):
        upload(handler, org_id, file_id, number, 10)
        with tampering(database_url) as conn:
            assert conn.execute(select(organizations.c.used_bytes)).scalar() == 10 * number


def test_no_lock_outlives_a_command(engine: Engine, database_url: URL) -> None:
    handler = Handler(engine)
    org_id = create_organization(handler, quota_bytes=5)
    file_id = create_file(handler, org_id)
    dry = replace(INTENT, dry_run=True)
    with opened(database_url, lock_timeout_seconds=0) as elsewhere:
        other = Handler(elsewhere)
        run(handler, org_id, file_id, UploadPart(1, 1, BYTES_1), dry)
        upload(other, org_id, file_id, 1, 1)
        with pytest.raises(QuotaExceeded):
            upload(handler, org_id, file_id, 2, 9)
        upload(other, org_id, file_id, 2, 1)
        upload(handler, org_id, file_id, 2, 1)
        upload(other, org_id, file_id, 3, 1)


def _interrupted_before(conn: Connection) -> CommandEnvelope:
    raise KeyboardInterrupt


def _interrupted_after(outcome: Outcome) -> dict[str, Any]:
    raise KeyboardInterrupt


def test_an_interrupted_command_leaves_nothing(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    before = contents(engine)
    command = CommandEnvelope(file_id, UploadPart(2, 20, BYTES_1))
    with pytest.raises(KeyboardInterrupt):
        handler.handle(org_id, _interrupted_before, INTENT, summary)
    with pytest.raises(KeyboardInterrupt):
        handler.handle(org_id, lambda conn: command, INTENT, _interrupted_after)
    assert contents(engine) == before
    upload(handler, org_id, file_id, 2, 21)
    assert assert_consistent(engine, org_id) == Usage(31, 1, 2)


@pytest.mark.parametrize("statement", range(6))
def test_a_command_interrupted_between_its_writes_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    """The writes are one transaction: after any of them an interruption undoes all before it."""
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    before = contents(engine)
    with monkeypatch.context() as patched:
        _interrupt_at(patched, statement)
        with pytest.raises(KeyboardInterrupt):
            upload(handler, org_id, file_id, 2, 20)
    assert contents(engine) == before
    upload(handler, org_id, file_id, 2, 21)
    assert assert_consistent(engine, org_id) == Usage(31, 1, 2)


def _interrupt_at(patched: pytest.MonkeyPatch, statement: int) -> None:
    """Raise when the statement of that number is about to be written."""
    count = 0

    def counting(real: Callable[..., None]) -> Callable[..., None]:
        def write(*arguments: Any, **options: Any) -> None:
            nonlocal count
            if count == statement:
                raise KeyboardInterrupt
            count += 1
            real(*arguments, **options)

        return write

    for module in (event_log, state_store, projection):
        patched.setattr(module, "write", counting(statements.write))
    for module in (event_log, state_store):
        patched.setattr(module, "write_all", counting(statements.write_all))


def test_an_interruption_while_the_database_answers_leaves_all_or_nothing(
    postgresql_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit may be under way already; whichever it is, the same connection is not used on."""
    handler = Handler(postgresql_engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    real = pipeline._receive
    for interrupted_at in range(2):
        answers = 0

        def receive(pgconn: Any, timeout: float | None, at: int = interrupted_at) -> Any:
            nonlocal answers
            answers += 1
            if answers == at + 1:
                raise KeyboardInterrupt
            return real(pgconn, timeout)

        with monkeypatch.context() as patched:
            patched.setattr(pipeline, "_receive", receive)
            with pytest.raises(KeyboardInterrupt):
                upload(handler, org_id, file_id, 1, 10 + interrupted_at)
        upload(handler, org_id, file_id, 2, 20 + interrupted_at)
        assert_consistent(postgresql_engine, org_id)


@pytest.mark.parametrize("text", ["a\x00b", "\udcff"], ids=["NUL", "no UTF-8"])
@pytest.mark.parametrize("field", ["actor", "reason", "idempotency_key"])
def test_a_text_that_cannot_be_stored_is_refused_and_leaves_nothing(
    engine: Engine, handler: Handler, field: str, text: str
) -> None:
    """Such text comes with arguments that are no UTF-8, and with JSON."""
    org_id = create_organization(handler)
    before = contents(engine)
    values: dict[str, Any] = {field: text}
    with pytest.raises(CatactlError):
        perform(handler, org_id, org_id, SetQuota(5), replace(INTENT, **values))
    assert contents(engine) == before


def test_plain_rows_change_under_the_same_lock_keys_and_dry_runs(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)

    def change(conn: Connection, _unit: UnitOfWork) -> dict[str, Any]:
        conn.execute(update(organizations).values(part_count=organizations.c.part_count + 1))
        return {"done": True}

    before = contents(engine)
    assert handler.transact(org_id, replace(INTENT, dry_run=True), change) == {"done": True}
    assert contents(engine) == before
    keyed = replace(INTENT, idempotency_key="k", request={"command": "change"})
    results = [handler.transact(org_id, keyed, change) for _ in range(3)]
    assert results == [{"done": True}] * 3
    with reading(engine) as conn:
        assert conn.execute(select(organizations.c.part_count)).scalar() == 1
        assert conn.execute(select(func.count()).select_from(idempotency_keys)).scalar() == 1


def test_a_failure_that_is_a_bug_leaves_nothing_either(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    before = contents(engine)

    def fail(outcome: Outcome) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handler.handle(org_id, SetQuota(5), INTENT, fail)
    assert contents(engine) == before


# --- several commands in one transaction ----------------------------------------------------------


def transact(
    handler: Handler,
    org_id: UUID,
    *commands: tuple[UUID, Command],
    intent: Intent = INTENT,
) -> dict[str, Any]:
    """Run the commands in one transaction; return what each came to."""

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        return {"all": [summary(unit.run(CommandEnvelope(*command))) for command in commands]}

    return handler.transact(org_id, intent, work)


def _whole_file(file_id: UUID, size_bytes: int = 10) -> list[tuple[UUID, Command]]:
    """Two parts of one size, and a change of the second."""
    return [
        (file_id, CreateFile("data.bin", NOON)),
        (file_id, UploadPart(1, size_bytes, BYTES_1, stored=True)),
        (file_id, UploadPart(2, 1, BYTES_1)),
        (file_id, UploadPart(2, size_bytes, BYTES_2, stored=True)),
        (file_id, CompleteFile()),
    ]


def test_several_commands_of_a_transaction_each_see_those_before_and_are_recorded_apart(
    engine: Engine, handler: Handler
) -> None:
    org_id, file_id = create_organization(handler), new_id(NOON)
    results = transact(handler, org_id, *_whole_file(file_id))["all"]
    assert [(each["version"], each["position"]) for each in results] == [
        (1, 3),
        (2, 5),
        (3, 7),
        (4, 9),
        (5, 10),
    ]
    assert [len(each["events"]) for each in results] == [2, 2, 2, 2, 1]
    history = read_log(engine, org_id)[1:]
    assert len({each.correlation_id for each in history}) == 5
    assert len({each.recorded_at for each in history}) == 1
    assert assert_consistent(engine, org_id) == Usage(20, 1, 2)
    upload(handler, org_id, create_file(handler, org_id, "other"), 1, 5)
    assert assert_consistent(engine, org_id) == Usage(25, 2, 3)


def test_a_refusal_among_several_commands_undoes_them_all(engine: Engine, handler: Handler) -> None:
    org_id, file_id = create_organization(handler, quota_bytes=19), new_id(NOON)
    before = contents(engine)
    with pytest.raises(QuotaExceeded):
        transact(handler, org_id, *_whole_file(file_id))
    assert contents(engine) == before
    transact(handler, org_id, *_whole_file(file_id, size_bytes=9))
    assert assert_consistent(engine, org_id) == Usage(18, 1, 2)


def test_a_dry_run_of_several_commands_leaves_nothing_and_a_key_stands_for_them_all(
    engine: Engine, handler: Handler
) -> None:
    org_id, commands = create_organization(handler), _whole_file(new_id(NOON))
    before = contents(engine)
    would_be = transact(handler, org_id, *commands, intent=replace(INTENT, dry_run=True))
    assert contents(engine) == before
    keyed = replace(INTENT, idempotency_key="k", request={"command": "upload"})
    results = [
        transact(each, org_id, *commands, intent=keyed) for each in (handler, Handler(engine))
    ]
    assert results == [would_be, would_be]
    assert assert_consistent(engine, org_id) == Usage(20, 1, 2)


def test_several_commands_are_run_again_from_the_start_when_the_database_asks_for_it(
    engine: Engine, handler: Handler
) -> None:
    org_id, file_id = create_organization(handler), new_id(NOON)
    attempts: list[int] = []

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        attempts.append(unit.head.position)
        assert unit.find_live(FILE, "data.bin") is None
        for command in _whole_file(file_id):
            unit.run(CommandEnvelope(*command))
        if len(attempts) < 3:
            raise Busy("another transaction got in the way")
        return {}

    handler.transact(org_id, INTENT, work)
    assert attempts == [1, 1, 1]
    assert assert_consistent(engine, org_id) == Usage(20, 1, 2)


def test_a_refused_command_leaves_those_around_it_whole(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=10)
    file_id, taken_id = new_id(NOON), new_id(NOON)

    def work(_conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        unit.run(CommandEnvelope(file_id, CreateFile("data.bin", NOON)))
        unit.run(CommandEnvelope(file_id, UploadPart(1, 4, BYTES_1)))
        with pytest.raises(QuotaExceeded):  # by the organization, after the file had agreed
            unit.run(CommandEnvelope(file_id, UploadPart(2, 7, BYTES_1)))
        with pytest.raises(AlreadyExists):
            unit.run(CommandEnvelope(taken_id, CreateFile("data.bin", NOON)))
        unit.run(CommandEnvelope(file_id, UploadPart(2, 6, BYTES_2)))
        return {}

    handler.transact(org_id, INTENT, work)
    assert assert_consistent(engine, org_id) == Usage(10, 1, 2)


def test_names_may_move_on_in_a_transaction_but_not_in_circles(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    first, second = create_job(handler, org_id, "a"), create_job(handler, org_id, "b")

    def rename(job_id: UUID, name: str) -> tuple[UUID, Command]:
        return job_id, UpdateJobConfiguration({"name": name})

    transact(handler, org_id, rename(second, "x"), rename(first, "b"), rename(second, "y"))
    with pytest.raises(Refused, match="exchanged"):
        transact(handler, org_id, rename(first, "x"), rename(second, "b"), rename(first, "y"))
    assert_consistent(engine, org_id)


def test_one_name_is_not_taken_twice_in_a_transaction(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    job_id = create_job(handler, org_id, "hourly")
    before = contents(engine)
    nightly = CreateJobConfiguration(JobSpec("nightly", "image"), NOON)
    twice: list[tuple[Command, tuple[UUID, Command]]] = [
        (CreateFile("a", NOON), (new_id(NOON), CreateFile("a", NOON))),
        (nightly, (new_id(NOON), nightly)),
        (nightly, (job_id, UpdateJobConfiguration({"name": "nightly"}))),
    ]
    for first, second in twice:
        with pytest.raises(AlreadyExists, match="exists already"):
            transact(handler, org_id, (new_id(NOON), first), second)
    assert contents(engine) == before


def test_a_name_that_a_transaction_frees_is_free_in_it(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    old, new, newer = create_file(handler, org_id), new_id(NOON), new_id(NOON)
    hourly, nightly = create_job(handler, org_id, "hourly"), new_id(NOON)
    spec = JobSpec("hourly", "image")
    transact(
        handler,
        org_id,
        (old, DeleteFile()),
        (new, CreateFile("data.bin", NOON)),
        (new, DeleteFile()),
        (newer, CreateFile("data.bin", NOON)),
        (hourly, UpdateJobConfiguration({"name": "daily"})),
        (nightly, CreateJobConfiguration(spec, NOON)),
        (nightly, DeleteJobConfiguration()),
        (hourly, UpdateJobConfiguration({"name": "hourly"})),
    )
    assert assert_consistent(engine, org_id) == Usage(0, 1, 0)
    with pytest.raises(AlreadyExists, match="exists already"):
        transact(handler, org_id, (newer, UploadPart(1, 1, BYTES_1)), (old, RestoreFile()))
    transact(handler, org_id, (newer, DeleteFile()), (old, RestoreFile()))
    assert assert_consistent(engine, org_id) == Usage(0, 1, 0)


def test_what_lives_under_a_name_is_told_as_the_transaction_has_it(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id, job_id = create_file(handler, org_id), create_job(handler, org_id)
    other_id = create_organization(handler, "other")

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        def live(*names: str) -> list[UUID | None]:
            return [
                unit.find_live(aggregate, name)
                for aggregate, name in zip(
                    (ORGANIZATION, FILE, JOB_CONFIGURATION), names, strict=True
                )
            ]

        assert live("acme", "data.bin", "nightly") == [org_id, file_id, job_id]
        assert live("other", "nightly", "data.bin") == [other_id, None, None]
        unit.run(CommandEnvelope(org_id, RenameOrganization("beta")))
        unit.run(CommandEnvelope(file_id, DeleteFile()))
        unit.run(CommandEnvelope(job_id, UpdateJobConfiguration({"name": "daily"})))
        assert live("acme", "data.bin", "nightly") == [None, None, None]
        assert live("beta", "data.bin", "daily") == [org_id, None, job_id]
        unit.run(CommandEnvelope(file_id, RestoreFile()))
        unit.run(CommandEnvelope(org_id, RenameOrganization("acme")))
        assert live("acme", "data.bin", "daily") == [org_id, file_id, job_id]
        return {}

    handler.transact(org_id, INTENT, work)
    assert_consistent(engine, org_id)
    with pytest.raises(AlreadyExists):
        create_organization(handler)
    create_organization(handler, "beta")
