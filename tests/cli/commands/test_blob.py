"""`blob verify` and `blob gc`: verify stored content, and remove unreferenced content."""

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import URL, delete

from catactl.store.tables import file_parts, files
from tests.cli.support import Cli, contents_in, sha256
from tests.support import tampering

COUNTS = ("files", "blobs", "read_bytes", "elsewhere", "missing", "damaged", "orphaned")
PROBLEM = {"problem", "org_id", "file_id", "name", "number", "sha256", "size_bytes", "where"}
FIGURES = ("given_up_files", "removed_blobs", "removed_bytes", "abandoned_writes")
NOW = ("--older-than", "0")
GC = ("blob", "gc", "--yes")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def stored(acme: Cli, source: Path) -> Cli:
    """Return a CLI with two files: `one` of two parts, and `two` with the same first part."""
    for name, content in {"one": b"aaabb", "two": b"aaa"}.items():
        source.write_bytes(content)
        acme.ok("file", "upload", "acme", source, "--name", name, "--part-size", 3)
    return acme


def _blob(blob_folder: Path, content: bytes) -> Path:
    return next(blob_folder.rglob(sha256(content)))


def _left(blob_folder: Path) -> set[bytes]:
    return set(contents_in(blob_folder).values())


def _replace_part(cli: Cli, source: Path) -> None:
    """Replace the only part of a file that is not complete: `old` by `new`."""
    cli.has_file("acme", "open")
    for content in (b"old", b"new"):
        source.write_bytes(content)
        cli.ok("part", "upload", "acme", "open", 1, source)


def _sweep(cli: Cli, *arguments: object) -> dict[str, int]:
    summary = cli.ok(*GC, *arguments)
    for figure in FIGURES:
        assert summary[figure] == sum(row[figure] for row in summary["organizations"])
    return {figure: summary[figure] for figure in FIGURES if summary[figure]}


def _counts(summary: dict[str, int]) -> tuple[int, ...]:
    return tuple(summary[count] for count in COUNTS)


# --- verifying ------------------------------------------------------------------------------------


def test_intact_content_is_verified(stored: Cli) -> None:
    stored.has_file("acme", "recorded", 7)
    of_files = stored.ok("file", "verify", "acme")
    assert _counts(of_files) == (3, 3, 8, 1, 0, 0, 0)
    assert of_files["problems"] == []
    assert _counts(stored.ok("file", "verify", "acme", "two", "two")) == (1, 1, 3, 0, 0, 0, 0)
    # Content that two files share is read once.
    assert _counts(stored.ok("blob", "verify")) == (0, 2, 5, 0, 0, 0, 0)
    assert "2 blobs read" in stored("blob", "verify").stderr
    stored.fails(3, "file", "verify", "acme", "nothing")
    stored.fails(3, "blob", "verify", "none")
    stored.fails(2, "blob", "verify", "--older-than", "7 days")


def test_missing_and_damaged_content_is_found_with_its_address(
    stored: Cli, blob_folder: Path
) -> None:
    missing, damaged = _blob(blob_folder, b"aaa"), _blob(blob_folder, b"bb")
    missing.unlink()
    damaged.write_bytes(b"bX")
    for command, files_read in (("file", 2), ("blob", 0)):
        result = stored(command, "verify", "acme", "--json")
        assert result.code == 6
        assert '"code": "findings"' in result.stderr
        summary = result.json
        assert set(summary) == {*COUNTS, "problems"}
        assert summary["files"] == files_read
        assert (summary["missing"], summary["damaged"], summary["orphaned"]) == (2, 1, 0)
        assert all(set(problem) == PROBLEM for problem in summary["problems"])
        found = {
            (problem["problem"], problem["name"], problem["number"], problem["where"])
            for problem in summary["problems"]
        }
        assert found == {
            ("missing", "one", 1, str(missing)),
            ("missing", "two", 1, str(missing)),
            ("damaged", "one", 2, str(damaged)),
        }
    assert stored("file", "verify", "acme", "one").lines[0].startswith("missing\t")


def test_content_of_another_size_is_damaged(stored: Cli, blob_folder: Path) -> None:
    for other in (b"b", b"bbb", b""):
        _blob(blob_folder, b"bb").write_bytes(other)
        assert stored("file", "verify", "acme", "--json").json["damaged"] == 1
        assert stored("blob", "verify", "acme", "--json").json["damaged"] == 1


