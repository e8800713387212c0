"""An upload continues where an earlier one stopped."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from catactl.errors import ContentUnreachable
from tests.cli.commands.uploading.support import (
    COMPLETED,
    UPLOADED,
    Put,
    downloaded,
    proves_usage,
    replace_put,
    sizes,
    upload,
)
from tests.cli.support import Cli, contents_in, sha256


def test_an_interrupted_upload_continues_where_it_stopped(
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
        replace_put(patch, failing)
        acme.fails(69, "file", "upload", "acme", path, "--part-size", 1, "--workers", 1)
    shown = acme.ok("file", "show", "acme", "data.bin")
    assert shown["status"] == "uploading"
    assert 0 < shown["part_count"] <= 20
    proves_usage(acme, shown["part_count"])
    resumed = upload(acme, path)  # its part size is known from then
    assert (resumed["outcome"], resumed["status"]) == ("resumed", "complete")
    assert resumed["skipped_bytes"] == shown["part_count"]
    assert resumed["stored_bytes"] == 40 - shown["part_count"]
    assert downloaded(acme, tmp_path) == content
    proves_usage(acme, 40)


def test_an_upload_continues_with_the_existing_parts(begun: Cli, path: Path) -> None:
    resumed = upload(begun, path)
    assert (resumed["outcome"], resumed["skipped_bytes"]) == ("resumed", 6)
    assert resumed["events"] == UPLOADED + COMPLETED
    assert sizes(begun) == [3, 3, 1]


def test_an_upload_continues_with_another_part_size(begun: Cli, path: Path, tmp_path: Path) -> None:
    resumed = upload(begun, path, "--part-size", 4)
    assert (resumed["outcome"], resumed["stored_bytes"]) == ("resumed", 7)
    assert sizes(begun) == [4, 3]
    assert downloaded(begun, tmp_path) == b"aaabbbc"
    proves_usage(begun, 7)


def test_parts_too_many_of_an_earlier_upload_are_a_conflict(
    begun: Cli, path: Path, blob_folder: Path
) -> None:
    before = contents_in(blob_folder)
    error = begun.fails(4, "file", "upload", "acme", path, "--part-size", 7)
    assert "part 2" in error["message"]
    assert sizes(begun) == [3, 3]
    assert contents_in(blob_folder) == before


def test_content_recorded_as_kept_elsewhere_is_stored_by_an_upload(acme: Cli, path: Path) -> None:
    acme.has_file()
    digest = f"--sha256={sha256(b'aaabbbc')}"
    acme.ok("part", "record", "acme", "data.bin", 1, "--size=7", digest)
    acme.ok("file", "complete", "acme", "data.bin")
    uploaded = upload(acme, path)
    assert (uploaded["outcome"], uploaded["stored_bytes"]) == ("resumed", 7)
    assert [part["stored"] for part in acme.ok("part", "list", "acme", "data.bin")] == [True]
    proves_usage(acme, 7)


def test_a_complete_file_never_gets_other_content(acme: Cli, path: Path, blob_folder: Path) -> None:
    upload(acme, path, "--part-size", 3)
    before, events = contents_in(blob_folder), acme.events()
    for content in (b"aaabbbX", b"Xaabbbc", b"aaabbbcc", b""):
        path.write_bytes(content)
        error = acme.fails(4, "file", "upload", "acme", path)
        assert error["message"] == "file 'data.bin' exists with other content"
        assert (contents_in(blob_folder), acme.events()) == (before, events)


def test_lost_content_is_restored_by_another_upload(
    sqlite_acme: Cli, path: Path, blob_folder: Path, tmp_path: Path
) -> None:
    upload(sqlite_acme, path, "--part-size", 3)
    next(blob_folder.rglob(sha256(b"bbb"))).unlink()
    again = upload(sqlite_acme, path)
    assert (again["events"], again["stored_bytes"], again["skipped_bytes"]) == ([], 3, 4)
    assert downloaded(sqlite_acme, tmp_path) == b"aaabbbc"


def test_damaged_content_is_repaired_by_an_upload_with_verify(
    sqlite_acme: Cli, path: Path, blob_folder: Path, tmp_path: Path
) -> None:
    upload(sqlite_acme, path, "--part-size", 3)
    next(blob_folder.rglob(sha256(b"bbb"))).write_bytes(b"bXb")
    assert upload(sqlite_acme, path)["stored_bytes"] == 0
    assert upload(sqlite_acme, path, "--verify")["stored_bytes"] == 3
    assert downloaded(sqlite_acme, tmp_path) == b"aaabbbc"
