"""Organizations, their quotas and users: results, refusals, running again."""

import re
from typing import Any

import pytest
from sqlalchemy import URL, update

from catactl.store.tables import organizations
from tests.cli.support import Cli, record
from tests.support import tampering

ORGANIZATION = {
    "org_id",
    "name",
    "status",
    "used_bytes",
    "quota_bytes",
    "created_at",
    "version",
}
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


# --- create, list, show ---------------------------------------------------------------------------


def test_created_listed_and_shown_with_the_documented_fields(cli: Cli) -> None:
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


def test_an_unknown_organization_exits_3_and_the_near_one_is_named(cli: Cli) -> None:
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


# --- changes --------------------------------------------------------------------------------------


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


def test_an_expected_version_is_held_to(sqlite_cli: Cli) -> None:
    version = sqlite_cli.ok("org", "create", "acme")["version"]
    stale = sqlite_cli.fails(4, "org", "suspend", "acme", "--expected-version", version + 1)
    assert stale["code"] == "version_conflict"
    assert sqlite_cli.ok("org", "suspend", "acme", "--expected-version", version)["version"] == 2
    assert sqlite_cli.fails(4, "quota", "set", "acme", "1", "--expected-version", version)
    assert sqlite_cli.fails(4, "file", "create", "acme", "x", "--expected-version", 3)
    assert sqlite_cli.fails(2, "org", "resume", "acme", "--expected-version", -1)


# --- running again --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["org", "rename", "acme", "acme-inc"],
        ["org", "delete", "acme", "--confirm", "acme"],
        ["org", "suspend", "acme"],
        ["quota", "set", "acme", "5MB"],
        ["file", "create", "acme", "new.bin"],
        ["user", "add", "acme", "ada@example.com"],
        ["job", "create", "acme", "nightly", "--image", "x"],
    ],
)
def test_run_again_under_its_key_a_command_is_done_once(
    command: list[str], sqlite_cli: Cli
) -> None:
    org_id = sqlite_cli.ok("org", "create", "acme")["org_id"]
    first = sqlite_cli.ok(*command, "--idempotency-key", "k-1")
    length = len(sqlite_cli.events(org_id))
    assert sqlite_cli.ok(*command, "--idempotency-key", "k-1") == first
    assert len(sqlite_cli.events(org_id)) == length


@pytest.mark.parametrize(
    "command", [["org", "rename", "acme", "old"], ["org", "delete", "acme", "--confirm", "acme"]]
)
def test_run_again_under_its_key_a_command_leaves_another_of_that_name_alone(
    command: list[str], cli: Cli
) -> None:
    cli.ok("org", "create", "acme")
    first = cli.ok(*command, "--idempotency-key", "k-1")
    another = cli.ok("org", "create", "acme")
    assert cli.ok(*command, "--idempotency-key", "k-1") == first
    assert cli.ok("org", "show", "acme")["org_id"] == another["org_id"]
    # The key is free where it was not used; what else is asked under it is another request.
    suspended = cli.ok("org", "suspend", "acme", "--idempotency-key", "k-1")
    assert suspended["org_id"] == another["org_id"]
    assert cli.fails(4, "org", "resume", "acme", "--idempotency-key", "k-1")


def test_creating_run_again_under_its_key_gives_the_first_result(cli: Cli) -> None:
    command = ["org", "create", "acme", "--quota", "1KB", "--idempotency-key", "k-1"]
    first = cli.ok(*command)
    assert cli.ok(*command) == first
    cli.ok("org", "rename", "acme", "acme-inc")
    assert cli.ok(*command) == first
    assert len(cli.ok("org", "list", "--all")) == 1


def test_a_key_stands_for_one_request(cli: Cli) -> None:
    key = ["--idempotency-key", "k-1"]
    cli.ok("org", "create", "acme", *key)
    other = cli.fails(4, "org", "create", "other", *key)
    assert other["code"] == "idempotency_key_reused"
    cli.ok("quota", "set", "acme", "5MB", "--idempotency-key", "k-2")
    cli.fails(4, "quota", "set", "acme", "6MB", "--idempotency-key", "k-2")
    cli.fails(4, "quota", "clear", "acme", "--idempotency-key", "k-2")
    cli.fails(2, "quota", "clear", "acme", "--idempotency-key", "")
    cli.fails(2, "quota", "clear", "acme", "--idempotency-key", "x" * 257)


