"""Run PgBouncer in transaction mode, in which each transaction may get another server process."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL

from tests.support import server_address

_PORT = 6543
CONNECTIONS = 2


@contextmanager
def pooled(url: URL) -> Iterator[URL]:
    """Yield the URL of a database behind a pooler with two connections for all clients."""
    server, port = server_address(url)
    is_socket = server.startswith("/")
    with TemporaryDirectory(prefix="catactl-pooler-") as folder:
        host = f"host={server} port={port} user={url.username}"
        password = f" password={url.password}" if url.password else ""
        settings = {
            "listen_addr": "",
            "listen_port": _PORT,
            "unix_socket_dir": folder,
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": CONNECTIONS,
        }
        lines = ["[databases]", f"* = {host}{password}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text("\n".join(lines))
        # Run it as the socket's owner, who may connect, because PgBouncer refuses to be root.
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
            yield url.set(host="", query={"host": folder, "port": str(_PORT)})
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
