"""`file upload` with one file."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from tests.cli.commands.uploading.support import (
    COMPLETED,
    CREATED,
    UPLOADED,
    Put,
    downloaded,
    proves_usage,
    replace_put,
    upload,
)
from tests.cli.support import Cli, Result, contents_in, sha256


def test_a_file_is_stored_in_parts_and_completed(acme: Cli, path: Path, blob_folder: Path) -> None:
    uploaded = upload(acme, path, "--part-size", 3)
    assert uploaded["events"] == CREATED + UPLOADED * 3 + COMPLETED
    fields = ("name", "status", "size_bytes", "part_count", "outcome", "path", "error")
    assert [uploaded[name] for name in fields] == [
        "data.bin",
        "complete",
        7,
        3,
        "uploaded",
        str(path),
        None,
    ]
    assert (uploaded["stored_bytes"], uploaded["skipped_bytes"]) == (7, 0)
    cut = [b"aaa", b"bbb", b"c"]
    assert contents_in(blob_folder) == {sha256(part): part for part in cut}
    assert acme.ok("part", "list", "acme", "data.bin") == [
        {"number": number, "size_bytes": len(part), "sha256": sha256(part), "stored": True}
        for number, part in enumerate(cut, start=1)
    ]
    shown = acme.ok("file", "show", "acme", "data.bin")
    assert shown.items() <= uploaded.items()
    proves_usage(acme, 7)


def test_the_same_again_changes_nothing(acme: Cli, path: Path) -> None:
    first = upload(acme, path, "--part-size", 3)
    again = upload(acme, path)  # it is cut as it was
    assert (again["outcome"], again["events"]) == ("unchanged", [])
    assert (again["stored_bytes"], again["skipped_bytes"]) == (0, 7)
    assert (again["version"], again["position"]) == (first["version"], first["position"])


def test_an_empty_file_has_no_parts(acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    uploaded = upload(acme, tmp_path / "empty")
    assert (uploaded["status"], uploaded["part_count"]) == ("complete", 0)
    assert downloaded(acme, tmp_path, "empty") == b""


def test_a_single_file_prints_its_id(sqlite_acme: Cli, path: Path) -> None:
    result = sqlite_acme("file", "upload", "acme", path, "--name", "x/y", "-o", "id")
    assert result == Result(0, f"{sqlite_acme.ok('file', 'show', 'acme', 'x/y')['file_id']}\n", "")


def test_too_many_parts_are_refused_with_the_size_that_would_do(
    sqlite_acme: Cli, tmp_path: Path, blob_folder: Path
) -> None:
    path = tmp_path / "long"
    path.write_bytes(bytes(10_001))
    error = sqlite_acme.fails(2, "file", "upload", "acme", path, "--part-size", 1)
    assert error["hint"] == "use --part-size 2 or more"
    assert not blob_folder.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--part-size", "0"],
        ["--part-size", "8G"],
        ["--workers", "0"],
        ["--name", "../x"],
        ["--name", "x", "again"],
        ["-"],
        ["-", "--name", "x"],
    ],
)
def test_contradictory_options_are_refused(
    arguments: list[str], sqlite_acme: Cli, path: Path
) -> None:
    sqlite_acme.fails(2, "file", "upload", "acme", path, *arguments)
    assert sqlite_acme.events() == ["organization.created"]


def test_postgresql_has_no_place_for_content_by_itself(
    acme: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "CATACTL_BLOB_URL" not in os.environ:
        return  # SQLite: beside it, as all other tests have it
    monkeypatch.delenv("CATACTL_BLOB_URL")
    error = acme.fails(78, "file", "upload", "acme", path)
    assert "CATACTL_BLOB_URL" in error["hint"]


def test_a_file_over_the_quota_is_refused_before_content_is_stored(
    acme: Cli, path: Path, blob_folder: Path
) -> None:
    acme.ok("quota", "set", "acme", "6")
    events = acme.events()
    error = acme.fails(5, "file", "upload", "acme", path, "--part-size", 3)
    assert error["code"] == "quota_exceeded"
    assert acme.events() == events
    assert not blob_folder.exists()
    acme.ok("quota", "set", "acme", "7")
    upload(acme, path, "--part-size", 3)


def test_of_two_files_only_the_one_that_fits_is_recorded(acme: Cli, folder: Path) -> None:
    acme.ok("quota", "set", "acme", "1")
    result = acme("file", "upload", "acme", folder / "a", folder / "b.txt", "--json")
    assert result.code == 7
    errors = {row["name"]: row["error"] and row["error"]["code"] for row in result.json}
    assert set(errors.values()) == {None, "quota_exceeded"}
    (file,) = acme.ok("file", "list", "acme")
    assert (file["status"], errors[file["name"]]) == ("complete", None)
    proves_usage(acme, 1)


def test_a_suspended_organization_accepts_no_content(
    acme: Cli, folder: Path, path: Path, blob_folder: Path
) -> None:
    acme.ok("org", "suspend", "acme")
    arguments = ("file", "upload", "acme", path, "--part-size", 3)
    assert acme.fails(5, *arguments)["code"] == "organization_suspended"
    assert not blob_folder.exists()
    result = acme("file", "upload", "acme", folder)
    assert result.code == 5
    assert "suspended" in result.stderr
    assert acme.ok("file", "list", "acme") == []


def test_a_dry_run_of_an_upload_writes_nothing(
    acme: Cli, folder: Path, path: Path, blob_folder: Path
) -> None:
    events = acme.events()
    would = upload(acme, path, "--part-size", 3, "--dry-run")
    assert would["dry_run"]
    assert would["events"] == CREATED + UPLOADED * 3 + COMPLETED
    assert (would["outcome"], would["status"], would["size_bytes"]) == ("uploaded", "complete", 7)
    rows = upload(acme, folder, "--dry-run")
    assert [row["outcome"] for row in rows] == ["uploaded"] * 5
    assert acme.events() == events
    assert not blob_folder.exists()
    upload(acme, path)
    assert upload(acme, path, "--dry-run")["outcome"] == "unchanged"


def test_a_dry_run_checks_the_quota_for_all_files_together(
    acme: Cli, folder: Path, blob_folder: Path
) -> None:
    acme.ok("quota", "set", "acme", "4")
    result = acme("file", "upload", "acme", folder, "--dry-run", "--json")
    assert result.code == 7
    failed = [row["name"] for row in result.json if row["error"]]
    assert failed == ["z"]  # 1 + 0 + 1 + 1 are in before its 2
    assert not blob_folder.exists()


def test_an_idempotency_key_gives_the_same_result_again(
    acme: Cli, folder: Path, path: Path
) -> None:
    key = ("--idempotency-key", "k")
    first = upload(acme, path, *key)
    assert upload(acme, path, *key) == first
    assert upload(acme, path, "--part-size", 3, *key) == first
    acme.ok("file", "delete", "acme", "data.bin")
    assert upload(acme, path, *key) == first
    rows = upload(acme, folder, "--idempotency-key", "f")
    events = acme.events()
    assert upload(acme, folder, "--idempotency-key", "f") == rows
    assert acme.events() == events


def test_a_file_that_changes_between_parts_is_never_completed(
    acme: Cli, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def touching(put: Put) -> Put:
        def touch(
            self: Directory, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int]
        ) -> Content:
            content = put(self, org_id, chunks, generations)
            if content.sha256 == sha256(b"bbb"):
                path.write_bytes(b"aaabbbX")
            return content

        return touch

    with monkeypatch.context() as patch:
        replace_put(patch, touching)
        arguments = ("file", "upload", "acme", path, "--part-size", 3, "--workers", 1)
        error = acme.fails(75, *arguments)
    assert (error["code"], error["retryable"]) == ("changed_while_read", True)
    assert "file.completed" not in acme.events()
    upload(acme, path, "--part-size", 3)
    assert downloaded(acme, tmp_path) == b"aaabbbX"
