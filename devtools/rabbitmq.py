"""A private RabbitMQ node for tests: nothing of the machine's own broker is touched.

Tests use a real broker because only it shows what happens to the tasks of a killed worker.
"""

import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devtools.processes import Child, ProcessError, free_ports, wait_until

# Debian's /usr/sbin/rabbitmq-server insists on its own account; the program itself does not.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
GREETING = b"AMQP\x00\x00\x09\x01"


@dataclass
class Broker:
    """One node with all its files in `folder`; the Erlang port mapper has a port of its own, too."""

    folder: Path
    port: int
    child: Child | None = None
    mapper_port: int = 0

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> "Broker":
        """:raises ProcessError: when RabbitMQ is missing, or does not speak AMQP within 60 s."""
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start without waiting, so that others can start beside it: it takes 5 s.

        :raises ProcessError: when RabbitMQ is missing.
        """
        if not PROGRAM.exists():
            raise ProcessError("RabbitMQ is missing: apt-get install --no-install-recommends rabbitmq-server")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.child = Child.start("rabbitmq", [PROGRAM], self.folder, env=self._environment(), cwd=self.folder)

    def wait(self) -> None:
        """:raises ProcessError: when it ends meanwhile, or does not speak AMQP within 60 s."""
        wait_until(self.answers, "RabbitMQ", seconds=60, child=self.child, pause=0.2)

    def answers(self) -> bool:
        """Tell whether the node speaks AMQP: its port opens a little before it does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(GREETING)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def stop(self) -> None:
        """End the node and its port mapper, which otherwise outlives it."""
        if self.child is None:
            return
        self.child.signal(signal.SIGTERM)
        self.child.stop(seconds=20)
        subprocess.run(
            ["epmd", "-port", str(self.mapper_port), "-kill"],
            env=os.environ | {"ERL_EPMD_PORT": str(self.mapper_port)},
            capture_output=True,
            check=False,
        )

    def kill(self) -> None:
        """End the node as a power cut would; `start` brings it back with its durable queues."""
        if self.child is not None:
            self.child.signal(signal.SIGKILL)
            self.child.process.wait()

    def _environment(self) -> dict[str, str]:
        distribution_port, mapper_port = free_ports(2)
        self.mapper_port = self.mapper_port or mapper_port
        plugins = self.folder / "plugins"
        plugins.write_text("[].")
        settings = self.folder / "rabbitmq.conf"
        settings.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.file = false\n")
        return {
            "HOME": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(settings),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": f"credits{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
