"""Idempotency keys: which requests are the same, and which differ."""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import URL, select, update

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from catactl.store.tables import idempotency_keys
from tests.cli.support import Cli, SetInput, sha256
from tests.support import BYTES_1, tampering

_KEY = ("--idempotency-key", "k")
_UPLOAD = ("file", "upload", "acme")
_PART = ("part", "record", "acme", "data.bin")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_bytes(b"version 1")
    return path


def _content(cli: Cli, name: str, folder: Path) -> bytes:
    target = folder / "downloaded"
    cli.ok("file", "download", "acme", name, "--to", target, "--force")
    return target.read_bytes()


def _is_same(cli: Cli, first: Sequence[object], again: Sequence[object]) -> None:
    result = cli.ok(*first, *_KEY)
    before = cli.events()
    assert cli.ok(*again, *_KEY) | {"path": None} == result | {"path": None}
    assert cli.events() == before


def _is_another(cli: Cli, first: Sequence[object], other: Sequence[object]) -> None:
    cli.ok(*first, *_KEY)
    before = cli.events()
    assert cli.fails(4, *other, *_KEY)["code"] == "idempotency_key_reused"
    assert cli.events() == before


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("quota set acme 1KB", "quota set acme 1000"),
        ("quota set acme 1KiB --actor me", "quota set acme 1024 --reason again"),
        (f"{' '.join(_PART)} 1 --size 1KB --sha256 {BYTES_1}",) * 2,
        (
            f"{' '.join(_PART)} 1 --size 1KB --sha256 {BYTES_1}",
            f"{' '.join(_PART)} 1 --size 1000 --sha256 {BYTES_1.upper()}",
        ),
        ("user add acme Ada@example.com", "user add acme ada@EXAMPLE.com"),
        ("job create acme n --image x --memory 1KiB", "job create acme n --image x --memory 1024"),
        ("job create acme n --image x --timeout 2h", "job create acme n --image x --timeout 7200s"),
        ("job create acme n --image x --cpu 0.5", "job create acme n --image x --cpu 0.500"),
        (
            "job create acme n --image x --input data.bin --input b",
            "job create acme n --image x --input b --input data.bin",
        ),
        (
            "job create acme n --image x --env A=1 --env B=2",
            "job create acme n --env B=2 --env A=1 --image x",
        ),
    ],
)
def test_values_are_compared_after_parsing(first: str, again: str, sqlite_acme: Cli) -> None:
    sqlite_acme.has_file()
    sqlite_acme.has_file("acme", "b")
    _is_same(sqlite_acme, first.split(), again.split())


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("quota set acme 1KB", "quota set acme 1KiB"),
        ("quota set acme 1KB", "quota clear acme"),
        ("job create acme n --image x", "job create acme n --image x --if-not-exists"),
        ("job create acme n --image x", "job create acme n --image x --env A=1"),
    ],
)
def test_another_value_is_another_request(first: str, other: str, sqlite_acme: Cli) -> None:
    _is_another(sqlite_acme, first.split(), other.split())


