"""Uploads by several processes at once, and by processes that are killed.

In each case a complete file has the content of one uploader, usage is exact, and no event refers to
missing content.
"""

import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from catactl.blobs.directory import Directory
from catactl.content.readable_file import read_content, readable_file
from catactl.content.verify import verify_organizations
from catactl.store.sql.engine import reading
from tests.cli.support import Cli, Result, run_in_child
from tests.processes import kill, processes, receive, start
from tests.support import assert_consistent

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Acme:
    """An organization with its content, read without the command line."""

    def __init__(self, cli: Cli, engine: Engine, blob_folder: Path) -> None:
        self.cli, self._engine, self._blobs = cli, engine, Directory(blob_folder)
        self._org_id = UUID(cli.ok("org", "show", "acme")["org_id"])

    def content_of(self, name: str) -> bytes:
        file_id = UUID(self.cli.ok("file", "show", "acme", name)["file_id"])
        with reading(self._engine) as conn:
            file = readable_file(conn, self._org_id, file_id)
        return b"".join(bytes(chunk) for chunk in read_content(self._blobs, file, file.parts))

    def assert_events_point_at_content(self) -> None:
        verification = verify_organizations(
            self._engine, self._blobs, [self._org_id], LONG_AGO, lambda _bytes: None
        )
        assert verification.problems == []

    def assert_consistent(self) -> None:
        self.cli.ok("usage", "check", "acme")
        self.cli.ok("blob", "verify", "acme", "--older-than", "7d")
        assert_consistent(self._engine, self._org_id)


@pytest.fixture
def organization(acme: Cli, engine: Engine, blob_folder: Path) -> Acme:
    return Acme(acme, engine, blob_folder)


def _upload(path: Path, name: str, part_bytes: int) -> list[str]:
    size = f"--part-size={part_bytes}"
    return ["file", "upload", "acme", str(path), f"--name={name}", size, "--workers=2", "--json"]


def _at_once(*commands: list[str]) -> list[Result]:
    barrier = processes.Barrier(len(commands))
    environment = dict(os.environ)
    running = [start(run_in_child, environment, barrier, command) for command in commands]
    return [receive(each) for each in running]


def test_processes_that_upload_the_same_file_at_once_all_succeed(
    organization: Acme, tmp_path: Path
) -> None:
    path = tmp_path / "source"
    for number in range(4):
        path.write_bytes(random.Random(number).randbytes(7_000))
        results = _at_once(*[_upload(path, f"file-{number}", 1_000)] * 2)
        assert [result.code for result in results] == [0, 0], results
        outcomes = {result.json["outcome"] for result in results}
        assert outcomes <= {"uploaded", "resumed", "unchanged"}
        assert len({result.json["file_id"] for result in results}) == 1
        assert organization.content_of(f"file-{number}") == path.read_bytes()
    assert len(organization.cli.ok("file", "list", "acme", "--all")) == 4
    assert organization.cli.ok("usage", "show", "acme")["used_bytes"] == 4 * 7_000
    organization.assert_consistent()


def test_of_two_contents_uploaded_under_one_name_at_once_one_wins_whole(
    organization: Acme, tmp_path: Path
) -> None:
    paths = [tmp_path / "1", tmp_path / "2"]
    for number in range(4):
        for path in paths:
            path.write_bytes(random.Random(f"{path.name} {number}").randbytes(7_000))
        name = f"file-{number}"
        both = [_upload(path, name, 1_000) for path in paths]
        codes = [result.code for result in _at_once(*both)]
        assert set(codes) <= {0, 4, 5}
        for _ in range(50):  # each may replace what the other has
            if 0 not in codes:
                codes = [result.code for result in _at_once(*both)]
        assert codes.count(0) == 1
        winner = paths[codes.index(0)]
        assert organization.content_of(name) == winner.read_bytes()
        for path, command in zip(paths, both, strict=True):
            again = organization.cli(*command)
            assert again.code == (0 if path == winner else 4)
        assert organization.content_of(name) == winner.read_bytes()
    assert organization.cli.ok("usage", "show", "acme")["used_bytes"] == 4 * 7_000
    organization.assert_consistent()


def test_uploads_killed_at_any_moment_are_finished_by_the_same_command(
    organization: Acme, tmp_path: Path, engine: Engine
) -> None:
    chance = random.Random(7)
    rounds = 7 if engine.dialect.name == "sqlite" else 4
    environment = dict(os.environ)
    receive(start(run_in_child, environment, None, ["version"]))  # the next starts at once
    longest_seconds, killed = 0.0, 0
    folders = [tmp_path / str(number) for number in range(rounds)]
    for folder in folders:
        folder.mkdir()
        for name, size_bytes in {"long": 9_500, "none": 0, "short": 90, "two": 170}.items():
            (folder / name).write_bytes(chance.randbytes(size_bytes))
        started = time.monotonic()
        running = start(run_in_child, environment, None, _upload(folder, folder.name, 400))
        if folder is folders[0]:
            assert receive(running).code == 0
            longest_seconds = time.monotonic() - started
        else:
            time.sleep(chance.uniform(0, longest_seconds))
            killed += kill(running)
        organization.assert_events_point_at_content()
    assert killed, "all were done before they were killed"
    for folder in folders:
        result = organization.cli(*_upload(folder, folder.name, 400))
        assert result.code == 0
        for path in folder.iterdir():
            assert organization.content_of(f"{folder.name}/{path.name}") == path.read_bytes()
    assert organization.cli.ok("usage", "show", "acme")["used_bytes"] == rounds * 9_760
    organization.assert_consistent()
    organization.cli.ok("blob", "gc", "--older-than", "0", "--yes")
    organization.assert_events_point_at_content()