@pytest.mark.parametrize(
    "command",
    [
        ["org", "rename", "acme", "acme-inc"],
        ["org", "suspend", "acme"],
        ["quota", "set", "acme", "5MB"],
        ["user", "add", "acme", "bob@example.com"],
        ["user", "remove", "acme", "ada@example.com", "--yes"],
        ["job", "create", "acme", "nightly", "--image", "x"],
        ["file", "create", "acme", "new.bin"],
        ["file", "complete", "acme", "data.bin"],
        ["file", "delete", "acme", "data.bin"],
        record(2, 50),
    ],
)
def test_a_dry_run_prints_the_result_and_writes_nothing(
    command: list[str], sqlite_cli: Cli
) -> None:
    sqlite_cli.has_file("acme", "data.bin", 100)
    sqlite_cli.ok("user", "add", "acme", "ada@example.com")

    def everything() -> list[Any]:
        views = ("org", "show"), ("event", "list"), ("user", "list"), ("job", "list")
        return [sqlite_cli.ok(*view, "acme") for view in (*views, ("file", "list"))]

    before = everything()
    tried = sqlite_cli.ok(*command, "--dry-run", "--idempotency-key", "k")
    assert tried["dry_run"] is True
    assert everything() == before
    done = sqlite_cli.ok(*command, "--idempotency-key", "k")  # the key was not used up
    assert "dry_run" not in done
    assert done["events"] == tried["events"]
    assert done["version"] == tried["version"]


# --- quota ----------------------------------------------------------------------------------------


def test_a_quota_below_usage_is_taken_with_a_note(cli: Cli) -> None:
    cli.has_file("acme", "data.bin", 1_000)
    result = cli("quota", "set", "acme", "10", "--json")
    assert (result.code, result.json["quota_bytes"]) == (0, 10)
    assert "1,000 bytes are used" in cli("quota", "set", "acme", "11").stderr
    assert cli("quota", "set", "acme", "9", "-q").stderr == ""
    assert cli.fails(5, *record(2, 1))["code"] == "quota_exceeded"
    assert cli.ok(*record(1, 5))["size_bytes"] == 5  # less is always welcome
    assert cli.ok("quota", "clear", "acme")["quota_bytes"] is None


def test_quotas_are_listed_by_the_share_that_is_used(cli: Cli) -> None:
    cli.has_file("acme", "data.bin", 90)
    cli.ok("quota", "set", "acme", "100")
    cli.ok("org", "create", "free")
    cli.ok("org", "create", "small", "--quota", "0")
    shares = {row["name"]: row["used_percent"] for row in cli.ok("quota", "list")}
    assert shares == {"acme": 90, "small": 0}
    assert [row["name"] for row in cli.ok("quota", "list", "--over", "80%")] == ["acme"]
    assert cli.ok("quota", "list", "--over", "90") == []
    cli.ok("quota", "set", "acme", "89")
    (acme,) = cli.ok("quota", "list", "--over", "101")
    assert acme["used_percent"] == 101
    cli.fails(2, "quota", "list", "--over", "most")


