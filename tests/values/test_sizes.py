"""Sizes in bytes, parsed and formatted."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.errors import InvalidValue
from catactl.values.sizes import MAX_BYTES, check_size_bytes, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("1048576", 1048576),
        ("+5", 5),
        ("5B", 5),
        ("5 b", 5),
        ("10KB", 10_000),
        ("10KiB", 10_240),
        ("1MB", 10**6),
        ("1MiB", 2**20),
        ("10GB", 10**10),
        ("10GiB", 10 * 2**30),
        ("1TB", 10**12),
        ("1TiB", 2**40),
        ("1PB", 10**15),
        ("1PiB", 2**50),
        ("10gib", 10 * 2**30),
        (" 10 GB ", 10**10),
        ("1.5GiB", 3 * 2**29),
        ("0.001KB", 1),
        ("1.50GB", 1_500_000_000),
        ("0.1GB", 100_000_000),
        ("9223372036854775807", MAX_BYTES),
    ],
)
def test_sizes_are_parsed_exactly(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("letter", list("kKmMgGtTpP"))
def test_a_bare_letter_is_refused_with_both_units_in_the_hint(letter: str) -> None:
    with pytest.raises(InvalidValue, match="ambiguous size unit") as raised:
        parse_size(f"10{letter}")
    assert raised.value.hint is not None
    assert f"{letter.upper()}B" in raised.value.hint
    assert f"{letter.upper()}iB" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a size"),
        ("GB", "not a size"),
        ("ten", "not a size"),
        ("1,000", "not a size"),
        ("1e3", "unknown size unit|not a size"),
        (".5GB", "not a size"),
        ("1.GB", "not a size"),
        ("\u0661\u0660", "not a size"),
        ("10XB", "unknown size unit"),
        ("10EB", "unknown size unit"),
        ("10GiBs", "unknown size unit"),
        ("-1", "never negative"),
        ("-0", "never negative"),
        ("1.5", "not a whole number of bytes"),
        ("0.0001KB", "not a whole number of bytes"),
        ("9223372036854775808", "size is over"),
        ("8192PiB", "size is over"),
        ("9" * 65, "not a size"),
    ],
)
def test_a_malformed_size_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        parse_size(text)


@given(st.integers(0, MAX_BYTES))
def test_every_number_of_bytes_is_a_size(size_bytes: int) -> None:
    assert parse_size(str(size_bytes)) == size_bytes
    assert check_size_bytes(size_bytes) == size_bytes


@given(st.text())
def test_any_text_is_a_size_or_an_invalid_value(text: str) -> None:
    with suppress(InvalidValue):
        assert 0 <= parse_size(text) <= MAX_BYTES


@pytest.mark.parametrize("size_bytes", [-1, MAX_BYTES + 1])
def test_sizes_out_of_range_are_refused(size_bytes: int) -> None:
    with pytest.raises(InvalidValue):
        check_size_bytes(size_bytes)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (10 * 2**30, "10.0 GiB"),
        (2**60, "1,024.0 PiB"),
        (-2048, "-2.0 KiB"),
        (MAX_BYTES, "8,192.0 PiB"),
    ],
)
def test_sizes_are_formatted_in_units_of_1024(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text