def test_a_name_is_compared_in_one_form(sqlite_acme: Cli) -> None:
    create = ("file", "create", "acme")
    name = "Z\u00fcrich"
    _is_same(sqlite_acme, (*create, name), (*create, unicodedata.normalize("NFD", name)))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("quota set acme 1KB", {"command": "quota.set", "size_bytes": 1000}),
        (
            "user add acme ada@example.com --role admin",
            {"command": "user.add", "email": "ada@example.com", "role": "admin"},
        ),
        (
            f"part record acme data.bin 1 --size 7 --sha256 {BYTES_1}",
            {
                "command": "part.record",
                "file": "data.bin",
                "number": 1,
                "size_bytes": 7,
                "sha256": BYTES_1.upper(),
            },
        ),
        (
            "job create acme n --image x --command run --timeout 1m --input data.bin",
            {
                "command": "job.create",
                "name": "n",
                "image": "x",
                "job_command": "run",
                "timeout_seconds": 60,
                "inputs": ["data.bin"],
            },
        ),
    ],
)
@pytest.mark.parametrize("begins", ["command", "line"])
def test_a_command_and_a_line_of_apply_are_the_same_request(
    begins: str, command: str, line: dict[str, object], sqlite_acme: Cli, tmp_path: Path
) -> None:
    sqlite_acme.has_file()
    lines = tmp_path / "lines"
    lines.write_text(json.dumps({**line, "org": "acme", "key": "k"}))

    def apply() -> object:
        (row,) = [sqlite_acme.ok("apply", "--from", lines)]
        return row[0]["result"] if isinstance(row, list) else row["result"]

    def run() -> object:
        return sqlite_acme.ok(*command.split(), *_KEY)

    first, again = (run, apply) if begins == "command" else (apply, run)
    result = first()
    before = sqlite_acme.events()
    assert again() == result
    assert sqlite_acme.events() == before


