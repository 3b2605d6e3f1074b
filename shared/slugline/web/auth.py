"""Bearer tokens (RFC 6750): who may do what under /v1."""

import hmac
from hashlib import sha256

from aiohttp import web

from slugline.web.problems import Problem


def token_hash(token: str) -> str:
    """What is kept of a token: its SHA-256, in hex. Tokens are long and random, so no salt is needed."""
    # aiohttp keeps bytes of a header that are no UTF-8 as lone surrogates.
    return sha256(token.encode(errors="surrogateescape")).hexdigest()


def bearer(request: web.Request) -> str:
    """The token that *request* carries. Raises Problem 401 where it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("Send the header 'Authorization: Bearer <token>'.")
    return token.strip()


class Tokens:
    """Checks tokens in constant time. The admin's may do everything."""

    def __init__(self, admin: str) -> None:
        self._admin = token_hash(admin)

    def is_admin(self, token: str) -> bool:
        """Whether *token* is the admin's."""
        return hmac.compare_digest(token_hash(token), self._admin)

    def require_admin(self, request: web.Request) -> None:
        """Raise Problem 401 unless *request* carries the admin's token."""
        if not self.is_admin(bearer(request)):
            raise _unauthorized("This token is not known; 'slugline token' prints the admin's.")

    def require(self, request: web.Request, owner_hash: str | None) -> None:
        """Let the admin pass, and the holder of the token whose hash is *owner_hash*.

        To anybody else the thing does not exist: Problem 404, so that ids cannot be probed.
        """
        token = bearer(request)
        if self.is_admin(token):
            return
        if owner_hash is None or not hmac.compare_digest(token_hash(token), owner_hash):
            raise Problem(404, "No such subscription", "Check the id and the token.")


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "Not authorised", detail, headers={"WWW-Authenticate": "Bearer"})
