"""Uploads replace the parts of an interrupted upload, under a quota."""

from pathlib import Path

import pytest

from catactl.blobs.store import measure
from catactl.content.paths import FoundFile
from catactl.content.pending import PendingFile, PendingUpload
from catactl.content.recorder import Recorder
from catactl.content.stored_parts import StoredPart, stored_part
from catactl.content.upload_options import UploadedFile
from catactl.domain.file import File
from catactl.domain.organization import SetQuota
from catactl.domain.parts import Parts
from catactl.errors import QuotaExceeded
from catactl.handling.intent import Intent
from tests.content.conftest import Org
from tests.support import INTENT, NOON, assert_consistent, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(34)))
    return path


def _upload(org: Org, path: Path, part_bytes: int) -> UploadedFile:
    return org.upload_item(FoundFile(str(path), "x"), part_bytes, workers=2)


@pytest.mark.parametrize(
    ("known", "part_bytes"),
    [
        ([16, 16], 32),  # 32 and 2
        ([1, 1, 1, 28], 9),  # 9, 9, 9 and 7
        ([16, 1, 16, 1], 9),
        ([12, 12, 12], 12),
        ([30, 30], 17),
        ([34], 1),
    ],
)
def test_an_upload_that_fits_the_quota_at_its_end_fits_while_it_runs(
    known: list[int], part_bytes: int, org: Org, path: Path
) -> None:
    file_id = org.create("x")
    for number, size_bytes in enumerate(known, start=1):
        org.put(file_id, number, bytes(size_bytes))
    run(org.handler, org.org_id, org.org_id, SetQuota(34))
    uploaded = _upload(org, path, part_bytes)
    assert uploaded.error is None
    assert org.download(file_id) == path.read_bytes()
    assert_consistent(org.engine, org.org_id)


def test_the_error_of_a_refused_upload_names_the_excess_of_the_whole_file(
    org: Org, path: Path
) -> None:
    file_id = org.create("x")
    for number in (1, 2):
        org.put(file_id, number, bytes(16))
    run(org.handler, org.org_id, org.org_id, SetQuota(33))
    error = _upload(org, path, 32).error
    assert isinstance(error, QuotaExceeded)
    assert "32 of 33 bytes are used, 2 more do not fit" in error.message


def test_a_quota_that_is_lowered_meanwhile_is_compared_with_the_whole_file(
    org: Org, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_rules = Recorder.check_rules

    def late(recorder: Recorder, upload: PendingUpload, size_bytes: int, intent: Intent) -> None:
        check_rules(recorder, upload, size_bytes, intent)
        run(org.handler, org.org_id, org.org_id, SetQuota(33))

    monkeypatch.setattr(Recorder, "check_rules", late)
    error = _upload(org, path, 32).error
    assert isinstance(error, QuotaExceeded)
    assert "more do not fit" in error.message
    used_bytes, _, rest = error.message.partition(" of 33 bytes are used, ")
    assert int(used_bytes.rpartition(" ")[2]) + int(rest.partition(" ")[0]) == 34


def test_parts_that_grow_are_recorded_after_parts_that_shrink() -> None:
    parts = [stored_part(number, measure([bytes(size)])) for number, size in ((1, 3), (2, 3))]
    existing = File("x", NOON, parts=Parts.of(parts))
    pending = PendingFile(name="x", intent=INTENT, existing=existing, shrinking={2})
    grown, same, shrunk = (
        StoredPart(stored_part(number, measure([bytes(size)])), skipped=False)
        for number, size in ((3, 1), (1, 3), (2, 2))
    )
    pending.ready = [grown]
    assert not pending.is_recordable
    pending.ready = [grown, same]
    assert pending.next_parts() == [same]
    pending.ready = [grown, shrunk]
    assert pending.next_parts() == [shrunk, grown]
    pending.shrinking = set()
    assert pending.next_parts() == [grown, shrunk]
