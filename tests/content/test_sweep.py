"""A sweep takes what nothing refers to, whatever happens meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Blob, measure
from catactl.content import sweep as sweeping
from catactl.content.references import files_to_give_up
from catactl.content.verify import Verified, verify_file, verify_organization
from catactl.handler import Handler
from tests.content.conftest import Place
from tests.processes import processes, receive, start
from tests.support import assert_consistent, opened
from tests.workers import ContentRace, race_for_content


def _digests(*contents: bytes) -> set[str]:
    return {measure([content]).sha256 for content in contents}


def _meanwhile(place: Place, monkeypatch: pytest.MonkeyPatch, after: int, what: Any) -> None:
    """Have something happen once the sweep has seen so many blobs: its snapshot is old by then."""
    really_list = Directory.list

    def listing(self: Directory, org_id: UUID) -> Iterator[Blob]:
        for number, blob in enumerate(list(really_list(self, org_id))):
            if number == after:
                what()
            yield blob

    monkeypatch.setattr(Directory, "list", listing)


@pytest.mark.parametrize("after", [0, 1])
def test_content_that_is_referred_to_again_during_a_sweep_stays(
    after: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.store(b"1")
    place.store(b"2")
    sweeper = Handler(place.engine)
    file_id = place.create("x")
    _meanwhile(place, monkeypatch, after, lambda: place.put(file_id, 1, b"1"))
    swept = place.sweep(sweeper)
    monkeypatch.undo()
    assert swept["removed_blobs"] == 1
    assert place.stored() == _digests(b"1")
    assert place.problems() == []


def test_a_file_that_is_deleted_during_a_sweep_can_be_restored(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.store(b"0")
    file_id = place.upload("x", b"1")
    monkeypatch.setattr("catactl.content.sweep._check_place", lambda *_: None)
    _meanwhile(place, monkeypatch, 0, lambda: place.delete(file_id))
    assert place.sweep()["removed_blobs"] == 1
    monkeypatch.undo()
    place.restore(file_id)
    assert place.problems() == []


def test_a_file_that_is_restored_or_deleted_anew_during_a_sweep_keeps_its_content(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored, anew, gone = (place.upload(name, name.encode()) for name in "abc")
    for file_id in (restored, anew, gone):
        place.delete(file_id)

    def late(*arguments: Any) -> list[UUID]:
        found = files_to_give_up(*arguments)
        somebody.restore(restored)
        somebody.restore(anew)
        somebody.delete(anew)
        return found

    with opened(place.engine.url) as engine, monkeypatch.context() as patch:
        somebody = replace(place, engine=engine, handler=Handler(engine))
        patch.setattr(sweeping, "files_to_give_up", late)
        assert _figures(place.sweep()) == (1, 1, 1)
    place.restore(anew)
    assert place.stored() == _digests(b"a", b"b")
    assert place.problems() == []


def test_a_sweep_goes_batch_by_batch(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_FILES_AT_ONCE", 2)
    monkeypatch.setattr(sweeping, "_BLOBS_AT_ONCE", 3)
    for number in range(5):
        place.delete(place.upload(str(number), b"%d" % number, b"more %d" % number))
    place.upload("kept", b"kept")
    assert _figures(place.sweep()) == (5, 10, 35)
    assert place.stored() == _digests(b"kept")
    assert_consistent(place.engine, place.org_id)


def test_a_sweep_that_broke_off_is_finished_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.delete(place.upload("x", b"1", b"2"))

    def failing(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", failing)
        with pytest.raises(KeyboardInterrupt):
            place.sweep()
    assert place.stored() == _digests(b"1", b"2")
    assert _figures(place.sweep()) == (0, 2, 2)


def test_what_is_replaced_or_swept_while_it_is_verified_is_no_problem(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file, gone = place.create("open"), place.upload("gone", b"1")
    place.put(open_file, 1, b"2")
    really_open = Directory.open

    def late(self: Directory, org_id: UUID, sha256: str) -> Any:
        monkeypatch.undo()
        place.put(open_file, 1, b"3")
        place.delete(gone)
        place.sweep(Handler(place.engine))
        return really_open(self, org_id, sha256)

    monkeypatch.setattr(Directory, "open", late)
    found = Verified()
    verify_organization(
        place.engine, place.blobs, place.org_id, datetime.now(UTC), found, lambda _bytes: None
    )
    assert found.problems == []
    assert place.stored() == _digests(b"3")
    verify_file(place.engine, place.blobs, place.org_id, gone, found, lambda _bytes: None)
    assert found.problems == []


def test_processes_that_upload_and_delete_lose_no_content_to_one_that_sweeps(
    place: Place, tmp_path: Path
) -> None:
    url = place.engine.url.render_as_string(hide_password=False)
    what = ContentRace(url, str(tmp_path / "blobs"), place.org_id, uploaders=3, turns=60)
    barrier = processes.Barrier(what.uploaders + 1)
    over = processes.Event()
    racers = [
        start(race_for_content, what, number, barrier, over) for number in range(what.uploaders + 1)
    ]
    uploaded = [receive(racer) for racer in racers[1:]]
    over.set()
    swept = receive(racers[0])
    assert [report.errors for report in (swept, *uploaded)] == [[]] * (what.uploaders + 1)
    assert swept.done, "nothing was swept"
    # What is orphaned is about to be swept; nothing else may be wrong.
    assert {problem.problem for problem in place.problems()} <= {"orphaned"}
    assert_consistent(place.engine, place.org_id)


def _figures(swept: dict[str, Any]) -> tuple[int, int, int]:
    return swept["given_up_files"], swept["removed_blobs"], swept["removed_bytes"]
