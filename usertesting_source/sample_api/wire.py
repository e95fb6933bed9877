"""HTTP/1.1 on a loopback port: kept-alive and dropped connections, answers that lie about their length."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from .replies import Reply

Headers: TypeAlias = "Message[str, str]"
Answer = Callable[[str, str, Headers, bytes], Reply]


class Server(ThreadingHTTPServer):
    """
    A threaded server that hands each request to `answer(method, target, headers, body)`.

    Python's own server rather than werkzeug's: the latter closes every connection after one answer.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="sample-api", daemon=True)

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and close the connections that clients keep alive."""
        self.shutdown()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            hang_up(connection)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the game; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.answer(self.command, self.path, self.headers, body)
        if reply.dropped:
            self.close_connection = True
            hang_up(self.connection)
            return
        if reply.silent:
            self.close_connection = True
            self.connection.recv(1)  # until the client hangs up
            return
        self._send(reply)

    do_POST = do_GET  # noqa: N815 - http.server finds its methods by these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
        """Say nothing: `SampleApi.log` has it all."""

    def _send(self, reply: Reply) -> None:
        parts = [reply.body] if isinstance(reply.body, bytes) else reply.body
        length = len(parts[0]) if reply.length is None and isinstance(parts, list) else reply.length or 0
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        sent = 0
        for part in self._slowly(parts, reply.pace) if reply.pace else parts:
            self.wfile.write(part)
            sent += len(part)
        self.close_connection = self.close_connection or sent != length

    def _slowly(self, parts: Iterable[bytes], pace: float) -> Iterator[bytes]:
        for part in parts:
            for byte in part:
                yield bytes([byte])
                self.wfile.flush()
                time.sleep(pace)


def hang_up(connection: socket.socket) -> None:
    """Close both directions at once, whatever the other side is doing."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return
