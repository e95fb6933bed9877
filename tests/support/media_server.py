"""A storage host for videos: signed URLs, generated bodies of any size, and the faults that real ones have."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BLOCK = random.Random(7).randbytes(2**20)


def body(size: int, start: int = 0) -> Iterator[bytes]:
    """The bytes from `start` to `size` of an endless body, at most a megabyte at a time; always the same."""
    while start < size:
        offset = start % len(BLOCK)
        block = BLOCK[offset : offset + size - start]
        yield block
        start += len(block)


def sha256(size: int) -> str:
    digest = hashlib.sha256()
    for block in body(size):
        digest.update(block)
    return digest.hexdigest()


class MediaServer(ThreadingHTTPServer):
    """
    Serves `sizes[session id]` bytes under `url(session id)`.

    `faults[session id]` is what happens to the next requests of a session, one after the other; "ok" is none.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sizes: dict[str, int] = defaultdict(lambda: 3 * 2**20 + 17)
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.authorized: list[str] = []
        self.open_now = 0
        self.most_open = 0
        self.release = threading.Event()
        self.stalled = threading.Event()
        self.signed = 0
        self._lock = threading.Lock()

    def url(self, session_id: str) -> str:
        host, port = self.server_address[:2]
        self.signed += 1
        signature = f"secret{self.signed:04}"
        query = f"X-Amz-Expires=3600&X-Amz-Credential=AKIAINVENTED&X-Amz-Signature={signature}"
        return f"http://{host!s}:{port}/media/{session_id}?{query}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the game."""

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
        try:
            yield
        finally:
            with self._lock:
                self.open_now -= 1


class _Handler(BaseHTTPRequestHandler):
    server: MediaServer

    def do_GET(self) -> None:
        with self.server.counted():
            self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        session_id = address.path.rpartition("/")[2]
        self.server.requests[session_id] += 1
        if "Authorization" in self.headers:
            self.server.authorized.append(session_id)
            self.send_error(400, "Only one auth mechanism allowed")
            return
        if "X-Amz-Signature" not in parse_qs(address.query):
            self.send_error(403)
            return
        faults = self.server.faults[session_id]
        fault = faults.popleft() if faults else "ok"
        self.session_id, self.size = session_id, self.server.sizes[session_id]
        getattr(self, f"_{fault}")()

    def _head(self, **headers: object) -> None:
        self.send_response(200)
        for name, value in {"Content_Type": "video/mp4", **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def _send(self, size: int) -> None:
        for block in body(size):
            self.wfile.write(block)
            self.server.sent[self.session_id] += len(block)

    def _ok(self) -> None:
        self._head(Content_Length=self.size)
        self._send(self.size)

    def _half(self) -> None:
        self._head(Content_Length=self.size)
        self._send(self.size // 2)

    def _stall(self) -> None:
        self._head(Content_Length=self.size)
        self._send(self.size // 2)
        self.wfile.flush()
        self.server.stalled.set()
        self.server.release.wait(20)
        for block in body(self.size, start=self.size // 2):
            self.wfile.write(block)

    def _held(self) -> None:
        self.server.release.wait(20)
        self._ok()

    def _expired(self) -> None:
        self.send_error(403, "Request has expired")

    def _gone(self) -> None:
        self.send_error(404)

    def _busy(self) -> None:
        self.send_error(503, "SlowDown")

    def _page(self) -> None:
        self._head(Content_Type="text/html", Content_Length=5)
        self.wfile.write(b"hello")

    def _xml(self) -> None:
        self._document("application/xml", b'<?xml version="1.0"?><Error><Code>InternalError</Code></Error>')

    def _json(self) -> None:
        self._document("application/problem+json; charset=utf-8", b'{"message": "try later"}')

    def _xml_as_video(self) -> None:
        self._document("video/mp4", b"\xef\xbb\xbf\n<Error><Code>InternalError</Code></Error>")

    def _json_as_bytes(self) -> None:
        self._document("binary/octet-stream", b' {"message": "try later"}')

    def _document(self, content_type: str, document: bytes) -> None:
        self._head(Content_Type=content_type, Content_Length=len(document))
        self.wfile.write(document)

    def _empty(self) -> None:
        self._head(Content_Length=0)

    def _endless(self) -> None:
        self._head()
        self._send(self.size)

    def _chunked(self) -> None:
        self.protocol_version = "HTTP/1.1"
        self._head(Transfer_Encoding="chunked", Connection="close")
        for block in body(self.size):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")

    def _moved(self) -> None:
        self.send_response(307)
        self.send_header("Location", self.server.url(self.session_id))
        self.end_headers()

    def _misled(self) -> None:
        self.send_response(307)
        self.send_header("Location", "http://127.0.0.1:1/media?X-Amz-Signature=secret-elsewhere")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def media_server() -> Iterator[MediaServer]:
    server = MediaServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
