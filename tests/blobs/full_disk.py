"""Fill a disk of 2 MiB. Run this as a program on a real disk, or call it with a simulated disk."""

import os
import sys
from pathlib import Path

import pytest

from catactl.blobs.directory import Directory
from catactl.errors import ContentUnreachable
from tests.blobs.support import ORG, Folder, content_of, cut, key, pattern

SIZE_BYTES = 2 * 1024 * 1024


def fill_up_and_make_room(root: Path) -> None:
    """Store content that does not fit, check that nothing stays, free space, and store it again."""
    first, second = pattern(SIZE_BYTES // 2, 1), pattern(SIZE_BYTES * 3 // 4, 2)
    blobs = Directory(root)
    blobs.put(ORG, cut(first))
    for _ in range(3):
        with pytest.raises(ContentUnreachable, match="disk is full") as caught:
            blobs.put(ORG, cut(second, 100_000))
        assert caught.value.retryable
        assert caught.value.hint == "free some space, then run it again"
        assert Folder(root).all_keys() == [key(first)]
        assert Folder(root).read(key(first)) == first
    blobs.delete(ORG, [content_of(first).sha256])
    assert blobs.put(ORG, cut(second, 100_000)) == content_of(second)
    assert Folder(root).all_keys() == [key(second)]
    assert Folder(root).read(key(second)) == second


if __name__ == "__main__":
    disk = Path(sys.argv[1])
    assert os.statvfs(disk).f_blocks * os.statvfs(disk).f_frsize == SIZE_BYTES, "not the small disk"
    fill_up_and_make_room(disk / "blobs")
