"""A sweep takes what nothing refers to, whatever happens meanwhile."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import Blob, address_of, measure
from catactl.content import sweep as sweeping
from catactl.content.paths import FoundFile
from catactl.content.references import files_to_sweep
from catactl.domain.organization import (
    DeleteOrganization,
    OrganizationContentSwept,
    SuspendOrganization,
)
from catactl.handling.handler import Handler
from catactl.projections.swept_content import generations
from catactl.store.sql.engine import reading
from tests.content.conftest import Place
from tests.processes import processes, receive, start
from tests.support import assert_consistent, complete, opened, read_log, run
from tests.workers import ContentRace, race_for_content


def _digests(*contents: bytes) -> set[str]:
    return {measure([content]).sha256 for content in contents}


def _addresses(content: bytes, generation: int) -> set[str]:
    return {address_of(measure([content]).sha256, generation)}


def _killed(*_arguments: Any) -> None:
    raise KeyboardInterrupt


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
    monkeypatch.setattr("catactl.content.sweep._Sweep.check_place", lambda *_: None)
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
        found = files_to_sweep(*arguments)
        somebody.restore(restored)
        somebody.restore(anew)
        somebody.delete(anew)
        return found

    with opened(place.engine.url) as engine, monkeypatch.context() as patch:
        somebody = replace(place, engine=engine, handler=Handler(engine))
        patch.setattr(sweeping, "files_to_sweep", late)
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

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            place.sweep()
    assert place.stored() == _digests(b"1", b"2")
    assert _figures(place.sweep()) == (0, 2, 2)


def _swept_events(place: Place) -> list[Any]:
    return [
        each.event.generations
        for each in read_log(place.engine, place.org_id)
        if isinstance(each.event, OrganizationContentSwept)
    ]


def test_content_is_given_up_for_good_before_it_is_removed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.delete(place.upload("x", b"1", b"2"))
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            place.sweep()
    given_up = dict.fromkeys(_digests(b"1", b"2"), 1)
    assert _swept_events(place) == [given_up]
    assert place.stored() == _digests(b"1", b"2")
    assert _figures(place.sweep(dry_run=True)) == (0, 2, 2)
    assert _figures(place.sweep()) == (0, 2, 2)
    assert place.stored() == set()
    assert _figures(place.sweep()) == (0, 0, 0)
    assert _swept_events(place) == [given_up], "nothing was given up twice"
    assert_consistent(place.engine, place.org_id)


def test_of_content_uploaded_again_after_a_sweep_broke_off_only_what_was_given_up_goes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.delete(place.upload("x", b"1", b"2"))
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            place.sweep()
    again = place.create("y")
    with reading(place.engine) as conn:
        now_in = generations(conn, place.org_id)
    place.record(again, 1, place.store(b"1", now_in))
    complete(place.handler, place.org_id, again)
    assert place.stored() == _digests(b"1", b"2") | _addresses(b"1", 1)
    assert {(each.problem, Path(each.where).name) for each in place.problems()} == {
        ("orphaned", address) for address in _digests(b"1", b"2")
    }
    assert _figures(place.sweep()) == (0, 2, 2)
    assert place.stored() == _addresses(b"1", 1)
    assert place.problems() == []
    assert place.download(again) == b"1"
    assert len(_swept_events(place)) == 1


@pytest.mark.parametrize("how", ["part", "file"])
def test_a_sweep_that_removes_late_loses_nothing_that_was_uploaded_meanwhile(
    how: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.delete(place.upload("x", b"1", b"2"))
    uploaded: list[UUID] = []

    def upload_file(somebody: Place) -> UUID:
        (tmp_path / "source").write_bytes(b"12")
        done = somebody.upload_item(FoundFile(str(tmp_path / "source"), "y"), 1)
        assert done.error is None
        assert done.row is not None
        return UUID(done.row["file_id"])

    really_delete = Directory.delete

    def late(self: Directory, org_id: UUID, addresses: Collection[str]) -> None:
        patch.undo()
        with opened(place.engine.url) as engine:
            somebody = replace(place, engine=engine, handler=Handler(engine))
            upload = upload_file if how == "file" else lambda to: to.upload("y", b"1", b"2")
            uploaded.append(upload(somebody))
        really_delete(self, org_id, addresses)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", late)
        assert _figures(place.sweep()) == (1, 2, 2)
    (file_id,) = uploaded
    assert place.problems() == []
    assert place.download(file_id) == b"12"
    assert place.stored() == _addresses(b"1", 1) | _addresses(b"2", 1)
    assert _figures(place.sweep()) == (0, 0, 0)
    assert_consistent(place.engine, place.org_id)


def test_content_that_is_swept_again_and_again_is_never_where_it_was(place: Place) -> None:
    place.upload("kept", b"kept")
    for generation in range(4):
        file_id = place.upload(str(generation), b"1", b"of %d" % generation)
        expected = _digests(b"kept", b"of %d" % generation) | _addresses(b"1", generation)
        assert place.stored() == expected
        assert place.download(file_id) == b"1of %d" % generation
        assert place.problems() == []
        found = place.verify_file(file_id)
        assert (found.blobs, found.problems) == (2, [])
        assert _figures(place.sweep()) == (0, 0, 0)
        place.delete(file_id)
        assert _figures(place.sweep()) == (1, 2, 5)
    (digest,) = _digests(b"1")
    assert [generations[digest] for generations in _swept_events(place)] == [1, 2, 3, 4]
    assert_consistent(place.engine, place.org_id)


def test_what_is_wrong_with_content_of_a_later_generation_is_found_where_it_lies(
    place: Place,
) -> None:
    place.store(b"1")
    place.sweep()
    file_id = place.upload("x", b"1")
    where = Path(place.blobs.locate(place.org_id, *_addresses(b"1", 1)))
    where.write_bytes(b"X")
    place.store(b"1")  # where it was given up, it helps nobody
    for problem in ("damaged", "missing"):
        of_organization = [each for each in place.problems() if each.problem != "orphaned"]
        found = place.verify_file(file_id)
        assert of_organization == found.problems
        assert [(each.problem, each.where) for each in found.problems] == [(problem, str(where))]
        where.unlink(missing_ok=True)


def test_a_dry_run_gives_nothing_up(place: Place) -> None:
    place.delete(place.upload("x", b"1", b"2"))
    place.store(b"3")
    log, stored = read_log(place.engine, place.org_id), place.stored()
    would = place.sweep(dry_run=True)
    assert _figures(would) == (1, 3, 3)
    assert (read_log(place.engine, place.org_id), place.stored()) == (log, stored)
    with reading(place.engine) as conn:
        assert generations(conn, place.org_id) == {}
    assert place.sweep() == would


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_an_organization_is_swept_whatever_became_of_it(status: str, place: Place) -> None:
    place.store(b"1")
    command = SuspendOrganization() if status == "suspended" else DeleteOrganization()
    run(place.handler, place.org_id, place.org_id, command)
    assert _figures(place.sweep()) == (0, 1, 1)
    assert place.stored() == set()
    assert _swept_events(place) == [dict.fromkeys(_digests(b"1"), 1)]
    assert_consistent(place.engine, place.org_id)


def test_content_of_a_later_generation_than_the_log_knows_is_given_up_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the database was restored from a backup that is older than a sweep."""
    (digest,) = _digests(b"1")
    for generation in range(3):
        place.store(b"1", {digest: generation})
    really_delete = Directory.delete

    def late(self: Directory, org_id: UUID, addresses: Collection[str]) -> None:
        patch.undo()
        place.upload("x", b"1")
        really_delete(self, org_id, addresses)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", late)
        place.sweep(Handler(place.engine))
    assert [each for each in place.problems() if each.problem != "orphaned"] == []


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
    assert place.problems() == []
    assert place.stored() == _digests(b"3")
    assert place.verify_file(gone).problems == []


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
