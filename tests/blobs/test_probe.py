"""Trying a place leaves nothing behind, and finds what does not work."""

import pytest

from catactl.blobs.probe import probe
from catactl.errors import BadConfiguration, ContentDamaged
from tests.blobs.support import ORG, Folder, Place, key


def test_a_place_that_was_tried_is_as_it_was(place: Place) -> None:
    place.blobs.put(ORG, [b"content"])
    before = place.all_keys()
    probe(place.blobs)
    assert place.all_keys() == before == [key(b"content")]


def test_no_folder_is_left_behind(folder: Folder) -> None:
    folder.root.mkdir()
    probe(folder.blobs)
    assert list(folder.root.iterdir()) == []


def test_other_bytes_than_were_written_are_found_and_removed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.root.mkdir()
    monkeypatch.setattr(folder.blobs, "open", lambda *_: iter([b"others"]))
    with pytest.raises(ContentDamaged, match="reads back differently"):
        probe(folder.blobs)
    assert list(folder.root.iterdir()) == []


def test_a_file_is_no_place(folder: Folder) -> None:
    folder.root.touch()
    with pytest.raises(BadConfiguration, match="Not a directory"):
        probe(folder.blobs)
