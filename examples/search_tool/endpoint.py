"""An HTTP server on loopback with a search that nobody documented: what the agent has to live with.

    GET /v2/_find?text=WORD&max=N     with the header  X-Desk: 7

gives ``{"hits": [{"ref": ..., "title": ...}, ...]}``; without the header, 403.

Next file: `helpdesk.py`.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

__all__ = ["ARTICLES", "Endpoint", "listening"]

_TOPICS = (
    "refunds invoices delivery vouchers passwords pruning compost watering pests lighting humidity "
    "returns receipts packaging reminders allergies drainage repotting fertiliser gifts pausing "
    "cancelling seedlings discounts warranty shipping holidays accounts newsletters recycling "
    "frost harvest grafting mulching storage labels"
).split()
ARTICLES = {topic: f"KB-{137 * (n + 11) % 9000 + 1000}" for n, topic in enumerate(_TOPICS)}
"""The help centre: an article for each topic."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if url.path != "/v2/_find" or self.headers.get("X-Desk") != "7":
            self._answer(403, {"error": "not for you"})
            return
        text = query.get("text", "").casefold()
        hits = [
            {"ref": ref, "title": topic.capitalize()}
            for topic, ref in ARTICLES.items()
            if text and text in topic
        ]
        self._answer(200, {"hits": hits[: int(query.get("max", "5"))]})

    def _answer(self, status: int, value: dict[str, object]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked is counted instead."""


class Endpoint(ThreadingHTTPServer):
    """The server, with the paths that were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Its ``host:port``."""
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def listening() -> Iterator[Endpoint]:
    """A server that listens until the block ends."""
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
