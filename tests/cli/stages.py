"""Folders and databases in which the examples of the help and of the documents run."""

import json
import shutil
from pathlib import Path

from catactl.store.sql.urls import parse_url
from tests.cli.support import run_in_process
from tests.support import be_ahead, opened


def make_stages(folder: Path) -> dict[str, Path]:
    """Return four folders with the files that examples read: `nothing` has no database, `empty` an
    organization, `full` also a user, a job and files, `ahead` an organization whose log is ahead of
    the clock.
    """
    nothing, empty, full = (folder / name for name in ("nothing", "empty", "full"))
    for name in ("reports", "photos", "build"):
        (nothing / name).mkdir(parents=True)
    for year, size in ((2025, 9_000), (2026, 4_000)):
        (nothing / "reports" / f"{year}.csv").write_text(f"year,{year}\n".ljust(size))
    (nothing / "photos" / "1.png").write_bytes(b"photo")
    (nothing / "build" / "app").write_bytes(b"build")
    (nothing / "backup.tar").write_bytes(bytes(20_000))
    (nothing / "chunk-1").write_bytes(b"content")
    line = {"command": "file.create", "org": "acme", "name": "data.bin"}
    (nothing / "commands.jsonl").write_text(json.dumps(line))
    shutil.copytree(nothing, empty)
    run_in_process("org", "create", "acme", *_database_in(empty))
    shutil.copytree(empty, full)
    for command in (
        "user add acme ada@example.com",
        "job create acme nightly --image python:3.12",
        f"file upload acme {full / 'reports'} --name reports",
        "file create acme data.bin",
    ):
        assert run_in_process(*command.split(), *_database_in(full)).code == 0
    ahead = shutil.copytree(empty, folder / "ahead")
    with opened(parse_url(f"sqlite:///{ahead}/catactl.db")) as engine:
        be_ahead(engine)
    return {"nothing": nothing, "empty": empty, "full": full, "ahead": ahead}


def _database_in(folder: Path) -> tuple[str, str]:
    return "--database-url", f"sqlite:///{folder}/catactl.db"
