"""Emails and phone numbers are hashed as the published test pairs say."""

from hashlib import sha256

import pytest

from attribution.ingest.identifiers import IdentifierError, hash_email, hash_phone


@pytest.mark.parametrize(
    "text", ["user@example.com", " User@Example.COM\n", "\tUSER@example.com\u00a0"]
)
def test_an_email_is_trimmed_and_lowered(text: str) -> None:
    assert hash_email(text) == "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"


def test_dots_and_tags_of_an_email_stay() -> None:
    assert hash_email("u.s+e.r@gmail.com") == sha256(b"u.s+e.r@gmail.com").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "+12125550000",
        "+1 (212) 555-0000",
        "+1.212.555/0000\n",
        "+001 212 5550000",
        "+1(0)2125550000",
    ],
)
def test_a_phone_number_is_written_as_e164(text: str) -> None:
    digest = hash_phone(text)
    assert (digest[:8], digest[-6:]) == ("7c8d08bf", "ba125e")
    assert digest == sha256(b"+12125550000").hexdigest()


@pytest.mark.parametrize("text", ["", "user", "@", "a@", "a@b@c", "a b@c.d", "null"])
def test_what_is_no_email_is_refused_unquoted(text: str) -> None:
    with pytest.raises(IdentifierError, match=r"^an email is expected, such as user@example\.com$"):
        hash_email(text)


@pytest.mark.parametrize(
    "text", ["", "212 555 0000", "0049 30 1234567", "+", "+12", "+1234567890123456", "+1212555OOOO"]
)
def test_what_is_no_international_number_is_refused_unquoted(text: str) -> None:
    with pytest.raises(IdentifierError, match=r"such as \+1 212 555 0000$"):
        hash_phone(text)
