"""Usage, events and views at the terminal."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine, delete, select, text, update

from catactl.domain.organization import CreateOrganization
from catactl.handling.handler import Handler, utc_now
from catactl.store import event_log
from catactl.store.sql.engine import writing
from catactl.store.tables import (
    events,
    file_parts,
    files,
    organizations,
    storage_usage,
    swept_content,
)
from catactl.values.ids import new_id
from tests.cli.support import Cli, sha256
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
EVENT = {
    "org_id",
    "position",
    "stream_id",
    "version",
    "type",
    "schema_version",
    "payload",
    "event_id",
    "actor",
    "reason",
    "command_id",
    "correlation_id",
    "causation_id",
    "recorded_at",
    "hash",
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


def test_a_check_that_finds_nothing_exits_0(acme: Cli) -> None:
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


def test_a_locked_organization_keeps_no_other_from_being_corrected(
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
        told = acme(*recompute).stderr.splitlines()
        assert told[0].startswith("catactl: error: acme: ")
        assert told[-2].endswith("drifted and were locked")
        assert acme("usage", "check", "beta", "--lock-timeout", "0").code in {0, 6}
    assert acme(*recompute, "--fail-on-drift").code == 6
    assert acme(*recompute, "--fail-on-drift", "--quiet").code == 0


def test_an_organization_that_cannot_be_read_keeps_no_other_from_being_corrected(
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
    told = acme("usage", "check").stderr.splitlines()
    assert told[0].startswith("catactl: error: acme: ")
    assert told[-2].endswith("cannot be read; 0 of the others drifted")


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


def test_an_organization_without_its_row_is_named_still(acme: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(organizations).where(organizations.c.name == "acme"))
    result = acme("usage", "check", "--json")
    assert result.code == 6
    assert "acme" in [each["name"] for each in result.json["organizations"]]


def test_events_are_listed_and_shown_with_every_documented_field(acme: Cli) -> None:
    listed = acme.ok("event", "list", "acme")
    assert [event["position"] for event in listed] == list(range(1, 8))
    for event in listed:
        assert set(event) == EVENT
        assert isinstance(event["payload"], dict)
    assert acme.ok("event", "show", "acme", 5) == listed[4]
    assert acme.ok("event", "list", "acme", "--after", 2, "--limit", 3) == listed[2:5]
    stream = [event for event in listed if event["stream_id"] == listed[1]["stream_id"]]
    assert acme.ok("event", "list", "acme", "--stream", listed[1]["stream_id"]) == stream
    answers = {event["event_id"]: event for event in listed}
    assert answers[listed[2]["causation_id"]] == listed[1]
    acme.fails(3, "event", "show", "acme", 8)
    acme.fails(3, "event", "show", "acme", 0)
    acme.fails(2, "event", "show", "acme", "first")
    acme.fails(2, "event", "list", "acme", "--stream", "data.bin")


def test_a_trace_shows_all_events_of_one_command(acme: Cli) -> None:
    traced = acme.ok("event", "trace", "acme", 4)
    assert [event["position"] for event in traced] == [4, 5]
    assert acme.ok("event", "trace", "acme", 5) == traced
    text = acme("event", "trace", "acme", 5).stdout
    assert text.startswith("command part.record") or text.startswith("command ")
    assert "saga storage_usage" in text
    assert "view storage_usage" in text


def test_an_event_that_was_changed_is_found_where_it_is(acme: Cli, database_url: URL) -> None:
    assert [each["ok"] for each in acme.ok("event", "verify")] == [True, True]
    org_id = acme.ok("org", "show", "acme")["org_id"]
    with tampering(database_url) as conn:
        conn.execute(
            update(events)
            .where(events.c.position == 4, events.c.org_id == org_id)
            .values(actor="x")
        )
    result = acme("event", "verify", "--json")
    assert (result.code, result.error["code"]) == (6, "findings")
    assert {each["name"]: each["position"] for each in result.json} == {"acme": 4, "beta": None}
    assert acme("event", "verify", "beta").code == 0


def test_views_are_listed_and_rebuilt(acme: Cli, database_url: URL) -> None:
    listed = {view["name"]: view["rows"] for view in acme.ok("projection", "list")}
    views = {"storage_usage": 1, "storage_usage_days": 1, "swept_content": 0}
    assert listed == views | {"states": 3}
    before = acme.ok("usage", "show", "acme")
    with tampering(database_url) as conn:
        conn.execute(delete(storage_usage))
    assert acme.ok("usage", "show", "acme")["used_bytes"] == 0
    assert all(each["dry_run"] for each in acme.ok("projection", "rebuild", "--dry-run"))
    assert acme("usage", "check").code == 6
    rebuilt = acme.ok("projection", "rebuild", "storage_usage")
    assert [each["name"] for each in rebuilt] == ["storage_usage"]
    assert acme.ok("usage", "show", "acme") == before
    shown = acme.ok("file", "list", "acme"), acme.ok("org", "show", "acme")
    with tampering(database_url) as conn:
        for table in (file_parts, files, organizations):
            conn.execute(delete(table))
    assert acme.fails(3, "org", "show", "acme")["hint"] == "catactl usage recompute"
    assert acme.fails(3, "usage", "show", "acme")["hint"] == "catactl usage recompute"
    acme.ok("projection", "rebuild", "states")
    assert (acme.ok("file", "list", "acme"), acme.ok("org", "show", "acme")) == shown
    error = acme.fails(3, "projection", "rebuild", "storage_usag")
    assert "storage_usage" in error["hint"]


def test_the_projection_of_swept_content_is_rebuilt_to_the_same_rows(
    acme: Cli, database_url: URL, tmp_path: Path
) -> None:
    path = tmp_path / "source"
    for turn in range(3):
        for name in ("one", "two")[: 2 - turn % 2]:
            path.write_bytes(name.encode())
            acme.ok("file", "upload", "acme", path, "--name", name)
            acme.ok("file", "delete", "acme", name)
        acme.ok("blob", "gc", "--older-than", "0", "--yes")
    path.write_bytes(b"one")
    acme.ok("file", "upload", "acme", path, "--name", "one")

    def rows() -> set[tuple[str, int]]:
        with tampering(database_url) as conn:
            columns = swept_content.c
            return {tuple(row) for row in conn.execute(select(columns.sha256, columns.generation))}

    before = rows()
    assert before == {(sha256(b"one"), 3), (sha256(b"two"), 2)}
    with tampering(database_url) as conn:
        conn.execute(update(swept_content).values(generation=7))
        conn.execute(delete(swept_content).where(swept_content.c.sha256 == sha256(b"two")))
    assert acme("blob", "verify").code == 6
    (rebuilt,) = acme.ok("projection", "rebuild", "swept_content")
    assert rebuilt["name"] == "swept_content"
    assert rows() == before
    acme.ok("blob", "verify", "--older-than", "0")


@pytest.mark.parametrize("format_", ["tree", "mermaid", "json"])
def test_the_topology_is_printed_without_a_database(format_: str, stranger: Cli) -> None:
    result = stranger("topology", "--format", format_)
    assert (result.code, result.stderr) == (0, "")
    assert "storage_usage" in result.stdout


def test_a_topology_of_another_format_is_refused(stranger: Cli) -> None:
    stranger.fails(2, "topology", "--format", "dot")


def test_the_version_is_printed_without_a_database(stranger: Cli) -> None:
    import catactl

    assert stranger("version").stdout == f"{catactl.__version__}\n"
    assert stranger.ok("version") == {"version": catactl.__version__}


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
