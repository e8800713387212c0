"""Commands through PgBouncer in transaction mode, where each transaction may get another session.

These tests need the program `pgbouncer`, from the Debian package of that name, and are skipped
without it. tests/store/sql/test_engine.py tests the same protections without it.
"""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from catactl.handling.handler import Handler
from catactl.store.sql import pipeline
from tests.cli.pooler import pooled
from tests.cli.support import Cli
from tests.cli.tour import take_tour
from tests.support import (
    assert_consistent,
    create_file,
    create_organization,
    opened,
    upload,
)

pytestmark = [
    pytest.mark.pgbouncer,
    pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed"),
]


@pytest.fixture
def pooled_url(postgresql_url: URL) -> Iterator[URL]:
    with pooled(postgresql_url) as url:
        yield url


def test_several_processes_share_two_connections(pooled_url: URL) -> None:
    """Each would prepare statements on a connection that another client gets next."""
    with opened(pooled_url) as engine:
        org_id = create_organization(Handler(engine))

        def work(name: str) -> None:
            with opened(pooled_url) as mine:
                handler = Handler(mine)
                file_id = create_file(handler, org_id, name)
                for number in range(1, 9):
                    upload(handler, org_id, file_id, number, number)
                with mine.connect() as conn:
                    assert conn.info[pipeline._PREPARED].is_possible is False

        threads = [threading.Thread(target=work, args=(f"f{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert assert_consistent(engine, org_id).part_count == 32


def test_every_kind_of_command_works(
    home: Path, pooled_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATACTL_DATABASE_URL", pooled_url.render_as_string(hide_password=False))
    monkeypatch.setenv("CATACTL_BLOB_URL", (tmp_path / "blobs").as_uri())
    take_tour(Cli(), tmp_path)
