"""Recomputation finds and corrects every change of stored rows and events."""

import threading
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine, delete, text

from catactl.handling.handler import Handler
from catactl.store.sql.engine import reading
from catactl.store.tables import (
    file_parts,
    files,
    job_configurations,
)
from catactl.usage.check import check
from catactl.usage.comparison import Comparison
from catactl.usage.recompute import recompute
from tests.support import (
    INTENT,
    Usage,
    assert_consistent,
    contents,
    create_file,
    create_job,
    create_organization,
    opened,
    tampering,
    upload,
    usage,
)
from tests.support import recompute as recompute_in_python
from tests.usage.tampering import (
    EVENT_CHANGES,
    ROW_CHANGES,
    Tamper,
    filled,
    last_running_figure,
    organization_bytes,
    run_together,
    types,
)

_CORRECTED = "organization.storage_usage_corrected"


def _check(engine: Engine, org_id: UUID) -> Comparison:
    (comparison,) = check(engine, [org_id])
    return comparison


def _recompute(url: URL, org_id: UUID) -> Comparison:
    """Recompute as a new process, without states in memory."""
    with opened(url) as engine:
        (comparison,) = recompute(Handler(engine), engine, [org_id], INTENT)
    return comparison


@pytest.mark.parametrize("tamper", ROW_CHANGES)
def test_rows_are_rebuilt_from_their_events_without_a_new_event(
    tamper: Tamper, handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    before = types(engine, org_id)
    with tampering(database_url) as conn:
        tamper(conn, org_id)
    found = _check(engine, org_id)
    assert (found.drifted, found.rows_differ, found.events_differ) == (True, True, False)
    assert _recompute(database_url, org_id).correction == "rebuilt"
    assert types(engine, org_id) == before
    assert assert_consistent(engine, org_id) == Usage(180, 2, 3)
    assert not _check(engine, org_id).drifted
    assert _recompute(database_url, org_id).correction is None


def test_lost_files_are_found_and_rebuilt(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    create_job(handler, org_id, inputs=(create_file(handler, org_id, "input"),))
    lost = (file_parts, files, job_configurations)
    before = contents(engine)
    with tampering(database_url) as conn:
        for table in lost:
            conn.execute(delete(table))
    found = _check(engine, org_id)
    assert (found.drifted, found.files_differ, found.rows_differ) == (True, True, False)
    assert found.as_result()["files_bytes"] == 0
    assert _recompute(database_url, org_id).correction == "rebuilt"
    assert contents(engine) == before
    assert not _check(engine, org_id).drifted


def test_a_stored_figure_that_is_not_a_number_differs_from_0(
    sqlite_engine: Engine, sqlite_url: URL
) -> None:
    org_id = create_organization(Handler(sqlite_engine))
    with tampering(sqlite_url) as conn:
        conn.execute(text("UPDATE organizations SET used_bytes = 'x'"))
    assert _check(sqlite_engine, org_id).rows_differ
    assert _recompute(sqlite_url, org_id).correction == "rebuilt"


@pytest.mark.parametrize("tamper", EVENT_CHANGES)
def test_a_wrong_running_figure_is_corrected_by_an_event(
    tamper: Tamper, handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    before = types(engine, org_id)
    with tampering(database_url) as conn:
        tamper(conn, org_id)
    assert _check(engine, org_id).events_differ
    assert _recompute(database_url, org_id).correction == "event"
    assert types(engine, org_id) == [*before, _CORRECTED]
    assert not _check(engine, org_id).drifted
    with reading(engine) as conn:
        exact = recompute_in_python(conn, org_id)
    assert usage(engine, org_id) == exact
    assert _recompute(database_url, org_id).correction is None
    assert types(engine, org_id) == [*before, _CORRECTED]


def test_usage_is_exact_after_a_correction(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    with tampering(database_url) as conn:
        last_running_figure(conn, org_id)
    _recompute(database_url, org_id)
    with opened(database_url) as other:
        later = Handler(other)
        file_id = create_file(later, org_id, "later.bin")
        upload(later, org_id, file_id, 1, 20)
    assert not _check(engine, org_id).drifted
    assert usage(engine, org_id) == Usage(200, 3, 4)


def test_a_handler_with_states_in_memory_reads_the_correction(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    with tampering(database_url) as conn:
        last_running_figure(conn, org_id)
    _recompute(database_url, org_id)
    create_file(handler, org_id, "later.bin")
    assert usage(engine, org_id) == Usage(180, 3, 3)
    assert not _check(engine, org_id).drifted


@pytest.mark.parametrize("tamper", [organization_bytes, last_running_figure])
def test_two_recomputations_at_once_correct_once(
    tamper: Tamper, handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    with tampering(database_url) as conn:
        tamper(conn, org_id)
    barrier = threading.Barrier(2)
    corrections: list[str | None] = []

    def work() -> None:
        with opened(database_url) as own:
            barrier.wait()
            (comparison,) = recompute(Handler(own), own, [org_id], INTENT)
            corrections.append(comparison.correction)

    run_together(work, work)
    assert len(corrections) == 2
    assert sum(each is not None for each in corrections) == 1
    expected = 1 if tamper is last_running_figure else 0
    assert types(engine, org_id).count(_CORRECTED) == expected
    assert not _check(engine, org_id).drifted
