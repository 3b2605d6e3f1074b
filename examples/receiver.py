"""A receiver of Slugline's webhooks: verifies, stores each entry's newest state, tells what it missed.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_... python receiver.py [PORT] [FILE]

Only the standard library and the verifier. Take it apart; what matters is the order of the steps:
verify the bytes as they came, store in one transaction, and only then answer with 2xx.
"""

import json
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

#: What we read at most; bodies are 64 KiB or less.
LARGEST = 1_000_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen(id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS blog(id TEXT PRIMARY KEY, last TEXT NOT NULL, sequence INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entry(blog TEXT, id TEXT, sequence INTEGER NOT NULL, body TEXT, PRIMARY KEY(blog, id));
CREATE TABLE IF NOT EXISTS missed(blog TEXT, before TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP);
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a webhook. *again*: it had come before. *missed*: its predecessor never came."""

    again: bool = False
    missed: bool = False


class Store:
    """What a partner keeps: each entry's newest state, and which webhooks it has seen."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._lock = Lock()

    def close(self) -> None:
        self._db.close()

    def take(self, webhook_id: str, event: dict[str, Any]) -> Outcome:
        """Store *event*, once: everything below is one transaction."""
        with self._lock, self._db:
            new = self._db.execute("INSERT OR IGNORE INTO seen(id) VALUES (?)", (webhook_id,))
            if not new.rowcount:
                return Outcome(again=True)
            data = event["data"]
            if "blog" not in data:  # subscription.test and subscription.gap are about no blog
                return Outcome(missed=event["type"] == "subscription.gap")
            if "entry" in data:
                self._put_entry(data, deleted=event["type"] == "entry.deleted")
            return Outcome(missed=self._follow(webhook_id, data))

    def _put_entry(self, data: dict[str, Any], *, deleted: bool) -> None:
        """The highest sequence wins, whatever comes late."""
        entry = data["entry"]
        self._db.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT(blog, id) DO UPDATE"
            " SET sequence = excluded.sequence, body = excluded.body"
            " WHERE excluded.sequence > entry.sequence",
            (
                data["blog"]["id"],
                entry["id"],
                data["sequence"],
                None if deleted else json.dumps(entry),
            ),
        )

    def _follow(self, webhook_id: str, data: dict[str, Any]) -> bool:
        """Whether the event before this one of its blog is unknown; remembers the newest."""
        blog, sequence = data["blog"]["id"], data["sequence"]
        known = self._db.execute("SELECT last, sequence FROM blog WHERE id = ?", (blog,)).fetchone()
        if known and sequence < known[1]:  # an explicit replay of something old
            return False
        self._db.execute(
            "INSERT OR REPLACE INTO blog VALUES (?, ?, ?)", (blog, webhook_id, sequence)
        )
        if not known or data["previous"] == known[0]:
            return False
        self._db.execute("INSERT INTO missed(blog, before) VALUES (?, ?)", (blog, webhook_id))
        return True

    def entries(self, blog: str) -> dict[str, Any]:
        """The entries of *blog* that stand, by id."""
        rows = self._db.execute(
            "SELECT id, body FROM entry WHERE blog = ? AND body IS NOT NULL", (blog,)
        )
        return {name: json.loads(body) for name, body in rows}


def make_server(secret: str, store: Store, port: int) -> ThreadingHTTPServer:
    """A server on loopback that takes webhooks on every path; put TLS in front of it."""
    verifier = Webhook(secret)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # so that connections are kept

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if length > LARGEST:
                self._answer(413)
                return
            body = self.rfile.read(length)
            try:
                # The bytes as they came: parsing and writing them again would change them.
                verifier.verify(body, {k.lower(): v for k, v in self.headers.items()})
            except WebhookVerificationError:
                self._answer(401)
                return
            outcome = store.take(self.headers["webhook-id"], json.loads(body))
            self.log_message("%s %s", self.headers["webhook-id"][:8], outcome)
            self._answer(204)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    path = sys.argv[2] if len(sys.argv) > 2 else "received.db"
    with closing(Store(path)) as store:
        server = make_server(os.environ["WEBHOOK_SECRET"], store, port)  # noqa: TID251
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()


if __name__ == "__main__":
    main()
