"""An event never refers to absent content."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore, Chunk, Content, address_of, measure
from catactl.content import recorder as module
from catactl.content import stored_parts
from catactl.content.paths import FoundFile
from catactl.content.pending import PendingFile
from catactl.content.recorder import Recorder
from catactl.content.stored_parts import ContentGone, StoredPart, stored_part
from catactl.content.stream_source import StandardInput
from catactl.content.upload import upload_files
from catactl.content.upload_options import UploadOptions
from catactl.domain.organization import SetQuota
from catactl.domain.parts import Part
from catactl.errors import Busy, Conflict, QuotaExceeded
from tests.content.conftest import Org
from tests.content.support import Bytes, Silent
from tests.support import INTENT, assert_consistent, read_log, run


@pytest.fixture
def recorder(org: Org) -> Recorder:
    return Recorder(org.handler, org.blobs, org.org_id)


def _looked_up(recorder: Recorder, name: str) -> PendingFile:
    pending = PendingFile(name=name, intent=INTENT)
    recorder.look_up([pending])
    return pending


def _pending(recorder: Recorder, org: Org, name: str, *parts: bytes) -> PendingFile:
    """Return a pending file whose parts are stored."""
    pending = _looked_up(recorder, name)
    for number, content in enumerate(parts, start=1):
        pending.ready.append(StoredPart(stored_part(number, org.store(content)), skipped=False))
    pending.is_whole = True
    return pending


def _types(org: Org) -> list[str]:
    return [each.type for each in read_log(org.engine, org.org_id)]


def test_content_that_is_gone_is_not_recorded_nor_anything_else_in_its_transaction(
    org: Org, recorder: Recorder
) -> None:
    uploads = [_pending(recorder, org, "1", b"a", b"b"), _pending(recorder, org, "2", b"c")]
    gone = measure([b"b"])
    org.blobs.delete(org.org_id, [gone.sha256])
    with pytest.raises(ContentGone) as caught:
        recorder.record(uploads)
    assert caught.value.digests == {gone.sha256}
    assert caught.value.generations == {}
    assert _types(org) == ["organization.created"]
    assert [len(pending.ready) for pending in uploads] == [2, 1]
    org.store(b"b")
    recorder.record(uploads)
    assert [pending.result and pending.result["status"] for pending in uploads] == ["complete"] * 2
    assert org.problems() == []


def test_an_upload_continues_a_file_that_another_client_creates_meanwhile(
    org: Org, recorder: Recorder
) -> None:
    pending = _pending(recorder, org, "x", b"a", b"b")
    theirs = org.create("x")
    org.put(theirs, 1, b"other")
    recorder.record([pending])
    assert pending.file_id == theirs
    assert pending.result is not None
    assert (pending.result["size_bytes"], pending.result["status"]) == (2, "complete")
    assert_consistent(org.engine, org.org_id)


def test_a_file_with_parts_of_another_client_is_not_completed(org: Org, recorder: Recorder) -> None:
    pending = _pending(recorder, org, "x", b"a")
    org.put(org.create("x"), 2, b"other")
    with pytest.raises(Conflict, match="has parts that differ"):
        recorder.record([pending])
    assert "file.completed" not in _types(org)


def test_the_rules_are_checked_for_the_whole_file_before_it_is_stored(
    org: Org, recorder: Recorder
) -> None:
    org.upload("there", b"12345")
    run(org.handler, org.org_id, org.org_id, SetQuota(10))
    with pytest.raises(QuotaExceeded):
        recorder.check_rules(_looked_up(recorder, "new"), 6, INTENT)
    recorder.check_rules(_looked_up(recorder, "new"), 5, INTENT)
    org.put(org.create("begun"), 2, b"123")
    recorder.check_rules(_looked_up(recorder, "begun"), 5, INTENT)
    with pytest.raises(QuotaExceeded):
        recorder.check_rules(_looked_up(recorder, "begun"), 6, INTENT)


@pytest.mark.parametrize(
    ("sweeps", "is_stream", "times_read"),
    [(0, False, 1), (2, False, 3), (10, False, None), (0, True, 1), (1, True, None)],
)
def test_a_swept_part_is_stored_again_if_it_can_be_read_again(
    sweeps: int,
    is_stream: bool,
    times_read: int | None,
    org: Org,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swept = 0
    put = Directory.put

    def put_and_sweep(
        self: Directory, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int]
    ) -> Content:
        nonlocal swept
        content = put(self, org_id, chunks, generations)
        if swept < sweeps:
            swept += 1
            org.sweep()
        return content

    item = Bytes(b"x", is_stream=is_stream)
    file_id = org.create("x")
    monkeypatch.setattr(Directory, "put", put_and_sweep)
    if times_read is None:
        with pytest.raises(Busy):
            org.put_item(file_id, 1, item)
        assert "file.part_uploaded" not in _types(org)
    else:
        org.put_item(file_id, 1, item)
        assert item.times_read == times_read
        assert org.stored() == {address_of(measure([b"x"]).sha256, sweeps)}
    assert org.problems() == []


def test_an_upload_stores_content_again_that_a_sweep_removes_before_it_is_recorded(
    org: Org, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"long": bytes(range(20)), "short": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    sweeps = 0
    check_stored = stored_parts.check_stored

    def late(conn: Connection, blobs: BlobStore, org_id: UUID, parts: Collection[Part]) -> None:
        nonlocal sweeps
        if parts and sweeps < 3:  # as a sweep just before the lock does
            sweeps += 1
            blobs.delete(org_id, [max(part.sha256 for part in parts)])
        check_stored(conn, blobs, org_id, parts)

    monkeypatch.setattr(module, "check_stored", late)
    sources = [FoundFile(str(tmp_path / name), name) for name in ("long", "short")]
    order = UploadOptions(INTENT, part_bytes=1, workers=2)
    done = list(upload_files(org.handler, org.blobs, org.org_id, sources, order, Silent()))
    assert [uploaded.error for uploaded in done] == [None, None]
    assert [uploaded.result and uploaded.result["status"] for uploaded in done] == ["complete"] * 2
    assert sweeps == 3
    assert org.problems() == []
    assert_consistent(org.engine, org.org_id)


def test_a_sweep_between_an_interrupted_upload_and_its_continuation_loses_nothing(
    org: Org, recorder: Recorder
) -> None:
    org.store(b"a")  # and then the process was killed
    org.put(org.create("x"), 1, b"a")
    org.store(b"b")
    assert org.sweep()["removed_blobs"] == 1
    pending = _pending(recorder, org, "x", b"a", b"b")
    with pytest.raises(ContentGone) as caught:
        recorder.record([pending])
    swept = measure([b"b"]).sha256
    assert caught.value.digests == {swept}
    assert caught.value.generations == recorder.generations == {swept: 1}
    assert org.store(b"b", recorder.generations).address == f"{swept}.1"
    caught.value.delete_swept(org.blobs, org.org_id)
    recorder.record([pending])
    assert pending.result is not None
    assert pending.result["status"] == "complete"
    assert org.stored() == {measure([b"a"]).sha256, f"{swept}.1"}, "nothing is left behind"
    assert org.problems() == []


def test_a_part_from_a_stream_is_recorded_if_its_content_was_swept_before(
    org: Org,
) -> None:
    org.store(b"x")
    org.sweep()
    file_id = org.create("x")
    org.put_item(file_id, 1, Bytes(b"x", is_stream=True))
    assert org.problems() == []


def test_a_file_from_a_stream_is_recorded_if_its_content_was_swept_before(org: Org) -> None:
    org.store(b"x")
    org.sweep()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    try:
        row = org.upload_item(StandardInput("x", reader)).result
    finally:
        os.close(reader)
    assert row is not None
    assert row["status"] == "complete"
    assert org.download(UUID(row["file_id"])) == b"x"
    assert org.problems() == []
