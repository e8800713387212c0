"""Files are found at paths and below folders, in a fixed order."""

import os
import shutil
from pathlib import Path

import pytest

from catactl.content.file_source import FileSource
from catactl.content.paths import FoundFile, SkippedPath, UnusablePath, find_files, totals
from catactl.content.source import SourceError
from catactl.errors import NotFound


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "path"
    path.write_bytes(b"0123456789")
    return path


def _found(*paths: object, name: str | None = None, follow_links: bool = False) -> list[str]:
    found = find_files(list(map(str, paths)), name, follow_links=follow_links)
    return [
        each.reason if isinstance(each, SkippedPath) else f"{type(each).__name__} {each.name}"
        for each in found
    ]


def test_files_are_found_in_the_order_given_and_below_folders_by_name(tmp_path: Path) -> None:
    for name in ("f/b/2", "f/a", "f/b/1", "f/c", "single"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"xyz")
    single, folder = tmp_path / "single", tmp_path / "f"
    below = ["FoundFile a", "FoundFile b/1", "FoundFile b/2", "FoundFile c"]
    assert _found(single, folder) == ["FoundFile single", *below]
    assert _found(f"{folder}/") == below
    assert _found(folder, name="n/") == [each.replace(" ", " n/") for each in below]
    assert _found(single, name="n/m") == ["FoundFile n/m"]
    assert totals([str(single), str(folder)], follow_links=False) == (5, 15)
    assert totals([str(tmp_path / "nothing")], follow_links=False) == (0, 0)


def test_links_are_found_only_with_follow_links(tmp_path: Path, path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "circle").symlink_to(folder)
    (folder / "itself").symlink_to("itself")
    (folder / "link").symlink_to(path)
    (tmp_path / "g").symlink_to(folder)
    assert _found(folder) == ["symbolic link"] * 3
    assert _found(folder / "link", tmp_path / "g") == ["UnusablePath link", "UnusablePath g"]
    followed = ["link to a folder above it", "UnusablePath itself", "FoundFile link"]
    assert _found(tmp_path / "g", folder / "link", follow_links=True) == [
        *followed,
        "FoundFile link",
    ]


def test_each_file_of_a_folder_that_vanishes_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "b").mkdir(parents=True)
    for name in ("a", "b/1", "c"):
        (folder / name).touch()
    finding = find_files([str(folder)], None, follow_links=False)
    first = next(finding)
    assert isinstance(first, FoundFile)
    shutil.rmtree(folder)
    rest = list(finding)
    assert [each.name for each in rest if isinstance(each, UnusablePath)] == ["b", "c"]
    assert len(rest) == 2
    with pytest.raises(SourceError) as caught:
        FileSource(first.path, follow_links=False, below=first.below)
    assert isinstance(caught.value.error, NotFound)


def test_a_folder_deeper_than_python_recurses_is_walked(tmp_path: Path) -> None:
    here, depth = os.getcwd(), 1_500
    os.chdir(tmp_path)
    try:
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("command").touch()
        (found,) = find_files([str(tmp_path)], None, follow_links=False)
        assert isinstance(found, FoundFile)
        assert found.name == "d/" * depth + "command"
    finally:  # because pytest cannot remove a folder that is this deep
        os.unlink("command")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(here)


def test_a_path_in_a_hint_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a b")
    (found,) = find_files([str(tmp_path / "a b")], None, follow_links=False)
    assert isinstance(found, UnusablePath)
    command = f"cat '{tmp_path}/a b' | catactl file upload ORG - --name NAME"
    assert found.error.hint == f"pipe it: {command}"
