"""Files and streams are cut into parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.content.part_ranges import (
    DEFAULT_PART_BYTES,
    Range,
    check_capacity,
    cut,
    growing_sizes,
)
from catactl.domain.file import File
from catactl.domain.parts import Part, Parts
from catactl.errors import Conflict, InvalidValue
from catactl.values.numbers import MAX_PART_NUMBER
from tests.support import BYTES_1, NOON


def _file(sizes: dict[int, int], *, completed: bool = False) -> File:
    """Return a file with parts of these sizes, by number."""
    parts = Parts.of(Part(number, sizes[number], BYTES_1, True) for number in sorted(sizes))
    return File("x", NOON, completed=completed, parts=parts)


def _known(*sizes: int, completed: bool = False) -> File:
    return _file(dict(enumerate(sizes, start=1)), completed=completed)


def _sizes(size_bytes: int, part_bytes: int | None, known: File | None = None) -> list[int]:
    return [part.size_bytes for part in cut("x", size_bytes, part_bytes, known)]


@given(
    st.integers(0, 100 * DEFAULT_PART_BYTES * MAX_PART_NUMBER),
    st.none() | st.integers(1, 2 * DEFAULT_PART_BYTES),
    st.none() | st.lists(st.integers(0, 20), max_size=3),
)
def test_parts_cover_a_file_without_a_gap(
    size_bytes: int, part_bytes: int | None, known: list[int] | None
) -> None:
    try:
        ranges = cut("x", size_bytes, part_bytes, _known(*known) if known is not None else None)
    except (InvalidValue, Conflict):
        return
    assert len(ranges) <= MAX_PART_NUMBER
    assert [each.number for each in ranges] == list(range(1, len(ranges) + 1))
    end = 0
    for each in ranges:
        assert each.offset == end
        end += each.size_bytes
    assert end == size_bytes
    if part_bytes is not None or not known:
        sizes = [each.size_bytes for each in ranges]
        assert len(set(sizes[:-1])) <= 1
        assert not sizes or 0 < sizes[-1] <= sizes[0]


def test_the_default_size_grows_in_whole_steps_for_huge_files() -> None:
    most = DEFAULT_PART_BYTES * MAX_PART_NUMBER
    assert cut("x", most, None, None)[0] == Range(1, 0, DEFAULT_PART_BYTES)
    assert cut("x", most + 1, None, None)[0] == Range(1, 0, 2 * DEFAULT_PART_BYTES)
    assert cut("x", 5 * most, None, None)[0] == Range(1, 0, 5 * DEFAULT_PART_BYTES)


def test_a_requested_part_size_is_never_changed() -> None:
    assert len(_sizes(20_000, 2)) == MAX_PART_NUMBER
    with pytest.raises(InvalidValue, match="more than 10,000 parts of 2 bytes") as caught:
        cut("x", 20_001, 2, None)
    assert caught.value.hint == "use --part-size 3 or more"


@given(
    st.integers(1, 200),
    st.none() | st.integers(1, 50),
    st.sets(st.integers(1, 200), min_size=1),
)
def test_an_interrupted_upload_continues_with_the_existing_parts(
    size_bytes: int, part_bytes: int | None, recorded: set[int]
) -> None:
    """Workers finish in any order, so any of the parts may exist."""
    before = cut("x", size_bytes, part_bytes, None)
    there = {each.number: each.size_bytes for each in before if each.number in recorded}
    after = cut("x", size_bytes, None, _file(there))
    assert {each.number: each.size_bytes for each in after if each.number in there} == there
    if not there.keys() <= {1, len(before)}:
        assert [each.size_bytes for each in after] == [each.size_bytes for each in before]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, [10]),
        ({1: 10}, [10]),
        ({1: 4}, [4, 4, 2]),
        ({2: 4}, [4, 4, 2]),
        ({1: 4, 2: 4}, [4, 4, 2]),
        ({1: 4, 3: 2}, [4, 4, 2]),
        ({2: 4, 3: 2}, [4, 4, 2]),
        ({1: 4, 2: 4, 3: 2}, [4, 4, 2]),
        ({2: 3}, [3, 3, 3, 1]),
        ({4: 1}, [1] * 10),
        ({2: 1}, [1] * 10),
        ({2: 7}, [7, 3]),
        ({3: 4}, [4, 4, 2]),
        # The parts differ in size, because the file or the part size changed in between.
        ({1: 4, 2: 3}, [4, 3, 3]),
        ({1: 4, 2: 5}, [4, 5, 1]),
        ({1: 4, 2: 3, 3: 4}, [4, 3, 3]),
        ({1: 0, 2: 0}, [0, 0, 10]),
        ({1: 10, 2: 0}, [10, 0]),
    ],
)
def test_an_interrupted_upload_is_cut_as_it_was(known: dict[int, int], expected: list[int]) -> None:
    assert _sizes(10, None, _file(known)) == expected


def test_another_part_size_is_used_if_it_makes_enough_parts() -> None:
    assert _sizes(10, 5, _known(4)) == [5, 5]
    assert _sizes(10, 5, _known(4, 4)) == [5, 5]
    assert _sizes(10, 3, _known(4, 4, 2)) == [3, 3, 3, 1]


def test_a_part_size_that_makes_too_many_parts_is_not_kept() -> None:
    sizes = _sizes(1_000_000, None, _known(1))
    assert sizes[:101] == [1] * 100 + [2]
    assert len(sizes) < MAX_PART_NUMBER


def test_a_complete_file_is_cut_as_it_was_with_any_requested_size() -> None:
    known = _known(4, 1, 5, completed=True)
    assert _sizes(10, 3, known) == [4, 1, 5]
    for size_bytes in (9, 11, 0):
        with pytest.raises(Conflict, match="exists with other content"):
            cut("x", size_bytes, None, known)


def test_parts_past_the_last_are_a_conflict() -> None:
    assert _sizes(10, 5, _known(1, 1)) == [5, 5]
    with pytest.raises(Conflict, match="has part 2 already"):
        cut("x", 10, 10, _known(1, 1, 1))
    with pytest.raises(Conflict, match="has part 1 already"):
        cut("x", 0, None, _known(1))


# --- streams --------------------------------------------------------------------------------------

_GIB = 1024**3


def _growing(known: File | None = None, part_bytes: int | None = None) -> list[int]:
    return list(growing_sizes(known, part_bytes))


@pytest.mark.parametrize(
    ("part_bytes", "least_tib"), [(None, 7.8), (DEFAULT_PART_BYTES, 7.8), (1, 1.9), (1_000, 1.9)]
)
def test_growing_parts_hold_terabytes(part_bytes: int | None, least_tib: float) -> None:
    sizes = _growing(None, part_bytes)
    assert len(sizes) == MAX_PART_NUMBER
    assert sizes[0] == (part_bytes or DEFAULT_PART_BYTES)
    assert sizes == sorted(sizes)
    assert sum(sizes) >= least_tib * 1024**4
    assert max(sizes) <= 4 * _GIB


def test_any_part_size_below_the_default_holds_as_much() -> None:
    least_bytes = min(sum(_growing(None, 2**power)) for power in range(24))
    assert least_bytes >= 1.9 * 1024**4


def test_parts_double_every_100_up_to_the_default_and_every_1_000_from_there() -> None:
    assert _growing(None, 3)[99:101] == [3, 6]
    assert _growing(None, 3)[199:201] == [6, 12]
    assert _growing()[999:1001] == [DEFAULT_PART_BYTES, 2 * DEFAULT_PART_BYTES]
    assert _growing()[1_999:2_001] == [2 * DEFAULT_PART_BYTES, 4 * DEFAULT_PART_BYTES]
    assert set(_growing(None, 5 * _GIB)) == {5 * _GIB}


@pytest.mark.parametrize("part_bytes", [None, 1, 100, DEFAULT_PART_BYTES])
@pytest.mark.parametrize("count", [1, 99, 100, 101, 1_000, 1_001, 2_345, 9_999])
def test_growing_parts_continue_as_if_the_upload_was_not_interrupted(
    part_bytes: int | None, count: int
) -> None:
    sizes = _growing(None, part_bytes)
    assert _growing(_known(*sizes[:count])) == sizes
    assert _growing(_known(*sizes[:count]), part_bytes) == sizes


@pytest.mark.parametrize(
    ("known", "part_bytes", "expected"),
    [
        ({1: 3}, None, [3, 3, 3]),
        ({1: 3, 2: 3}, None, [3, 3, 3]),
        ({1: 3, 2: 1}, None, [3, 1, 3]),
        ({1: 3, 2: 5}, None, [3, 5, 5]),
        ({2: 3}, None, [3, 3, 3]),
        ({1: 3, 3: 2}, None, [3, 3, 2]),
        ({1: 0, 2: 3}, None, [0, 3, 3]),
        ({1: 0}, None, [0, DEFAULT_PART_BYTES, DEFAULT_PART_BYTES]),
        ({1: 3, 2: 3}, 3, [3, 3, 3]),
        ({1: 3, 2: 1}, 3, [3, 1, 3]),
        ({1: 1}, 3, [1, 3, 3]),  # the part may have been the whole stream
    ],
)
def test_a_stream_continues_with_the_existing_sizes(
    known: dict[int, int], part_bytes: int | None, expected: list[int]
) -> None:
    assert _growing(_file(known), part_bytes)[:3] == expected


@pytest.mark.parametrize(
    ("known", "part_bytes"), [({1: 3}, 2), ({1: 3, 2: 3}, 4), ({1: 3, 2: 1}, 1), ({2: 3, 3: 3}, 6)]
)
def test_another_part_size_than_that_of_the_existing_parts_is_refused(
    known: dict[int, int], part_bytes: int
) -> None:
    with pytest.raises(Conflict, match="has parts of 3 bytes already"):
        growing_sizes(_file(known), part_bytes)


def test_a_complete_file_keeps_its_part_sizes_in_a_stream() -> None:
    assert _growing(_known(4, 1, completed=True), 3) == [4, 1]
    check_capacity("x", 6, _known(4, 1, completed=True), 3)


def test_content_that_growing_parts_cannot_hold_is_refused_with_their_capacity() -> None:
    capacity_bytes = sum(_growing(None, 1))
    check_capacity("x", capacity_bytes, None, 1)
    with pytest.raises(InvalidValue, match=f"hold {capacity_bytes:,} bytes") as caught:
        check_capacity("x", capacity_bytes + 1, None, 1)
    assert caught.value.hint == "use larger parts: --part-size SIZE"
    with pytest.raises(InvalidValue) as caught:
        check_capacity("x", 100 * 1024**4, _known(1), None)
    assert "delete the file" in (caught.value.hint or "")
