"""Commands of files and parts."""

import pytest

from tests.cli.support import Cli, record
from tests.support import BYTES_1, BYTES_2

FILE = {
    "org_id",
    "file_id",
    "name",
    "status",
    "size_bytes",
    "part_count",
    "created_at",
    "version",
    "linked_by",  # added to the documented ones
    "content_swept",
}
PART = {"number", "size_bytes", "sha256", "stored"}


def test_a_file_is_created_filled_and_completed(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    created = cli.ok("file", "create", "acme", "a/b.csv")
    assert set(created) == FILE | {"position", "events"}
    assert created["events"] == ["file.created", "organization.storage_usage_changed"]
    recorded = cli.record(1, "1KiB", "acme", "a/b.csv")
    assert recorded.keys() >= PART | {"version", "position", "events"}
    assert recorded["size_bytes"] == 1024
    completed = cli.ok("file", "complete", "acme", "a/b.csv")
    assert completed["status"] == "complete"
    shown = cli.ok("file", "show", "acme", "a/b.csv")
    assert set(shown) == FILE
    assert shown.items() <= completed.items()
    assert (shown["size_bytes"], shown["part_count"], shown["version"]) == (1024, 1, 3)
    assert cli.ok("file", "show", "acme", shown["file_id"]) == shown
    assert cli.ok("file", "list", "acme") == [shown]
    parts = cli.ok("part", "list", "acme", "a/b.csv")
    assert parts == [{"number": 1, "size_bytes": 1024, "sha256": BYTES_1, "stored": False}]


def test_creating_an_existing_file_fails_without_if_not_exists(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    create = ("file", "create", "acme", "data.bin")
    created = cli.ok(*create, "--if-not-exists")
    assert "file.created" in created["events"]
    assert cli.fails(4, *create)["code"] == "already_exists"
    assert cli.ok(*create, "--if-not-exists") == created | {"events": []}
    cli.record(1, 100)
    completed = cli.ok("file", "complete", "acme", "data.bin")
    assert cli.ok(*create, "--if-not-exists") == completed | {"events": []}
    cli.ok("file", "delete", "acme", "data.bin")
    assert cli.ok(*create, "--if-not-exists")["file_id"] != created["file_id"]


def test_parts_recorded_again_replace_or_change_nothing(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file("acme", "data.bin", 100)
    assert sqlite_cli.record(1, 100)["events"] == []
    replaced = sqlite_cli.ok(*record(1, 60, sha256=BYTES_2.upper()))
    assert replaced["events"] == ["file.part_uploaded", "organization.storage_usage_changed"]
    assert sqlite_cli.ok("usage", "show", "acme")["used_bytes"] == 60
    assert [part["sha256"] for part in sqlite_cli.ok("part", "list", "acme", "data.bin")] == [
        BYTES_2
    ]


def test_parts_are_listed_by_number_in_every_format(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    for number in (10_000, 2, 11):
        sqlite_cli.record(number, number)
    arguments = ("part", "list", "acme", "data.bin")
    assert [part["number"] for part in sqlite_cli.ok(*arguments)] == [2, 11, 10_000]
    assert sqlite_cli(*arguments, "-o", "id").lines == ["2", "11", "10000"]
    assert sqlite_cli(*arguments).lines[0] == f"2\t2\t{BYTES_1}\tfalse"


@pytest.mark.parametrize("number", ["0", "10001", "two", "1.5", "", "9" * 30])
def test_invalid_part_numbers_are_refused(number: str, sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    sqlite_cli.fails(2, *record(number, 1))
    result = sqlite_cli(
        "part",
        "record",
        "--size=1",
        f"--sha256={BYTES_1}",
        "--json",
        "--",
        "acme",
        "data.bin",
        "-1",
    )
    assert (result.code, result.stdout) == (2, "")
    assert sqlite_cli.ok("part", "list", "acme", "data.bin") == []


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n"])
def test_invalid_digests_are_refused(digest: str, sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    error = sqlite_cli.fails(2, *record(1, 1, sha256=digest))
    assert error["code"] == "invalid_value"


def test_a_name_that_leads_outside_the_folder_is_refused(sqlite_acme: Cli) -> None:
    """The domain refuses it. tests/values/test_names.py has all forms of such names."""
    for name in ("", "../x", "a\x1bb", "01936d2e-7e1c-7000-8000-000000000000"):
        assert sqlite_acme.fails(2, "file", "create", "acme", name)["code"] == "invalid_value"
    assert sqlite_acme.ok("file", "list", "acme") == []


def test_an_unknown_file_suggests_a_similar_one(cli: Cli) -> None:
    cli.has_file()
    error = cli.fails(3, *record(1, 1, name="data.bim"))
    assert error["hint"] == "did you mean 'data.bin'?"
    cli.fails(3, "file", "show", "acme", "01936d2e-7e1c-7000-8000-000000000000")
    cli.fails(3, "part", "list", "acme", "nothing")


def test_a_suspended_organization_accepts_only_deletions(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file("acme", "data.bin", 1)
    sqlite_cli.ok("org", "suspend", "acme")
    assert sqlite_cli.fails(5, "file", "create", "acme", "x")["code"] == "organization_suspended"
    assert sqlite_cli.fails(5, "job", "create", "acme", "x", "--image", "i")
    assert sqlite_cli.ok("file", "delete", "acme", "data.bin")["status"] == "deleted"
    assert sqlite_cli.fails(5, "file", "restore", "acme", "data.bin")


def test_a_file_is_deleted_and_restored_and_so_are_its_bytes(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file("acme", "data.bin", 40)
    sqlite_cli.ok("file", "delete", "acme", "data.bin")
    assert sqlite_cli.ok("usage", "show", "acme")["used_bytes"] == 0
    assert sqlite_cli.ok("file", "list", "acme") == []
    assert [file["status"] for file in sqlite_cli.ok("file", "list", "acme", "--all")] == [
        "deleted"
    ]
    assert sqlite_cli.fails(5, "file", "delete", "acme", "data.bin")["code"] == "refused"
    sqlite_cli.ok("quota", "set", "acme", "39")
    assert sqlite_cli.fails(5, "file", "restore", "acme", "data.bin")["code"] == "quota_exceeded"
    sqlite_cli.ok("quota", "set", "acme", "40")
    assert sqlite_cli.ok("file", "restore", "acme", "data.bin")["status"] == "uploading"
    assert sqlite_cli.ok("usage", "show", "acme")["used_bytes"] == 40


def test_some_of_several_deletions_may_fail(cli: Cli) -> None:
    cli.has_file("acme", "a", 1)
    cli.has_file("acme", "b", 1)
    command = ("file", "delete", "acme", "a", "nothing", "b", "--json", "--idempotency-key", "k")
    result = cli(*command)
    assert result.code == 7
    assert [file["name"] for file in result.json] == ["a", "b"]
    assert result.error["message"].startswith("1 of 3 files were not deleted: nothing: no file")
    assert cli.ok("usage", "show", "acme")["used_bytes"] == 0
    again = cli(*command)
    assert (again.code, again.json) == (7, result.json)


def test_a_file_in_use_is_not_deleted(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    sqlite_cli.ok("job", "create", "acme", "nightly", "--image", "x", "--input", "data.bin")
    assert sqlite_cli.fails(5, "file", "delete", "acme", "data.bin")["code"] == "in_use"
    assert sqlite_cli.fails(8, "job", "delete", "acme", "nightly")["hint"] == "add --yes"
    sqlite_cli.ok("job", "delete", "acme", "nightly", "--yes")
    sqlite_cli.ok("file", "delete", "acme", "data.bin")
