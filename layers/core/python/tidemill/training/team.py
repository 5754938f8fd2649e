"""Machines that grow one model together, each on its share of the rows: how they meet, and how one that is lost
ends the others.

The learner has sockets of its own, but it waits for ever for a machine that is gone. So each machine keeps a line
to the first one, on which both say once a second that they are there. Who loses a line is told (`Lost`), and is to
end its process, since nothing else ends the learner; that cuts its other lines, and all end.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.errors import MachineLost

PORT = 12400
"""Where the first machine waits for the others, if nothing else is said."""
MEET_SECONDS = 600.0
"""How long the first of them may wait for the last: SageMaker does not start them at one time."""
BEAT_SECONDS = 1.0
SILENT_SECONDS = 60.0
"""How long a machine may say nothing: one that is switched off says no more, and cuts no line."""
GRACE_SECONDS = 5.0
"""How long who lost a line waits before it gives up: of a job that fails, the first reason is told, and that is
the one of the machine that cut it."""
_RETRY_SECONDS = 0.2
_WORD_SECONDS = 10.0
_HERE, _DONE = b".", b"!"

Place = tuple[str, int]
"""The name or address of a machine, and the port at which it would wait as the first one."""
Lost = Callable[[str], None]
"""Is told which machine is lost, by a thread of its own."""


@dataclass(frozen=True)
class Team:
    """`machines`: where each one's learner listens (`address:port`); `rank`: which of them this one is."""

    rank: int
    machines: tuple[str, ...]

    @property
    def port(self) -> int:
        """Where this machine's learner listens."""
        return int(self.machines[self.rank].rpartition(":")[2])

    def share(self, rows: int) -> slice:
        """This machine's part of so many rows: every n-th one, so that each part is like the whole."""
        return slice(self.rank, rows, len(self.machines))


@contextlib.contextmanager
def together(rank: int, places: Sequence[Place], lost: Lost, *, seconds: float = MEET_SECONDS) -> Iterator[Team]:
    """Meet the machines at the `places` within so many seconds, and keep the lines to them open. Ends when all
    have come to their end. Raises MachineLost when one does not come."""
    until = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        address = _address(places[rank][0], until)
        with socket.create_server((address, 0)) as learner:  # held, so that its port is not given away meanwhile
            own = f"{address}:{learner.getsockname()[1]}"
            meet = _gathered if rank == 0 else _joined
            connections, machines = meet(rank, (address, places[rank][1]), places, own, until, stack)
        lines = [_Line(connection, whose, lost) for whose, connection in connections.items()]
        for line in lines:
            stack.callback(line.cut)
        yield Team(rank, tuple(machines))
        for line in lines:
            line.part()
        for line in lines:
            line.wait()


def _address(name: str, until: float) -> str:
    """The address of a machine, whose name may not be known yet."""
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError as error:
            _pause(until, f"machine {name!r} has no address: {error}")


def _pause(until: float, why: str) -> None:
    if time.monotonic() > until:
        raise MachineLost(f"{why}; start the job again")
    time.sleep(_RETRY_SECONDS)


def _gathered(
    rank: int, at: Place, places: Sequence[Place], own: str, until: float, stack: contextlib.ExitStack
) -> tuple[dict[int, socket.socket], list[str]]:
    """The first machine: wait for the others, and tell all of them where all are."""
    connections: dict[int, socket.socket] = {}
    machines = [own, *("" for _ in places[1:])]
    with socket.create_server(at) as server:
        while len(connections) < len(places) - 1:
            server.settimeout(max(0.01, until - time.monotonic()))
            try:
                connection, _ = server.accept()
            except TimeoutError:
                missing = (each for each in range(1, len(places)) if each not in connections)
                names = ", ".join(places[each][0] for each in missing)
                raise MachineLost(f"no word of {names} in time; start the job again") from None
            stack.callback(connection.close)
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # not one of ours
                told = _told(connection, time.monotonic() + _WORD_SECONDS)
                machines[told["rank"]] = told["machine"]
                connections[told["rank"]] = connection
    for connection in connections.values():
        with contextlib.suppress(OSError):  # if it is gone, its line will tell
            connection.sendall(json.dumps(machines).encode() + b"\n")
    return connections, machines


def _joined(
    rank: int, at: Place, places: Sequence[Place], own: str, until: float, stack: contextlib.ExitStack
) -> tuple[dict[int, socket.socket], list[str]]:
    """Another machine: tell the first one where it is, and hear where all are."""
    name, port = places[0]
    while True:
        try:
            connection = socket.create_connection((name, port), timeout=max(0.01, until - time.monotonic()))
            stack.callback(connection.close)
            connection.sendall(json.dumps({"rank": rank, "machine": own}).encode() + b"\n")
            return {0: connection}, _told(connection, until)
        except (OSError, ValueError) as error:
            _pause(until, f"machine {name!r} does not answer at port {port}: {error}")


def _told(connection: socket.socket, until: float) -> Any:
    """The line of JSON that the other side sends. Raises ValueError if it is none, OSError if none comes."""
    said = b""
    while not said.endswith(b"\n"):
        connection.settimeout(max(0.01, until - time.monotonic()))
        part = connection.recv(1)  # no more than the line
        if not part:
            raise ConnectionError("the line was cut")
        said += part
    return json.loads(said)


class _Line:
    """The connection to another machine once they have met."""

    def __init__(self, connection: socket.socket, rank: int, lost: Lost) -> None:
        self._connection, self._rank, self._lost = connection, rank, lost
        self._over, self._left = threading.Event(), threading.Event()
        connection.settimeout(SILENT_SECONDS)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        with contextlib.suppress(OSError):  # the listener sees it, too
            while not self._over.wait(BEAT_SECONDS):
                self._connection.sendall(_HERE)

    def _listen(self) -> None:
        why = "cut the line"
        try:
            while said := self._connection.recv(4096):
                if _DONE in said:
                    return
        except TimeoutError:
            why = f"said nothing for {SILENT_SECONDS:.0f} s"
        except OSError as error:
            why = f"cut the line ({error})"
        if not self._left.wait(GRACE_SECONDS):
            self._lost(f"machine {self._rank + 1} {why}")

    def part(self) -> None:
        """Say that this machine has come to its end."""
        with contextlib.suppress(OSError):
            self._connection.sendall(_DONE)

    def wait(self) -> None:
        """Wait until the other one has, too."""
        self._listener.join()

    def cut(self) -> None:
        """End the line; without `part` and `wait` before, the other side takes this machine for lost."""
        self._left.set()
        self._over.set()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
