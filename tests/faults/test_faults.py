"""A table of faults in the environment, with the results of commands.

A row is a name and steps. `PATH = TEXT` writes a file. Any other step is a command, which reads `<
PATH` as its standard input; `-> CODE TEXT` gives its exit code, 0 by default, and a text that it
prints. Faults that need more have tables elsewhere: settings in test_settings_matrix.py, lost
commits in test_lost_answers.py.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from catactl.content import stream_source
from tests.cli.support import Cli, record
from tests.support import BYTES_1, ROOT, tampering

_SHA256 = f"--sha256={BYTES_1}"
_UPPER = f"--sha256={BYTES_1.upper()}"
_NFD, _NFC = "Zu\N{COMBINING DIAERESIS}rich", "Z\N{LATIN SMALL LETTER U WITH DIAERESIS}rich"
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_DATABASE = "sqlite:///data/catactl/catactl.db"

_FAULTS: dict[str, tuple[str, ...]] = {
    # --- idempotency keys ---
    "a key and other content of a file": (
        "a = v1",
        "file upload acme a --name y --idempotency-key j",
        "a = v2-longer",
        "file upload acme a --name y --idempotency-key j -> 4 another request",
    ),
    "a key and other content of a part": (
        "a = v1",
        "file create acme f",
        "part upload acme f 1 a --idempotency-key j",
        "a = v2-longer",
        "part upload acme f 1 a --idempotency-key j -> 4 another request",
    ),
    "a key and other standard input": (
        "a = v1",
        "b = v2-longer",
        "file upload acme - --name y --idempotency-key j < a",
        "file upload acme - --name y --idempotency-key j < a",
        "file upload acme - --name y --idempotency-key j < b -> 4 another request",
    ),
    "a key and another specification": (
        'a = {"image": "i"}',
        'b = {"image": "other"}',
        "job create acme j --from a --idempotency-key j",
        "job create acme j --from a --idempotency-key j",
        "job create acme j --from b --idempotency-key j -> 4 another request",
    ),
    "a key and other spellings of the same": (
        "quota set acme 1KB --idempotency-key j",
        "quota set acme 1000 --idempotency-key j",
        "quota set acme 1001 --idempotency-key j -> 4 another request",
        "file create acme f",
        f"part record acme f 1 --size 1KB {_SHA256} --idempotency-key k",
        f"part record acme f 1 --size 1000 {_UPPER} --idempotency-key k",
    ),
    "a key and another way of doing the same": (
        "a = v1",
        "file upload acme a --name y --idempotency-key j",
        "file upload acme ./a --name y --workers 2 --idempotency-key j",
    ),
    # --- files ---
    "a folder that holds the database and its content": (
        "one = 1",
        "file upload acme one",
        "file upload acme . --name all -> 0 catactl.db",
        "file upload acme data/catactl/catactl.db -> 2",
    ),
    "a file and a folder of one name": (
        "one = 1",
        "file upload acme one --name a",
        "file upload acme one --name a/b",
        "file download acme --all --to back/ -> 7 a/b",
    ),
    # --- uploads ---
    "parts that shrink and parts that grow within a quota": (
        f"whole = {'x' * 17_000}",
        "quota set acme 17000",
        "file create acme f",
        f"part record acme f 1 --size 8000 {_SHA256}",
        f"part record acme f 2 --size 8000 {_SHA256}",
        "file upload acme whole --name f --part-size 16000",
    ),
    "standard input that goes on with parts of another size than the default": (
        f"first = {'x' * 1_000}",
        f"whole = {'x' * 2_500}",
        "file create acme f",
        "part upload acme f 1 first",
        "part upload acme f 2 first",
        "file upload acme - --name f < whole",
    ),
    "a file whose size says nothing": (
        "file upload acme /proc/version --name a -> 2 /proc/version",
        "file upload acme /proc/self/status --name b -> 2 /proc/self/status",
    ),
    # --- URLs and paths ---
    "a database that is opened to be read": (
        f"org list --database-url {_DATABASE}?mode=ro -> 0 acme",
        f"org create beta --database-url {_DATABASE}?mode=ro -> 77",
    ),
    "an unknown parameter of a URL": (
        f"org list --database-url {_DATABASE}?mood=ro -> 78 mood",
        f"org list --database-url {_DATABASE}?mode=rx -> 78",
    ),
    # --- names and text ---
    "names of organizations in two Unicode forms": (
        f"org create {_NFD}",
        f"org show {_NFC}",
        f"org create {_NFC} -> 4",
        f"org rename acme {_NFC} -> 4",
    ),
    "names of files in two Unicode forms": (
        f"file create acme {_NFD}",
        f"file show acme {_NFC}",
        f"file create acme {_NFC} -> 4",
    ),
    "names of jobs in two Unicode forms": (
        f"job create acme {_NFC} --image i",
        f"job show acme {_NFD}",
        f"job create acme {_NFD} --image i -> 4",
    ),
    "addresses of users in two Unicode forms": (
        f"user add acme {_NFC}@example.com",
        f"user show acme {_NFD}@example.com",
        f"user add acme {_NFD}@example.com -> 4",
    ),
    "a byte order mark before a configuration": (
        f"config/catactl/config.toml = {_BOM}lock_timeout = 7",
        "config show -> 0 lock_timeout\t7",
        "config validate",
    ),
    "a byte order mark before a batch": (
        f'lines = {_BOM}{{"command": "file.create", "org": "acme", "name": "f"}}',
        "apply --from lines",
        "file show acme f",
    ),
    "a byte order mark before a specification": (
        f'a = {_BOM}{{"image": "i"}}',
        "job create acme j --from a",
    ),
    "a byte order mark before a URL": (
        f"url = {_BOM}{_DATABASE}",
        "org list --database-url-file url -> 0 acme",
    ),
    "values of several lines": (
        "job create acme j --image i --env 'KEY=-----BEGIN\n\tx\n-----END' --command 'a\nb'",
        r"job show acme j --json -> 0 -----BEGIN\n\tx\n-----END",
    ),
    "a deleted organization and another of its name": (
        "file create acme f",
        "file delete acme f --yes",
        "org delete acme --confirm acme",
        "org create acme",
        "usage report acme --from -1d -> 0 deleted",
        "usage history acme --from -1d -> 4 2 organizations",
    ),
}


@pytest.mark.parametrize("steps", _FAULTS.values(), ids=_FAULTS)
def test_each_fault_has_its_result(
    steps: tuple[str, ...], stranger: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    stranger.ok("org", "create", "acme")
    for step in steps:
        _take(step, stranger, monkeypatch)


def _take(step: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    file = re.match(r"(\S+) = ", step)
    if file:
        path = Path(file[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.removeprefix(file[0]))
        return
    command, _, expected = step.partition(" -> ")
    code, _, printed = expected.partition(" ")
    command, _, source = command.partition(" < ")
    descriptor = os.open(source or os.devnull, os.O_RDONLY)
    monkeypatch.setattr(stream_source, "DESCRIPTOR", descriptor)
    result = cli(*shlex.split(command))
    os.close(descriptor)
    assert result.code == int(code or 0), (step, result)
    assert printed in result.stdout + result.stderr, (step, result)


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a b", "a#b", "a;b", "a&b=c", "ä", "a:b@c"])
def test_any_name_of_a_folder_works_in_the_default_database_path(
    name: str, stranger: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / name))
    stranger.ok("org", "create", "acme")
    assert (tmp_path / name / "catactl" / "catactl.db").is_file()
    assert stranger.ok("org", "list")[0]["name"] == "acme"


# --- rows that were changed by hand----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ("organizations SET status = 'odd'", "org show acme"),
        ("organizations SET quota_bytes = -1", "quota list"),
        ("files SET linked_by = '{}'", "file delete acme data.bin --yes"),
        ("files SET version = 99", "file show acme data.bin"),
        ("file_parts SET sha256 = 'odd'", "file download acme data.bin --to back"),
        ("file_parts SET size_bytes = 1", "file download acme data.bin --to back"),
        ("file_parts SET size_bytes = 1", "part list acme data.bin"),
        ("file_parts SET number = 7", "file verify acme"),
        ("file_parts SET number = 70000", "file download acme data.bin --to back"),
        ("job_configurations SET spec = '{}'", "job show acme nightly"),
        ("job_configurations SET spec = '[1]'", "job list acme"),
        ("events SET payload = '[]'", "event list acme"),
        ("events SET payload = '{}'", "usage explain acme"),
        ("events SET type = 'odd'", "event list acme"),
        ("events SET hash = 'odd'", "event list acme"),
        ("events SET recorded_at = 'odd'", "event list acme"),
        ("events SET recorded_at = 'odd'", "usage explain acme"),
        ("events SET actor = x'ff'", "event list acme"),
    ],
)
def test_a_changed_row_is_a_finding_and_never_a_bug(
    change: str,
    command: str,
    sqlite_acme: Cli,
    sqlite_url: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.bin"
    path.write_text("content")
    sqlite_acme.ok("file", "upload", "acme", path)
    sqlite_acme.ok("job", "create", "acme", "nightly", "--image", "i", "--input", "data.bin")
    with tampering(sqlite_url) as conn:
        conn.execute(text("PRAGMA ignore_check_constraints = ON"))
        for trigger in conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
            conn.execute(text(f"DROP TRIGGER {trigger.name}"))
        conn.execute(text(f"UPDATE {change}"))
    result = sqlite_acme(*command.split(), "--json")
    assert result.code in {0, 5, 6}, result
    checks = ("projection check", "event verify", "usage check")
    assert any(sqlite_acme(*check.split()).code == 6 for check in checks)


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_a_clock_that_was_wrong_once_is_reported_and_corrected(
    acme: Cli, database_url: URL
) -> None:
    wrong = ["faketime", "2031-01-01", sys.executable, "-m", "catactl", "file", "create"]
    subprocess.run([*wrong, "acme", "f", "-q"], check=True, cwd=ROOT)
    if database_url.get_backend_name() == "sqlite":
        refused = acme.fails(78, *record(1, 1_000, name="f"))
        assert "correct-clock" in refused["hint"]
        assert acme("usage", "check").code == 6
        for command in ("usage show acme", "usage show acme --as-of now", "usage report"):
            assert "correct-clock acme" in acme(*command.split()).stderr
        acme.ok("event", "correct-clock", "acme", "--reason", "a clock was wrong", "--yes")
    acme.record(1, 1_000, name="f")
    assert acme.ok("usage", "show", "acme", "--as-of", "now")["used_bytes"] == 1_000
    acme.ok("usage", "check")
    acme.ok("event", "verify")


# --- copies ---------------------------------------------------------------------------------------


def test_a_copy_of_the_database_removes_no_content_of_the_original(
    stranger: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    folder = home / "data" / "catactl"
    for name in ("one", "two"):
        Path(name).write_text(name)
    stranger.ok("org", "create", "acme")
    stranger.ok("file", "upload", "acme", "one")
    shutil.copy(folder / "catactl.db", "copy.db")
    stranger.ok("file", "upload", "acme", "two")
    of_copy = (
        "--database-url",
        f"sqlite:///{home}/copy.db",
        "--blob-url",
        f"file://{folder}/blobs",
    )
    stranger.fails(78, "blob", "gc", "--older-than", "0", "--yes", *of_copy)
    stranger.ok("file", "verify", "acme")
    stranger.ok("blob", "gc", "--older-than", "0", "--yes")
    stranger.ok("file", "verify", "acme")
