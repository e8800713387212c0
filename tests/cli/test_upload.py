"""Uploading files and parts with their content."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from catactl.cli.commands import uploading
from catactl.cli.output import progress
from catactl.content import part, part_ranges, stream
from catactl.errors import ContentUnreachable
from tests.cli.conftest import Say
from tests.cli.support import Cli, Result, contents_in, run_process, sha256

CREATED = ["file.created", "organization.storage_usage_changed"]
UPLOADED = ["file.part_uploaded", "organization.storage_usage_changed"]
COMPLETED = ["file.completed"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Seven bytes: three parts of three at most."""
    path = tmp_path / "data.bin"
    path.write_bytes(b"aaabbbc")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "b" / "c").mkdir(parents=True)
    for name, content in {"z": b"zz", "a": b"a", "b/y": b"y", "b/c/x": b"", "b.txt": b"b"}.items():
        (folder / name).write_bytes(content)
    return folder


def _upload(cli: Cli, *arguments: object) -> Any:
    return cli.ok("file", "upload", "acme", *arguments)


def _sizes(cli: Cli, name: str = "data.bin") -> list[int]:
    return [part["size_bytes"] for part in cli.ok("part", "list", "acme", name)]


def _downloaded(cli: Cli, tmp_path: Path, name: str = "data.bin") -> bytes:
    target = tmp_path / "downloaded"
    cli.ok("file", "download", "acme", name, "--to", target, "--force")
    return target.read_bytes()


def _proves_usage(cli: Cli, used_bytes: int) -> None:
    cli.ok("usage", "check", "acme")
    assert cli.ok("usage", "show", "acme")["used_bytes"] == used_bytes


Put = Callable[[Directory, UUID, Iterable[Chunk], Mapping[str, int]], Content]


def _replace_put(monkeypatch: pytest.MonkeyPatch, wrap: Callable[[Put], Put]) -> None:
    monkeypatch.setattr(Directory, "put", wrap(Directory.put))


# --- a file ---------------------------------------------------------------------------------------


