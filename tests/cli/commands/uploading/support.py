"""Upload, and check the result."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Chunk, Content
from tests.cli.support import Cli

CREATED = ["file.created", "organization.storage_usage_changed"]
UPLOADED = ["file.part_uploaded", "organization.storage_usage_changed"]
COMPLETED = ["file.completed"]


def upload(cli: Cli, *arguments: object) -> Any:
    return cli.ok("file", "upload", "acme", *arguments)


def sizes(cli: Cli, name: str = "data.bin") -> list[int]:
    return [part["size_bytes"] for part in cli.ok("part", "list", "acme", name)]


def downloaded(cli: Cli, tmp_path: Path, name: str = "data.bin") -> bytes:
    target = tmp_path / "downloaded"
    cli.ok("file", "download", "acme", name, "--to", target, "--force")
    return target.read_bytes()


def proves_usage(cli: Cli, used_bytes: int) -> None:
    cli.ok("usage", "check", "acme")
    assert cli.ok("usage", "show", "acme")["used_bytes"] == used_bytes


Put = Callable[[Directory, UUID, Iterable[Chunk], Mapping[str, int]], Content]


def replace_put(monkeypatch: pytest.MonkeyPatch, wrap: Callable[[Put], Put]) -> None:
    monkeypatch.setattr(Directory, "put", wrap(Directory.put))
