"""`file upload` from standard input."""

from pathlib import Path

import pytest

from catactl.content import part_ranges
from tests.cli.commands.uploading.support import downloaded, proves_usage, sizes, upload
from tests.cli.support import Cli, SetInput, run_process


def test_a_process_uploads_what_it_reads(sqlite_acme: Cli, tmp_path: Path) -> None:
    text = "Ünicode\r\n\0"
    result = run_process(
        "file", "upload", "acme", "-", "--name", "data.bin", "--part-size", "3", stdin=text
    )
    assert (result.code, result.stderr) == (0, "")
    assert downloaded(sqlite_acme, tmp_path) == text.encode()
    assert sizes(sqlite_acme) == [3, 3, 3, 2]


def test_a_stream_is_uploaded_while_it_is_read(
    acme: Cli, standard_input: SetInput, blob_folder: Path
) -> None:
    arguments = ("-", "--name", "data.bin", "--part-size", 3)
    standard_input(b"aaabbbc")
    would = upload(acme, *arguments, "--dry-run")
    assert (would["size_bytes"], acme.events()) == (7, ["organization.created"])
    assert not blob_folder.exists()
    standard_input(b"aaabbbc")
    uploaded = upload(acme, *arguments)
    assert (uploaded["outcome"], uploaded["path"]) == ("uploaded", "-")
    assert sizes(acme) == [3, 3, 1]
    standard_input(b"aaabbbc")
    again = upload(acme, *arguments)
    assert (again["outcome"], again["events"]) == ("unchanged", [])
    standard_input(b"")
    assert upload(acme, "-", "--name", "empty")["part_count"] == 0


def test_a_stream_continues_and_never_mixes_contents(
    begun: Cli, standard_input: SetInput, tmp_path: Path
) -> None:
    arguments = ("-", "--name", "data.bin", "--part-size")
    standard_input(b"aaabbbc")
    assert begun.fails(4, "file", "upload", "acme", *arguments, 7)["code"] == "conflict"
    assert begun.ok("file", "show", "acme", "data.bin")["status"] == "uploading"
    standard_input(b"aaabbbc")
    assert upload(begun, *arguments, 3)["outcome"] == "resumed"
    assert downloaded(begun, tmp_path) == b"aaabbbc"
    proves_usage(begun, 7)


def test_a_stream_is_compared_with_a_complete_file_part_by_part(
    acme: Cli, path: Path, standard_input: SetInput
) -> None:
    upload(acme, path, "--part-size", 3)
    standard_input(b"aaabbbc")
    assert upload(acme, "-", "--name", "data.bin")["outcome"] == "unchanged"
    for other in (b"aaabbbX", b"Xaabbbc", b"aaabbb", b"aaabbbcc", b""):
        standard_input(other)
        acme.fails(4, "file", "upload", "acme", "-", "--name", "data.bin", "--part-size", 3)


def test_a_stream_with_too_many_parts_is_refused(
    sqlite_acme: Cli, standard_input: SetInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_ranges, "MAX_PART_NUMBER", 2)
    standard_input(b"aaabbbc")
    error = sqlite_acme.fails(2, "file", "upload", "acme", "-", "--name", "x", "--part-size", 3)
    assert "--part-size" in error["hint"]
    assert sqlite_acme.ok("file", "show", "acme", "x")["status"] == "uploading"


def test_a_stream_that_the_quota_has_no_room_for_stays_within_it(
    acme: Cli, standard_input: SetInput
) -> None:
    acme.ok("quota", "set", "acme", "6")
    standard_input(b"aaabbbc")
    arguments = ("file", "upload", "acme", "-", "--name", "x", "--part-size", 3)
    assert acme.fails(5, *arguments)["code"] == "quota_exceeded"
    proves_usage(acme, 6)
