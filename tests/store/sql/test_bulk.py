"""Items come in batches that are short enough for a query."""

import pytest

from catactl.store.sql.bulk import batched


@pytest.mark.parametrize(
    ("count", "lengths"), [(0, []), (1, [1]), (500, [500]), (501, [500, 1]), (1_000, [500, 500])]
)
def test_batches_hold_all_items_in_order(count: int, lengths: list[int]) -> None:
    batches = list(batched(iter(range(count))))
    assert [len(batch) for batch in batches] == lengths
    assert [item for batch in batches for item in batch] == list(range(count))
