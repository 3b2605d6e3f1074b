"""Signatures are Standard Webhooks', judged by its vector and by two libraries that verify."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import standardwebhooks
import svix
from hypothesis import given
from hypothesis import strategies as st

from slugline_syndicate.deliveries.signing import new_secret, signature, signed_headers

#: The specification's own example.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_c2x1Z2xpbmUtdGVzdC1zZWNyZXQtMzItYnl0ZXMhISE="


def verify(secret: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    """Raises unless both libraries accept."""
    standardwebhooks.Webhook(secret).verify(body, dict(headers))
    svix.Webhook(secret).verify(body, dict(headers))


def test_the_vector_of_the_specification_is_met() -> None:
    found = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_vector_of_our_own_is_met() -> None:
    """It stands in the documentation for receivers; it must not change."""
    body = '{"type":"entry.created","data":{"title":"Fähre im Hafen"}}'.encode()
    found = signed_headers([OTHER], "0f" * 32, datetime(2026, 11, 22, 12, tzinfo=UTC), body)
    assert found == (
        ("webhook-id", "0f" * 32),
        ("webhook-timestamp", "1795348800"),
        ("webhook-signature", "v1,hKUQnYWw7GCRqgwMaZvVzlXtY2eDmKBkl50wIKgPrvY="),
    )


@given(st.binary(max_size=2000))
def test_the_exact_bytes_are_signed(body: bytes) -> None:
    """The libraries want text of JSON; the bytes are judged by what they sign of it."""
    text = b'{"text": "' + base64.b64encode(body) + b'"}'
    headers = signed_headers([SECRET], "id", datetime.now(UTC), text)
    verify(SECRET, headers, text)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(text + b" ", dict(headers))
    assert signature(SECRET, "id", 1, body) != signature(SECRET, "id", 1, body + b" ")


@given(st.text(max_size=200))
def test_text_in_any_script_is_accepted_by_both_libraries(text: str) -> None:
    body = orjson.dumps({"title": text})
    verify(SECRET, signed_headers([SECRET], "id", datetime.now(UTC), body), body)


def test_every_secret_signs_so_that_each_of_them_verifies() -> None:
    made = [new_secret(secrets.token_bytes) for _ in range(3)]
    headers = signed_headers(made, "id", datetime.now(UTC), b"{}")
    assert len(dict(headers)["webhook-signature"].split(" ")) == 3
    for secret in made:
        verify(secret, headers, b"{}")
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret(secrets.token_bytes)).verify(b"{}", dict(headers))


def test_the_first_signature_is_the_newest_secrets() -> None:
    headers = dict(signed_headers([SECRET, OTHER], "id", datetime(2026, 1, 1, tzinfo=UTC), b"{}"))
    first = headers["webhook-signature"].split(" ")[0]
    assert first == signature(SECRET, "id", 1767225600, b"{}")


def test_the_timestamp_is_the_attempts_in_whole_seconds_wherever_it_is_counted() -> None:
    at = datetime.fromisoformat("2026-11-22T14:00:00.999999+02:00")
    headers = dict(signed_headers([SECRET], "id", at, b"{}"))
    assert headers["webhook-timestamp"] == "1795348800"


def test_a_later_attempt_has_the_same_id_and_another_signature() -> None:
    now = datetime.now(UTC)
    first, second = (
        dict(signed_headers([SECRET], "id", now + timedelta(seconds=s), b"{}")) for s in (0, 30)
    )
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]


def test_a_new_secret_is_32_random_bytes_as_receivers_expect_them() -> None:
    made = {new_secret(secrets.token_bytes) for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