def test_a_file_is_stored_in_parts_and_completed(acme: Cli, path: Path, blob_folder: Path) -> None:
    uploaded = _upload(acme, path, "--part-size", 3)
    assert uploaded["events"] == CREATED + UPLOADED * 3 + COMPLETED
    told = ("name", "status", "size_bytes", "part_count", "outcome", "path", "error")
    assert [uploaded[name] for name in told] == [
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
    _proves_usage(acme, 7)


def test_the_same_again_changes_nothing(acme: Cli, path: Path) -> None:
    first = _upload(acme, path, "--part-size", 3)
    again = _upload(acme, path)  # it is cut as it was
    assert (again["outcome"], again["events"]) == ("unchanged", [])
    assert (again["stored_bytes"], again["skipped_bytes"]) == (0, 7)
    assert (again["version"], again["position"]) == (first["version"], first["position"])


def test_an_empty_file_has_no_parts(acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    uploaded = _upload(acme, tmp_path / "empty")
    assert (uploaded["status"], uploaded["part_count"]) == ("complete", 0)
    assert _downloaded(acme, tmp_path, "empty") == b""


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
def test_orders_that_make_no_sense_are_refused(
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


# --- going on -------------------------------------------------------------------------------------


def test_an_upload_that_broke_off_goes_on_where_it_was(
    acme: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(content := bytes(range(40)))
    puts = 0

    def failing(put: Put) -> Put:
        def fail(
            self: Directory, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int]
        ) -> Content:
            nonlocal puts
            puts += 1
            if puts > 20:
                raise ContentUnreachable("the cable is out")
            return put(self, org_id, chunks, generations)

        return fail

    with monkeypatch.context() as patch:
        _replace_put(patch, failing)
        acme.fails(69, "file", "upload", "acme", path, "--part-size", 1, "--workers", 1)
    shown = acme.ok("file", "show", "acme", "data.bin")
    assert shown["status"] == "uploading"
    assert 0 < shown["part_count"] <= 20
    _proves_usage(acme, shown["part_count"])
    resumed = _upload(acme, path)  # its part size is known from then
    assert (resumed["outcome"], resumed["status"]) == ("resumed", "complete")
    assert resumed["skipped_bytes"] == shown["part_count"]
    assert resumed["stored_bytes"] == 40 - shown["part_count"]
    assert _downloaded(acme, tmp_path) == content
    _proves_usage(acme, 40)


@pytest.fixture
def begun(acme: Cli, path: Path, tmp_path: Path) -> Cli:
    """Two of three parts are there."""
    acme.ok("file", "create", "acme", "data.bin")
    for number, content in enumerate([b"aaa", b"bbb"], start=1):
        (tmp_path / "part").write_bytes(content)
        acme.ok("part", "upload", "acme", "data.bin", number, tmp_path / "part")
    return acme


def test_an_upload_goes_on_with_the_parts_that_are_there(begun: Cli, path: Path) -> None:
    resumed = _upload(begun, path)
    assert (resumed["outcome"], resumed["skipped_bytes"]) == ("resumed", 6)
    assert resumed["events"] == UPLOADED + COMPLETED
    assert _sizes(begun) == [3, 3, 1]


def test_an_upload_goes_on_with_another_part_size(begun: Cli, path: Path, tmp_path: Path) -> None:
    resumed = _upload(begun, path, "--part-size", 4)
    assert (resumed["outcome"], resumed["stored_bytes"]) == ("resumed", 7)
    assert _sizes(begun) == [4, 3]
    assert _downloaded(begun, tmp_path) == b"aaabbbc"
    _proves_usage(begun, 7)


def test_parts_too_many_of_an_earlier_upload_are_a_conflict(
    begun: Cli, path: Path, blob_folder: Path
) -> None:
    before = contents_in(blob_folder)
    error = begun.fails(4, "file", "upload", "acme", path, "--part-size", 7)
    assert "part 2" in error["message"]
    assert _sizes(begun) == [3, 3]
    assert contents_in(blob_folder) == before


def test_content_recorded_as_kept_elsewhere_is_stored_by_an_upload(acme: Cli, path: Path) -> None:
    acme.has_file()
    digest = f"--sha256={sha256(b'aaabbbc')}"
    acme.ok("part", "record", "acme", "data.bin", 1, "--size=7", digest)
    acme.ok("file", "complete", "acme", "data.bin")
    uploaded = _upload(acme, path)
    assert (uploaded["outcome"], uploaded["stored_bytes"]) == ("resumed", 7)
    assert [part["stored"] for part in acme.ok("part", "list", "acme", "data.bin")] == [True]
    _proves_usage(acme, 7)


@pytest.mark.parametrize("content", [b"aaabbbX", b"Xaabbbc", b"aaabbbcc", b""])
def test_a_complete_file_never_gets_other_content(
    content: bytes, acme: Cli, path: Path, blob_folder: Path, tmp_path: Path
) -> None:
    _upload(acme, path, "--part-size", 3)
    before, events = contents_in(blob_folder), acme.events()
    path.write_bytes(content)
    error = acme.fails(4, "file", "upload", "acme", path)
    assert error["message"] == "file 'data.bin' exists with other content"
    assert (contents_in(blob_folder), acme.events()) == (before, events)


def test_content_that_was_lost_comes_back_by_uploading_again(
    sqlite_acme: Cli, path: Path, blob_folder: Path, tmp_path: Path
) -> None:
    _upload(sqlite_acme, path, "--part-size", 3)
    next(blob_folder.rglob(sha256(b"bbb"))).unlink()
    again = _upload(sqlite_acme, path)
    assert (again["events"], again["stored_bytes"], again["skipped_bytes"]) == ([], 3, 4)
    assert _downloaded(sqlite_acme, tmp_path) == b"aaabbbc"


def test_damaged_content_is_mended_when_it_is_to_be_verified(
    sqlite_acme: Cli, path: Path, blob_folder: Path, tmp_path: Path
) -> None:
    _upload(sqlite_acme, path, "--part-size", 3)
    next(blob_folder.rglob(sha256(b"bbb"))).write_bytes(b"bXb")
    assert _upload(sqlite_acme, path)["stored_bytes"] == 0
    assert _upload(sqlite_acme, path, "--verify")["stored_bytes"] == 3
    assert _downloaded(sqlite_acme, tmp_path) == b"aaabbbc"


# --- folders and several paths --------------------------------------------------------------------


def test_a_folder_is_uploaded_in_order_by_relative_names(acme: Cli, folder: Path) -> None:
    result = acme("file", "upload", "acme", folder, "--json")
    assert result.code == 0
    assert [row["name"] for row in result.json] == ["a", "b/c/x", "b/y", "b.txt", "z"]
    assert [row["path"] for row in result.json][2] == str(folder / "b" / "y")
    assert result.stderr == "", "programs get JSON and nothing beside it"
    _proves_usage(acme, 5)
    assert "5 unchanged" in acme("file", "upload", "acme", folder).stderr
    again = acme("file", "upload", "acme", folder, "--json")
    assert {row["outcome"] for row in again.json} == {"unchanged"}
    assert not any(row["events"] for row in again.json)


def test_a_name_goes_before_those_of_a_folder(sqlite_acme: Cli, folder: Path) -> None:
    lines = sqlite_acme(
        "file", "upload", "acme", folder / "b", "--name", "in/it/", "-o", "tsv"
    ).lines
    assert [line.split("\t")[1] for line in lines] == ["in/it/c/x", "in/it/y"]


def test_several_paths_are_an_array(sqlite_acme: Cli, folder: Path) -> None:
    names = [row["name"] for row in _upload(sqlite_acme, folder / "z", folder / "b", folder / "a")]
    assert names == ["z", "c/x", "y", "a"]


def test_a_folder_with_nothing_in_it_is_an_empty_array(sqlite_acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert _upload(sqlite_acme, tmp_path / "nothing") == []


def test_one_that_fails_does_not_keep_the_others(
    acme: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_open = os.open

    def refusing(path: Any, *more: Any, **options: Any) -> int:
        if path == "z":  # mode 0 would not keep root out
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, *more, **options)

    def touching(put: Put) -> Put:
        def touch(
            self: Directory, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int]
        ) -> Content:
            content = put(self, org_id, chunks, generations)
            if content.sha256 == sha256(b"y"):
                os.utime(folder / "b" / "y", (1, 1))
            return content

        return touch

    monkeypatch.setattr(os, "open", refusing)
    _replace_put(monkeypatch, touching)
    missing = folder / "nothing"
    result = acme("file", "upload", "acme", missing, folder, "--json")
    assert result.code == 7
    rows = {row["name"]: row for row in result.json}
    errors = {name: row["error"]["code"] for name, row in rows.items() if row["error"]}
    assert errors == {
        str(missing): "not_found",
        "b/y": "changed_while_read",
        "z": "permission_denied",
    }
    assert {rows[name]["outcome"] for name in errors} == {"failed"}
    assert {row["outcome"] for name, row in rows.items() if name not in errors} == {"uploaded"}
    assert all(row["file_id"] is None for name, row in rows.items() if name in errors)
    statuses = {file["name"]: file["status"] for file in acme.ok("file", "list", "acme")}
    assert statuses == dict.fromkeys(["a", "b/c/x", "b.txt"], "complete")
    assert result.error["code"] == "partial_failure"
    told = acme("file", "upload", "acme", missing, folder, "--quiet")
    assert (told.code, told.stdout) == (7, "")
    assert f"catactl: error: {folder / 'z'}: cannot read" in told.stderr


def test_what_failed_has_no_id_to_print(sqlite_acme: Cli, folder: Path) -> None:
    result = sqlite_acme("file", "upload", "acme", folder / "a", folder / "nothing", "-o", "id")
    assert (result.code, len(result.lines)) == (7, 1)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("data.bin", path)])
def test_a_single_path_that_is_no_file_is_refused(
    make: Callable[[Path], None], sqlite_acme: Cli, path: Path, tmp_path: Path
) -> None:
    make(tmp_path / "odd")
    assert sqlite_acme.fails(2, "file", "upload", "acme", tmp_path / "odd")["hint"]


def test_a_link_to_a_folder_is_no_folder(sqlite_acme: Cli, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    sqlite_acme.fails(2, "file", "upload", "acme", tmp_path / "link")
    assert len(_upload(sqlite_acme, tmp_path / "link", "--follow-links")) == 5


@pytest.mark.parametrize("path", ["/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_that_does_not_end_at_its_size_is_refused(path: str, sqlite_acme: Cli) -> None:
    if not os.path.exists(path):
        pytest.skip("this machine does not have it")
    error = sqlite_acme.fails(2, "file", "upload", "acme", path)
    assert "does not end at its size" in error["message"]
    assert error["hint"] == f"pipe it: cat {path} | catactl file upload ORG - --name NAME"
    assert not error["retryable"]
    sqlite_acme.ok("file", "create", "acme", "x")
    error = sqlite_acme.fails(2, "part", "upload", "acme", "x", 1, path)
    assert error["hint"] == f"pipe it: cat {path} | catactl part upload ORG FILE NUMBER -"


def test_a_file_that_does_not_end_at_its_size_fails_alone(
    sqlite_acme: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def like_proc(file: int, size_bytes: int, offset: int) -> bytes:
        inode = (folder / "z").stat().st_ino
        return b"" if os.fstat(file).st_ino == inode else pread(file, size_bytes, offset)

    monkeypatch.setattr(os, "pread", like_proc)
    result = sqlite_acme("file", "upload", "acme", folder, "--json")
    assert result.code == 7
    failed = {row["name"]: row["error"] for row in result.json if row["error"]}
    assert failed.keys() == {"z"}
    assert (failed["z"]["exit"], failed["z"]["retryable"]) == (2, False)


def test_a_single_path_that_is_missing_is_not_found(sqlite_acme: Cli, tmp_path: Path) -> None:
    sqlite_acme.fails(3, "file", "upload", "acme", tmp_path / "nothing")
    sqlite_acme.fails(3, "file", "upload", "none", tmp_path)


def test_links_and_pipes_in_a_folder_are_skipped_and_said(sqlite_acme: Cli, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("a")
    (folder / "up").symlink_to("..")
    result = sqlite_acme("file", "upload", "acme", folder, "-o", "tsv")
    assert (result.code, len(result.lines)) == (0, 5)
    for name in ("pipe", "link", "up"):
        assert f"skipped {folder / name}: " in result.stderr


def test_links_are_followed_when_asked_but_never_in_circles(sqlite_acme: Cli, folder: Path) -> None:
    (folder / "link").symlink_to("b/y")
    (folder / "other").symlink_to("b")
    (folder / "b" / "circle").symlink_to("..")
    (folder / "b" / "nowhere").symlink_to("nothing")
    result = sqlite_acme("file", "upload", "acme", folder, "--follow-links", "--json")
    assert result.code == 7
    rows = {row["name"]: row["error"] and row["error"]["code"] for row in result.json}
    assert rows == {
        **dict.fromkeys(["a", "b/c/x", "b/y", "b.txt", "link", "other/c/x", "other/y", "z"]),
        "b/nowhere": "not_found",
        "other/nowhere": "not_found",
    }
    told = sqlite_acme("file", "upload", "acme", folder, "--follow-links").stderr
    assert f"{folder / 'b' / 'circle'}: link to a folder above it" in told


@pytest.mark.parametrize("name", [b"a\\b", b"a\x1b[2Jb", b"c:x", b" a", b"a\xff"])
def test_names_that_lead_astray_are_refused_file_by_file(
    name: bytes, sqlite_acme: Cli, tmp_path: Path
) -> None:
    folder = os.fsencode(tmp_path / "folder")
    os.mkdir(folder)
    for each in (name, b"good"):
        Path(os.fsdecode(os.path.join(folder, each))).write_bytes(b"x")
    result = sqlite_acme("file", "upload", "acme", os.fsdecode(folder), "--json")
    assert result.code == 7
    outcomes = {row["error"] and row["error"]["code"]: row["name"] for row in result.json}
    assert outcomes == {"invalid_value": os.fsdecode(name), None: "good"}
    assert "\x1b" not in result.stdout + result.stderr


def test_two_files_of_one_name_are_never_mixed(acme: Cli, tmp_path: Path) -> None:
    contents = {"1": b"a" * 9, "2": b"b" * 9}
    for number, content in contents.items():
        (tmp_path / number).mkdir()
        (tmp_path / number / "same").write_bytes(content)
    paths = [tmp_path / number / "same" for number in contents]
    result = acme("file", "upload", "acme", *paths, "--part-size", 3, "--json")
    assert result.code == 7
    assert "failed" in {row["outcome"] for row in result.json}
    uploaded = {row["path"] for row in result.json if row["outcome"] != "failed"}
    _proves_usage(acme, 9)
    if uploaded:
        assert _downloaded(acme, tmp_path, "same") == Path(uploaded.pop()).read_bytes()
        assert not uploaded
    else:
        assert acme.ok("file", "show", "acme", "same")["status"] == "uploading"


# --- rules ----------------------------------------------------------------------------------------


def test_what_has_no_room_is_refused_before_any_of_it_is_stored(
    acme: Cli, path: Path, blob_folder: Path
) -> None:
    acme.ok("quota", "set", "acme", "6")
    events = acme.events()
    error = acme.fails(5, "file", "upload", "acme", path, "--part-size", 3)
    assert error["code"] == "quota_exceeded"
    assert acme.events() == events
    assert not blob_folder.exists()
    acme.ok("quota", "set", "acme", "7")
    _upload(acme, path, "--part-size", 3)


def test_of_two_files_only_the_one_that_fits_is_recorded(acme: Cli, folder: Path) -> None:
    acme.ok("quota", "set", "acme", "1")
    result = acme("file", "upload", "acme", folder / "a", folder / "b.txt", "--json")
    assert result.code == 7
    errors = {row["name"]: row["error"] and row["error"]["code"] for row in result.json}
    assert set(errors.values()) == {None, "quota_exceeded"}
    (file,) = acme.ok("file", "list", "acme")
    assert (file["status"], errors[file["name"]]) == ("complete", None)
    _proves_usage(acme, 1)


def test_a_suspended_organization_takes_no_content(
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


def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    acme: Cli, folder: Path, path: Path, blob_folder: Path
) -> None:
    events = acme.events()
    would = _upload(acme, path, "--part-size", 3, "--dry-run")
    assert would["dry_run"]
    assert would["events"] == CREATED + UPLOADED * 3 + COMPLETED
    assert (would["outcome"], would["status"], would["size_bytes"]) == ("uploaded", "complete", 7)
    rows = _upload(acme, folder, "--dry-run")
    assert [row["outcome"] for row in rows] == ["uploaded"] * 5
    assert acme.events() == events
    assert not blob_folder.exists()
    _upload(acme, path)
    assert _upload(acme, path, "--dry-run")["outcome"] == "unchanged"


def test_a_dry_run_adds_up_what_the_quota_must_hold(
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
    first = _upload(acme, path, *key)
    assert _upload(acme, path, *key) == first
    assert _upload(acme, path, "--part-size", 3, *key) == first
    acme.ok("file", "delete", "acme", "data.bin")
    assert _upload(acme, path, *key) == first
    rows = _upload(acme, folder, "--idempotency-key", "f")
    events = acme.events()
    assert _upload(acme, folder, "--idempotency-key", "f") == rows
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
        _replace_put(patch, touching)
        arguments = ("file", "upload", "acme", path, "--part-size", 3, "--workers", 1)
        error = acme.fails(75, *arguments)
    assert (error["code"], error["retryable"]) == ("changed_while_read", True)
    assert "file.completed" not in acme.events()
    _upload(acme, path, "--part-size", 3)
    assert _downloaded(acme, tmp_path) == b"aaabbbX"


# --- standard input -------------------------------------------------------------------------------


def test_a_process_uploads_what_it_reads(sqlite_acme: Cli, tmp_path: Path) -> None:
    text = "Ünicode\r\n\0"
    result = run_process(
        "file", "upload", "acme", "-", "--name", "data.bin", "--part-size", "3", stdin=text
    )
    assert (result.code, result.stderr) == (0, "")
    assert _downloaded(sqlite_acme, tmp_path) == text.encode()
    assert _sizes(sqlite_acme) == [3, 3, 3, 2]


def test_a_stream_is_uploaded_as_it_comes(
    acme: Cli, standard_input: Say, blob_folder: Path
) -> None:
    arguments = ("-", "--name", "data.bin", "--part-size", 3)
    standard_input(b"aaabbbc")
    would = _upload(acme, *arguments, "--dry-run")
    assert (would["size_bytes"], acme.events()) == (7, ["organization.created"])
    assert not blob_folder.exists()
    standard_input(b"aaabbbc")
    uploaded = _upload(acme, *arguments)
    assert (uploaded["outcome"], uploaded["path"]) == ("uploaded", "-")
    assert _sizes(acme) == [3, 3, 1]
    standard_input(b"aaabbbc")
    again = _upload(acme, *arguments)
    assert (again["outcome"], again["events"]) == ("unchanged", [])
    standard_input(b"")
    assert _upload(acme, "-", "--name", "empty")["part_count"] == 0


def test_a_stream_goes_on_and_never_mixes(begun: Cli, standard_input: Say, tmp_path: Path) -> None:
    arguments = ("-", "--name", "data.bin", "--part-size")
    standard_input(b"aaabbbc")
    assert begun.fails(4, "file", "upload", "acme", *arguments, 7)["code"] == "conflict"
    assert begun.ok("file", "show", "acme", "data.bin")["status"] == "uploading"
    standard_input(b"aaabbbc")
    assert _upload(begun, *arguments, 3)["outcome"] == "resumed"
    assert _downloaded(begun, tmp_path) == b"aaabbbc"
    _proves_usage(begun, 7)


def test_a_stream_is_compared_with_a_complete_file_part_by_part(
    acme: Cli, path: Path, standard_input: Say
) -> None:
    _upload(acme, path, "--part-size", 3)
    standard_input(b"aaabbbc")
    assert _upload(acme, "-", "--name", "data.bin")["outcome"] == "unchanged"
    for other in (b"aaabbbX", b"Xaabbbc", b"aaabbb", b"aaabbbcc", b""):
        standard_input(other)
        acme.fails(4, "file", "upload", "acme", "-", "--name", "data.bin", "--part-size", 3)


def test_a_stream_with_too_many_parts_is_refused(
    sqlite_acme: Cli, standard_input: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_ranges, "MAX_PART_NUMBER", 2)
    standard_input(b"aaabbbc")
    error = sqlite_acme.fails(2, "file", "upload", "acme", "-", "--name", "x", "--part-size", 3)
    assert "--part-size" in error["hint"]
    assert sqlite_acme.ok("file", "show", "acme", "x")["status"] == "uploading"


def test_a_stream_that_the_quota_has_no_room_for_stays_within_it(
    acme: Cli, standard_input: Say
) -> None:
    acme.ok("quota", "set", "acme", "6")
    standard_input(b"aaabbbc")
    arguments = ("file", "upload", "acme", "-", "--name", "x", "--part-size", 3)
    assert acme.fails(5, *arguments)["code"] == "quota_exceeded"
    _proves_usage(acme, 6)


# --- parts ----------------------------------------------------------------------------------------


def test_a_part_is_stored_and_recorded(acme: Cli, path: Path, blob_folder: Path) -> None:
    acme.has_file()
    arguments = ("part", "upload", "acme", "data.bin", 1, path)
    would = acme.ok(*arguments, "--dry-run")
    assert would["dry_run"]
    assert not blob_folder.exists()
    uploaded = acme.ok(*arguments)
    assert uploaded["events"] == UPLOADED
    assert (uploaded["size_bytes"], uploaded["sha256"], uploaded["stored"]) == (
        7,
        sha256(b"aaabbbc"),
        True,
    )
    assert contents_in(blob_folder) == {sha256(b"aaabbbc"): b"aaabbbc"}
    assert acme.ok(*arguments)["events"] == []
    path.write_bytes(b"other")
    assert acme.ok(*arguments)["events"] == UPLOADED
    _proves_usage(acme, 5)


def test_a_part_of_a_complete_file_can_be_mended_and_nothing_else(
    acme: Cli, path: Path, blob_folder: Path
) -> None:
    _upload(acme, path)
    stored = next(blob_folder.rglob(sha256(b"aaabbbc")))
    stored.unlink()
    arguments = ("part", "upload", "acme", "data.bin", 1, path)
    assert acme.ok(*arguments)["events"] == []
    assert stored.read_bytes() == b"aaabbbc"
    stored.write_bytes(b"XXXXXXX")
    acme.ok(*arguments)
    assert stored.read_bytes() == b"aaabbbc"
    path.write_bytes(b"other")
    assert acme.fails(5, *arguments)["code"] == "refused"


def test_a_part_that_may_not_be_added_is_not_stored(
    sqlite_acme: Cli, path: Path, blob_folder: Path, tmp_path: Path
) -> None:
    sqlite_acme.has_file()
    arguments = ("part", "upload", "acme", "data.bin", 1, path)
    sqlite_acme.ok("quota", "set", "acme", "6")
    assert sqlite_acme.fails(5, *arguments)["code"] == "quota_exceeded"
    sqlite_acme.ok("quota", "clear", "acme")
    sqlite_acme.fails(4, *arguments, "--expected-version", 7)
    sqlite_acme.fails(3, "part", "upload", "acme", "nothing", 1, path)
    sqlite_acme.fails(3, "part", "upload", "acme", "data.bin", 1, tmp_path / "nothing")
    sqlite_acme.fails(2, "part", "upload", "acme", "data.bin", 0, path)
    sqlite_acme.fails(2, "part", "upload", "acme", "data.bin", 1, tmp_path)
    sqlite_acme.ok("org", "suspend", "acme")
    assert sqlite_acme.fails(5, *arguments)["code"] == "organization_suspended"
    sqlite_acme.ok("org", "resume", "acme")
    sqlite_acme.ok("file", "delete", "acme", "data.bin")
    sqlite_acme.fails(5, *arguments)
    assert not blob_folder.exists()


def test_a_part_is_read_from_standard_input(acme: Cli, standard_input: Say) -> None:
    acme.has_file()
    standard_input(b"aaabbbc")
    arguments = ("part", "upload", "acme", "data.bin", 2, "-", "--idempotency-key", "k")
    first = acme.ok(*arguments)
    assert (first["number"], first["sha256"]) == (2, sha256(b"aaabbbc"))
    standard_input(b"aaabbbc")
    assert acme.ok(*arguments) == first


def test_a_part_without_an_end_is_refused_as_soon_as_it_has_no_room(
    acme: Cli, standard_input: Say, blob_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "_FIRST_ASKED_BYTES", 2)
    monkeypatch.setattr(stream, "CHUNK_BYTES", 1)
    acme.has_file()
    acme.ok("quota", "set", "acme", 3)
    standard_input(b"aaabbbc")
    error = acme.fails(5, "part", "upload", "acme", "data.bin", 1, "-")
    assert error["code"] == "quota_exceeded"
    assert os.read(uploading._STDIN, 9) == b"bbc", "the rest is not read"
    assert contents_in(blob_folder) == {}
    standard_input(b"aaa")
    assert acme.ok("part", "upload", "acme", "data.bin", 1, "-")["size_bytes"] == 3


def test_an_empty_part_is_a_part(acme: Cli, standard_input: Say) -> None:
    acme.has_file()
    standard_input(b"")
    assert acme.ok("part", "upload", "acme", "data.bin", 1, "-")["size_bytes"] == 0
    _proves_usage(acme, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["file", "upload", "acme", "-", "--name", "x"],
        ["part", "upload", "acme", "data.bin", "1", "-"],
    ],
)
def test_standard_input_that_is_closed_is_refused(
    arguments: list[str], sqlite_acme: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_acme.has_file()
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(uploading, "_STDIN", writer)
    error = sqlite_acme.fails(2, *arguments)
    assert error["message"] == "cannot read '-': Bad file descriptor"
    os.close(writer)


# --- progress -------------------------------------------------------------------------------------


def test_off_a_terminal_progress_is_a_plain_line_now_and_then(
    sqlite_acme: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = sqlite_acme("file", "upload", "acme", folder, "--dry-run")
    assert "uploading: " not in quick.stderr
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    shown = sqlite_acme("file", "upload", "acme", folder, "--dry-run")
    last = [line for line in shown.stderr.splitlines() if "uploading: " in line][-1]
    assert last.startswith("catactl: uploading: 5 B of 5 B, ")
    assert "file 5 of 5: z" in last
    assert sqlite_acme("file", "upload", "acme", folder, "-q") == Result(0, "", "")


def test_the_result_is_not_touched_by_a_bar_on_the_terminal(sqlite_acme: Cli, path: Path) -> None:
    """Rich would send to its own console what is printed while a bar is shown."""
    terminal, theirs = os.openpty()
    program = "from catactl.cli.output import progress; progress._SILENT_SECONDS = -1.0; "
    program += "from catactl.cli.main import main; main()"
    arguments = ["file", "upload", "acme", str(path), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        assert b"data.bin" in shown.read(4096)
    assert json.loads(done.stdout)["outcome"] == "uploaded"


# --- catactl's own files --------------------------------------------------------------------------


@pytest.fixture
def at_home(sqlite_acme: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a CLI and a folder `home` that holds the database, its content, and a file and links
    of the user.
    """
    sqlite_acme("org", "list")
    home = tmp_path / "home"
    for name in os.listdir(tmp_path):
        if name.startswith("catactl.db"):
            (tmp_path / name).rename(home / name)
    monkeypatch.setenv("CATACTL_DATABASE_URL", f"sqlite:///{home}/catactl.db")
    (home / "mine").write_bytes(b"mine")
    sqlite_acme.ok("file", "upload", "acme", home / "mine", "--name", "before")
    (home / "database").symlink_to("catactl.db")
    (home / "content").symlink_to("blobs")
    (org,) = (home / "blobs").iterdir()
    (home / "organization").symlink_to(org)
    os.link(home / "catactl.db", home / "hard-link")
    monkeypatch.chdir(home)
    return sqlite_acme


@pytest.mark.parametrize("way", ["absolute", "relative", "through a link"])
@pytest.mark.parametrize("more", [(), ("--follow-links",)])
def test_a_folder_is_uploaded_without_the_database_and_content_in_it(
    way: str, more: tuple[str, ...], at_home: Cli, tmp_path: Path
) -> None:
    path = {"absolute": tmp_path / "home", "relative": ".", "through a link": f"{tmp_path}/link/"}
    (tmp_path / "link").symlink_to("home")
    result = at_home("file", "upload", "acme", path[way], *more)
    assert result.code == 0
    names = {row["name"] for row in at_home.ok("file", "list", "acme")}
    assert names == {"before", "mine"}
    for name in ("catactl.db", "catactl.db-wal", "catactl.db-shm", "hard-link"):
        assert f"/{name}: catactl's own database\n" in result.stderr
    assert "/blobs: catactl's own content\n" in result.stderr
    if more:
        assert "/database: catactl's own database\n" in result.stderr
        for name in ("content", "organization"):
            assert f"/{name}: catactl's own content\n" in result.stderr


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("catactl.db", "database"),
        ("../home/catactl.db-wal", "database"),
        ("hard-link", "database"),
        ("database", "database"),
        ("blobs", "content"),
        ("content", "content"),
        ("organization", "content"),
        ("organization/head", "content"),
    ],
)
def test_a_file_of_catactls_own_is_refused_if_it_is_named(
    path: str, what: str, at_home: Cli
) -> None:
    at_home.ok("file", "create", "acme", "parts")
    for command in (("file", "upload", "acme"), ("part", "upload", "acme", "parts", 1)):
        error = at_home.fails(2, *command, path)
        assert error["message"] == f"{path!r} is catactl's own {what}"
    result = at_home("file", "upload", "acme", path, "mine", "--json")
    assert (result.code, [row["outcome"] for row in result.json]) == (7, ["failed", "uploaded"])


def test_content_is_left_out_if_the_database_is_a_server(
    acme: Cli, tmp_path: Path, blob_folder: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    acme.ok("file", "upload", "acme", tmp_path / "mine")
    result = acme("file", "upload", "acme", blob_folder.parent)
    assert f"skipped {blob_folder}: catactl's own content\n" in result.stderr
    assert {row["name"] for row in acme.ok("file", "list", "acme")} == {"mine"}
