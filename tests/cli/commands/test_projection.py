"""`projection check` and `projection rebuild`: find and repair rows that differ from the events."""

import os
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import URL, delete, insert, select, text, update

from catactl.handling.rebuild import rebuild
from catactl.handling.replay import TABLES
from catactl.handling.row_check import compare
from catactl.store.sql.engine import writing
from catactl.store.sql.urls import parse_url
from catactl.store.tables import (
    file_parts,
    files,
    logs,
    organization_names,
    organizations,
    storage_usage,
    swept_content,
    users,
)
from catactl.values.ids import new_id
from catactl.wiring.flow import PROJECTIONS
from tests.cli.support import Cli, sha256
from tests.support import BYTES_2, NOON, opened, tampering


@pytest.fixture
def filled(acme: Cli) -> Cli:
    """Return a CLI with an organization that has a row in every table, and another organization."""
    acme.has_file("acme", "data.bin", 5, 7)
    acme.ok("file", "create", "acme", "other.bin")
    acme.ok("quota", "set", "acme", "1GB")
    acme.ok("job", "create", "acme", "nightly", "--image", "x", "--input", "data.bin")
    acme.ok("user", "add", "acme", "ada@example.com")
    acme.ok("org", "create", "globex")
    return acme


def _differing(cli: Cli, *orgs: str) -> list[tuple[str, str, str | None]]:
    """Return table, problem and column of each difference that is found."""
    result = cli("projection", "check", *orgs, "--json")
    assert result.code in {0, 6}, result
    found = [
        (row["table"], row["problem"], row["column"])
        for organization in result.json["organizations"]
        for row in organization["rows"]
    ]
    assert (result.code == 6) == bool(found), result
    return found


# Each column of each table of rows that follow from events, with another value for it.
_CHANGES = (
    ("organizations", "name", "'other'"),
    ("organizations", "status", "'suspended'"),
    ("organizations", "quota_bytes", "NULL"),
    ("organizations", "used_bytes", "used_bytes + 1"),
    ("organizations", "file_count", "0"),
    ("organizations", "part_count", "-1"),
    ("organizations", "created_at", "'2020-01-01T00:00:00.000000+00:00'"),
    ("organizations", "version", "version - 1"),
    ("files", "name", "name || 'x'"),
    ("files", "completed", "true"),
    ("files", "deleted", "true"),
    ("files", "swept", "true"),
    ("files", "size_bytes", "0"),
    ("files", "part_count", "9"),
    ("files", "linked_by", "'[1]'"),
    ("files", "created_at", "'2020-01-01T00:00:00.000000+00:00'"),
    ("files", "version", "version + 1"),
    ("file_parts", "size_bytes", "6"),
    ("file_parts", "sha256", f"'{BYTES_2}'"),
    ("file_parts", "stored", "true"),
    ("job_configurations", "name", "'other'"),
    ("job_configurations", "spec", "'{}'"),
    ("job_configurations", "enabled", "false"),
    ("job_configurations", "deleted", "true"),
    ("job_configurations", "created_at", "'2020-01-01T00:00:00.000000+00:00'"),
    ("job_configurations", "version", "9"),
    ("storage_usage", "used_bytes", "0"),
    ("storage_usage", "file_count", "0"),
    ("storage_usage", "part_count", "0"),
    ("storage_usage", "position", "1"),
    ("storage_usage", "recorded_at", "'2020-01-01T00:00:00.000000+00:00'"),
    ("storage_usage_days", "opening_bytes", "1"),
    ("storage_usage_days", "closing_bytes", "1"),
    ("storage_usage_days", "peak_bytes", "1"),
    ("storage_usage_days", "byte_microseconds", "'1'"),
    ("storage_usage_days", "changed_at", "'2020-01-01T00:00:00.000000+00:00'"),
)


def test_every_changed_column_is_found_and_rebuilt(filled: Cli, database_url: URL) -> None:
    columns = {(table.name, column.name) for table in TABLES for column in table.columns}
    keys = {(table.name, column.name) for table in TABLES for column in table.primary_key}
    unchanged = {("organization_names", "org_id"), ("swept_content", "generation")}
    assert {(table, column) for table, column, _ in _CHANGES} == columns - keys - unchanged
    org_id = UUID(filled.ok("org", "show", "acme")["org_id"])
    with opened(database_url) as engine:
        for table, column, value in _CHANGES:
            with writing(engine) as conn:  # rolled back
                conn.execute(text(f"UPDATE {table} SET {column} = {value}"))
                found = compare(conn, org_id).first
                expected = {(table, "changed", column)}
                assert {(each.table, each.problem, each.column) for each in found} == expected
                rebuild(conn, org_id)
                assert not compare(conn, org_id).differs, (table, column)


def test_a_missing_row_is_found_and_rebuilt(filled: Cli, database_url: URL) -> None:
    for table in TABLES:
        with tampering(database_url) as conn:
            rows = conn.execute(delete(table)).rowcount
        assert set(_differing(filled)) == ({(table.name, "missing", None)} if rows else set())
        filled.ok("projection", "rebuild")
        assert _differing(filled) == []


