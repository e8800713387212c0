"""Errors of the operating system are translated, and leave nothing behind."""

import errno
import os
from pathlib import Path

import pytest

from catactl.errors import (
    BadConfiguration,
    CatactlError,
    ContentDamaged,
    ContentUnreachable,
    Forbidden,
)
from tests.blobs.support import (
    ORG,
    Folder,
    content_of,
    failing,
    incoming,
    key,
    read,
)

_FAILURES: list[tuple[int, type[CatactlError]]] = [
    (errno.ENOSPC, ContentUnreachable),
    (errno.EDQUOT, ContentUnreachable),
    (errno.EIO, ContentUnreachable),
    (errno.ESTALE, ContentUnreachable),
    (errno.EMFILE, ContentUnreachable),
    (errno.EACCES, Forbidden),
    (errno.EPERM, Forbidden),
    (errno.EROFS, Forbidden),
    (errno.ENOTDIR, BadConfiguration),
    (errno.ELOOP, BadConfiguration),
    (errno.ENAMETOOLONG, BadConfiguration),
]


@pytest.mark.parametrize(("number", "error"), _FAILURES, ids=lambda value: str(value))
@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_failed_step_raises_a_translated_error_and_leaves_nothing(
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    number: int,
    error: type[CatactlError],
) -> None:
    folder.blobs.put(ORG, [b"kept"])
    with monkeypatch.context() as broken:
        broken.setattr(os, step, failing(number))
        with pytest.raises(error) as caught:
            folder.blobs.put(ORG, [b"content"])
    assert caught.type is error
    assert str(folder.root) in caught.value.message
    assert folder.all_keys() == [key(b"kept")]
    folder.blobs.put(ORG, [b"content"])
    assert folder.read(key(b"content")) == b"content"


def test_a_full_disk_and_an_unreachable_disk_have_different_errors(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, is_full in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)):
        with monkeypatch.context() as broken:
            broken.setattr(os, "write", failing(number))
            with pytest.raises(ContentUnreachable) as caught:
                folder.blobs.put(ORG, [b"content"])
        assert ("the disk is full" in caught.value.message) is is_full


def test_a_failed_read_raises_a_translated_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = folder.blobs.put(ORG, [b"content"])
    for number, error, of_one in (
        (errno.EIO, ContentUnreachable, ContentDamaged),
        (errno.EACCES, Forbidden, Forbidden),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(os, "readv", failing(number))
            with pytest.raises(of_one, match=content.sha256):
                read(folder.blobs.open(ORG, content.sha256))
        with monkeypatch.context() as broken:
            broken.setattr(os, "listdir", failing(number))
            with pytest.raises(error, match=str(ORG)):
                list(folder.blobs.list(ORG))
            with pytest.raises(error, match=str(ORG)):
                folder.blobs.discard_abandoned(ORG)
        with monkeypatch.context() as broken:
            broken.setattr(os, "stat", failing(number))
            with pytest.raises(error, match=content.sha256):
                folder.blobs.missing(ORG, [content])


def test_a_failed_deletion_raises_a_translated_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = folder.blobs.put(ORG, [b"content"])
    for number, error in ((errno.EIO, ContentUnreachable), (errno.EROFS, Forbidden)):
        with monkeypatch.context() as broken:
            broken.setattr(os, "unlink", failing(number))
            with pytest.raises(error, match=content.sha256):
                folder.blobs.delete(ORG, [content.sha256])
    assert folder.all_keys() == [key(b"content")]


def test_only_the_last_folder_is_created_so_that_an_unmounted_disk_is_noticed(
    tmp_path: Path,
) -> None:
    absent = tmp_path / "mnt"
    raw_store = Folder(absent / "blobs")
    with pytest.raises(BadConfiguration, match=str(absent)) as caught:
        raw_store.blobs.put(ORG, [b"content"])
    assert caught.value.hint is not None
    assert "catactl config show" in caught.value.hint
    assert not absent.exists()
    absent.mkdir()
    raw_store.blobs.put(ORG, [b"content"])
    assert raw_store.all_keys() == [key(b"content")]


@pytest.mark.parametrize("way", ["blobs", f"blobs/{ORG}", f"blobs/{ORG}/incoming"])
def test_a_file_in_place_of_a_folder_is_a_bad_configuration(folder: Folder, way: str) -> None:
    path = folder.root.parent / way
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"in the way")
    with pytest.raises(BadConfiguration, match=str(folder.root)):
        folder.blobs.put(ORG, [b"content"])
    assert path.read_bytes() == b"in the way"
    assert list(folder.blobs.list(ORG)) == []
    assert folder.blobs.discard_abandoned(ORG) == 0


def test_a_folder_or_a_loop_under_a_final_name_is_a_bad_configuration(folder: Folder) -> None:
    (folder.root / key(b"folder")).mkdir(parents=True)
    loop = folder.root / key(b"loop")
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)
    for raw, error in ((b"folder", ContentDamaged), (b"loop", BadConfiguration)):
        sha256 = content_of(raw).sha256
        with pytest.raises(BadConfiguration, match=sha256):
            folder.blobs.put(ORG, [raw])
        with pytest.raises(error, match=sha256):
            read(folder.blobs.open(ORG, sha256))
        assert incoming(folder) == []
