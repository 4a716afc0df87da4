"""A mail server of our own that keeps what it is sent, and refuses, delays or hangs up as it is told."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

Trouble = Callable[["Sink"], None]


@dataclass
class Letter:
    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        found = email.message_from_bytes(self.raw, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: str) -> str:
        """The text of the `plain` or `html` part."""
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content())


@dataclass
class Sink:
    """`answers` maps a command to what is answered instead of yes; after `hang_up_after` it hangs up without answer."""

    letters: list[Letter] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    hang_up_after: str = ""
    connections: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def start(self) -> None:
        sink = self

        class Handler(_Conversation):
            server_sink = sink

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def to(self) -> list[str]:
        return sorted(address for letter in self.letters for address in letter.recipients)


class _Conversation(socketserver.StreamRequestHandler):
    server_sink: Sink

    def handle(self) -> None:
        sink = self.server_sink
        sink.connections += 1
        self.say("220 sink")
        letter = Letter("", [], b"")
        while line := self.rfile.readline():
            verb = line.split()[0].upper().decode() if line.split() else ""
            if verb == "QUIT":
                self.say("221 bye")
                return
            if verb == "DATA":
                self.say("354 go on")
                letter.raw = self.read_message()
                if self.answered(verb):
                    with sink.lock:
                        sink.letters.append(letter)
                    letter = Letter("", [], b"")
            elif self.answered(verb):
                address = line.decode().partition(":")[2].strip().partition(">")[0].strip("<>")
                if verb == "MAIL":
                    letter = Letter(address, [], b"")
                elif verb == "RCPT":
                    letter.recipients.append(address)
            if verb == sink.hang_up_after:
                return

    def answered(self, verb: str) -> bool:
        """Say yes, unless told otherwise; what a server took before it hangs up is taken all the same."""
        refusal = self.server_sink.answers.get(verb)
        if self.server_sink.hang_up_after == verb:
            return True
        self.say(refusal or "250 ok")
        return refusal is None

    def read_message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
