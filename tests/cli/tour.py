"""Run tours of the commands, for tests of everything between the program and its database."""

import json
from pathlib import Path
from typing import Any

from tests.cli.support import Cli
from tests.support import BYTES_1

# From this number of rows on, a batch copies rows instead of inserting them.
_MANY = 60


def take_tour(cli: Cli, folder: Path) -> None:
    """Run every kind of command, and check that each succeeds."""
    content = folder / "content"
    content.write_bytes(b"content" * 1_000)
    lines = [
        {"command": "part.record", "org": "acme", "file": "recorded", "number": number,
         "size_bytes": number, "sha256": BYTES_1}
        for number in range(1, _MANY + 1)
    ]  # fmt: skip
    batch = folder / "batch.jsonl"
    batch.write_text("\n".join(map(json.dumps, lines)))
    for command in (
        "org create acme --quota 1GB",
        "user add acme ada@example.com",
        f"file upload acme {content} --part-size 1KiB",
        "file create acme recorded",
        f"apply --from {batch} --batch 55",
        "job create acme nightly --image i --input content",
        "job update acme nightly --cpu 2",
        "org rename acme acme-inc",
        "org show acme-inc",
        "file list acme-inc",
        "part list acme-inc recorded",
        "file verify acme-inc",
        f"file download acme-inc content --to {folder / 'back'}",
        "job delete acme-inc nightly --yes",
        "file delete acme-inc content",
        "file restore acme-inc content",
        "usage check",
        "usage recompute",
        "usage history acme-inc",
        "usage report",
        "usage show --as-of now",
        "event list acme-inc",
        "event trace acme-inc 3",
        "event verify",
        "projection list",
        "projection check",
        "projection rebuild",
        "quota list",
        "blob verify",
        "blob gc --yes",
        "db current",
        "db check",
        "config show",
    ):
        cli.ok(*command.split())
    assert (folder / "back").read_bytes() == content.read_bytes()


# Each character means something to SQL, to COPY, to JSON or to an encoding.
ORG, FILE = "Zürich", "'é\" %s 日本"
TEXT = "\\x41 \\. \\n Ädä O'Hara \\"
_READS = (
    ("org", "show", ORG),
    ("user", "list", ORG),
    ("file", "list", ORG),
    ("part", "list", ORG, FILE),
    ("job", "list", ORG),
    ("event", "list", ORG),
    ("usage", "explain", ORG),
    ("quota", "list"),
)


def write_what_is_hard_to_send(cli: Cli, folder: Path) -> None:
    """Store names, bytes, times and numbers, by single statements and by copying."""
    cli.ok("org", "create", ORG, "--quota", "9PB")
    cli.ok("user", "add", ORG, "ada@example.com", "--name", TEXT)
    cli.ok("file", "create", ORG, FILE, "--reason", TEXT, "--idempotency-key", TEXT)
    cli.ok("job", "create", ORG, "nightly", "--image", "i", "--env", f"K={TEXT}", "--input", FILE)
    lines = [
        {"command": "part.record", "org": ORG, "file": FILE, "number": number,
         "size_bytes": 10**12 + number, "sha256": BYTES_1, "key": f"{TEXT}{number}"}
        for number in range(1, _MANY + 1)
    ]  # fmt: skip
    batch = folder / "batch.jsonl"
    batch.write_text("\n".join(map(json.dumps, lines)))
    cli.ok("apply", "--from", batch)
    cli.ok("file", "create", ORG, FILE, "--reason", TEXT, "--idempotency-key", TEXT)


def read_all(cli: Cli) -> list[Any]:
    """Return everything that commands print about the stored data."""
    return [cli.ok(*command) for command in _READS]
