"""`usage show`, `usage top`, `usage check` and `usage recompute`."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine, delete, text, update

from catactl.domain.organization import CreateOrganization
from catactl.handling.handler import Handler, utc_now
from catactl.store import event_log
from catactl.store.sql.engine import writing
from catactl.store.tables import (
    events,
    organizations,
)
from catactl.values.ids import new_id
from tests.cli.support import Cli
from tests.support import Clock, create_file, opened, run, tampering, upload

USAGE = {
    "org_id",
    "name",
    "used_bytes",
    "quota_bytes",
    "file_count",
    "part_count",
    "position",
    "as_of",
    "used_percent",
    "growth_7_days_bytes",
    "growth_30_days_bytes",
    "quota_reached_estimate",
    "clock_ahead_seconds",
}
FINDING = {
    "org_id",
    "name",
    "events_bytes",
    "organization_bytes",
    "projection_bytes",
    "files_bytes",
    "broken_days",
    "clock_ahead_seconds",
    "drift_bytes",
    "corrected",
}


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.has_file("acme", "data.bin", 100, 50)
    cli.ok("org", "create", "beta", "--quota", "1KB")
    return cli


def _drift(url: URL) -> None:
    with tampering(url) as conn:
        row = organizations.c.name == "acme"
        conn.execute(update(organizations).where(row).values(used_bytes=999))


def test_usage_is_an_object_for_one_and_an_array_otherwise(acme: Cli) -> None:
    one = acme.ok("usage", "show", "acme")
    assert set(one) == USAGE
    assert (one["used_bytes"], one["file_count"], one["part_count"]) == (150, 1, 2)
    assert one["quota_bytes"] is None
    assert one["position"] == 7
    every = acme.ok("usage", "show")
    assert every[0] == one
    assert [each["name"] for each in every] == ["acme", "beta"]
    assert acme.ok("usage", "show", "beta", "acme") == every[::-1]
    assert acme.ok("usage", "show", one["org_id"]) == one
    assert len(acme("usage", "show", "-o", "jsonl").lines) == 2


def test_the_top_has_the_same_fields_and_the_largest_first(acme: Cli) -> None:
    acme.has_file("gamma", "data.bin", 200)
    top = acme.ok("usage", "top")
    assert [each["name"] for each in top] == ["gamma", "acme", "beta"]
    assert top == acme.ok("usage", "show", "gamma", "acme", "beta")
    assert acme.ok("usage", "top", "--limit", 2**63 - 1) == top
    assert acme.ok("usage", "top", "--limit", 1) == top[:1]
    assert (top[1]["growth_7_days_bytes"], top[1]["growth_30_days_bytes"]) == (150, 150)
    assert [each["used_percent"] for each in top] == [None, None, 0]
    table = acme("usage", "top", "-o", "table").lines
    assert table[1].endswith("█" * 20)
    acme.fails(2, "usage", "top", "--limit", 0)


def test_an_estimate_is_a_date(cli: Cli, engine: Engine) -> None:
    before = utc_now()
    created_at = before - timedelta(days=4)
    handler, org_id = Handler(engine, clock=Clock(created_at)), new_id(created_at)
    run(handler, org_id, org_id, CreateOrganization("acme", created_at, 3_000))
    upload(handler, org_id, create_file(handler, org_id), 1, 2_000)
    estimate = cli.ok("usage", "show", "acme")["quota_reached_estimate"]
    after = utc_now()
    possible = (before, after + (after - before))
    assert estimate in {str((moment + timedelta(days=2)).date()) for moment in possible}
    for show in (("show", "acme"), ("top",)):
        assert f"about {estimate}" in cli("usage", *show, "-o", "table").stdout
    cli.record(2, 1_000, "acme")
    assert cli.ok("usage", "show", "acme")["quota_reached_estimate"] is None


def test_a_check_without_findings_exits_0(acme: Cli) -> None:
    report = acme.ok("usage", "check")
    assert (report["checked"], report["drifted"]) == (2, 0)
    assert set(report) == {"checked", "drifted", "organizations"}
    assert len(report["organizations"]) == 2
    for finding in report["organizations"]:
        assert finding.keys() >= FINDING
        assert (finding["drift_bytes"], finding["corrected"]) == (0, False)
    assert acme.ok("usage", "check", "acme", "acme")["checked"] == 1
    acme.fails(3, "usage", "check", "acme", "nothing")


def test_a_check_that_finds_drift_prints_it_and_exits_6(acme: Cli, database_url: URL) -> None:
    _drift(database_url)
    result = acme("usage", "check", "--json")
    assert result.code == 6
    assert result.error["code"] == "findings"
    assert (result.json["checked"], result.json["drifted"]) == (2, 1)
    (found,) = [each for each in result.json["organizations"] if each["drift_bytes"]]
    assert found["name"] == "acme"
    assert (found["events_bytes"], found["organization_bytes"], found["projection_bytes"]) == (
        150,
        999,
        150,
    )
    assert (found["drift_bytes"], found["corrected"]) == (849, False)
    assert acme("usage", "check", "beta").code == 0


def test_recomputing_corrects_once(acme: Cli, database_url: URL) -> None:
    _drift(database_url)
    first = acme.ok("usage", "recompute", "acme")
    assert [each["corrected"] for each in first["organizations"]] == [True]
    assert acme.ok("org", "show", "acme")["used_bytes"] == 150
    second = acme.ok("usage", "recompute", "--fail-on-drift")
    assert (second["drifted"], [each["corrected"] for each in second["organizations"]]) == (
        0,
        [False, False],
    )
    assert acme("usage", "check").code == 0


def test_recomputing_may_fail_on_drift_and_has_corrected_it(acme: Cli, database_url: URL) -> None:
    _drift(database_url)
    result = acme("usage", "recompute", "--fail-on-drift", "--json")
    assert (result.code, result.error["code"]) == (6, "findings")
    assert result.json["drifted"] == 1
    assert acme("usage", "check").code == 0


def test_a_locked_organization_does_not_prevent_other_corrections(
    acme: Cli, database_url: URL
) -> None:
    with tampering(database_url) as conn:
        conn.execute(update(organizations).values(used_bytes=999))
    recompute = ("usage", "recompute", "--lock-timeout", "0")
    org_id = UUID(acme.ok("org", "show", "acme")["org_id"])
    with opened(database_url) as engine, writing(engine) as holder:
        event_log.lock(holder, org_id)
        result = acme(*recompute, "--json")
        assert (result.code, result.error["code"]) == (75, "busy")
        found = {each["name"]: each for each in result.json["organizations"]}
        assert (found["acme"]["corrected"], found["acme"]["error"]["code"]) == (False, "busy")
        if engine.dialect.name == "postgresql":  # SQLite has one lock for all
            assert (found["beta"]["corrected"], found["beta"]["error"]) == (True, None)
        lines = acme(*recompute).stderr.splitlines()
        assert lines[0].startswith("catactl: error: acme: ")
        assert lines[-2].endswith("drifted and were locked")
        assert acme("usage", "check", "beta", "--lock-timeout", "0").code in {0, 6}
    assert acme(*recompute, "--fail-on-drift").code == 6
    assert acme(*recompute, "--fail-on-drift", "--quiet").code == 0


def test_an_unreadable_organization_does_not_prevent_other_corrections(
    acme: Cli, database_url: URL
) -> None:
    org_id = UUID(acme.ok("org", "show", "acme")["org_id"])
    with tampering(database_url) as conn:
        conn.execute(update(organizations).values(used_bytes=999))
        conn.execute(
            update(events)
            .where(events.c.org_id == org_id)
            .where(events.c.type == "organization.storage_usage_changed")
            .values(payload="{}")
        )
    checked, recomputed = (acme("usage", verb, "--json") for verb in ("check", "recompute"))
    for result, corrected in ((checked, False), (recomputed, True)):
        assert (result.code, result.error["code"]) == (6, "corrupt_log")
        found = {each["name"]: each for each in result.json["organizations"]}
        assert (found["acme"]["drifted"], found["acme"]["events_bytes"]) == (True, None)
        assert found["acme"]["error"]["code"] == "corrupt_log"
        assert (found["beta"]["corrected"], found["beta"]["error"]) == (corrected, None)
    assert acme("usage", "check", "beta").code == 0
    lines = acme("usage", "check").stderr.splitlines()
    assert lines[0].startswith("catactl: error: acme: ")
    assert lines[-2].endswith("cannot be read; 0 of the others drifted")


def test_a_dry_run_of_recomputing_corrects_nothing(acme: Cli, database_url: URL) -> None:
    _drift(database_url)
    assert acme.ok("usage", "recompute", "--dry-run")["drifted"] == 1
    assert acme("usage", "check").code == 6


def test_a_dry_run_of_recomputing_is_marked_as_one(acme: Cli, database_url: URL) -> None:
    _drift(database_url)
    tried = acme.ok("usage", "recompute", "--dry-run")
    assert tried["dry_run"] is True


def test_recomputing_under_a_used_key_is_a_conflict_not_a_bug(acme: Cli, database_url: URL) -> None:
    for _ in range(2):
        _drift(database_url)
        result = acme("usage", "recompute", "--idempotency-key", "nightly", "--json")
        assert result.code == 0


def test_an_organization_without_its_row_still_has_a_name(acme: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(organizations).where(organizations.c.name == "acme"))
    result = acme("usage", "check", "--json")
    assert result.code == 6
    assert "acme" in [each["name"] for each in result.json["organizations"]]


_CHANGES = (
    "organizations SET quota_bytes = NULL",
    "organizations SET quota_bytes = 5000",
    "organizations SET status = 'suspended'",
    "organizations SET name = 'other'",
    "organizations SET version = version + 1",
    # The rows of two files are wrong, but their sum is right.
    "files SET size_bytes = 13 - size_bytes WHERE size_bytes IN (6, 7)",
    "files SET deleted = NOT deleted",
)


def test_a_changed_row_that_decides_on_usage_is_drift_and_is_corrected(
    acme: Cli, database_url: URL
) -> None:
    org_id = acme.ok("quota", "set", "acme", "1GB")["org_id"]
    acme.has_file("acme", "seven.bin", 7)
    acme.has_file("acme", "six.bin", 6)
    acme.has_file("acme", "deleted.bin", 13)
    acme.ok("file", "delete", "acme", "deleted.bin")
    acme.ok("usage", "check")
    for change in _CHANGES:
        with tampering(database_url) as conn:
            conn.execute(text(f"UPDATE {change}"))
        result = acme("usage", "check", org_id, "--json")
        (found,) = result.json["organizations"]
        assert (result.code, found["events_quota_bytes"]) == (6, 10**9), change
        assert found["state_differs"] == change.startswith("organizations"), change
        assert bool(found["broken_files"]) == change.startswith("files"), change
        if "quota_bytes" in change:
            assert found["stored_quota_bytes"] != found["events_quota_bytes"]
        acme.ok("usage", "recompute")
        acme.ok("usage", "check")
        acme.ok("projection", "check")
