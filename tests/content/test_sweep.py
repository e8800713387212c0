"""A sweep removes only content without references, even during concurrent writes."""

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
from catactl.results.content import SweptOrganization
from catactl.store.sql.engine import reading
from tests.content.conftest import Org
from tests.processes import processes, receive, start
from tests.support import assert_consistent, complete, opened, read_log, run
from tests.workers import ContentRace, race_for_content


def _digests(*contents: bytes) -> set[str]:
    return {measure([content]).sha256 for content in contents}


def _addresses(content: bytes, generation: int) -> set[str]:
    return {address_of(measure([content]).sha256, generation)}


def _killed(*_arguments: Any) -> None:
    raise KeyboardInterrupt


def _meanwhile(org: Org, monkeypatch: pytest.MonkeyPatch, after: int, act: Any) -> None:
    """Call `act` after the sweep has listed `after` blobs, when its snapshot is out of date."""
    really_list = Directory.list

    def listing(self: Directory, org_id: UUID) -> Iterator[Blob]:
        for number, blob in enumerate(list(really_list(self, org_id))):
            if number == after:
                act()
            yield blob

    monkeypatch.setattr(Directory, "list", listing)


@pytest.mark.parametrize("after", [0, 1])
def test_a_sweep_keeps_content_that_gets_a_reference_meanwhile(
    after: int, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.store(b"1")
    org.store(b"2")
    sweeper = Handler(org.engine)
    file_id = org.create("x")
    _meanwhile(org, monkeypatch, after, lambda: org.put(file_id, 1, b"1"))
    swept = org.sweep(sweeper)
    monkeypatch.undo()
    assert swept["removed_blobs"] == 1
    assert org.stored() == _digests(b"1")
    assert org.problems() == []


def test_a_file_that_is_deleted_during_a_sweep_can_be_restored(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.store(b"0")
    file_id = org.upload("x", b"1")
    monkeypatch.setattr("catactl.content.sweep._Sweep.check_place", lambda *_: None)
    _meanwhile(org, monkeypatch, 0, lambda: org.delete(file_id))
    assert org.sweep()["removed_blobs"] == 1
    monkeypatch.undo()
    org.restore(file_id)
    assert org.problems() == []


def test_a_file_that_is_restored_or_deleted_again_during_a_sweep_keeps_its_content(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored, deleted_again, gone = (org.upload(name, name.encode()) for name in "abc")
    for file_id in (restored, deleted_again, gone):
        org.delete(file_id)

    def late(*arguments: Any) -> list[UUID]:
        found = files_to_sweep(*arguments)
        other.restore(restored)
        other.restore(deleted_again)
        other.delete(deleted_again)
        return found

    with opened(org.engine.url) as engine, monkeypatch.context() as patch:
        other = replace(org, engine=engine, handler=Handler(engine))
        patch.setattr(sweeping, "files_to_sweep", late)
        assert _figures(org.sweep()) == (1, 1, 1)
    org.restore(deleted_again)
    assert org.stored() == _digests(b"a", b"b")
    assert org.problems() == []


def test_a_sweep_works_in_batches(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_FILES_AT_ONCE", 2)
    monkeypatch.setattr(sweeping, "_BLOBS_AT_ONCE", 3)
    for number in range(5):
        org.delete(org.upload(str(number), b"%d" % number, b"more %d" % number))
    org.upload("kept", b"kept")
    assert _figures(org.sweep()) == (5, 10, 35)
    assert org.stored() == _digests(b"kept")
    assert_consistent(org.engine, org.org_id)


def test_the_next_sweep_completes_an_interrupted_sweep(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.delete(org.upload("x", b"1", b"2"))

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            org.sweep()
    assert org.stored() == _digests(b"1", b"2")
    assert _figures(org.sweep()) == (0, 2, 2)


def _swept_events(org: Org) -> list[Any]:
    return [
        each.event.generations
        for each in read_log(org.engine, org.org_id)
        if isinstance(each.event, OrganizationContentSwept)
    ]


def test_an_event_sweeps_an_address_before_its_blob_is_removed(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.delete(org.upload("x", b"1", b"2"))
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            org.sweep()
    swept_once = dict.fromkeys(_digests(b"1", b"2"), 1)
    assert _swept_events(org) == [swept_once]
    assert org.stored() == _digests(b"1", b"2")
    assert _figures(org.sweep(dry_run=True)) == (0, 2, 2)
    assert _figures(org.sweep()) == (0, 2, 2)
    assert org.stored() == set()
    assert _figures(org.sweep()) == (0, 0, 0)
    assert _swept_events(org) == [swept_once], "no address is swept twice"
    assert_consistent(org.engine, org.org_id)


def test_after_an_interrupted_sweep_only_swept_addresses_are_removed(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.delete(org.upload("x", b"1", b"2"))
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            org.sweep()
    again = org.create("y")
    with reading(org.engine) as conn:
        now_in = generations(conn, org.org_id)
    org.record(again, 1, org.store(b"1", now_in))
    complete(org.handler, org.org_id, again)
    assert org.stored() == _digests(b"1", b"2") | _addresses(b"1", 1)
    assert {(each["problem"], Path(each["where"]).name) for each in org.problems()} == {
        ("orphaned", address) for address in _digests(b"1", b"2")
    }
    assert _figures(org.sweep()) == (0, 2, 2)
    assert org.stored() == _addresses(b"1", 1)
    assert org.problems() == []
    assert org.download(again) == b"1"
    assert len(_swept_events(org)) == 1


@pytest.mark.parametrize("how", ["part", "file"])
def test_a_sweep_that_removes_late_loses_no_content_that_was_uploaded_meanwhile(
    how: str, org: Org, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.delete(org.upload("x", b"1", b"2"))
    uploaded: list[UUID] = []

    def upload_file(other: Org) -> UUID:
        (tmp_path / "source").write_bytes(b"12")
        done = other.upload_item(FoundFile(str(tmp_path / "source"), "y"), 1)
        assert done.error is None
        assert done.result is not None
        return UUID(done.result["file_id"])

    really_delete = Directory.delete

    def late(self: Directory, org_id: UUID, addresses: Collection[str]) -> None:
        patch.undo()
        with opened(org.engine.url) as engine:
            other = replace(org, engine=engine, handler=Handler(engine))
            upload = upload_file if how == "file" else lambda to: to.upload("y", b"1", b"2")
            uploaded.append(upload(other))
        really_delete(self, org_id, addresses)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", late)
        assert _figures(org.sweep()) == (1, 2, 2)
    (file_id,) = uploaded
    assert org.problems() == []
    assert org.download(file_id) == b"12"
    assert org.stored() == _addresses(b"1", 1) | _addresses(b"2", 1)
    assert _figures(org.sweep()) == (0, 0, 0)
    assert_consistent(org.engine, org.org_id)


def test_content_that_is_swept_again_gets_a_new_address_each_time(org: Org) -> None:
    org.upload("kept", b"kept")
    for generation in range(4):
        file_id = org.upload(str(generation), b"1", b"of %d" % generation)
        expected = _digests(b"kept", b"of %d" % generation) | _addresses(b"1", generation)
        assert org.stored() == expected
        assert org.download(file_id) == b"1of %d" % generation
        assert org.problems() == []
        found = org.verify_file(file_id)
        assert (found.blobs, found.problems) == (2, [])
        assert _figures(org.sweep()) == (0, 0, 0)
        org.delete(file_id)
        assert _figures(org.sweep()) == (1, 2, 5)
    (digest,) = _digests(b"1")
    assert [generations[digest] for generations in _swept_events(org)] == [1, 2, 3, 4]
    assert_consistent(org.engine, org.org_id)


def test_a_problem_with_a_later_generation_names_its_address(
    org: Org,
) -> None:
    org.store(b"1")
    org.sweep()
    file_id = org.upload("x", b"1")
    where = Path(org.blobs.locate(org.org_id, *_addresses(b"1", 1)))
    where.write_bytes(b"X")
    org.store(b"1")  # at a swept address, which no part refers to
    for problem in ("damaged", "missing"):
        of_organization = [each for each in org.problems() if each["problem"] != "orphaned"]
        found = org.verify_file(file_id)
        assert of_organization == found.problems
        assert [(each["problem"], each["where"]) for each in found.problems] == [
            (problem, str(where))
        ]
        where.unlink(missing_ok=True)


def test_a_dry_run_sweeps_nothing(org: Org) -> None:
    org.delete(org.upload("x", b"1", b"2"))
    org.store(b"3")
    log, stored = read_log(org.engine, org.org_id), org.stored()
    would = org.sweep(dry_run=True)
    assert _figures(would) == (1, 3, 3)
    assert (read_log(org.engine, org.org_id), org.stored()) == (log, stored)
    with reading(org.engine) as conn:
        assert generations(conn, org.org_id) == {}
    assert org.sweep() == would


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_a_suspended_or_deleted_organization_is_swept(status: str, org: Org) -> None:
    org.store(b"1")
    command = SuspendOrganization() if status == "suspended" else DeleteOrganization()
    run(org.handler, org.org_id, org.org_id, command)
    assert _figures(org.sweep()) == (0, 1, 1)
    assert org.stored() == set()
    assert _swept_events(org) == [dict.fromkeys(_digests(b"1"), 1)]
    assert_consistent(org.engine, org.org_id)


def test_a_generation_that_the_log_does_not_know_is_swept(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that was restored from a backup does not know the sweeps since the backup."""
    (digest,) = _digests(b"1")
    for generation in range(3):
        org.store(b"1", {digest: generation})
    really_delete = Directory.delete

    def late(self: Directory, org_id: UUID, addresses: Collection[str]) -> None:
        patch.undo()
        org.upload("x", b"1")
        really_delete(self, org_id, addresses)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", late)
        org.sweep(Handler(org.engine))
    assert [each for each in org.problems() if each["problem"] != "orphaned"] == []


def test_content_that_is_replaced_or_swept_during_a_verification_is_not_a_problem(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file, gone = org.create("open"), org.upload("gone", b"1")
    org.put(open_file, 1, b"2")
    really_open = Directory.open

    def late(self: Directory, org_id: UUID, sha256: str) -> Any:
        monkeypatch.undo()
        org.put(open_file, 1, b"3")
        org.delete(gone)
        org.sweep(Handler(org.engine))
        return really_open(self, org_id, sha256)

    monkeypatch.setattr(Directory, "open", late)
    assert org.problems() == []
    assert org.stored() == _digests(b"3")
    assert org.verify_file(gone).problems == []


def test_concurrent_uploads_and_deletions_lose_no_content_to_a_sweep(
    org: Org, tmp_path: Path
) -> None:
    url = org.engine.url.render_as_string(hide_password=False)
    race = ContentRace(url, str(tmp_path / "blobs"), org.org_id, uploaders=3, turns=60)
    barrier = processes.Barrier(race.uploaders + 1)
    over = processes.Event()
    racers = [
        start(race_for_content, race, number, barrier, over) for number in range(race.uploaders + 1)
    ]
    uploaded = [receive(racer) for racer in racers[1:]]
    over.set()
    swept = receive(racers[0])
    assert [report.errors for report in (swept, *uploaded)] == [[]] * (race.uploaders + 1)
    assert swept.done, "nothing was swept"
    # Orphaned content is about to be swept. There must be no other problem.
    assert {problem["problem"] for problem in org.problems()} <= {"orphaned"}
    assert_consistent(org.engine, org.org_id)


def _figures(swept: SweptOrganization) -> tuple[int, int, int]:
    return swept["given_up_files"], swept["removed_blobs"], swept["removed_bytes"]
