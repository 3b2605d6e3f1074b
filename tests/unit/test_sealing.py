"""Secrets do not reach the log in the clear, and keys can be changed."""

import base64

import pytest
from cryptography.fernet import Fernet

from slugline.errors import SettingsError
from slugline_syndicate.deliveries.sealing import SealBrokenError, Sealer, new_key

GOOD = base64.urlsafe_b64encode(bytes(32)).decode()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_what_was_sealed_is_opened_and_cannot_be_read() -> None:
    sealer = Sealer(new_key())
    sealed = sealer.seal(SECRET)
    assert "MfKQ9r8GKYqr" not in sealed
    assert [sealer.open(sealed) for _ in range(2)] == [SECRET, SECRET]


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    sealer = Sealer(new_key())
    assert sealer.seal(SECRET) != sealer.seal(SECRET)


def test_after_a_change_of_keys_old_seals_open_and_new_ones_are_made_with_the_new_key() -> None:
    old, new = new_key(), new_key()
    sealed_before = Sealer(old).seal(SECRET)
    both = Sealer(f" {new} , {old} ,")
    assert both.open(sealed_before) == SECRET
    assert Fernet(new).decrypt(both.seal(SECRET)).decode() == SECRET


def test_a_seal_of_a_key_that_is_gone_is_a_clear_error_each_time() -> None:
    sealed = Sealer(new_key()).seal(SECRET)
    sealer = Sealer(new_key())
    for _ in range(2):
        with pytest.raises(SealBrokenError, match="a key that SLUGLINE_SECRET_KEY lacks"):
            sealer.open(sealed)


@pytest.mark.parametrize("change", [str.lower, lambda s: s[:-5], lambda s: "x" + s, lambda _: ""])
def test_a_damaged_seal_is_a_clear_error(change: object) -> None:
    sealer = Sealer(new_key())
    assert callable(change)
    with pytest.raises(SealBrokenError):
        sealer.open(change(sealer.seal(SECRET)))


@pytest.mark.parametrize(
    "keys", ["", " , ", "secret", "a" * 43, "a" * 45, "ü" * 44, f"{GOOD},short", "=" * 44]
)
def test_a_key_that_is_none_is_told_in_one_line_without_the_key(keys: str) -> None:
    with pytest.raises(SettingsError) as told:
        Sealer(keys)
    assert str(told.value).startswith("SLUGLINE_SECRET_KEY: give ")
    assert "\n" not in str(told.value)
    assert not keys.strip(" ,") or keys not in str(told.value)
