import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.domain.parts import Part, Parts
from catactl.values.numbers import MAX_PART_NUMBER

# Prefer few numbers near the borders of blocks, so that replaced parts and gaps are frequent.
NUMBERS = st.one_of(
    st.sampled_from([1, 2, 3, 99, 100, 101, 102, 199, 200, 201, 9_999, 10_000]),
    st.integers(1, MAX_PART_NUMBER),
)
PARTS = st.builds(Part, NUMBERS, st.integers(0, 2**40), st.sampled_from(["a", "b"]), st.booleans())


_NONE = Parts()


def filled(parts: list[Part], start: Parts = _NONE) -> Parts:
    for part in parts:
        start = start.with_part(part)
    return start


@given(st.lists(PARTS))
def test_parts_behave_like_a_dictionary_by_number(uploaded: list[Part]) -> None:
    model = {part.number: part for part in uploaded}
    parts = filled(uploaded)
    assert list(parts) == [model[number] for number in sorted(model)]
    assert parts.count == len(model)
    assert parts.size_bytes == sum(part.size_bytes for part in model.values())
    for number in {1, 100, 101, 10_000, *model}:
        assert parts.get(number) == model.get(number)


@given(st.lists(PARTS))
def test_parts_built_at_once_equal_parts_added_one_by_one(uploaded: list[Part]) -> None:
    one_by_one = filled(uploaded)
    assert Parts.of(one_by_one) == one_by_one


@given(st.lists(PARTS), PARTS)
def test_adding_a_part_does_not_change_the_parts_before(uploaded: list[Part], part: Part) -> None:
    before = filled(uploaded)
    content = list(before)
    before.with_part(part)
    assert list(before) == content


@given(st.lists(PARTS), st.lists(PARTS))
def test_changed_since_finds_exactly_the_difference(first: list[Part], then: list[Part]) -> None:
    before = filled(first)
    after = filled(then, before)
    expected = [part for part in after if before.get(part.number) != part]
    assert list(after.changed_since(before)) == expected


@given(st.lists(PARTS), st.lists(PARTS))
def test_changed_since_does_not_depend_on_shared_blocks(
    first: list[Part], then: list[Part]
) -> None:
    before = filled(first)
    after = filled(then, before)
    rebuilt = Parts.of(after)
    assert list(rebuilt.changed_since(before)) == list(after.changed_since(before))


@given(st.lists(PARTS))
def test_no_part_changed_since_itself_and_all_changed_since_no_parts(uploaded: list[Part]) -> None:
    parts = filled(uploaded)
    assert list(parts.changed_since(parts)) == []
    assert list(parts.changed_since(Parts())) == list(parts)


@given(st.lists(PARTS))
def test_the_first_missing_number_is_the_lowest_gap(uploaded: list[Part]) -> None:
    numbers = {part.number for part in uploaded}
    gaps = set(range(1, max(numbers, default=0))) - numbers
    assert filled(uploaded).first_missing() == min(gaps, default=None)


@given(st.lists(PARTS), PARTS)
def test_parts_are_compared_by_content_not_by_where_it_is_stored(
    uploaded: list[Part], part: Part
) -> None:
    parts = filled(uploaded)
    elsewhere = Parts.of(each._replace(stored=not each.stored) for each in parts)
    assert parts.have_same_content(elsewhere)
    replaced, then = parts.get(part.number), parts.with_part(part)
    expected = replaced is not None and replaced.has_same_content(part)
    assert then.have_same_content(elsewhere) == elsewhere.have_same_content(then) == expected


@pytest.mark.parametrize(
    "others",
    [
        [Part(1, 10, "a"), Part(3, 20, "b")],
        [Part(1, 20, "a"), Part(2, 10, "b")],
        [Part(1, 10, "b"), Part(2, 20, "a")],
    ],
    ids=["numbers", "sizes", "digests"],
)
def test_equal_counts_and_sizes_do_not_mean_equal_content(others: list[Part]) -> None:
    parts = Parts.of([Part(1, 10, "a"), Part(2, 20, "b")])
    assert not parts.have_same_content(Parts.of(others))


def test_an_empty_map_has_no_missing_number() -> None:
    assert Parts().first_missing() is None
    assert (Parts().count, Parts().size_bytes, list(Parts())) == (0, 0, [])


def test_ten_thousand_parts_can_be_added_in_any_order() -> None:
    parts = filled([Part(number, number, "a") for number in range(MAX_PART_NUMBER, 0, -1)])
    assert [part.number for part in parts] == list(range(1, MAX_PART_NUMBER + 1))
    assert parts.size_bytes == MAX_PART_NUMBER * (MAX_PART_NUMBER + 1) // 2
    assert parts.first_missing() is None


def test_replacing_one_of_ten_thousand_parts_shares_all_other_blocks() -> None:
    before = Parts.of(Part(number, 1, "a") for number in range(1, MAX_PART_NUMBER + 1))
    after = before.with_part(Part(5_000, 2, "b"))
    shared = [old is new for old, new in zip(before._blocks, after._blocks, strict=True)]
    assert shared.count(False) == 1
