"""Closed streams, readers that stop early, names that are not UTF-8, exchanged links."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from catactl.content.file_source import FileSource
from catactl.content.source import SourceError
from catactl.errors import ContentUnreachable
from tests.cli.support import Cli, run_shell, sha256

_MANY = 120
_NO_TEXT = os.fsdecode(b"\xff\xfe")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Return a folder with enough files for a list of results that exceeds the buffer of a pipe."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(_MANY):
        (folder / f"{number:03}").write_text(str(number))
    return folder


@pytest.mark.parametrize("script", ['"$@" | head -c1', '"$@" 2>&1 >/dev/null | head -c1'])
def test_a_command_finishes_even_if_the_reader_of_the_output_stops(
    script: str, sqlite_acme: Cli, many: Path
) -> None:
    for number in range(_MANY):
        (many / f"link-{number}").symlink_to("000")
    done = run_shell(f"{script}; exit ${{PIPESTATUS[0]}}", "file", "upload", "acme", many)
    assert done.returncode == 0
    assert len(sqlite_acme.ok("file", "list", "acme")) == _MANY


def test_closed_standard_input_is_an_error_not_an_empty_file(sqlite_acme: Cli) -> None:
    sqlite_acme.has_file("acme", "parts")
    for arguments in (
        ("file", "upload", "acme", "-", "--name", "x"),
        ("part", "upload", "acme", "parts", 1, "-"),
    ):
        done = run_shell('"$@" <&-', *arguments)
        assert (done.returncode, done.stdout) == (2, b""), done.stderr
        assert b"cannot read '-'" in done.stderr
    assert [file["name"] for file in sqlite_acme.ok("file", "list", "acme")] == ["parts"]


def test_closed_standard_output_is_an_error(sqlite_acme: Cli) -> None:
    done = run_shell('"$@" >&-', "org", "list")
    assert (done.returncode, done.stderr.count(b"\n")) == (69, 1)
    assert run_shell('"$@" 2>&-', "org", "list").returncode == 0


def test_interrupted_output_is_valid_json(
    sqlite_acme: Cli, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Directory.put

    def full(self: Directory, org_id: UUID, chunks: Iterable[Chunk], *more: object) -> Content:
        content = put(self, org_id, chunks)
        if content.sha256 == sha256(b"100"):
            raise ContentUnreachable("the disk is full")
        return content

    monkeypatch.setattr(Directory, "put", full)
    result = sqlite_acme("file", "upload", "acme", many, "--workers", 1, "--json")
    assert (result.code, result.error["code"]) == (69, "content_unreachable")
    assert 0 < len(json.loads(result.stdout)) <= 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["file", "upload", _NO_TEXT, "/etc/hostname"],
        ["file", "verify", "acme", _NO_TEXT],
        ["file", "download", "acme", _NO_TEXT],
        ["blob", "verify", _NO_TEXT],
        ["org", "show", _NO_TEXT],
        ["org", "create", _NO_TEXT],
    ],
)
def test_names_that_are_not_utf_8_are_refused(arguments: list[str], acme: Cli) -> None:
    assert acme(*arguments, "--json").code == 2


def test_a_path_may_contain_bytes_that_are_not_text(sqlite_acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"content")
    sqlite_acme.ok("file", "upload", "acme", tmp_path / "source")
    target = tmp_path / _NO_TEXT
    sqlite_acme.ok("file", "download", "acme", "source", "--to", target)
    assert target.read_bytes() == b"content"


def test_a_folder_exchanged_for_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_bytes(b"secret")
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_bytes(b"mine")
    path, below = str(folder / "inner" / "file"), str(folder)
    assert FileSource(path, follow_links=False, below=below).size_bytes == 4
    (folder / "inner").rename(tmp_path / "away")
    (folder / "inner").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceError):
        FileSource(path, follow_links=False, below=below)
    assert FileSource(path, follow_links=True, below=below).size_bytes == 6


def test_a_link_planted_as_the_temporary_file_is_not_written_through(
    sqlite_acme: Cli, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(b"content")
    uploaded = sqlite_acme.ok("file", "upload", "acme", tmp_path / "source")
    victim, target = tmp_path / "victim", tmp_path / "target"
    victim.write_bytes(b"somebody else's")
    target.mkdir()
    partial = f".catactl-{uploaded['file_id']}-{sha256(b'source')[:8]}.partial"
    os.link(victim, target / partial)
    sqlite_acme.ok("file", "download", "acme", "source", "--to", target)
    assert victim.read_bytes() == b"somebody else's"
    assert (target / "source").read_bytes() == b"content"
    assert os.listdir(target) == ["source"]


def test_unreadable_content_does_not_prevent_the_verification_of_the_rest(
    acme: Cli, many: Path, blob_folder: Path
) -> None:
    acme.ok("file", "upload", "acme", many)
    unreadable = next(blob_folder.rglob(sha256(b"7")))
    unreadable.unlink()
    unreadable.mkdir()
    next(blob_folder.rglob(sha256(b"8"))).unlink()
    for command in (("file", "verify", "acme"), ("blob", "verify")):
        result = acme(*command, "--json")
        assert result.code == 6
        assert result.json["blobs"] == _MANY
        assert len(result.json["problems"]) == 2


def test_an_idempotency_key_is_not_for_another_path(sqlite_acme: Cli, many: Path) -> None:
    key = ("--idempotency-key", "k")
    sqlite_acme.ok("file", "upload", "acme", many / "000", *key)
    error = sqlite_acme.fails(4, "file", "upload", "acme", many / "001", *key)
    assert error["code"] == "idempotency_key_reused"


# --- files that are named to be written, or read --------------------------------------------------


def test_a_file_is_written_through_a_link_and_never_over_a_special_file(
    sqlite_acme: Cli, tmp_path: Path
) -> None:
    export = ("usage", "export", "--format", "prometheus", "--write")
    real, link, pipe = (tmp_path / name for name in ("real.prom", "link.prom", "pipe"))
    real.write_text("old")
    link.symlink_to(real)
    os.mkfifo(pipe)
    assert sqlite_acme(*export, str(link)).code == 0
    assert link.is_symlink()
    assert "catactl_storage_used_bytes" in real.read_text()
    for no_file in (str(pipe), "/dev/null", str(tmp_path), "-"):
        assert sqlite_acme(*export, no_file, "--json").code == 2
        assert sqlite_acme("usage", "report", "--html", no_file).code == 2
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "text", ["lock_timeout = " + "9" * 6_000, "a = " + "[" * 5_000 + "]" * 5_000, None]
)
def test_a_configuration_that_is_too_large_or_not_a_file_is_an_error(
    text: str | None, stranger: Cli, home: Path
) -> None:
    path = home / "config" / "catactl" / "config.toml"
    path.parent.mkdir(parents=True)
    if text is None:
        os.mkfifo(path)
    else:
        path.write_text(text)
    for command in ("usage show", "config show"):
        assert stranger.fails(78, *command.split())["code"] == "bad_configuration"


def test_an_endless_url_file_and_a_missing_folder_are_bad_configurations(
    stranger: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = stranger.fails(78, "usage", "show", "--database-url-file", "/dev/zero")
    assert "too long" in endless["message"]
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null")
    assert "folder" in stranger.fails(78, "usage", "show")["message"]
