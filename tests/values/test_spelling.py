"""The one spelling in which a name is stored."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.errors import InvalidValue
from catactl.values.names import check_email, check_file_name, check_label, check_name
from catactl.values.spelling import normalized, spellings

_CHECKS: list[Callable[[str], str]] = [
    partial(check_name, "organization name"),
    check_file_name,
    partial(check_label, "name"),
]


@pytest.mark.parametrize("check", _CHECKS, ids=["name", "file name", "label"])
@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Zu\u0308rich", "Z\u00fcrich"),
        ("Z\u00fcrich", "Z\u00fcrich"),
        ("\u212bngstrom", "\u00c5ngstrom"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("q\u0307\u0323", "q\u0323\u0307"),
    ],
)
def test_names_are_stored_in_one_form(check: Callable[[str], str], typed: str, stored: str) -> None:
    assert check(typed) == stored


def test_addresses_are_stored_in_one_form() -> None:
    assert check_email("U\u0308ber@example.com") == "\u00fcber@example.com"


@pytest.mark.parametrize("check", _CHECKS, ids=["name", "file name", "label"])
@pytest.mark.parametrize(
    "name",
    [
        "a\u200bb",
        "\ufeffacme",
        "ac\u00adme",
        "a\u2060b",
        "a\u200eb",
        "a\u200db",
        "a\u200cb",
        "\u200d",
        "acme\ufe0f",
        "a1\ufe0f",
        "ac\u034fme",
        "a\u3164b",
        "a\U000e0041b",
        "\u06cc\u200ca",
        "a\u200d\u2764",
    ],
)
def test_an_invisible_character_is_refused(check: Callable[[str], str], name: str) -> None:
    with pytest.raises(InvalidValue, match="invisible character U"):
        check(name)


@pytest.mark.parametrize("check", _CHECKS, ids=["name", "file name", "label"])
@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0995\u09cd\u200d\u09b7",
        "\u09b0\u200d\u09cd\u09af",
        "\U0001f469\u200d\u2695\ufe0f",
        "\u2764\ufe0f\u200d\U0001f525",
        "\U0001f44b\U0001f3fd\u200d\U0001f4bb",
        "\U0001f642\u200d\u2194\ufe0f",
        "1\ufe0f\u20e3",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u8fbb\U000e0100",
        "\u06005",
    ],
    ids=ascii,
)
def test_characters_that_scripts_and_emoji_need_are_allowed(
    check: Callable[[str], str], name: str
) -> None:
    assert check(name) == name


def test_spellings_begin_with_the_form_that_is_stored_today() -> None:
    assert spellings("acme") == ("acme",)
    assert spellings("u\u0308e\u0301") == ("\u00fc\u00e9", "u\u0308e\u0301")
    assert spellings("u\u0308\u00e9") == ("\u00fc\u00e9", "u\u0308\u00e9", "u\u0308e\u0301")


@given(st.text())
def test_checking_a_name_twice_changes_nothing(text: str) -> None:
    try:
        once = check_label("text", text)
    except InvalidValue:
        return
    assert check_label("text", once) == once == normalized(once)