def test_content_that_nothing_refers_to_is_orphaned_once_it_is_old(
    acme: Cli, blob_folder: Path, source: Path
) -> None:
    _replace_part(acme, source)
    orphan = _blob(blob_folder, b"old")
    acme.ok("blob", "verify")  # because an upload may still record it
    week_ago = time.time() - 8 * 86_400
    os.utime(orphan, (week_ago, week_ago))
    result = acme("blob", "verify", "--json")
    assert (result.code, result.json["orphaned"]) == (6, 1)
    (problem,) = result.json["problems"]
    assert [problem[name] for name in ("problem", "file_id", "number", "size_bytes", "where")] == [
        "orphaned",
        None,
        None,
        3,
        str(orphan),
    ]
    assert '"hint": "catactl blob gc"' in result.stderr
    acme.ok("blob", "verify", "--older-than", "9d")


def test_content_of_a_deleted_file_is_not_orphaned_until_it_is_given_up(
    stored: Cli, blob_folder: Path
) -> None:
    stored.ok("file", "delete", "acme", "one")
    assert stored.ok("blob", "verify", *NOW)["blobs"] == 2
    _blob(blob_folder, b"bb").unlink()
    assert stored("blob", "verify", "--json").json["missing"] == 1
    assert stored("file", "verify", "acme", "one", "--json").json["missing"] == 1
    stored.ok("file", "verify", "acme")  # checks only live files
    stored.ok(*GC, *NOW)
    stored.ok("blob", "verify", *NOW)
    assert stored.ok("file", "verify", "acme", "one")["blobs"] == 0


# --- sweeping -------------------------------------------------------------------------------------


def test_replaced_content_is_removed_and_all_else_stays(
    stored: Cli, blob_folder: Path, source: Path
) -> None:
    _replace_part(stored, source)
    events = stored.events()
    assert _sweep(stored) == {}  # it is young
    assert _sweep(stored, *NOW) == {"removed_blobs": 1, "removed_bytes": 3}
    assert _left(blob_folder) == {b"aaa", b"bb", b"new"}
    assert stored.events() == [*events, "organization.content_swept"]
    assert stored.ok("event", "list", "acme")[-1]["payload"] == {"generations": {sha256(b"old"): 1}}
    assert _sweep(stored, *NOW) == {}
    stored.ok("blob", "verify", *NOW)
    source.write_bytes(b"old")
    stored.ok("part", "upload", "acme", "open", 2, source)
    assert contents_in(blob_folder)[f"{sha256(b'old')}.1"] == b"old"
    assert _sweep(stored, *NOW) == {}


def test_a_deleted_file_can_be_restored_until_it_is_swept(stored: Cli, blob_folder: Path) -> None:
    stored.ok("file", "delete", "acme", "one")
    assert _sweep(stored, "--older-than", "1h") == {}
    stored.ok("file", "restore", "acme", "one")
    assert _sweep(stored, *NOW) == {}
    stored.ok("file", "download", "acme", "one", "--to", blob_folder.parent / "x")
    stored.ok("file", "delete", "acme", "one")
    swept = _sweep(stored, *NOW, "--reason", "tidying")
    assert swept == {"given_up_files": 1, "removed_blobs": 1, "removed_bytes": 2}
    assert _left(blob_folder) == {b"aaa"}  # the other file has it too
    error = stored.fails(5, "file", "restore", "acme", "one")
    assert "was swept" in error["message"]
    assert stored.ok("file", "show", "acme", "one")["content_swept"]
    given_up, removed = stored.ok("event", "list", "acme")[-2:]
    assert (given_up["type"], given_up["reason"]) == ("file.content_swept", "tidying")
    assert given_up["payload"] == {"swept_bytes": 5, "swept_parts": 2}
    assert (removed["type"], removed["reason"]) == ("organization.content_swept", "tidying")
    assert removed["payload"] == {"generations": {sha256(b"bb"): 1}}
    assert _sweep(stored, *NOW) == {}
    stored.ok("usage", "check")
    assert stored.ok("event", "verify", "acme")


