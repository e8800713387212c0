"""A probe leaves nothing behind, and detects a store that does not work."""

import pytest

from catactl.blobs.probe import probe
from catactl.errors import BadConfiguration, ContentDamaged
from tests.blobs.support import ORG, Folder, RawStore, key


def test_a_probe_leaves_a_store_unchanged(raw_store: RawStore) -> None:
    raw_store.blobs.put(ORG, [b"content"])
    before = raw_store.all_keys()
    probe(raw_store.blobs)
    assert raw_store.all_keys() == before == [key(b"content")]


def test_a_probe_leaves_no_folder(folder: Folder) -> None:
    folder.root.mkdir()
    probe(folder.blobs)
    assert list(folder.root.iterdir()) == []


def test_a_probe_detects_and_removes_other_bytes(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.root.mkdir()
    monkeypatch.setattr(folder.blobs, "open", lambda *_: iter([b"others"]))
    with pytest.raises(ContentDamaged, match="returned other bytes"):
        probe(folder.blobs)
    assert list(folder.root.iterdir()) == []


def test_a_file_is_not_a_store(folder: Folder) -> None:
    folder.root.touch()
    with pytest.raises(BadConfiguration, match="Not a directory"):
        probe(folder.blobs)
