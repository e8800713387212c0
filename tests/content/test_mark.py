"""A sweep removes nothing if another log recorded content last."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from catactl.blobs.opening import open_blobs
from catactl.blobs.store import NO_LOGS_MARK, BlobStore, Mark
from catactl.content import mark as marking
from catactl.content.paths import FoundFile
from catactl.domain.organization import SetQuota
from catactl.errors import ContentOfAnotherLog, ContentUnreachable, QuotaExceeded
from catactl.handling.handler import Handler
from catactl.store.server_status import database_name
from catactl.store.sql.engine import reading
from tests.content.conftest import Org
from tests.fixtures.databases import PostgresqlDatabases
from tests.support import create_organization, opened, read_log, run


@pytest.fixture
def original(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Org:
    """Return an organization with content: SQLite with a directory, or PostgreSQL with a bucket.

    The other combinations would test nothing more, because databases and stores are independent.
    """
    if engine.dialect.name == "sqlite":
        url = (tmp_path / "blobs").as_uri()
    else:
        url = request.getfixturevalue("s3_url")
    handler = Handler(engine)
    org = Org(engine, handler, open_blobs(url), create_organization(handler))
    org.upload("first", b"first")
    return org


Copy = Callable[[Org], Org]


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copy]:
    """Yield a function that copies the database. Both databases refer to the same content."""
    with ExitStack() as stack:

        def copied(org: Org) -> Org:
            url = org.engine.url
            org.engine.dispose()
            if url.get_backend_name() == "sqlite":
                assert url.database is not None
                path = shutil.copy(url.database, tmp_path / "copy.db")
                url = url.set(database=str(path))
            else:
                databases: PostgresqlDatabases = request.getfixturevalue("postgresql_databases")
                url = databases.create(url)
                request.addfinalizer(lambda: databases.drop(url))
            engine = stack.enter_context(opened(url))
            return replace(org, engine=engine, handler=Handler(engine))

        yield copied


def _refuses(org: Org) -> None:
    """Check that the organization refuses to sweep, and that nothing is removed."""
    log, stored = read_log(org.engine, org.org_id), org.stored()
    for dry_run in (True, False):
        with pytest.raises(ContentOfAnotherLog, match="not name an event of this log") as caught:
            org.sweep(Handler(org.engine), dry_run=dry_run)
        assert "blob gc --claim" in (caught.value.hint or "")
    assert (read_log(org.engine, org.org_id), org.stored()) == (log, stored)


def _is_another_logs(org: Org) -> bool:
    return org.verify().is_another_logs


def _head(org: Org) -> Mark:
    last = read_log(org.engine, org.org_id)[-1]
    with reading(org.engine) as conn:
        return Mark(last.position, last.hash, database_name(conn))


# --- copies ---------------------------------------------------------------------------------------


def test_a_copy_sweeps_nothing_after_the_original_recorded_content(
    original: Org, copy: Copy
) -> None:
    other = copy(original)
    file_id = original.upload("second", b"second")
    _refuses(other)
    assert _is_another_logs(other)
    assert not _is_another_logs(original)
    assert original.sweep()["removed_blobs"] == 0
    assert original.download(file_id) == b"second"


def test_the_original_sweeps_nothing_after_a_copy_recorded_content(
    original: Org, copy: Copy
) -> None:
    other = copy(original)
    run(original.handler, original.org_id, original.org_id, SetQuota(1_000))
    file_id = other.upload("second", b"second")
    _refuses(original)
    assert _is_another_logs(original)
    assert other.sweep()["removed_blobs"] == 0
    assert other.download(file_id) == b"second"


def test_a_copy_and_an_original_with_the_same_log_can_both_sweep(original: Org, copy: Copy) -> None:
    original.store(b"orphan")
    other = copy(original)
    assert original.sweep()["removed_blobs"] == 1
    assert other.sweep()["removed_blobs"] == 0


def test_a_restored_backup_can_sweep_after_it_claims_the_content(original: Org, copy: Copy) -> None:
    backup = copy(original)
    original.upload("second", b"second")
    _refuses(backup)
    assert backup.sweep(claims=True, dry_run=True)["removed_blobs"] == 1
    _refuses(backup)
    assert backup.sweep(claims=True)["removed_blobs"] == 1
    assert backup.blobs.read_mark(backup.org_id) == _head(backup)
    assert backup.sweep()["removed_blobs"] == 0
    _refuses(original)


def test_a_copy_and_an_original_that_both_upload_sweep_nothing_until_one_claims_the_content(
    original: Org, copy: Copy
) -> None:
    other = copy(original)
    files = [(org, org.upload("more", text)) for org, text in ((original, b"2"), (other, b"3"))]
    for org, file_id in files:
        _refuses(org)
        org.put(org.create("again"), 1, b"4")
        _refuses(org)
        assert org.download(file_id) in {b"2", b"3"}
    assert original.sweep(claims=True)["removed_blobs"] == 1
    _refuses(other)


def test_content_without_a_mark_is_swept_but_not_content_with_an_unreadable_mark(
    original: Org,
) -> None:
    assert original.blobs.read_mark(original.org_id) is not None
    unmarked = replace(original, org_id=create_organization(original.handler, "beta"))
    unmarked.store(b"orphan")
    assert unmarked.sweep()["removed_blobs"] == 1
    original.blobs.mark(original.org_id, NO_LOGS_MARK)
    _refuses(original)


# --- marks of failed transactions -----------------------------------------------------------------


def _upload_file(org: Org, path: Path) -> None:
    path.write_bytes(b"12")
    assert org.upload_item(FoundFile(str(path), path.name), 1).error is None


def _after_marking(original: Org, patch: pytest.MonkeyPatch, act: Callable[[Mark], None]) -> None:
    """Call `act` after each mark, before the transaction is committed."""
    store = type(original.blobs)
    really_mark = store.mark

    def mark(self: BlobStore, org_id: UUID, mark: Mark) -> None:
        really_mark(self, org_id, mark)
        act(mark)

    patch.setattr(store, "mark", mark)


@pytest.mark.parametrize("how", ["part", "file"])
def test_the_mark_of_the_new_head_is_written_before_the_commit(
    how: str, original: Org, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Mark, Mark]] = []
    with opened(original.engine.url) as engine:
        onlooker = replace(original, engine=engine)
        _after_marking(original, monkeypatch, lambda mark: seen.append((mark, _head(onlooker))))
        if how == "part":
            original.put(original.create("x"), 1, b"1")
        else:
            _upload_file(original, tmp_path / "x")
    hashes = {each.position: each.hash for each in read_log(original.engine, original.org_id)}
    assert seen
    for mark, head_before in seen:
        assert hashes[mark.position] == mark.hash
        assert head_before.position < mark.position
    assert original.blobs.read_mark(original.org_id) == seen[-1][0]


def _is_killed_after_marking(original: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(_mark: Mark) -> None:
        raise KeyboardInterrupt

    file_id = original.create("x")
    with monkeypatch.context() as patch:
        patch.setattr(marking, "claim", lambda *_, **__: None)
        _after_marking(original, patch, kill)
        with pytest.raises(KeyboardInterrupt):
            original.put(file_id, 1, b"second")


def test_after_a_kill_between_mark_and_commit_the_same_upload_corrects_the_mark(
    original: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    _is_killed_after_marking(original, monkeypatch)
    _refuses(original)
    assert _is_another_logs(original)
    (file_id,) = (
        each.stream_id
        for each in read_log(original.engine, original.org_id)
        if each.type == "file.created" and '"x"' in each.payload
    )
    original.put(file_id, 1, b"second")
    assert not _is_another_logs(original)
    assert original.sweep()["removed_blobs"] == 0


def test_after_a_kill_between_mark_and_commit_the_content_can_be_claimed(
    original: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    _is_killed_after_marking(original, monkeypatch)
    assert original.sweep(claims=True)["removed_blobs"] == 1
    assert not _is_another_logs(original)
    original.store(b"orphan")
    assert original.sweep()["removed_blobs"] == 1


@pytest.mark.parametrize("error", [ContentUnreachable("the disk is full"), KeyboardInterrupt()])
def test_a_transaction_that_fails_after_its_mark_restores_the_mark(
    error: BaseException, original: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = original.create("x")
    marks: list[Mark] = []

    def fail(mark: Mark) -> None:
        marks.append(mark)
        if len(marks) == 1:
            raise error

    with monkeypatch.context() as patch:
        _after_marking(original, patch, fail)
        with pytest.raises(type(error)):
            original.put(file_id, 1, b"second")
    assert marks[1:] == [_head(original)]
    assert original.sweep()["removed_blobs"] == 1


def test_a_failed_transaction_keeps_the_mark_of_another_upload(
    original: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = original.create("x")
    theirs = Mark(9, bytes(32), "0" * 16)

    def fail(_mark: Mark) -> None:
        patch.undo()
        original.blobs.mark(original.org_id, theirs)
        raise ContentUnreachable("the disk is full")

    with monkeypatch.context() as patch:
        _after_marking(original, patch, fail)
        with pytest.raises(ContentUnreachable):
            original.put(file_id, 1, b"second")
    assert original.blobs.read_mark(original.org_id) == theirs


def test_a_sweep_stops_when_another_log_records_content(
    original: Org, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    original.store(b"orphan")
    other = copy(original)
    store = type(original.blobs)
    really_list = store.list
    uploaded: list[UUID] = []

    def listing(self: BlobStore, org_id: UUID) -> Iterator[Any]:
        found = list(really_list(self, org_id))
        if not uploaded:
            uploaded.append(other.upload("theirs", b"theirs"))
        return iter(found)

    monkeypatch.setattr(store, "list", listing)
    with pytest.raises(ContentOfAnotherLog):
        original.sweep(Handler(original.engine))
    assert other.download(uploaded[0]) == b"theirs"
    assert len(original.stored()) == 3


def test_commands_that_record_no_content_leave_the_mark(original: Org, tmp_path: Path) -> None:
    _upload_file(original, tmp_path / "x")
    mark = original.blobs.read_mark(original.org_id)
    file_id = original.create("y")
    original.delete(file_id)
    _upload_file(original, tmp_path / "x")  # unchanged
    original.sweep()
    assert original.blobs.read_mark(original.org_id) == mark
    run(original.handler, original.org_id, original.org_id, SetQuota(1))
    file_id = original.create("z")
    with pytest.raises(QuotaExceeded):
        original.put(file_id, 1, b"more than fits")
    assert original.blobs.read_mark(original.org_id) == mark
