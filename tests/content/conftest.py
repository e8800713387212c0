"""Provide an organization with content, without the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from catactl.blobs.directory import Directory
from catactl.blobs.store import NO_GENERATIONS, BlobStore, Content
from catactl.content.meter import Meter
from catactl.content.readable_file import read_content, readable_file
from catactl.content.source import Item
from catactl.content.sweep import sweep
from catactl.content.upload import upload_files
from catactl.content.upload_options import UploadedFile, UploadOptions
from catactl.content.upload_part import upload_part
from catactl.content.verify import Verification, verify_files, verify_organizations
from catactl.domain.file import UploadPart
from catactl.handling.handler import Handler
from catactl.results.content import ContentProblem, SweptOrganization
from catactl.store.sql.engine import reading
from tests.content.support import Bytes, Silent
from tests.support import (
    INTENT,
    complete,
    create_file,
    create_organization,
    delete_file,
    restore_file,
    run,
)


@dataclass
class Org:
    """An organization in a database, and the store of its content."""

    engine: Engine
    handler: Handler
    blobs: BlobStore
    org_id: UUID

    def create(self, name: str) -> UUID:
        return create_file(self.handler, self.org_id, name)

    def put(self, file_id: UUID, number: int, content: bytes) -> None:
        """Upload a part as `part upload` does."""
        self.put_item(file_id, number, Bytes(content))

    def put_item(self, file_id: UUID, number: int, item: Item) -> None:
        upload_part(
            self.handler, self.blobs, self.org_id, str(file_id), number, item, INTENT, Silent()
        )

    def upload_item(
        self,
        item: Item,
        part_bytes: int | None = None,
        *,
        workers: int = 1,
        meter: Meter | None = None,
    ) -> UploadedFile:
        """Upload a file as `file upload` does."""
        options = UploadOptions(INTENT, part_bytes=part_bytes, workers=workers)
        (uploaded,) = upload_files(
            self.handler, self.blobs, self.org_id, [item], options, meter or Silent()
        )
        return uploaded

    def store(self, content: bytes, generations: Mapping[str, int] = NO_GENERATIONS) -> Content:
        return self.blobs.put(self.org_id, [content], generations)

    def record(self, file_id: UUID, number: int, content: Content) -> None:
        """Record a part as stored, without a check that it is."""
        command = UploadPart(number, content.size_bytes, content.sha256, stored=True)
        run(self.handler, self.org_id, file_id, command)

    def upload(self, name: str, *parts: bytes) -> UUID:
        """Upload the parts and complete the file. Return its id."""
        file_id = self.create(name)
        for number, content in enumerate(parts, start=1):
            self.put(file_id, number, content)
        complete(self.handler, self.org_id, file_id)
        return file_id

    def delete(self, file_id: UUID) -> None:
        delete_file(self.handler, self.org_id, file_id)

    def restore(self, file_id: UUID) -> None:
        restore_file(self.handler, self.org_id, file_id)

    def sweep(
        self, handler: Handler | None = None, *, dry_run: bool = False, claims: bool = False
    ) -> SweptOrganization:
        """Sweep content of any age."""
        now, intent = datetime.now(UTC), replace(INTENT, dry_run=dry_run)
        return sweep(
            handler or self.handler,
            self.blobs,
            self.org_id,
            now,
            intent,
            claims=claims,
        )

    def verify(self) -> Verification:
        """Verify content of any age."""
        now = datetime.now(UTC)
        return verify_organizations(
            self.engine, self.blobs, [self.org_id], now, lambda _bytes: None
        )

    def verify_file(self, file_id: UUID) -> Verification:
        return verify_files(self.engine, self.blobs, self.org_id, [file_id], lambda _bytes: None)

    def problems(self) -> list[ContentProblem]:
        return self.verify().problems

    def stored(self) -> set[str]:
        """Return the addresses of all blobs."""
        return {blob.address for blob in self.blobs.list(self.org_id)}

    def download(self, file_id: UUID) -> bytes:
        with reading(self.engine) as conn:
            file = readable_file(conn, self.org_id, file_id)
        return b"".join(bytes(chunk) for chunk in read_content(self.blobs, file, file.parts))


@pytest.fixture
def org(engine: Engine, tmp_path: Path) -> Org:
    handler = Handler(engine)
    return Org(engine, handler, Directory(tmp_path / "blobs"), create_organization(handler))