def test_rows_without_an_event_are_found_and_deleted(filled: Cli, database_url: URL) -> None:
    org_id = filled.ok("org", "show", "acme")["org_id"]
    nobody = new_id(NOON)
    for owner in (org_id, str(nobody)):
        for statement in (
            "INSERT INTO files (org_id, file_id, name, completed, deleted, size_bytes, part_count,"
            " linked_by, created_at, version) VALUES (:org, :id, 'x', false, false, 0, 0, '[]',"
            " '2020-01-01T00:00:00.000000+00:00', 1)",
            "INSERT INTO file_parts (org_id, file_id, number, size_bytes, sha256)"
            " VALUES (:org, :id, 1, 0, 'x')",
            "INSERT INTO job_configurations (org_id, job_id, name, spec, enabled, deleted,"
            " created_at, version) VALUES (:org, :id, 'x', '{}', true, false,"
            " '2020-01-01T00:00:00.000000+00:00', 1)",
            "INSERT INTO organization_names (name, org_id) VALUES (:name, :org)",
            "INSERT INTO storage_usage_days (org_id, day, opening_bytes, closing_bytes,"
            " peak_bytes, byte_microseconds, changed_at) VALUES (:org, '2020-01-01', 0, 0, 0, '0',"
            " '2020-01-01T00:00:00.000000+00:00')",
            "INSERT INTO swept_content (org_id, sha256, generation) VALUES (:org, 'x', 1)",
        ):
            with tampering(database_url) as conn:
                conn.execute(
                    text(statement), {"org": owner, "id": str(new_id(NOON)), "name": f"of-{owner}"}
                )
    result = filled("projection", "check", "--json")
    counts = {each["org_id"]: each["differences"] for each in result.json["organizations"]}
    assert (result.code, counts[org_id], counts[str(nobody)]) == (6, 6, 6)
    filled.ok("projection", "rebuild")
    assert _differing(filled) == []


def test_exchanged_names_are_found_and_rebuilt(filled: Cli, database_url: URL) -> None:
    ids = [filled.ok("org", "show", name)["org_id"] for name in ("acme", "globex")]
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE organization_names SET name = name || '-'"))
        for name, org_id in zip(("globex", "acme"), ids, strict=True):
            query = text("UPDATE organization_names SET name = :name WHERE org_id = :org_id")
            conn.execute(query, {"name": name, "org_id": org_id})
    assert filled.ok("org", "show", "acme")["org_id"] == ids[1]
    problems = [("organization_names", problem, None) for problem in ("extra", "missing")]
    assert _differing(filled) == problems * 2
    filled.ok("projection", "rebuild", "states")
    assert filled.ok("org", "show", "acme")["org_id"] == ids[0]
    assert _differing(filled) == []


def test_two_organizations_with_one_name_both_keep_it(filled: Cli, database_url: URL) -> None:
    org_id = filled.ok("org", "show", "globex")["org_id"]
    with tampering(database_url) as conn:
        ours = organization_names.c.name == "globex"
        conn.execute(delete(organization_names).where(ours))
    filled.ok("org", "create", "globex")
    result = filled("projection", "rebuild", "--json")
    assert (result.code, result.error["code"]) == (4, "already_exists")
    assert _differing(filled) == [("organization_names", "missing", None)]
    filled.ok("org", "rename", org_id, "first-globex")
    assert _differing(filled) == []


@pytest.mark.parametrize(
    ("table", "column"),
    [("organizations", "name"), ("files", "linked_by"), ("storage_usage", "used_bytes")],
)
def test_a_text_that_is_not_utf_8_is_found_and_rebuilt(
    table: str, column: str, sqlite_acme: Cli
) -> None:
    sqlite_acme.has_file("acme", "data.bin", 5)
    with tampering(parse_url(os.environ["CATACTL_DATABASE_URL"])) as conn:
        conn.execute(text(f"UPDATE {table} SET {column} = CAST(x'ff41' AS TEXT)"))
    found = sqlite_acme("projection", "check", "--json")
    (row,) = found.json["organizations"][0]["rows"]
    assert (found.code, row["column"], row["stored"]) == (6, column, "\\udcffA")
    assert sqlite_acme("projection", "check").code == 6
    sqlite_acme.ok("projection", "rebuild")
    assert _differing(sqlite_acme) == []


@pytest.mark.parametrize(
    "change",
    ["files SET file_id = upper(file_id)", "file_parts SET sha256 = 'A' || char(0) || 'B'"],
)
def test_a_download_by_changed_rows_is_a_finding(
    change: str, sqlite_acme: Cli, tmp_path: Path
) -> None:
    (tmp_path / "data.bin").write_text("content")
    sqlite_acme.ok("file", "upload", "acme", tmp_path / "data.bin")
    with tampering(parse_url(os.environ["CATACTL_DATABASE_URL"])) as conn:
        conn.execute(text(f"UPDATE {change}"))
    sqlite_acme.fails(6, "file", "download", "acme", "data.bin", "--to", tmp_path / "copy")
    sqlite_acme.ok("projection", "rebuild")
    sqlite_acme.ok("file", "download", "acme", "data.bin", "--to", tmp_path / "copy")


