"""Samples of logs, usage and rows are compared with the events."""

import pytest
from sqlalchemy import URL, text

from catactl.doctor import samples
from catactl.usage import check as usage_check
from tests.cli.support import Cli
from tests.doctor.support import Examined, tamper
from tests.support import tampering


def test_a_changed_event_is_a_problem_of_the_log_alone(acme: Cli, database_url: URL) -> None:
    tamper(database_url, position=1)
    examined = Examined(acme)
    assert "the hash chain of 'acme' breaks at position 1" in examined["log"]["message"]
    assert "catactl event verify" in examined["log"]["hint"]
    assert examined["usage"]["status"] == "ok"


def test_long_logs_and_many_organizations_are_sampled(
    acme: Cli, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("suspend", "resume", "suspend"):
        acme.ok("org", name, "acme")
    monkeypatch.setattr(samples, "EVENTS", 2)
    monkeypatch.setattr(samples, "SHORT_LOG_EVENTS", 3)
    tamper(database_url, position=2)
    examined = Examined(acme)
    assert "the last 2 events of 1 of 1 organization are intact" in examined["log"]["message"]
    assert "every log has more than 3 events" in examined["usage"]["message"]
    assert "every log has more than 2 events" in examined["rows"]["message"]
    acme.ok("org", "create", "newer")
    monkeypatch.setattr(samples, "LOGS", 1)
    tamper(database_url, position=3)
    examined = Examined(acme)
    assert "the last 2 events of 1 of 2 organizations are intact" in examined["log"]["message"]
    assert "usage of 1 of 2 organizations" in examined["usage"]["message"]
    assert "every stored row of 1 of 2 organizations" in examined["rows"]["message"]
    monkeypatch.setattr(samples, "LOGS", 2)
    assert "breaks at position 3" in Examined(acme)["log"]["message"]


def test_usage_that_drifted_is_a_problem(cli: Cli, database_url: URL) -> None:
    cli.has_file("acme", "data.bin", 10)
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE storage_usage SET used_bytes = 11"))
    examined = Examined(cli)
    assert "in 1 of 1 organization, among them 'acme'" in examined["usage"]["message"]
    assert "catactl usage recompute" in examined["usage"]["hint"]
    assert examined["log"]["status"] == "ok"


def test_a_row_that_differs_from_its_events_is_a_problem(cli: Cli, database_url: URL) -> None:
    cli.has_file("acme", "data.bin", 10)
    assert Examined(cli)["rows"]["status"] == "ok"
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE files SET completed = true"))
    examined = Examined(cli)
    assert examined["usage"]["status"] == "ok"
    assert examined["rows"]["status"] == "problem"
    assert "in 1 of 1 organization, among them 'acme'" in examined["rows"]["message"]
    assert "catactl projection rebuild" in examined["rows"]["hint"]


def test_an_error_in_an_examination_is_its_finding(
    sqlite_cli: Cli, sqlite_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_cli.has_file("acme", "data.bin", 10)
    with tampering(sqlite_url) as conn:
        conn.execute(text("UPDATE events SET payload = '{' WHERE type = 'file.part_uploaded'"))
    examined = Examined(sqlite_cli)
    assert examined.with_status("problem") == {"log", "usage", "rows"}
    assert "stored data cannot be read" in examined["usage"]["message"]
    assert examined["content"]["status"] == "ok"
    monkeypatch.setattr(usage_check, "compare", lambda *_: [][0])
    assert "cannot be examined" in Examined(sqlite_cli)["usage"]["message"]
