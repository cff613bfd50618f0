"""The frames of a y4m stream as bytes, read ahead by a thread of their own: reading goes on while the network
works, and whether there is a next frame is known before anyone asks for it."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.video import FRAMES_ASKED_FOR
from vsj4r.media.y4m import FRAME, LONGEST_LINE, MAGIC, parse_head

_LOOK_SECONDS = 0.2


class Packets:
    """The head and the frames of the y4m stream ``file`` (a file descriptor), which people call ``name``.

    ``known`` is how many frames were read. ``next_packet`` is for one caller at a time; ``has`` and ``stop``
    may be called meanwhile.
    """

    def __init__(self, file: int, name: str) -> None:
        """Read the ``head``.

        Raises:
            InputError: it is no y4m.
        """
        self._file, self._name = file, name
        self.known = 0
        self._is_over = self._is_stopped = False
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[bytearray | Vsj4rError | None] = queue.SimpleQueue()
        line = self._line(len(MAGIC))
        if not line:
            raise InputError(f"{name} is empty: look at what should have written it")
        if not line.startswith(MAGIC + b" "):
            raise InputError(f"{name} is no y4m: ffmpeg -i INPUT -f yuv4mpegpipe -strict -1 - writes it")
        self.head = parse_head(line)

    def start(self) -> None:
        """Read the first frame, here, where Ctrl-C is heard, and from then on ahead.

        Raises:
            InputError: there is none.
        """
        size = self.head.frame_bytes
        first = self._packet(bytearray(size))
        if first is None:
            raise InputError(f"{self._name} ends before its first frame")
        self._full.put(first)
        for _ in range(FRAMES_ASKED_FOR):
            self._free.put(bytearray(size))
        threading.Thread(target=self._read_ahead, name="y4m", daemon=True).start()

    def has(self, n: int) -> bool | None:
        """Whether there is a frame ``n``; None as long as nobody knows."""
        if n < self.known:
            return True
        return False if self._is_over else None

    @contextmanager
    def next_packet(self) -> Iterator[bytearray | None]:
        """The samples of the next frame, plane after plane, for as long as the context lasts; None, from then
        on, where the stream ends.

        Raises:
            InputError: the stream is damaged, or ends too early.
            Vsj4rError: it was stopped.
        """
        packet = self._full.get()
        if not isinstance(packet, bytearray):
            self._full.put(packet)  # whoever asks again hears the same
        if isinstance(packet, Vsj4rError):
            raise packet
        yield packet
        if packet is not None:
            self._free.put(packet)

    def stop(self) -> None:
        """Whoever waits for a frame that nobody knows of gives up."""
        if not self._is_over:
            self._is_stopped = True
            self._full.put(self._stopped())
            self._free.put(bytearray())  # whoever waits for room looks up

    def _read_ahead(self) -> None:
        packet: bytearray | None = bytearray()
        try:
            while packet is not None:
                room = self._free.get()
                if self._is_stopped:
                    return
                packet = self._packet(room)
                self._full.put(packet)
        except Vsj4rError as error:
            self._full.put(error)

    def _packet(self, room: bytearray) -> bytearray | None:
        """``room``, filled with the next frame; None at the end."""
        line = self._line(len(FRAME))
        if not line:
            wanted = self.head.frames
            if wanted is not None and self.known < wanted:
                raise InputError(f"{self._name} ends after {self.known} of {wanted} frames")
            self._is_over = True
            return None
        if not line.startswith(FRAME):
            raise InputError(
                f"{self._name} is no y4m any more at frame {self.known}: one stream alone is read"
            )
        if self._fill(memoryview(room)) < len(room):
            raise InputError(f"{self._name} ends in the middle of frame {self.known}")
        self.known += 1
        return room

    def _line(self, least: int) -> bytes:
        """A line that has ``least`` bytes and its end; nothing at the end of the stream."""
        start = bytearray(least + 1)
        got = self._fill(memoryview(start))
        line = start[:got]
        letter = bytearray(1)
        while got > least and not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            if not self._fill(memoryview(letter)):
                break
            line += letter
        return bytes(line)

    def _fill(self, into: memoryview) -> int:
        """Bytes read: fewer than there is room for at the end of the stream alone."""
        done = 0
        while done < len(into):
            if sys.platform != "win32":  # where only sockets can be waited for
                while not select.select([self._file], [], [], _LOOK_SECONDS)[0]:
                    if self._is_stopped:
                        raise self._stopped()
            try:
                got = self._read_into(into[done:])
            except OSError as error:
                raise Vsj4rError(f"{self._name} cannot be read: {error.strerror}") from error
            if not got:
                break
            done += got
        return done

    def _read_into(self, into: memoryview) -> int:
        if hasattr(os, "readv"):
            return os.readv(self._file, [into])
        found = os.read(self._file, len(into))
        into[: len(found)] = found
        return len(found)

    def _stopped(self) -> Vsj4rError:
        return Vsj4rError(f"{self._name} is read no further")
