"""Several handlers, each with states in memory, work on one organization."""

from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import URL, Engine, delete, update

from catactl.domain.organization import CreateOrganization
from catactl.errors import Conflict
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import Outcome
from catactl.store import event_log
from catactl.store.tables import (
    events,
    file_parts,
    files,
    logs,
    metadata,
    organization_names,
    organizations,
)
from catactl.values.ids import new_id
from tests.support import (
    BYTES_1,
    BYTES_2,
    NOON,
    Usage,
    assert_consistent,
    create_file,
    create_organization,
    delete_file,
    handle,
    opened,
    perform,
    read_log,
    restore_file,
    summary,
    tampering,
    upload,
    usage,
)


def test_two_handlers_that_take_turns_stay_consistent(engine: Engine, database_url: URL) -> None:
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


def test_a_handler_that_missed_very_many_events_loads_the_states_again(
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


def test_the_state_cache_of_a_handler_is_bounded(engine: Engine) -> None:
    handler = Handler(engine)
    for number in range(20):
        org_id = create_organization(handler, f"org-{number}")
        create_file(handler, org_id)
    caches = handler._caches._caches
    assert len(caches) <= 16
    for number in range(80):
        create_file(handler, org_id, f"file-{number}")
    assert all(len(cache.states) <= 64 for cache in caches.values())
    assert_consistent(engine, org_id)


def test_a_log_restored_from_a_backup_is_not_read_from_the_state_cache(
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
def test_two_simultaneous_creations_create_one_organization(
    engine: Engine, database_url: URL, has_key: bool
) -> None:
    """No row can be locked yet. The second creation waits, and then finds the row of the first."""
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
    first = handle(Handler(engine), org_id, command, intent, present)
    overtaken.join()
    if has_key:
        assert second == [first]
    else:
        assert isinstance(second[0], Conflict)
    assert len(read_log(engine, org_id)) == 1
    assert_consistent(engine, org_id)
