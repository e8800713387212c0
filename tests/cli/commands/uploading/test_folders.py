"""`file upload` with folders and with several paths."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from tests.cli.commands.uploading.support import Put, downloaded, proves_usage, replace_put, upload
from tests.cli.support import Cli, sha256


def test_a_folder_is_uploaded_in_order_by_relative_names(acme: Cli, folder: Path) -> None:
    result = acme("file", "upload", "acme", folder, "--json")
    assert result.code == 0
    assert [row["name"] for row in result.json] == ["a", "b/c/x", "b/y", "b.txt", "z"]
    assert [row["path"] for row in result.json][2] == str(folder / "b" / "y")
    assert result.stderr == "", "programs get JSON and nothing beside it"
    proves_usage(acme, 5)
    assert "5 unchanged" in acme("file", "upload", "acme", folder).stderr
    again = acme("file", "upload", "acme", folder, "--json")
    assert {row["outcome"] for row in again.json} == {"unchanged"}
    assert not any(row["events"] for row in again.json)


def test_a_name_is_a_prefix_of_the_names_in_a_folder(sqlite_acme: Cli, folder: Path) -> None:
    lines = sqlite_acme(
        "file", "upload", "acme", folder / "b", "--name", "in/it/", "-o", "tsv"
    ).lines
    assert [line.split("\t")[1] for line in lines] == ["in/it/c/x", "in/it/y"]


def test_several_paths_are_an_array(sqlite_acme: Cli, folder: Path) -> None:
    names = [row["name"] for row in upload(sqlite_acme, folder / "z", folder / "b", folder / "a")]
    assert names == ["z", "c/x", "y", "a"]


def test_an_empty_folder_is_an_empty_array(sqlite_acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert upload(sqlite_acme, tmp_path / "nothing") == []


def test_a_failure_does_not_stop_the_others(
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
    replace_put(monkeypatch, touching)
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
    result = acme("file", "upload", "acme", missing, folder, "--quiet")
    assert (result.code, result.stdout) == (7, "")
    assert f"catactl: error: {folder / 'z'}: cannot read" in result.stderr


def test_a_failed_upload_prints_no_id(sqlite_acme: Cli, folder: Path) -> None:
    result = sqlite_acme("file", "upload", "acme", folder / "a", folder / "nothing", "-o", "id")
    assert (result.code, len(result.lines)) == (7, 1)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("data.bin", path)])
def test_a_path_that_is_not_a_regular_file_is_refused(
    make: Callable[[Path], None], sqlite_acme: Cli, path: Path, tmp_path: Path
) -> None:
    make(tmp_path / "odd")
    assert sqlite_acme.fails(2, "file", "upload", "acme", tmp_path / "odd")["hint"]


def test_a_link_to_a_folder_is_refused_unless_links_are_followed(
    sqlite_acme: Cli, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(folder)
    sqlite_acme.fails(2, "file", "upload", "acme", tmp_path / "link")
    assert len(upload(sqlite_acme, tmp_path / "link", "--follow-links")) == 5


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


def test_links_and_pipes_in_a_folder_are_skipped_with_a_note(
    sqlite_acme: Cli, folder: Path
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("a")
    (folder / "up").symlink_to("..")
    result = sqlite_acme("file", "upload", "acme", folder, "-o", "tsv")
    assert (result.code, len(result.lines)) == (0, 5)
    for name in ("pipe", "link", "up"):
        assert f"skipped {folder / name}: " in result.stderr


def test_links_are_followed_on_request_but_never_in_circles(sqlite_acme: Cli, folder: Path) -> None:
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
    stderr = sqlite_acme("file", "upload", "acme", folder, "--follow-links").stderr
    assert f"{folder / 'b' / 'circle'}: link to a folder above it" in stderr


@pytest.mark.parametrize("name", [b"a\\b", b"a\x1b[2Jb", b"c:x", b" a", b"a\xff"])
def test_dangerous_names_are_refused_file_by_file(
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
    proves_usage(acme, 9)
    if uploaded:
        assert downloaded(acme, tmp_path, "same") == Path(uploaded.pop()).read_bytes()
        assert not uploaded
    else:
        assert acme.ok("file", "show", "acme", "same")["status"] == "uploading"
