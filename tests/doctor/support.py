"""Run `catactl doctor`, and read its findings."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import URL, text

from tests.cli.support import Cli
from tests.support import tampering

GIB = 1024**3


def set_free_space(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    space = SimpleNamespace(total=100 * GIB, free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: space)


class Examined:
    """The result of a run of `catactl doctor`."""

    def __init__(self, cli: Cli, *arguments: object) -> None:
        result = cli("doctor", *arguments, "--json")
        report = result.json
        self.code, self.checks, self.text = result.code, report["checks"], result.stdout
        statuses = [check["status"] for check in self.checks]
        assert (report["problems"], report["warnings"]) == (
            statuses.count("problem"),
            statuses.count("warning"),
        )
        assert report["ok"] is (report["problems"] == 0) is (result.code == 0)
        assert result.code in {0, 6}
        for check in self.checks:
            assert set(check) == {"name", "status", "message", "hint"}
            assert (check["hint"] is not None) is (check["status"] in {"warning", "problem"}), check

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return the examination's only finding."""
        (check,) = (check for check in self.checks if check["name"] == name)
        return dict(check)

    def with_status(self, status: str) -> set[str]:
        return {check["name"] for check in self.checks if check["status"] == status}


def names(examined: Examined) -> set[str]:
    return {check["name"] for check in examined.checks}


def configure(home: Path, toml: str) -> Path:
    path = home / "config" / "catactl" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(toml)
    return path


def tamper(url: URL, position: int) -> None:
    with tampering(url) as conn:
        conn.execute(
            text("UPDATE events SET actor = 'somebody else' WHERE position = :position"),
            {"position": position},
        )