def test_of_two_files_with_one_name_one_has_to_be_deleted_first(
    acme: Cli, database_url: URL
) -> None:
    acme.has_file("acme", "a b", 5)
    with tampering(database_url) as conn:
        conn.execute(text("DELETE FROM files"))
    acme.has_file("acme", "a b", 6)
    error = acme("projection", "rebuild", "--json").error
    assert (error["exit"], "both have the name 'a b'" in error["message"]) == (4, True)
    assert error["hint"].endswith("'a b'")
    org_id = acme.ok("org", "show", "acme")["org_id"]
    assert f"catactl file delete {org_id}" in error["hint"]
    acme.ok("file", "delete", org_id, "a b")
    acme.ok("projection", "rebuild")
    assert _differing(acme) == []
    assert acme.ok("file", "show", "acme", "a b")["size_bytes"] == 5


def test_tables_that_agree_with_the_events_are_not_rewritten(
    filled: Cli, database_url: URL
) -> None:
    places = "ctid" if database_url.get_backend_name() == "postgresql" else "rowid"
    query = text(
        " UNION ALL ".join(
            f"SELECT '{table.name}', CAST({places} AS TEXT) FROM {table.name}" for table in TABLES
        )
    )
    with tampering(database_url) as conn:
        before = conn.execute(query).all()
    filled.ok("projection", "rebuild")
    with tampering(database_url) as conn:
        assert sorted(conn.execute(query).all()) == sorted(before)


def test_an_organization_that_lost_its_log_is_compared(filled: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(users))
        conn.execute(delete(logs))
        conn.execute(delete(organizations))
        conn.execute(delete(organization_names))
    assert ("organizations", "missing", None) in _differing(filled)
    filled.ok("projection", "rebuild")
    assert filled.ok("org", "show", "acme")["quota_bytes"] == 10**9
    assert _differing(filled) == []


def test_unreadable_events_do_not_stop_the_check_of_other_organizations(
    filled: Cli, database_url: URL
) -> None:
    org_id = filled.ok("org", "show", "acme")["org_id"]
    with tampering(database_url) as conn:
        query = "UPDATE events SET payload = '{}' WHERE org_id = :org_id AND position = 1"
        conn.execute(text(query), {"org_id": org_id})
        conn.execute(text("UPDATE organizations SET quota_bytes = 7"))
    result = filled("projection", "check", "--json")
    found = {each["name"]: each for each in result.json["organizations"]}
    assert result.code == 6
    assert found["acme"]["error"]["code"] == "corrupt_log"
    assert [row["column"] for row in found["globex"]["rows"]] == ["quota_bytes"]
    assert filled("projection", "rebuild", "--json").code == 6
    assert filled.ok("org", "show", "globex")["quota_bytes"] is None


def test_of_many_differences_the_first_are_shown_and_all_are_counted(
    acme: Cli, database_url: URL
) -> None:
    acme.has_file("acme", "data.bin", *[5] * 21)
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE file_parts SET size_bytes = 6"))
    (found,) = acme("projection", "check", "acme", "--json").json["organizations"]
    assert (found["differences"], len(found["rows"])) == (21, 20)
    result = acme("projection", "check", "acme", "-o", "tsv")
    assert len(result.lines) == 20
    assert result.lines[0].split("\t")[4:] == ["changed", "size_bytes", "6", "5"]
    assert "21 differences" in result.stderr
    assert "catactl projection rebuild" in result.stderr


def test_a_check_without_differences_prints_a_note(filled: Cli) -> None:
    result = filled("projection", "check")
    assert (result.code, result.stdout) == (0, "")
    assert "the stored rows of 2 organizations agree with the events" in result.stderr
    assert filled("projection", "check", "--quiet").stderr == ""


def test_a_dry_run_of_rebuilding_changes_nothing(filled: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE organizations SET quota_bytes = 7"))
        conn.execute(insert(organization_names), {"name": "nobody", "org_id": new_id(NOON)})
    before = _differing(filled)
    filled.ok("projection", "rebuild", "--dry-run")
    assert _differing(filled) == before != []


def test_tables_are_listed_and_rebuilt(acme: Cli, database_url: URL) -> None:
    acme.has_file("acme", "data.bin", 100, 50)
    acme.ok("org", "create", "beta")
    listed = {row["name"]: row["rows"] for row in acme.ok("projection", "list")}
    assert listed.keys() == {"states", *(projection.NAME for projection in PROJECTIONS)}
    expected = {"states": 3, "storage_usage": 1, "storage_usage_days": 1, "swept_content": 0}
    assert listed.items() >= expected.items()
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
