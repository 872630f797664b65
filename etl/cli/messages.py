"""The messages between a command that starts runs and the process that loads the tenant's code and executes one.

Belongs here: the messages and the socket for them. Not here: the command's side (`child`), the process's side
(`run_child`).

The command sends a `Request`. The process answers with a `Plan`, or with `Refused`. The command sends the id of the
run, and the process answers with `Started`, or with `Refused`. After that, neither listens to the other: the run goes
on if the command ends.
"""

import socket
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict


class Line(BaseModel):
    """One line of JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Kind = TypeVar("Kind", bound=Line)


class Wanted(Line):
    """What a person wants to run, in the words of the command. Nothing means all assets and the newest partition."""

    job: str | None = None
    pipelines: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None


class PlannedRun(Line):
    """A run that can be started: of a job, or of some of its assets."""

    job: str
    tags: dict[str, str]
    assets: tuple[tuple[str, ...], ...] = ()
    """The keys of the assets; empty for the whole job."""
    words: str = ""
    """The partitions, as a person reads them."""
    size: int = 0
    """The number of partitions; 0 for whole tables."""
    unit: str = "day"
    """The word for one partition."""


class Request(Line):
    """What the process shall load and run: either what a person wants, or a run that is planned already."""

    tenant: str
    entry: str
    """The entry in workspace.yaml, as Dagster writes it."""
    wanted: Wanted | None = None
    run: PlannedRun | None = None
    tags: dict[str, str] = {}
    """Tags for every run that is planned."""


class Plan(Line):
    """The runs for what a person wants. The process can execute the first one."""

    runs: tuple[PlannedRun, ...]
    note: str = ""
    """A line for the person."""


class Go(Line):
    """The process shall create its run with this id, and execute it."""

    run_id: str


class Started(Line):
    """The run exists, and the event log says which process executes it."""


class Refused(Line):
    """The process ends, because of an error that has this problem and this remedy."""

    problem: str
    hint: str = ""


class Channel:
    """One end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        """`end` is closed with the channel."""
        self._end = end
        self._received = b""

    @classmethod
    def of_descriptor(cls, number: int) -> Self:
        """Return the channel of an inherited file descriptor, which no child of this process gets."""
        end = socket.socket(fileno=number)
        end.set_inheritable(False)
        return cls(end)

    def say(self, message: Line) -> None:
        """Send a message. Nothing happens if nobody listens any more: the other process may have been killed."""
        line = f"{type(message).__name__} {message.model_dump_json()}\n"
        try:
            self._end.sendall(line.encode())
        except OSError:
            self.close()

    def hear(self, *kinds: type[Kind], seconds: float | None = None) -> Kind | None:
        """Wait for a message of one of these kinds; None if the other process has ended. Raises `TimeoutError`."""
        try:
            self._end.settimeout(seconds)
            while b"\n" not in self._received:
                more = self._end.recv(65536)
                if not more:
                    return None
                self._received += more
        except TimeoutError:
            raise
        except OSError:
            return None
        line, _, self._received = self._received.partition(b"\n")
        name, _, content = line.decode().partition(" ")
        for kind in kinds:
            if kind.__name__ == name:
                return kind.model_validate_json(content)
        return None

    def close(self) -> None:
        """Say and hear nothing any more."""
        self._end.close()
