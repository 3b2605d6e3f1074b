"""Standard Webhooks 1.0.0: secrets, and the signature over the exact bytes that are sent."""

import base64
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache

PREFIX = "whsec_"


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A secret of 32 random bytes, as it is shown to the receiver."""
    return PREFIX + base64.b64encode(random_bytes(32)).decode()


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of `id.timestamp.body`; the key is the decoded secret."""
    mac = _keyed(secret).copy()
    mac.update(f"{webhook_id}.{timestamp}.".encode() + body)
    return "v1," + base64.b64encode(mac.digest()).decode()


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
def _keyed(secret: str) -> hmac.HMAC:
    """Begun once for each secret; beginning it costs more than the digest of a body."""
    return hmac.new(base64.b64decode(secret.removeprefix(PREFIX), validate=True), None, "sha256")
