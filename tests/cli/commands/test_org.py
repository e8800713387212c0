"""Commands of organizations."""

import re

import pytest

from tests.cli.support import Cli

ORGANIZATION = {"org_id", "name", "status", "used_bytes", "quota_bytes", "created_at", "version"}
WRITTEN = {"position", "events"}
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"

BAD_NAMES = [
    "",
    " ",
    " acme",
    "acme ",
    "x" * 1025,
    "é" * 513,
    "a\x1b[31mb",
    "a\nb",
    "a\x9bb",
    "a\u202eb",
    "a\u2028b",
    "..",
    ".",
    "a/b",
    "../a",
    "a\\b",
    "01936d2e-7e1c-7000-8000-000000000000",
    "01936D2E7E1C70008000000000000000",
    "{01936d2e-7e1c-7000-8000-000000000000}",
    "urn:uuid:01936d2e-7e1c-7000-8000-000000000000",
]


def test_created_and_listed_and_shown_with_the_documented_fields(cli: Cli) -> None:
    created = cli.ok("org", "create", "acme", "--quota", "10GB")
    assert set(created) == ORGANIZATION | WRITTEN
    assert created["events"] == ["organization.created", "organization.quota_set"]
    assert (created["version"], created["position"]) == (2, 2)
    assert (created["status"], created["used_bytes"]) == ("active", 0)
    assert created["quota_bytes"] == 10_000_000_000
    shown = cli.ok("org", "show", "acme")
    assert set(shown) == ORGANIZATION
    assert shown.items() <= created.items()
    assert cli.ok("org", "show", shown["org_id"]) == shown
    assert cli.ok("org", "list") == [shown]
    assert cli.ok("org", "create", "free")["quota_bytes"] is None


def test_times_are_rfc_3339_in_utc(cli: Cli) -> None:
    created = cli.ok("org", "create", "acme")["created_at"]
    assert re.fullmatch(RFC_3339, created), created


def test_creating_an_existing_organization_fails_without_if_not_exists(cli: Cli) -> None:
    first = cli.ok("org", "create", "acme", "--quota", "1KB")
    assert cli.fails(4, "org", "create", "acme")["code"] == "already_exists"
    again = cli.ok("org", "create", "acme", "--quota", "1000", "--if-not-exists")
    assert again == first | {"events": []}
    unsaid = cli.ok("org", "create", "acme", "--if-not-exists")
    assert unsaid == again
    other = cli.fails(4, "org", "create", "acme", "--quota", "2KB", "--if-not-exists")
    assert other["hint"] == "catactl quota set acme 2000"
    assert cli.events() == ["organization.created", "organization.quota_set"]


def test_an_unknown_organization_exits_3_and_suggests_a_similar_one(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    for command in (
        ["org", "show", "acmee"],
        ["org", "rename", "acmee", "x"],
        ["quota", "set", "acmee", "1"],
        ["file", "list", "acmee"],
        ["usage", "show", "acmee"],
        ["usage", "check", "acmee"],
        ["event", "list", "acmee"],
        ["user", "list", "acmee"],
        ["job", "list", "acmee"],
    ):
        error = cli.fails(3, *command)
        assert error["code"] == "not_found"
        assert error["hint"] == "did you mean 'acme'?"
    assert "catactl org list" in cli.fails(3, "org", "show", "zzzzz")["hint"]
    cli.fails(3, "org", "show", "01936d2e-7e1c-7000-8000-000000000000")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_are_refused(name: str, sqlite_cli: Cli) -> None:
    error = sqlite_cli.fails(2, "org", "create", name)
    assert error["code"] == "invalid_value"
    assert sqlite_cli.ok("org", "list") == []
    sqlite_cli.ok("org", "create", "good")
    assert sqlite_cli.fails(2, "org", "rename", "good", name)["code"] == "invalid_value"


def test_odd_names_are_accepted(cli: Cli) -> None:
    for name in ("x" * 1024, "Ünïcødé 名前", "a b", "[red]", "-o", 'acme,"x"'):
        result = cli("org", "create", "--json", "--", name)
        assert result.code == 0, result
        assert cli("org", "show", "--json", "--", name).json["name"] == name


def test_renamed_suspended_resumed_and_deleted(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    assert cli.ok("org", "rename", "acme", "acme-inc")["events"] == ["organization.renamed"]
    cli.fails(3, "org", "show", "acme")
    assert cli.ok("org", "suspend", "acme-inc")["status"] == "suspended"
    assert cli.ok("org", "suspend", "acme-inc")["events"] == []
    assert cli.ok("org", "resume", "acme-inc")["status"] == "active"
    deleted = cli.ok("org", "delete", "acme-inc", "--confirm", "acme-inc")
    assert deleted["status"] == "deleted"
    assert cli.ok("org", "list") == []
    assert [each["status"] for each in cli.ok("org", "list", "--all")] == ["deleted"]
    assert cli.ok("org", "show", deleted["org_id"])["status"] == "deleted"
    assert cli.ok("org", "create", "acme-inc")["org_id"] != deleted["org_id"]


def test_an_organization_is_deleted_only_when_empty_and_confirmed_by_name(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    for more in ([], ["--confirm", "amce"]):
        error = sqlite_cli.fails(8, "org", "delete", "acme", *more)
        assert error["code"] == "confirmation_required"
        assert "--confirm acme" in error["hint"]
    assert sqlite_cli.fails(5, "org", "delete", "acme", "--confirm", "acme")["code"] == "not_empty"


def test_another_expected_version_is_refused(sqlite_cli: Cli) -> None:
    version = sqlite_cli.ok("org", "create", "acme")["version"]
    stale = sqlite_cli.fails(4, "org", "suspend", "acme", "--expected-version", version + 1)
    assert stale["code"] == "version_conflict"
    assert sqlite_cli.ok("org", "suspend", "acme", "--expected-version", version)["version"] == 2
    assert sqlite_cli.fails(4, "quota", "set", "acme", "1", "--expected-version", version)
    assert sqlite_cli.fails(4, "file", "create", "acme", "x", "--expected-version", 3)
    assert sqlite_cli.fails(2, "org", "resume", "acme", "--expected-version", -1)


def test_actor_and_reason_are_stored(sqlite_cli: Cli) -> None:
    sqlite_cli.ok("org", "create", "acme", "--actor", "ada", "--reason", "because")
    event = sqlite_cli.ok("event", "show", "acme", 1)
    assert (event["actor"], event["reason"]) == ("ada", "because")
    sqlite_cli.ok("org", "suspend", "acme")
    assert sqlite_cli.ok("event", "show", "acme", 2)["actor"] == "tester"