@pytest.mark.parametrize(
    "size", ["-1", "-1GB", "10G", "1.5", "ten", "", "1e9", "9223372036854775808", "9PB9", "9" * 70]
)
def test_invalid_sizes_are_refused(size: str, sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    result = sqlite_cli("quota", "set", "--json", "--", "acme", size)
    assert (result.code, result.stdout) == (2, "")
    assert sqlite_cli.fails(2, *record(1, size))["code"] == "invalid_value"
    assert sqlite_cli.fails(2, "org", "create", "x", f"--quota={size}")["code"] == "invalid_value"
    assert sqlite_cli.ok("usage", "show", "acme")["used_bytes"] == 0


def test_a_bare_unit_is_refused_with_both_readings(sqlite_cli: Cli) -> None:
    hint = sqlite_cli.fails(2, "org", "create", "x", "--quota", "10G")["hint"]
    assert "GB" in hint
    assert "GiB" in hint


# --- users ----------------------------------------------------------------------------------------


def test_users_are_added_changed_and_removed(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    added = cli.ok("user", "add", "acme", "Ada@Example.com", "--name", "Ada", "--role", "admin")
    assert (added["email"], added["role"], added["status"]) == (
        "ada@example.com",
        "admin",
        "active",
    )
    shown = cli.ok("user", "show", "acme", "ada@example.com")
    assert cli.ok("user", "show", "acme", added["user_id"]) == shown
    assert cli.ok("user", "list", "acme") == [shown]
    assert cli.ok("user", "update", "acme", "ada@example.com", "--role", "owner")["version"] == 2
    assert cli.ok("user", "disable", "acme", "ada@example.com")["status"] == "disabled"
    assert cli.ok("user", "enable", "acme", "ada@example.com")["status"] == "active"
    cli.ok("user", "update", "acme", "ada@example.com", "--email", "lovelace@example.com")
    cli.ok("user", "remove", "acme", "lovelace@example.com", "--yes")
    assert cli.ok("user", "list", "acme") == []


def test_removing_a_user_needs_confirmation(sqlite_cli: Cli) -> None:
    sqlite_cli.ok("org", "create", "acme")
    sqlite_cli.ok("user", "add", "acme", "ada@example.com")
    error = sqlite_cli.fails(8, "user", "remove", "acme", "ada@example.com", stdin="y\n")
    assert "--yes" in error["hint"]
    assert len(sqlite_cli.ok("user", "list", "acme")) == 1


def test_a_user_that_exists_conflicts_unless_identical(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    add = ["user", "add", "acme", "ada@example.com", "--role"]
    first = cli.ok(*add, "admin")
    cli.fails(4, *add, "admin")
    assert cli.ok(*add, "admin", "--if-not-exists")["user_id"] == first["user_id"]
    cli.fails(4, *add, "owner", "--if-not-exists")
    cli.ok("user", "add", "acme", "bob@example.com")
    cli.fails(4, "user", "update", "acme", "bob@example.com", "--email", "ada@example.com")


def test_users_that_cannot_be_are_refused(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    cli.fails(2, "user", "add", "acme", "ada")
    cli.fails(2, "user", "add", "acme", "ada@example.com", "--role", "king")
    cli.fails(2, "user", "add", "acme", "ada@example.com", "--name", "a\x1b[0m")
    cli.ok("user", "add", "acme", "ada@example.com")
    cli.fails(2, "user", "update", "acme", "ada@example.com")
    error = cli.fails(3, "user", "show", "acme", "adaa@example.com")
    assert error["hint"] == "did you mean 'ada@example.com'?"


# --- what is printed ------------------------------------------------------------------------------


def test_each_format_prints_a_list_its_way(sqlite_cli: Cli) -> None:
    assert sqlite_cli("org", "list", "--json").stdout == "[]\n"
    for format_ in ("jsonl", "tsv", "id", "table"):
        assert sqlite_cli("org", "list", "-o", format_).stdout == ""
    created = sqlite_cli.ok("org", "create", "acme", "--quota", "1KiB")
    org_id, created_at = created["org_id"], created["created_at"]
    sqlite_cli.ok("org", "create", "beta")
    assert len(sqlite_cli("org", "list", "-o", "json").json) == 2
    jsonl = sqlite_cli("org", "list", "-o", "jsonl").lines
    assert len(jsonl) == 2
    assert jsonl[0].startswith('{"org_id": ')
    csv = sqlite_cli("org", "list", "-o", "csv").lines
    assert csv[0] == "org_id,name,status,used_bytes,quota_bytes,created_at"
    assert csv[1] == f"{org_id},acme,active,0,1024,{created_at}"
    plain = sqlite_cli("org", "list")  # off a terminal
    assert plain == sqlite_cli("org", "list", "-o", "tsv")
    assert plain.lines[0] == f"{org_id}\tacme\tactive\t0\t1024\t{created_at}"
    assert sqlite_cli("org", "list", "-o", "id").lines[0] == org_id
    table = sqlite_cli("org", "list", "-o", "table").lines
    assert table[0].split() == ["ORG", "ID", "NAME", "STATUS", "USED", "QUOTA", "CREATED", "AT"]
    assert "unlimited" in sqlite_cli("org", "list", "-o", "table").stdout
    assert sqlite_cli("org", "list", "-q").stdout == ""


def test_each_format_prints_one_resource_its_way(sqlite_cli: Cli) -> None:
    created = sqlite_cli("org", "create", "acme", "-o", "id")
    org_id = created.stdout.strip()
    assert sqlite_cli("org", "show", "acme", "-o", "id").stdout == f"{org_id}\n"
    assert sqlite_cli("org", "show", "acme", "-o", "tsv").lines[:2] == [
        f"org_id\t{org_id}",
        "name\tacme",
    ]
    assert len(sqlite_cli("org", "show", "acme", "-o", "csv").lines) == 2
    assert len(sqlite_cli("org", "show", "acme", "-o", "jsonl").lines) == 1
    assert "unlimited" in sqlite_cli("org", "show", "acme", "-o", "table").stdout


@pytest.mark.parametrize(
    ("format_", "nasty"),
    [
        (format_, nasty)
        for format_ in ("table", "tsv", "csv", "json", "jsonl")
        for nasty in ("x\x1b]0;owned\x07\x1b[31m", "x\x9b31m", "x\u202egpj", "x\x7f")
    ],
)
def test_control_characters_in_stored_names_never_reach_stdout(
    format_: str, nasty: str, sqlite_cli: Cli, sqlite_url: URL
) -> None:
    org_id = sqlite_cli.ok("org", "create", "acme")["org_id"]
    with tampering(sqlite_url) as conn:  # as a version that checked less might have stored it
        conn.execute(update(organizations).values(name=nasty))
    for command in (["org", "list"], ["org", "show", org_id], ["usage", "show"]):
        result = sqlite_cli(*command, "-o", format_)
        assert result.code == 0
        assert not set(nasty) & set("\x1b\x07\x9b\u202e\x7f") & set(result.stdout)


@pytest.mark.parametrize("format_", ["table", "tsv", "csv", "json"])
def test_markup_in_names_and_reasons_is_only_text(format_: str, sqlite_cli: Cli) -> None:
    name, reason = "[b]x:smile:", "[red]why[/red] [/]"
    sqlite_cli.ok("org", "create", name, "--reason", reason)
    assert name in sqlite_cli("org", "list", "-o", format_).stdout
    assert name in sqlite_cli("org", "show", name, "-o", format_).stdout
    assert reason in sqlite_cli("event", "show", name, "1", "-o", format_).stdout


@pytest.mark.parametrize("nasty", ["\x1b[31mred", "a\nb", "a\x9bb", "a\u202eb"])
def test_control_characters_in_arguments_are_refused_and_not_echoed(
    nasty: str, sqlite_cli: Cli
) -> None:
    sqlite_cli.ok("org", "create", "acme")
    for command, code in (
        (["org", "show", nasty], 3),
        (["org", "suspend", "acme", "--reason", nasty], 2),
        (["org", "suspend", "acme", "--actor", nasty], 2),
        (["org", "suspend", "acme", "--idempotency-key", nasty], 2),
        ([nasty], 2),
        (["org", nasty], 2),
    ):
        result = sqlite_cli(*command)
        assert (result.code, result.stdout) == (code, "")
        assert not set(nasty) & set("\x1b\x9b\u202e") & set(result.stderr)
        assert len(result.stderr.splitlines()) <= 2


def test_who_and_why_are_kept(sqlite_cli: Cli) -> None:
    sqlite_cli.ok("org", "create", "acme", "--actor", "ada", "--reason", "because")
    event = sqlite_cli.ok("event", "show", "acme", 1)
    assert (event["actor"], event["reason"]) == ("ada", "because")
    sqlite_cli.ok("org", "suspend", "acme")
    assert sqlite_cli.ok("event", "show", "acme", 2)["actor"] == "tester"
