"""Names, texts and values that may be stored."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.errors import InvalidValue
from catactl.values.names import (
    MAX_NAME_BYTES,
    check_email,
    check_file_name,
    check_name,
    check_relative_path,
    check_text,
    check_value,
)

UUID_TEXT = "0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10"
UUIDS = [
    UUID_TEXT,
    UUID_TEXT.upper(),
    UUID_TEXT.replace("-", ""),
    f"{{{UUID_TEXT}}}",
    f"urn:uuid:{UUID_TEXT}",
]
check_job_name: Callable[[str], str] = partial(check_name, "job name")


@pytest.mark.parametrize("name", ["acme", "a", "Acme & Sons", "ünïcödé 日本", "a.b", "...", "-x"])
def test_plain_names_are_accepted(name: str) -> None:
    assert check_job_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        (" a", "white space"),
        ("a\u00a0", "white space"),
        ("a/b", "path"),
        ("a\\b", "path"),
        (".", "path"),
        ("..", "path"),
        *((spelling, "looks like an id") for spelling in UUIDS),
        ("a" * (MAX_NAME_BYTES + 1), "1,025 bytes long"),
        ("ü" * 513, "1,026 bytes long"),
    ],
)
def test_an_ambiguous_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        check_job_name(name)


@pytest.mark.parametrize(
    "name", ["a", "folder/file", "a/b/c.tar.gz", "a b/c d", "ü/日本", "...x/y"]
)
def test_relative_paths_are_accepted_as_file_names(name: str) -> None:
    assert check_file_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is empty"),
        ("/etc/passwd", "absolute"),
        ("a//b", "empty, '.' or '..'"),
        ("a/", "empty, '.' or '..'"),
        ("./a", "empty, '.' or '..'"),
        ("a/../b", "empty, '.' or '..'"),
        ("..", "empty, '.' or '..'"),
        ("a\\b", "Windows path"),
        ("C:a", "Windows path"),
        ("c:/a", "Windows path"),
        ("a/ b", "white space"),
        ("a /b", "white space"),
        (" ", "white space"),
        *((spelling, "looks like an id") for spelling in UUIDS),
        ("a" * (MAX_NAME_BYTES + 1), "1,025 bytes long"),
    ],
)
def test_a_path_that_may_leave_its_folder_is_refused_as_a_file_name(
    name: str, message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        check_file_name(name)


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x1b", "\n", "\t", "\x7f", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066", "\ud800"],
)
@pytest.mark.parametrize(
    "check", [check_job_name, check_file_name, check_email], ids=["name", "file name", "e-mail"]
)
def test_control_characters_are_refused_everywhere(
    check: Callable[[str], str], character: str
) -> None:
    with pytest.raises(InvalidValue, match=f"U\\+{ord(character):04X}"):
        check(f"a{character}b@example.com")


@pytest.mark.parametrize(
    ("email", "stored"),
    [("ada@example.com", "ada@example.com"), ("Ada.L+x@Example.CO.UK", "ada.l+x@example.co.uk")],
)
def test_e_mail_addresses_are_stored_in_lower_case(email: str, stored: str) -> None:
    assert check_email(email) == stored


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@example.com", "a@b", "a b@example.com", "a@b@c.com", "a@b."]
)
def test_a_malformed_e_mail_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidValue, match="not an e-mail address"):
        check_email(email)


def test_an_address_has_a_length_limit() -> None:
    with pytest.raises(InvalidValue, match="at most 254"):
        check_email("a" * 250 + "@b.com")


@pytest.mark.parametrize("value", ["", "a\nb\tc\r\n", "\x1b[0m", "\u202e", "\u200b", "ü\u0308"])
def test_a_value_is_returned_unchanged(value: str) -> None:
    assert check_value("value", value, 100) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [("a\0b", "U\\+0000"), ("a\udcffb", "U\\+DCFF"), ("ü" * 51, "102 bytes long")],
)
def test_a_value_that_databases_cannot_store_is_refused(value: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        check_value("value", value, 100)


@given(st.text())
def test_an_accepted_text_can_be_encoded_and_contains_no_nul(text: str) -> None:
    try:
        check_text("text", text)
    except InvalidValue:
        return
    assert len(text.encode()) <= MAX_NAME_BYTES
    assert "\x00" not in text


@given(st.text(alphabet="ab/.\\: "))
def test_an_accepted_file_name_stays_below_its_folder(name: str) -> None:
    try:
        check_relative_path(name)
    except InvalidValue:
        return
    assert not name.startswith("/")
    assert "\\" not in name
    assert not {"", ".", ".."} & set(name.split("/"))
