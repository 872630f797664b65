"""Removes secrets from printed lines: a text stream that scrubs whole lines and passes them on.

Belongs here: `ScrubbedStream` and its use for `sys.stdout` and `sys.stderr`. Not here: what a secret is (`scrub`). Text
that a library or a child process writes directly to a file descriptor is not scrubbed.
"""

import atexit
import io
import logging
import sys
from typing import TextIO

from etl.secrets.scrub import begun, scrub


class ScrubbedStream(io.TextIOBase):
    """A stream in front of another stream. It holds a line back until the line is whole, so that no secret is cut."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = ""

    @property
    def behind(self) -> TextIO:
        """The stream behind."""
        return self._stream

    def write(self, text: str) -> int:
        """Take the text, and pass on the lines that are now complete."""
        whole, separator, rest = (self._line + text).rpartition("\n")
        self._line = rest
        if separator:
            self._stream.write(scrub(whole) + separator)
        return len(text)

    def flush(self) -> None:
        """Pass on the unfinished line too, except an end that may be the beginning of a secret."""
        self._hand_on(len(self._line) - begun(self._line))

    def finish(self) -> None:
        """Pass on everything that is left, because no more text comes. A closed stream behind receives nothing."""
        if not self._stream.closed:
            self._hand_on(len(self._line))

    def _hand_on(self, size: int) -> None:
        ready, self._line = self._line[:size], self._line[size:]
        if ready:
            self._stream.write(scrub(ready))
        self._stream.flush()

    def fileno(self) -> int:
        """The file descriptor of the stream behind, for code that redirects the descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream behind is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Always."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """How the stream behind treats characters that it cannot encode."""
        return self._stream.errors

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The bytes below the stream behind; what is written there is not scrubbed."""
        found: io.BufferedIOBase = self._stream.buffer  # type: ignore[assignment]
        return found


def scrub_streams() -> None:
    """Put a scrubbing stream in front of `sys.stdout` and `sys.stderr`, and of the log handlers that hold them."""
    before = {}
    for name in ("stdout", "stderr"):
        stream: TextIO = getattr(sys, name)
        if stream is None or isinstance(stream, ScrubbedStream):
            continue
        before[id(stream)] = scrubbed = ScrubbedStream(stream)
        atexit.register(scrubbed.finish)
        setattr(sys, name, scrubbed)
    loggers = [logging.getLogger(), *(each for each in logging.Logger.manager.loggerDict.values())]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in before:
                handler.setStream(before[id(handler.stream)])
