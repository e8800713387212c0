"""A stored name never leads out of the folder that was named."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from catactl.blobs.directory import Directory
from catactl.content.download import download_file
from catactl.content.readable_file import ReadableFile
from catactl.domain.parts import Part
from catactl.errors import CatactlError

_SEGMENTS = st.sampled_from(
    [
        *("..", ".", "", "a", "b", "\\", "..\\..", "C:", "~", "\0", "\n", " ", "-"),
        *("out", "up", "loop", "dangling", "file", "folder", "x" * 300, "ü", "\udcff"),
    ]
)
_NAMES = st.lists(_SEGMENTS, min_size=1, max_size=4).map("/".join) | st.text(max_size=8)
_ORG_ID = UUID(int=1)


def _tree(folder: Path) -> dict[str, bytes | str | None]:
    """Return the entries below a folder: the bytes of files, the targets of links."""
    return {
        str(path.relative_to(folder)): (
            os.readlink(path)
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else None
        )
        for path in folder.rglob("*")
    }


@given(_NAMES, st.booleans())
@example("out/x", True)
@example("out", True)
@example("up/outside/x", True)
@example("dangling", True)
@example("../outside/there", True)
@example("folder/../../outside/there", True)
def test_no_name_leads_out_of_the_folder_or_replaces_something_other_than_a_file(
    name: str, force: bool
) -> None:
    with TemporaryDirectory(prefix="catactl-test-") as scratch:
        root = Path(scratch)
        blobs = Directory(root / "blobs")
        digest, size_bytes, _ = blobs.put(_ORG_ID, [b"new"])
        outside, target = root / "outside", root / "target"
        outside.mkdir()
        (outside / "there").write_bytes(b"precious")
        (target / "folder").mkdir(parents=True)
        (target / "file").write_bytes(b"old")
        for link, to in {
            "out": "../outside",
            "up": "..",
            "loop": "loop",
            "dangling": "../outside/nothing",
        }.items():
            (target / link).symlink_to(to)
        before, inside = _tree(root), _tree(target)
        part = Part(1, size_bytes, digest, stored=True)
        file = ReadableFile(_ORG_ID, UUID(int=2), name, size_bytes, (part,), {})
        with suppress(CatactlError):
            done = download_file(blobs, file, str(target), lambda _bytes: None, force=force)
            inside[name] = b"new"
            assert done.path == str(target / name)
        after = _tree(root)
        changed = {
            path: content
            for path, content in after.items()
            if path not in before or before[path] != content
        }
        assert set(before) <= set(after)
        files = {path: content for path, content in changed.items() if content is not None}
        assert all(path.startswith("target/") for path in changed)
        assert files in ({}, {f"target/{name}": b"new"})
        assert not (force is False and "target/file" in files)
