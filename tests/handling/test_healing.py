"""Stored states that were changed or deleted are repaired by the next command."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import URL, Connection, Engine, delete, update

from catactl.domain.job_configuration import UpdateJobConfiguration
from catactl.handling.handler import Handler
from catactl.handling.unit_of_work import Outcome
from catactl.store.tables import file_parts, files, metadata, organization_names, organizations
from tests.support import (
    BYTES_2,
    assert_consistent,
    create_file,
    create_job,
    create_organization,
    delete_file,
    run,
    tampering,
    upload,
)

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
        with tampering(database_url) as conn:  # so that the next round finds only its names
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
    """The row of the file still has the number of parts and bytes, so the loss is noticed."""
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    for number in (1, 2, 3):
        upload(handler, org_id, file_id, number, 10 * number)
    with tampering(database_url) as conn:
        conn.execute(delete(file_parts).where(file_parts.c.number == 1))
    upload(handler if remembers else Handler(engine), org_id, file_id, 1, 15, BYTES_2)
    assert_consistent(engine, org_id)
