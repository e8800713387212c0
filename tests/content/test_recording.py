"""An event never points at content that is not there."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection

from catactl.blobs.store import BlobStore, Content, address_of, measure
from catactl.content import recording
from catactl.content.part import record_part
from catactl.content.recording import PendingFile, Recorder, StoredPart, Swept, stored_part
from catactl.content.sources import Source
from catactl.content.stream import Stream, upload_stream
from catactl.content.upload import Order, upload_files
from catactl.domain.organization import SetQuota
from catactl.domain.parts import Part
from catactl.errors import Busy, Conflict, QuotaExceeded
from tests.content.conftest import Place, Silent
from tests.support import INTENT, assert_consistent, read_log, run, summary


@pytest.fixture
def recorder(place: Place) -> Recorder:
    return Recorder(place.handler, place.engine, place.blobs, place.org_id)


def _looked_up(recorder: Recorder, name: str) -> PendingFile:
    draft = PendingFile(name, INTENT)
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
    with pytest.raises(Swept) as caught:
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
    with pytest.raises(Conflict, match="has other parts"):
        recorder.record([draft])
    assert "file.completed" not in _types(place)


def test_rules_are_asked_about_the_whole_before_any_of_it_is_stored(
    place: Place, recorder: Recorder
) -> None:
    place.upload("there", b"12345")
    run(place.handler, place.org_id, place.org_id, SetQuota(10))
    with pytest.raises(QuotaExceeded):
        recorder.ask_for_room(_looked_up(recorder, "new"), 6)
    recorder.ask_for_room(_looked_up(recorder, "new"), 5)
    place.put(place.create("begun"), 2, b"123")
    recorder.ask_for_room(_looked_up(recorder, "begun"), 5)
    with pytest.raises(QuotaExceeded):
        recorder.ask_for_room(_looked_up(recorder, "begun"), 6)


def _record_part(
    place: Place,
    file_id: UUID,
    store: Callable[[Mapping[str, int]], Content],
    *,
    is_repeatable: bool,
) -> None:
    record_part(
        place.handler,
        place.blobs,
        place.org_id,
        lambda _conn: file_id,
        1,
        1,
        store,
        INTENT,
        summary,
        is_repeatable=is_repeatable,
    )


@pytest.mark.parametrize(
    ("sweeps", "is_repeatable", "stored"),
    [(0, False, 1), (2, True, 3), (3, True, None), (1, False, None)],
)
def test_a_part_that_was_swept_is_stored_again_some_times_if_that_can_be_done(
    sweeps: int, is_repeatable: bool, stored: int | None, place: Place
) -> None:
    times = 0

    def store(generations: Mapping[str, int]) -> Content:
        nonlocal times
        times += 1
        content = place.store(b"x", generations)
        if times <= sweeps:
            place.sweep()
        return content

    file_id = place.create("x")
    if stored is None:
        with pytest.raises(Busy):
            _record_part(place, file_id, store, is_repeatable=is_repeatable)
        assert "file.part_uploaded" not in _types(place)
    else:
        _record_part(place, file_id, store, is_repeatable=is_repeatable)
        assert times == stored
        assert place.stored() == {address_of(measure([b"x"]).sha256, sweeps)}
    assert place.problems() == []


def test_an_upload_stores_again_what_a_sweep_takes_before_it_is_recorded(
    place: Place, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"long": bytes(range(20)), "short": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    sweeps = 0
    see_content = recording.see_content

    def late(conn: Connection, blobs: BlobStore, org_id: UUID, parts: Collection[Part]) -> None:
        nonlocal sweeps
        if parts and sweeps < 3:  # as a sweep that came just before the lock
            sweeps += 1
            blobs.delete(org_id, [max(part.sha256 for part in parts)])
        see_content(conn, blobs, org_id, parts)

    monkeypatch.setattr(recording, "see_content", late)
    sources = [Source(str(tmp_path / name), name) for name in ("long", "short")]
    order = Order(lambda _name: INTENT, part_bytes=1, workers=2)
    done = list(upload_files(recorder, sources, order, Silent()))
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
    with pytest.raises(Swept) as caught:
        recorder.record([draft])
    swept = measure([b"b"]).sha256
    assert caught.value.digests == {swept}
    assert caught.value.generations == recorder.generations == {swept: 1}
    assert place.store(b"b", recorder.generations).address == f"{swept}.1"
    caught.value.clear_up(place.blobs, place.org_id)
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
    _record_part(
        place, file_id, lambda generations: place.store(b"x", generations), is_repeatable=False
    )
    assert place.problems() == []


def test_a_stream_is_taken_also_if_its_content_was_swept_before(
    place: Place, recorder: Recorder
) -> None:
    place.store(b"x")
    place.sweep()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    try:
        row = upload_stream(recorder, Stream(reader), "x", Order(lambda _name: INTENT), Silent())
    finally:
        os.close(reader)
    assert row["status"] == "complete"
    assert place.download(UUID(row["file_id"])) == b"x"
    assert place.problems() == []
