"""Through PgBouncer in transaction mode, where each transaction may get another server process.

These need the program `pgbouncer`, as Debian's package of that name has it; without it they are
skipped. What protects us there is tested without it as well, in tests/store/test_engine.py.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL

from catactl.handler import Handler
from catactl.store import pipeline
from tests.cli.support import Cli
from tests.support import (
    BYTES_1,
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

_PORT = 6543


@pytest.fixture
def pooled_url(postgresql_url: URL) -> Iterator[URL]:
    """The database behind a pooler that has two connections for everybody."""
    server = str(postgresql_url.query.get("host", postgresql_url.host))
    is_socket = server.startswith("/")
    with TemporaryDirectory(prefix="catactl-pooler-") as folder:
        host = f"host={server} port={postgresql_url.port or 5432} user={postgresql_url.username}"
        password = f" password={postgresql_url.password}" if postgresql_url.password else ""
        settings = {
            "listen_addr": "",
            "listen_port": _PORT,
            "unix_socket_dir": folder,
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 2,
        }
        lines = ["[databases]", f"* = {host}{password}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text("\n".join(lines))
        # It refuses to be root; who owns the server's socket may connect to it.
        owner = os.stat(server).st_uid if is_socket and os.getuid() == 0 else None
        if owner is not None:
            os.chown(folder, owner, owner)
            os.chown(configuration, owner, owner)
        process = subprocess.Popen(
            ["pgbouncer", "-q", configuration],
            user=owner,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(Path(folder) / f".s.PGSQL.{_PORT}", process)
            yield postgresql_url.set(host="", query={"host": folder, "port": str(_PORT)})
        finally:
            process.kill()
            process.wait()


def _wait_for(socket: Path, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(500):
        if socket.exists():
            return
        assert process.poll() is None, "pgbouncer did not start"
        time.sleep(0.01)
    raise AssertionError("pgbouncer does not listen")


def test_several_processes_share_two_connections(pooled_url: URL) -> None:
    """Each would prepare statements on a connection that is another's the next moment."""
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
    cli = Cli()
    content = tmp_path / "content"
    content.write_bytes(b"content" * 1_000)
    lines = [
        {"command": "part.record", "org": "acme", "file": "recorded", "number": number,
         "size_bytes": number, "sha256": BYTES_1}
        for number in range(1, 201)
    ]  # fmt: skip
    batch = tmp_path / "batch.jsonl"
    batch.write_text("\n".join(map(json.dumps, lines)))
    for command in (
        "org create acme --quota 1GB",
        "user add acme ada@example.com",
        f"file upload acme {content} --part-size 1KiB",
        "file create acme recorded",
        f"apply --from {batch} --batch 50",
        "job create acme nightly --image i --input content",
        "job update acme nightly --cpu 2",
        "org rename acme acme-inc",
        "org show acme-inc",
        "file list acme-inc",
        "part list acme-inc recorded",
        "file verify acme-inc",
        f"file download acme-inc content --to {tmp_path / 'back'}",
        "job delete acme-inc nightly --yes",
        "file delete acme-inc content",
        "file restore acme-inc content",
        "usage check",
        "usage recompute",
        "usage history acme-inc",
        "usage report",
        "usage show --as-of now",
        "event list acme-inc",
        "event trace acme-inc 3",
        "event verify",
        "projection list",
        "projection rebuild",
        "quota list",
        "blob verify",
        "blob gc --yes",
        "db current",
        "db check",
        "config show",
    ):
        cli.ok(*command.split())
    assert (tmp_path / "back").read_bytes() == content.read_bytes()
