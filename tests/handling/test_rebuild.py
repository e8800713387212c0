"""Rebuilt projections equal the ones that commands wrote."""

from uuid import UUID

from sqlalchemy import URL, Connection, Engine, delete, update

from catactl.handling.handler import Handler
from catactl.handling.rebuild import rebuild
from catactl.store.sql.engine import reading
from catactl.store.tables import storage_usage, storage_usage_days
from tests.support import (
    INTENT,
    Usage,
    assert_consistent,
    create_file,
    opened,
    projection_rows,
    tampering,
    upload,
)
from tests.usage.tampering import filled, run_together


def _rebuild(url: URL, org_id: UUID) -> None:
    def inspect(conn: Connection) -> None:
        rebuild(conn, org_id)

    with opened(url) as engine:
        Handler(engine).inspect_and_handle(org_id, INTENT, inspect)


def test_rebuilt_projections_equal_the_ones_that_commands_wrote(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    with reading(engine) as conn:
        before = projection_rows(conn, org_id)
    with tampering(database_url) as conn:
        conn.execute(update(storage_usage).values(used_bytes=1, position=1))
        conn.execute(delete(storage_usage_days))
    for _ in range(2):
        _rebuild(database_url, org_id)
        with reading(engine) as conn:
            assert projection_rows(conn, org_id) == before


def test_projections_rebuilt_during_writes_miss_no_event(
    handler: Handler, engine: Engine, database_url: URL
) -> None:
    org_id = filled(handler)
    file_id = create_file(handler, org_id, "busy.bin")

    def write() -> None:
        with opened(database_url) as own:
            writer = Handler(own)
            for number in range(1, 31):
                upload(writer, org_id, file_id, number, number)

    def rebuild_often() -> None:
        for _ in range(6):
            _rebuild(database_url, org_id)

    run_together(write, rebuild_often)
    assert assert_consistent(engine, org_id) == Usage(180 + 465, 3, 33)
