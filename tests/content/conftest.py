"""An organization with content, at hand without the program."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from catactl.blobs.directory import Directory
from catactl.blobs.store import Content
from catactl.content.recording import record_part
from catactl.content.sweep import sweep
from catactl.content.verify import Problem, Verified, verify_organization
from catactl.domain.file import UploadPart
from catactl.handler import Handler
from tests.support import (
    INTENT,
    complete,
    create_file,
    create_organization,
    delete_file,
    restore_file,
    run,
    summary,
)


@dataclass
class Place:
    """One organization: its database and where its content is."""

    engine: Engine
    handler: Handler
    blobs: Directory
    org_id: UUID

    def create(self, name: str) -> UUID:
        return create_file(self.handler, self.org_id, name)

    def put(self, file_id: UUID, number: int, content: bytes) -> None:
        """Upload a part as the program does."""
        record_part(
            self.handler,
            self.blobs,
            self.org_id,
            lambda _conn: file_id,
            number,
            len(content),
            lambda: self.store(content),
            INTENT,
            summary,
            is_repeatable=True,
        )

    def store(self, content: bytes) -> Content:
        return self.blobs.put(self.org_id, [content])

    def record(self, file_id: UUID, number: int, content: Content) -> None:
        """Record a part as stored, without a look whether it is."""
        command = UploadPart(number, content.size_bytes, content.sha256, stored=True)
        run(self.handler, self.org_id, file_id, command)

    def upload(self, name: str, *parts: bytes) -> UUID:
        """A complete file."""
        file_id = self.create(name)
        for number, content in enumerate(parts, start=1):
            self.put(file_id, number, content)
        complete(self.handler, self.org_id, file_id)
        return file_id

    def delete(self, file_id: UUID) -> None:
        delete_file(self.handler, self.org_id, file_id)

    def restore(self, file_id: UUID) -> None:
        restore_file(self.handler, self.org_id, file_id)

    def sweep(self, handler: Handler | None = None) -> dict[str, Any]:
        """Sweep everything of whatever age."""
        now = datetime.now(UTC)
        return sweep(handler or self.handler, self.engine, self.blobs, self.org_id, now, INTENT)

    def problems(self) -> list[Problem]:
        found = Verified()
        now = datetime.now(UTC)
        verify_organization(self.engine, self.blobs, self.org_id, now, found, lambda _bytes: None)
        return found.problems

    def stored(self) -> set[str]:
        return {blob.sha256 for blob in self.blobs.list(self.org_id)}


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Place:
    handler = Handler(engine)
    return Place(engine, handler, Directory(tmp_path / "blobs"), create_organization(handler))
