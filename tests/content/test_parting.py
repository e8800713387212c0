"""How files are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.content.parting import DEFAULT_PART_BYTES, Range, cut
from catactl.domain.file import File
from catactl.domain.parts import MAX_PART_NUMBER, Part, Parts
from catactl.errors import Conflict, InvalidValue
from tests.support import BYTES_1, NOON


def _known(*sizes: int, completed: bool = False) -> File:
    parts = Parts.of(Part(number, size, BYTES_1, True) for number, size in enumerate(sizes, 1))
    return File("x", NOON, completed=completed, parts=parts)


def _sizes(size_bytes: int, part_bytes: int | None, known: File | None = None) -> list[int]:
    return [part.size_bytes for part in cut("x", size_bytes, part_bytes, known)]


@given(
    st.integers(0, 100 * DEFAULT_PART_BYTES * MAX_PART_NUMBER),
    st.none() | st.integers(1, 2 * DEFAULT_PART_BYTES),
    st.none() | st.lists(st.integers(0, 20), max_size=3),
)
def test_parts_cover_a_file_without_a_gap_and_but_the_last_are_of_one_size(
    size_bytes: int, part_bytes: int | None, known: list[int] | None
) -> None:
    try:
        ranges = list(
            cut("x", size_bytes, part_bytes, _known(*known) if known is not None else None)
        )
    except (InvalidValue, Conflict):
        return
    assert len(ranges) <= MAX_PART_NUMBER
    assert [each.number for each in ranges] == list(range(1, len(ranges) + 1))
    end = 0
    for each in ranges:
        assert each.offset == end
        end += each.size_bytes
    assert end == size_bytes
    sizes = [each.size_bytes for each in ranges]
    assert len(set(sizes[:-1])) <= 1
    assert not sizes or 0 < sizes[-1] <= sizes[0]


def test_the_default_grows_in_whole_steps_for_what_is_huge() -> None:
    most = DEFAULT_PART_BYTES * MAX_PART_NUMBER
    assert next(cut("x", most, None, None)) == Range(1, 0, DEFAULT_PART_BYTES)
    assert next(cut("x", most + 1, None, None)) == Range(1, 0, 2 * DEFAULT_PART_BYTES)
    assert next(cut("x", 5 * most, None, None)) == Range(1, 0, 5 * DEFAULT_PART_BYTES)


def test_a_size_that_was_asked_for_is_never_changed() -> None:
    assert len(_sizes(20_000, 2)) == MAX_PART_NUMBER
    with pytest.raises(InvalidValue, match="over 10,000 parts of 2 bytes") as caught:
        cut("x", 20_001, 2, None)
    assert caught.value.hint == "--part-size 3 or more"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ((4, 4), [4, 4, 2]),
        ((4, 4, 2), [4, 4, 2]),
        ((4, 3), [4, 4, 2]),
        ((4,), [10]),  # may have been the last
        ((4, 5), [10]),
        ((4, 3, 4), [10]),
        ((0, 0), [10]),
        ((), [10]),
    ],
)
def test_an_upload_that_broke_off_is_cut_as_it_was_if_that_is_known(
    known: tuple[int, ...], expected: list[int]
) -> None:
    if len(known) > len(expected):
        with pytest.raises(Conflict):
            cut("x", 10, None, _known(*known))
    else:
        assert _sizes(10, None, _known(*known)) == expected
    if len(known) <= 2:
        assert _sizes(10, 5, _known(*known)) == [5, 5]


def test_a_complete_file_is_cut_as_it_was_whatever_is_asked_for() -> None:
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
