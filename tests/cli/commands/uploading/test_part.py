"""`part upload`."""

import os
from pathlib import Path

import pytest

from catactl.content import part_uploader, stream_source
from tests.cli.commands.uploading.support import UPLOADED, proves_usage, upload
from tests.cli.support import Cli, SetInput, contents_in, sha256


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
    proves_usage(acme, 5)


def test_a_part_of_a_complete_file_can_only_be_repaired(
    acme: Cli, path: Path, blob_folder: Path
) -> None:
    upload(acme, path)
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


def test_a_part_is_read_from_standard_input(acme: Cli, standard_input: SetInput) -> None:
    acme.has_file()
    standard_input(b"aaabbbc")
    arguments = ("part", "upload", "acme", "data.bin", 2, "-", "--idempotency-key", "k")
    first = acme.ok(*arguments)
    assert (first["number"], first["sha256"]) == (2, sha256(b"aaabbbc"))
    standard_input(b"aaabbbc")
    assert acme.ok(*arguments) == first


def test_an_endless_part_is_refused_as_soon_as_it_exceeds_the_quota(
    acme: Cli, standard_input: SetInput, blob_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_uploader, "_FIRST_CHECKED_BYTES", 2)
    monkeypatch.setattr(stream_source, "CHUNK_BYTES", 1)
    acme.has_file()
    acme.ok("quota", "set", "acme", 3)
    standard_input(b"aaabbbc")
    error = acme.fails(5, "part", "upload", "acme", "data.bin", 1, "-")
    assert error["code"] == "quota_exceeded"
    assert os.read(stream_source.DESCRIPTOR, 9) == b"bbc", "the rest is not read"
    assert contents_in(blob_folder) == {}
    standard_input(b"aaa")
    assert acme.ok("part", "upload", "acme", "data.bin", 1, "-")["size_bytes"] == 3


def test_an_empty_part_is_a_part(acme: Cli, standard_input: SetInput) -> None:
    acme.has_file()
    standard_input(b"")
    assert acme.ok("part", "upload", "acme", "data.bin", 1, "-")["size_bytes"] == 0
    proves_usage(acme, 0)


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
    monkeypatch.setattr(stream_source, "DESCRIPTOR", writer)
    error = sqlite_acme.fails(2, *arguments)
    assert error["message"] == "cannot read '-': Bad file descriptor"
    os.close(writer)
