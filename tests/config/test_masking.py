"""Passwords are masked in URLs and connection strings."""

import pytest

from catactl.config.masking import mask, mask_url


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:s3cr3t@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:s3cr3t@host/db", "postgresql://:***@host/db"),
        ("postgresql://me:a/b:c@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?password=x&user=me", "postgresql://host/db?password=***&user=me"),
        ("postgresql://host/db?sslpassword=x", "postgresql://host/db?sslpassword=***"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:////var/lib/catactl.db", "sqlite:////var/lib/catactl.db"),
    ],
)
def test_only_the_passwords_in_urls_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["s3cr3t", "admin:s3cr3t", "postgresql://admin:s3cr3t/db"])
def test_text_that_may_be_a_password_is_masked_as_a_whole(text: str) -> None:
    assert mask_url(text) == "***"


@pytest.mark.parametrize(
    "url", ["postgresql://me@host/db", "postgresql://host:5432/db", "s3://b/p"]
)
def test_a_url_without_a_password_is_unchanged(url: str) -> None:
    assert mask_url(url) == url
