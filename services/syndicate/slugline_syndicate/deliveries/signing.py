"""Standard Webhooks 1.0.0: secrets, and the signature over the exact bytes that are sent."""

import base64
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

PREFIX = "whsec_"
#: The block of SHA-256, in bytes.
_BLOCK = 64


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A secret of 32 random bytes, as it is shown to the receiver."""
    return PREFIX + base64.b64encode(random_bytes(32)).decode()


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of `id.timestamp.body`; the key is the decoded secret."""
    keyed_inner, keyed_outer = _keyed(secret)
    inner, outer = keyed_inner.copy(), keyed_outer.copy()
    inner.update(f"{webhook_id}.{timestamp}.".encode() + body)
    outer.update(inner.digest())
    return "v1," + b2a_base64(outer.digest(), newline=False).decode()


def signed_headers(
    secrets: Sequence[str], webhook_id: str, now: datetime, body: bytes
) -> tuple[tuple[str, str], ...]:
    """The three headers of an attempt made *now*; several secrets give several signatures."""
    timestamp = int(now.timestamp())
    signatures = " ".join([signature(secret, webhook_id, timestamp, body) for secret in secrets])
    return (
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", signatures),
    )


@lru_cache(maxsize=16_384)
def _keyed(secret: str) -> tuple["_Hash", "_Hash"]:
    """The two hashes of RFC 2104, begun once for each secret.

    Beginning them costs more than the digest of a body, and the standard library's HMAC object
    twice as much as they do.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if len(key) > _BLOCK:
        key = sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    return sha256(bytes(k ^ 0x36 for k in key)), sha256(bytes(k ^ 0x5C for k in key))
