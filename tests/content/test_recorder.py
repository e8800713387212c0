"""An event never points at content that is not there."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore, Chunk, Content, address_of, measure
from catactl.content import recorder as recording
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
from tests.content.conftest import Place
from tests.content.support import Bytes, Silent
from tests.support import INTENT, assert_consistent, read_log, run


@pytest.fixture
def recorder(place: Place) -> Recorder:
    return Recorder(place.handler, place.blobs, place.org_id)


def _looked_up(recorder: Recorder, name: str) -> PendingFile:
    draft = PendingFile(name=name, intent=INTENT)
    recorder.look_up([draft])
    return draft


def _draft(recorder: Recorder, place: Place, name: str, *parts: bytes) -> PendingFile:
    """A file whose parts are stored, ready to be recorded and completed."""
    draft = _looked_up(recorder, name)
    for number, content in enumerate(parts, start=1):
        draft.ready.append(StoredPart(stored_part(number, place.store(content)), skipped=False))
    draft.is_whole = True
    return draft


def _types(place: Place) -> list[str]:
    return [each.type for each in read_log(place.engine, place.org_id)]


def test_content_that_was_swept_is_not_recorded_and_nothing_else_with_it(
    place: Place, recorder: Recorder
) -> None:
    drafts = [_draft(recorder, place, "1", b"a", b"b"), _draft(recorder, place, "2", b"c")]
    gone = measure([b"b"])
    place.blobs.delete(place.org_id, [gone.sha256])
    with pytest.raises(ContentGone) as caught:
        recorder.record(drafts)
    assert caught.value.digests == {gone.sha256}
    assert caught.value.generations == {}
    assert _types(place) == ["organization.created"]
    assert [len(draft.ready) for draft in drafts] == [2, 1]
    place.store(b"b")
    recorder.record(drafts)
    assert [draft.row and draft.row["status"] for draft in drafts] == ["complete"] * 2
    assert place.problems() == []


def test_a_file_that_somebody_else_creates_meanwhile_is_joined(
    place: Place, recorder: Recorder
) -> None:
    draft = _draft(recorder, place, "x", b"a", b"b")
    theirs = place.create("x")
    place.put(theirs, 1, b"other")
    recorder.record([draft])
    assert draft.file_id == theirs
    assert draft.row is not None
    assert (draft.row["size_bytes"], draft.row["status"]) == (2, "complete")
    assert_consistent(place.engine, place.org_id)


def test_a_file_with_parts_of_somebody_else_is_not_completed(
    place: Place, recorder: Recorder
) -> None:
    draft = _draft(recorder, place, "x", b"a")
    place.put(place.create("x"), 2, b"other")
    with pytest.raises(Conflict, match="has parts that differ"):
        recorder.record([draft])
    assert "file.completed" not in _types(place)


def test_rules_are_asked_about_the_whole_before_any_of_it_is_stored(
    place: Place, recorder: Recorder
) -> None:
    place.upload("there", b"12345")
    run(place.handler, place.org_id, place.org_id, SetQuota(10))
    with pytest.raises(QuotaExceeded):
        recorder.check_rules(_looked_up(recorder, "new"), 6, INTENT)
    recorder.check_rules(_looked_up(recorder, "new"), 5, INTENT)
    place.put(place.create("begun"), 2, b"123")
    recorder.check_rules(_looked_up(recorder, "begun"), 5, INTENT)
    with pytest.raises(QuotaExceeded):
        recorder.check_rules(_looked_up(recorder, "begun"), 6, INTENT)


@pytest.mark.parametrize(
    ("sweeps", "is_stream", "times_read"),
    [(0, False, 1), (2, False, 3), (10, False, None), (0, True, 1), (1, True, None)],
)
def test_a_part_that_was_swept_is_stored_again_some_times_if_it_can_be_read_again(
    sweeps: int,
    is_stream: bool,
    times_read: int | None,
    place: Place,
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
            place.sweep()
        return content

    item = Bytes(b"x", is_stream=is_stream)
    file_id = place.create("x")
    monkeypatch.setattr(Directory, "put", put_and_sweep)
    if times_read is None:
        with pytest.raises(Busy):
            place.put_item(file_id, 1, item)
        assert "file.part_uploaded" not in _types(place)
    else:
        place.put_item(file_id, 1, item)
        assert item.times_read == times_read
        assert place.stored() == {address_of(measure([b"x"]).sha256, sweeps)}
    assert place.problems() == []


def test_an_upload_stores_again_what_a_sweep_takes_before_it_is_recorded(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"long": bytes(range(20)), "short": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    sweeps = 0
    check_stored = stored_parts.check_stored

    def late(conn: Connection, blobs: BlobStore, org_id: UUID, parts: Collection[Part]) -> None:
        nonlocal sweeps
        if parts and sweeps < 3:  # as a sweep that came just before the lock
            sweeps += 1
            blobs.delete(org_id, [max(part.sha256 for part in parts)])
        check_stored(conn, blobs, org_id, parts)

    monkeypatch.setattr(recording, "check_stored", late)
    sources = [FoundFile(str(tmp_path / name), name) for name in ("long", "short")]
    order = UploadOptions(INTENT, part_bytes=1, workers=2)
    done = list(upload_files(place.handler, place.blobs, place.org_id, sources, order, Silent()))
    assert [uploaded.error for uploaded in done] == [None, None]
    assert [uploaded.row and uploaded.row["status"] for uploaded in done] == ["complete"] * 2
    assert sweeps == 3
    assert place.problems() == []
    assert_consistent(place.engine, place.org_id)


def test_a_sweep_between_a_broken_off_upload_and_its_continuation_loses_nothing(
    place: Place, recorder: Recorder
) -> None:
    place.store(b"a")  # stored, and then the process was killed
    place.put(place.create("x"), 1, b"a")
    place.store(b"b")
    assert place.sweep()["removed_blobs"] == 1
    draft = _draft(recorder, place, "x", b"a", b"b")
    with pytest.raises(ContentGone) as caught:
        recorder.record([draft])
    swept = measure([b"b"]).sha256
    assert caught.value.digests == {swept}
    assert caught.value.generations == recorder.generations == {swept: 1}
    assert place.store(b"b", recorder.generations).address == f"{swept}.1"
    caught.value.delete_swept(place.blobs, place.org_id)
    recorder.record([draft])
    assert draft.row is not None
    assert draft.row["status"] == "complete"
    assert place.stored() == {measure([b"a"]).sha256, f"{swept}.1"}, "nothing is left behind"
    assert place.problems() == []


def test_a_part_that_is_read_once_is_taken_also_if_its_content_was_swept_before(
    place: Place,
) -> None:
    place.store(b"x")
    place.sweep()
    file_id = place.create("x")
    place.put_item(file_id, 1, Bytes(b"x", is_stream=True))
    assert place.problems() == []


def test_a_stream_is_taken_also_if_its_content_was_swept_before(place: Place) -> None:
    place.store(b"x")
    place.sweep()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    try:
        row = place.upload_item(StandardInput("x", reader)).row
    finally:
        os.close(reader)
    assert row is not None
    assert row["status"] == "complete"
    assert place.download(UUID(row["file_id"])) == b"x"
    assert place.problems() == []
