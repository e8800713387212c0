"""Commands can read a standby, but cannot write to it."""

from pathlib import Path

import pytest

from tests.cli.support import Cli
from tests.faults.servers import killable_server
from tests.support import libpq_url, migrate


def test_a_standby_can_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with killable_server() as server:
        monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(server.url))
        migrate(server.url)
        cli = Cli()
        cli.ok("org", "create", "acme")
        server.become_standby()
        assert [row["name"] for row in cli.ok("org", "list")] == ["acme"]
        cli.ok("usage", "check")
        cli.ok("usage", "report")
        cli.ok("event", "verify")
        error = cli.fails(78, "file", "create", "acme", "f")
        assert "primary" in error["hint"]
        examined = cli("doctor", "--json")
        (found,) = (each for each in examined.json["checks"] if each["name"] == "writable")
        assert (found["status"], found["hint"]) == ("problem", "connect to its primary")