def test_a_file_deleted_and_uploaded_again_keeps_its_content(
    stored: Cli, blob_folder: Path, source: Path
) -> None:
    stored.ok("file", "delete", "acme", "two")
    source.write_bytes(b"aaabb")
    stored.ok("file", "upload", "acme", source, "--name", "two")
    assert _sweep(stored, *NOW) == {"given_up_files": 1}
    assert _left(blob_folder) == {b"aaa", b"bb", b"aaabb"}


def test_a_dry_run_of_a_sweep_prints_the_result_of_the_sweep(
    stored: Cli, blob_folder: Path, source: Path
) -> None:
    _replace_part(stored, source)
    stored.ok("file", "delete", "acme", "one")
    before, events = contents_in(blob_folder), stored.events()
    would = stored.ok("blob", "gc", *NOW, "--dry-run")  # needs no --yes
    assert would.pop("dry_run")
    assert (contents_in(blob_folder), stored.events()) == (before, events)
    assert would["removed_blobs"] == 2
    assert stored.ok(*GC, *NOW) == would


def test_a_sweep_under_a_key_runs_completely_and_once(stored: Cli, blob_folder: Path) -> None:
    stored.ok("file", "delete", "acme", "one")
    arguments = (*NOW, "--idempotency-key", "k")
    swept = _sweep(stored, *arguments)
    assert swept == {"given_up_files": 1, "removed_blobs": 1, "removed_bytes": 2}
    assert _left(blob_folder) == {b"aaa"}
    stored.ok("file", "delete", "acme", "two")
    assert _sweep(stored, *arguments) == swept
    assert _left(blob_folder) == {b"aaa"}


def test_a_sweep_of_a_store_without_any_of_the_content_is_refused(
    stored: Cli, blob_folder: Path, tmp_path: Path
) -> None:
    stored.ok("file", "delete", "acme", "one")
    elsewhere = ("--blob-url", (tmp_path / "elsewhere").as_uri())
    assert "config show" in stored.fails(78, *GC, *NOW, *elsewhere)["hint"]
    assert "config show" in stored("blob", "verify", *elsewhere, "--json").error["hint"]
    stored.ok("file", "restore", "acme", "one")
    assert _left(blob_folder) == {b"aaa", b"bb"}


@pytest.mark.parametrize(
    "older_than", ["7", "-1d", "x", "", "1e3d", "999999999w", "\u00b2", "\u0667", "9" * 5_000]
)
def test_an_age_needs_a_unit(older_than: str, sqlite_acme: Cli) -> None:
    """A user who types 7 means days. As seconds, it would delete almost everything."""
    sqlite_acme.fails(2, *GC, "--older-than", older_than)


def test_a_sweep_is_confirmed(stored: Cli, blob_folder: Path) -> None:
    stored.ok("file", "delete", "acme", "one")
    assert stored.fails(8, "blob", "gc", *NOW)["hint"] == "add --yes"
    assert len(_left(blob_folder)) == 2
    stored.fails(2, *GC, "--older-than", "soon")
    stored.fails(2, *GC, "--older-than", "999999999d")
    stored.fails(3, *GC, "none")


def test_only_the_organizations_that_are_named_are_swept(
    stored: Cli, blob_folder: Path, source: Path
) -> None:
    stored.ok("org", "create", "beta")
    source.write_bytes(b"aaa")  # as acme has it
    stored.ok("file", "upload", "beta", source)
    stored.ok("file", "delete", "beta", "source")
    stored.ok("file", "delete", "acme", "one")
    assert _sweep(stored, "beta", *NOW)["removed_bytes"] == 3
    stored.ok("blob", "verify", *NOW)
    assert _sweep(stored, *NOW)["removed_bytes"] == 2
    assert _left(blob_folder) == {b"aaa"}


def test_the_content_of_a_deleted_organization_is_removed(stored: Cli, blob_folder: Path) -> None:
    stored.ok("file", "delete", "acme", "one")
    stored.ok("file", "delete", "acme", "two")
    stored.ok("org", "delete", "acme", "--confirm", "acme")
    assert _sweep(stored, "--older-than", "1h") == {}
    stored.ok("blob", "verify", "--older-than", "1h")
    assert stored("blob", "verify", *NOW, "--json").json["orphaned"] == 2
    would = _sweep(stored, *NOW, "--dry-run")
    assert would == {"removed_blobs": 2, "removed_bytes": 5}
    assert _sweep(stored, *NOW) == would
    assert _left(blob_folder) == set()


