"""The portal behind a real socket, on the test's own database; it can stop and come back on the same port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.db import connection

from devtools.processes import free_ports

Answer = Callable[..., Any]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """The application logs its own line."""


def _discard(_status: str, _headers: list[tuple[str, str]], _fault: Any = None, /) -> Callable[[bytes], object]:
    """A `start_response` that nobody listens to."""
    return lambda _part: None


class Server:
    """`lose_next` answers are thrown away after the work was done, as when a connection breaks on the way back."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self.lose_next = 0
        self.seen: list[str] = []
        self._application = get_wsgi_application()
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._answer, handler_class=_Silent)
        self._thread = threading.Thread(target=self._serve, args=(self._server,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(10)
            self._server.server_close()
            self._server = self._thread = None

    @contextmanager
    def running(self) -> Iterator[Server]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def _serve(self, server: WSGIServer) -> None:
        try:
            server.serve_forever(poll_interval=0.02)
        finally:
            connection.close()  # this thread's own

    def _answer(self, environ: dict[str, Any], start_response: Answer) -> Any:
        self.seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if environ["REQUEST_METHOD"] == "POST" and self.lose_next:
            self.lose_next -= 1
            list(self._application(environ, _discard))
            start_response("503 Service Unavailable", [("Retry-After", "0"), ("Content-Length", "0")])
            return []
        return self._application(environ, start_response)
