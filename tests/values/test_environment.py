"""Environment variables of a job."""

import pytest

from catactl.errors import InvalidValue
from catactl.values.environment import parse_environment


def test_a_value_may_be_empty_and_may_contain_an_equals_sign() -> None:
    assert parse_environment(["A=1", "B=", "C=x=y"]) == {"A": "1", "B": "", "C": "x=y"}


@pytest.mark.parametrize(
    ("pairs", "message"), [(["A"], "not an environment variable: 'A'"), (["A=1", "A=1"], "twice")]
)
def test_a_pair_without_equals_sign_or_a_repeated_name_is_refused(
    pairs: list[str], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        parse_environment(pairs)