def test_lost_rows_do_not_lead_to_lost_content(
    stored: Cli, blob_folder: Path, source: Path, database_url: URL
) -> None:
    _replace_part(stored, source)
    stored.ok("file", "delete", "acme", "two")
    with tampering(database_url) as conn:
        conn.execute(delete(file_parts))
        conn.execute(delete(files))
    assert _sweep(stored, "--older-than", "1h") == {}
    stored.ok("blob", "verify")
    assert _sweep(stored, *NOW)["removed_blobs"] == 1
    assert _left(blob_folder) == {b"aaa", b"bb", b"new"}


def test_incomplete_files_of_killed_writers_are_deleted(stored: Cli, blob_folder: Path) -> None:
    incoming = next(blob_folder.glob("*/incoming"))
    (incoming / "living").touch()
    (incoming / "dead").touch()
    os.utime(incoming / "dead", (1, 1))
    assert _sweep(stored, *NOW, "--dry-run") == {}
    assert _sweep(stored) == {"abandoned_writes": 1}
    assert os.listdir(incoming) == ["living"]


# --- content of another log -----------------------------------------------------------------------


@pytest.fixture
def anothers(stored: Cli, source: Path, blob_folder: Path) -> Cli:
    """Return a CLI with content of `acme` that another log recorded last, and of `beta` that none
    did.
    """
    stored.ok("org", "create", "beta")
    for org in ("acme", "beta"):
        source.write_bytes(b"orphan")
        stored.ok("file", "upload", org, source, "--name", "gone")
        stored.ok("file", "delete", org, "gone")
    org_id = stored.ok("org", "show", "acme")["org_id"]
    (blob_folder / org_id / "head").write_text(f"99 {'0' * 64}\n")
    return stored


def test_content_that_another_log_recorded_last_is_not_swept_until_it_is_claimed(
    anothers: Cli, blob_folder: Path
) -> None:
    before = contents_in(blob_folder)
    for more in ((), ("--dry-run",)):
        error = anothers.fails(78, *GC, "acme", *NOW, *more)
        assert "does not name an event of this log" in error["message"]
        assert "catactl blob gc --claim" in error["hint"]
    assert contents_in(blob_folder) == before
    would = anothers.ok("blob", "gc", "acme", *NOW, "--claim", "--dry-run")
    assert would["removed_blobs"] == 1
    question = anothers.fails(8, "blob", "gc", "acme", *NOW, "--claim")
    assert "even if another database recorded content last" in question["message"]
    anothers.fails(78, *GC, "acme", *NOW)
    assert anothers.ok(*GC, "acme", *NOW, "--claim")["removed_blobs"] == 1
    assert anothers.ok(*GC, "acme", *NOW)["removed_blobs"] == 0


def test_an_organization_that_is_not_swept_does_not_stop_the_others(anothers: Cli) -> None:
    result = anothers(*GC, *NOW, "--json")
    assert result.code == 78
    assert [row["removed_blobs"] for row in result.json["organizations"]] == [1]
    assert result.error["message"].startswith("1 of 2 organizations were not swept: ")


def test_verification_warns_that_orphaned_content_may_belong_to_another_log(
    anothers: Cli, blob_folder: Path
) -> None:
    anothers.ok("blob", "verify", *NOW)
    org_id = anothers.ok("org", "show", "acme")["org_id"]
    digest = sha256(b"left")
    folder = blob_folder / org_id / digest[:2]
    folder.mkdir()
    (folder / digest).write_bytes(b"left")
    result = anothers("blob", "verify", *NOW)
    assert result.code == 6
    assert "hint: another log recorded content last" in result.stderr
    anothers.ok(*GC, "--claim")
    assert "hint: catactl blob gc" in anothers("blob", "verify", *NOW).stderr


def test_doctor_warns_of_content_that_another_log_recorded_last(anothers: Cli) -> None:
    checks = anothers("doctor", "--json").json["checks"]
    (found,) = (each for each in checks if "another log" in each["message"])
    assert (found["name"], found["status"]) == ("content", "warning")
    assert "catactl blob gc --claim" in found["hint"]
    anothers.ok(*GC, "--claim")
    checks = anothers("doctor", "--json").json["checks"]
    assert not any("another log" in each["message"] for each in checks)
