"""A back end that takes messages: a real server on this machine that notes what came and answers as it is told."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from devtools.processes import free_ports


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Reply:
    """`before` runs when the request has come, before anything is answered."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    before: Callable[[], Any] = lambda: None


class Receiver:
    """Answers with `replies` in turn, then with `usual`."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}/hook?who=us"
        self.port = port
        self.received: list[Received] = []
        self.replies: deque[Reply] = deque()
        self.usual = Reply()

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]

    def reply(self) -> Reply:
        return self.replies.popleft() if self.replies else self.usual


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    (port,) = free_ports(1)
    receiver = Receiver(port, "https" if context else "http")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.reply()
            receiver.received.append(Received(self.path, headers, body))
            reply.before()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST  # a redirect that is followed would come as one  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            """A caller that hung up is part of the tests."""

    server = Server(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