def test_specifications_are_compared_by_their_values_not_their_paths(
    sqlite_acme: Cli, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text('{"image": "x", "command": "run", "memory_bytes": 1024}')
    two.write_text('{"memory_bytes": 1024, "command": "run", "image": "x"}')
    create = ("job", "create", "acme", "n")
    _is_same(sqlite_acme, (*create, "--from", one), (*create, "--from", two))
    options = ("--image", "x", "--command", "run", "--memory", "1KiB")
    _is_same(sqlite_acme, (*create, "--from", one), (*create, *options))
    one.write_text('{"image": "x", "command": "run", "memory_bytes": 1025}')
    _is_another(sqlite_acme, (*create, "--from", two), (*create, "--from", one))
    update_job = ("job", "update", "acme", "n", "--from")
    sqlite_acme.ok(*update_job, one, "--idempotency-key", "update")
    sqlite_acme.fails(4, *update_job, two, "--idempotency-key", "update")


def test_a_specification_from_standard_input_is_the_same_as_from_a_file(
    sqlite_acme: Cli, tmp_path: Path
) -> None:
    document = '{"image": "x"}'
    (tmp_path / "x").write_text(document)
    create = ("job", "create", "acme", "n", *_KEY, "--from")
    first = sqlite_acme.ok(*create, tmp_path / "x")
    assert sqlite_acme.ok(*create, "-", stdin=document) == first
    sqlite_acme.fails(4, *create, "-", stdin='{"image": "y"}')


def test_a_confirmation_is_not_part_of_a_request(sqlite_acme: Cli) -> None:
    org_id = sqlite_acme.ok("org", "show", "acme")["org_id"]
    first = sqlite_acme.ok("org", "delete", "acme", "--confirm", "acme", *_KEY)
    assert sqlite_acme.ok("org", "delete", org_id, "--confirm", org_id, *_KEY) == first


# --- content --------------------------------------------------------------------------------------


def test_other_content_under_a_used_key_is_a_conflict(
    acme: Cli, path: Path, tmp_path: Path
) -> None:
    command = (*_UPLOAD, path, "--name", "y", *_KEY)
    first = acme.ok(*command)
    before = acme.events()
    for content in (b"version 2, longer", b"version 2", b""):
        path.write_bytes(content)
        assert acme.fails(4, *command)["code"] == "idempotency_key_reused"
        assert acme.events() == before
    assert _content(acme, "y", tmp_path) == b"version 1"
    path.write_bytes(b"version 1")
    assert acme.ok(*command) == first


@pytest.mark.parametrize(
    "options",
    [
        ("--workers", 1),
        ("--part-size", 2),
        ("--part-size", "1MiB"),
        ("--follow-links",),
        ("--quiet",),
    ],
)
def test_how_a_file_is_uploaded_is_not_part_of_the_request(
    options: Sequence[object], sqlite_acme: Cli, path: Path
) -> None:
    first = sqlite_acme.ok(*_UPLOAD, path, *_KEY)
    before = sqlite_acme.events()
    assert sqlite_acme(*_UPLOAD, path, *_KEY, *options).code == 0
    assert sqlite_acme.ok(*_UPLOAD, path, *_KEY) == first
    assert sqlite_acme.events() == before


def test_the_path_of_a_file_is_not_part_of_the_request(
    sqlite_acme: Cli, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a").write_bytes(b"version 1")
    (tmp_path / "link").symlink_to(path)
    _is_same(sqlite_acme, (*_UPLOAD, "a"), (*_UPLOAD, "./a"))
    _is_same(sqlite_acme, (*_UPLOAD, path), (*_UPLOAD, other / "a"))
    _is_same(
        sqlite_acme, (*_UPLOAD, path), (*_UPLOAD, tmp_path / "link", "--name=a", "--follow-links")
    )


@pytest.mark.parametrize("options", [("--name", "other"), ("--verify",)])
def test_another_name_or_option_is_another_request(
    options: Sequence[object], sqlite_acme: Cli, path: Path
) -> None:
    _is_another(sqlite_acme, (*_UPLOAD, path), (*_UPLOAD, path, *options))


def test_a_stored_result_is_found_after_the_file_was_replaced(sqlite_acme: Cli, path: Path) -> None:
    first = sqlite_acme.ok(*_UPLOAD, path, *_KEY)
    sqlite_acme.ok("file", "delete", "acme", "a")
    path.write_bytes(b"other content")
    sqlite_acme.ok(*_UPLOAD, path)
    path.write_bytes(b"version 1")
    assert sqlite_acme.ok(*_UPLOAD, path, *_KEY) == first


@pytest.mark.parametrize("new", ["", "new"])
def test_an_upload_is_found_in_the_organization_that_had_the_name(
    new: str, acme: Cli, path: Path, standard_input: SetInput
) -> None:
    first = acme.ok(*_UPLOAD, path, *_KEY)
    standard_input(b"part")
    part = ("part", "upload", "acme", "data.bin", 1, "-", "--idempotency-key", "part")
    acme.ok("file", "create", "acme", "data.bin")
    first_part = acme.ok(*part)
    acme.ok("org", "rename", "acme", "acme-inc")
    if new:
        acme.ok("org", "create", "acme")
    assert acme.ok(*_UPLOAD, path, *_KEY) == first
    standard_input(b"part")
    assert acme.ok(*part) == first_part
    path.write_bytes(b"other")
    assert acme.fails(4, *_UPLOAD, path, *_KEY)


def test_a_file_that_changes_after_it_was_read_for_its_key_is_not_uploaded(
    sqlite_acme: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file keeps its times, as when a process writes to it through a mapping."""
    path.write_bytes(b"aaabbb")
    put = Directory.put

    def put_other_bytes(
        self: Directory, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int]
    ) -> Content:
        return put(self, org_id, [b"X" * len(chunk) for chunk in chunks], generations)

    monkeypatch.setattr(Directory, "put", put_other_bytes)
    error = sqlite_acme.fails(75, *_UPLOAD, path, "--part-size", 3, *_KEY)
    assert error["code"] == "changed_while_read"
    sqlite_acme.has_file()
    sqlite_acme.fails(75, "part", "upload", "acme", "data.bin", 1, path, *_KEY)
    assert sqlite_acme.ok("usage", "show", "acme")["used_bytes"] == 0


def test_each_file_of_a_folder_has_a_key_of_its_own(acme: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name)
    rows = acme.ok(*_UPLOAD, folder, *_KEY)
    moved = folder.rename(tmp_path / "moved")
    assert [row | {"path": ""} for row in acme.ok(*_UPLOAD, moved, *_KEY)] == [
        row | {"path": ""} for row in rows
    ]
    (moved / "b").write_text("other")
    (moved / "c").write_text("new")
    result = acme(*_UPLOAD, moved, *_KEY, "--json")
    assert result.code == 7
    assert {row["name"]: row["error"] and row["error"]["code"] for row in result.json} == {
        "a": None,
        "b": "idempotency_key_reused",
        "c": None,
    }
    assert _content(acme, "b", tmp_path) == b"b"


def test_a_folder_and_a_file_are_different_requests(sqlite_acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("a")
    sqlite_acme.ok(*_UPLOAD, tmp_path / "folder", *_KEY)
    sqlite_acme.fails(4, *_UPLOAD, tmp_path / "folder" / "a", *_KEY)
    sqlite_acme.fails(4, *_UPLOAD, tmp_path / "folder", "--name", "below", *_KEY)


def test_standard_input_under_a_key_is_compared_by_its_content(
    acme: Cli, path: Path, standard_input: SetInput, tmp_path: Path
) -> None:
    command = (*_UPLOAD, "-", "--name", "y", *_KEY)
    standard_input(b"version 1")
    assert acme.ok(*command, "--dry-run")["dry_run"]
    standard_input(b"version 1")
    first = acme.ok(*command, "--part-size", 2)
    standard_input(b"version 1")
    assert acme.ok(*command, "--part-size", 4) == first
    before = acme.events()
    for other in (b"version 2", b"version 1 and more", b"vers", b""):
        standard_input(other)
        assert acme.fails(4, *command)["code"] == "idempotency_key_reused"
    assert acme.events() == before
    assert _content(acme, "y", tmp_path) == b"version 1"
    # A file of the same content is the same request.
    assert acme.ok(*_UPLOAD, path, "--name", "y", *_KEY) == first | {"path": str(path)}


def test_an_interrupted_upload_of_standard_input_continues_under_its_key(
    sqlite_acme: Cli, standard_input: SetInput
) -> None:
    command = (*_UPLOAD, "-", "--name", "y", "--part-size", 3, *_KEY)
    sqlite_acme.ok("quota", "set", "acme", 6)
    standard_input(b"aaabbbc")
    sqlite_acme.fails(5, *command)
    sqlite_acme.ok("quota", "clear", "acme")
    standard_input(b"aaabbbc")
    assert sqlite_acme.ok(*command)["outcome"] == "resumed"


@pytest.mark.parametrize("first_from", ["path", "-"])
@pytest.mark.parametrize("again_from", ["path", "-"])
def test_a_part_under_a_key_is_compared_by_its_content(
    first_from: str, again_from: str, acme: Cli, path: Path, standard_input: SetInput
) -> None:
    acme.has_file()
    part = ("part", "upload", "acme", "data.bin", 1)

    def source(content: bytes, kind: str) -> object:
        path.write_bytes(content)
        standard_input(content)
        return path if kind == "path" else "-"

    first = acme.ok(*part, source(b"version 1", first_from), *_KEY)
    assert acme.ok(*part, source(b"version 1", again_from), *_KEY) == first
    for other in (b"version 2", b"version", b""):
        acme.fails(4, *part, source(other, again_from), *_KEY)
    (stored,) = acme.ok("part", "list", "acme", "data.bin")
    assert stored["sha256"] == sha256(b"version 1")


# --- several at once ------------------------------------------------------------------------------


def test_a_sweep_is_the_same_in_whatever_unit_its_age_is_given(sqlite_acme: Cli) -> None:
    gc = ("blob", "gc", "--yes", "--older-than")
    _is_same(sqlite_acme, (*gc, "7d"), (*gc, "168h"))
    sqlite_acme.fails(4, *gc, "8d", *_KEY)


def test_a_rebuild_of_all_projections_differs_from_a_rebuild_of_some(sqlite_acme: Cli) -> None:
    rebuild = ("projection", "rebuild")
    sqlite_acme.ok(*rebuild, *_KEY)
    sqlite_acme.ok(*rebuild, *_KEY)
    sqlite_acme.fails(4, *rebuild, "states", *_KEY)
    some = ("--idempotency-key", "some")
    sqlite_acme.ok(*rebuild, "storage_usage", "states", *some)
    sqlite_acme.ok(*rebuild, "states", "storage_usage", "states", *some)
    sqlite_acme.fails(4, *rebuild, "states", *some)


def test_deletions_under_a_key_are_compared_in_any_order(cli: Cli) -> None:
    for name in ("a", "b", "c"):
        cli.has_file("acme", name, 1)
    delete = ("file", "delete", "acme")
    names = [row["name"] for row in cli.ok(*delete, "a", "b", *_KEY)]
    assert names == ["a", "b"]
    before = cli.events()
    assert [row["name"] for row in cli.ok(*delete, "b", "a", *_KEY)] == ["b", "a"]
    for other in (["a", "b", "c"], ["a", "c"], ["c"]):
        cli.fails(4, *delete, *other, *_KEY)
    assert cli.events() == before


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "message", "hint"),
    [(1, "older catactl", "new key"), (3, "newer catactl", "upgrade catactl")],
)
@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_key_of_another_version_of_catactl_is_a_conflict_with_its_own_message(
    version: int,
    message: str,
    hint: str,
    is_renamed: bool,
    cli: Cli,
    database_url: URL,
    tmp_path: Path,
) -> None:
    cli.ok("org", "create", "acme")
    command = ("quota", "set", "acme", "1KB", *_KEY)
    cli.ok(*command)
    if is_renamed:
        cli.ok("org", "rename", "acme", "acme-inc")
    with tampering(database_url) as conn:
        conn.execute(update(idempotency_keys).values(fingerprint_version=version))
    error = cli.fails(4, *command)
    assert message in error["message"]
    assert hint in error["hint"]
    line = {"command": "quota.set", "org": "acme", "size_bytes": 1000, "key": "k"}
    (tmp_path / "lines").write_text(json.dumps(line))
    result = cli("apply", "--from", tmp_path / "lines")
    assert result.code == 7
    assert message in result.stdout


# Databases hold the SHA-256 of these. tests/operations/test_operation.py has those of batches.
_VERSION_1 = sha256(b"version 1")
_REQUESTS = {
    "upload": f'{{"command":"file.upload","name":"a","sha256":"{_VERSION_1}","size_bytes":9}}',
    "folder": '{"command":"file.upload","folder":"below"}',
    "part": '{"command":"part.upload","file":"data.bin","number":1,'
    f'"sha256":"{_VERSION_1}","size_bytes":9}}',
    "delete": '{"command":"file.delete","files":["a","data.bin"]}',
    "gc": '{"command":"blob.gc","older_than_seconds":604800}',
    "rebuild": '{"command":"projection.rebuild"}',
    "states": '{"command":"projection.rebuild","views":["states"]}',
}


def test_stored_fingerprints_never_change(
    sqlite_acme: Cli, sqlite_url: URL, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    sqlite_acme.has_file()
    for key, *command in (
        ("upload", *_UPLOAD, path),
        ("folder", *_UPLOAD, tmp_path / "folder", "--name", "below/"),
        ("part", "part", "upload", "acme", "data.bin", 1, path),
        ("delete", "file", "delete", "acme", "data.bin", "a"),
        ("gc", "blob", "gc", "--yes"),
        ("rebuild", "projection", "rebuild"),
        ("states", "projection", "rebuild", "states"),
    ):
        assert sqlite_acme(*command, "--idempotency-key", key).code == 0
    table = idempotency_keys
    with tampering(sqlite_url) as conn:
        stored = {
            key: (version, fingerprint)
            for key, version, fingerprint in conn.execute(
                select(table.c.key, table.c.fingerprint_version, table.c.fingerprint)
            )
        }
    expected = {key: (2, sha256(request.encode())) for key, request in _REQUESTS.items()}
    assert stored.items() >= expected.items()
