"""A device that is none: kernels run on the CPU, and everything happens as late and as oddly as CUDA allows.

Nothing runs when it is put on a stream. Each stream is a queue; whoever waits on the host lets a seeded
scheduler pick which stream moves next. Memory is poisoned (NaN in every float type). Vector clocks over
streams and host tell what no event orders, by the blocks that each piece of work says it touches:
``Hazard``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from vsj4r.engine.base import Bytes
from vsj4r.engine.cuda.device import Block, DeviceEvent, DeviceStream, DeviceWork, HostBlock, OutOfMemory
from vsj4r.engine.cuda.kernels import Kernels
from vsj4r.engine.cuda.shared import COLLECTOR_PAUSED

Clock = dict[str, int]
HOST = "host"


class Hazard(AssertionError):  # noqa: N818
    """Two accesses that nothing orders."""


class FakeMemory:
    """``Block`` and ``HostBlock``."""

    def __init__(self, device: FakeDevice, nbytes: int) -> None:
        self.device = device
        self.array: Bytes = np.full(nbytes, 0xFF, np.uint8)
        self.tensor = torch.from_numpy(self.array)
        self.writer: tuple[str, int] | None = None
        self.readers: list[tuple[str, int]] = []

    def __del__(self) -> None:
        self.device.used -= len(self.array)
        accesses = [*self.readers, *([self.writer] if self.writer else [])]
        self.device.freed_early += sum(self.device.host_clock.get(who, 0) < time for who, time in accesses)

    @property
    def address(self) -> int:
        return self.array.ctypes.data

    def read(self) -> Bytes:
        self.touch(self.device.host_clock, HOST, writes=False)
        return self.array

    def write(self) -> Bytes:
        self.touch(self.device.host_clock, HOST, writes=True)
        return self.array

    def touch(self, clock: Clock, who: str, *, writes: bool) -> None:
        before = [self.writer] if self.writer else []
        before += self.readers if writes else []
        for name, time in before:
            if self.device.detects and clock.get(name, 0) < time:
                raise Hazard(f"{who} {'writes' if writes else 'reads'} what {name} may still use")
        clock[who] = clock.get(who, 0) + 1
        if writes:
            self.writer, self.readers = (who, clock[who]), []
        else:
            self.readers.append((who, clock[who]))


class FakeEvent:
    def __init__(self, device: FakeDevice, name: str) -> None:
        self.device, self.name = device, name
        self.done: list[bool] | None = None
        self.clock: Clock = {}

    def synchronize(self) -> None:
        if self.done is not None and self.name not in self.device.removed:
            self.device.run_until(self.done)
            join(self.device.host_clock, self.clock)


class FakeStream:
    def __init__(self, device: FakeDevice, name: str) -> None:
        self.device, self.name = device, name
        self.queue: list[tuple[list[bool] | None, DeviceWork | None, list[bool] | None]] = []
        self.clock: Clock = {}

    def wait(self, event: DeviceEvent) -> None:
        assert isinstance(event, FakeEvent)
        self.device.waits += 1
        if event.done is None or self.device.waits_removed(self.name):
            return
        self.queue.append((event.done, None, None))
        join(self.clock, event.clock)

    def record(self, event: DeviceEvent) -> None:
        assert isinstance(event, FakeEvent)
        event.done, event.clock = [False], dict(self.clock)
        self.queue.append((None, None, event.done))

    def upload(self, source: HostBlock, target: Block) -> None:
        self._copy(source, target)

    def download(self, source: Block, target: HostBlock) -> None:
        self._copy(source, target)

    def run(self, work: DeviceWork, *, reads: Sequence[Block], writes: Sequence[Block]) -> None:
        self.device.take(0)
        join(self.clock, self.device.host_clock)  # what the host did before comes before
        written = {id(block) for block in writes}
        for block in reads:
            assert isinstance(block, FakeMemory)
            if id(block) not in written:
                block.touch(self.clock, self.name, writes=False)
        for block in writes:
            assert isinstance(block, FakeMemory)
            block.touch(self.clock, self.name, writes=True)
        self.queue.append((None, work, None))

    def synchronize(self) -> None:
        last = [False]
        self.queue.append((None, None, last))
        clock = dict(self.clock)
        self.device.run_until(last)
        join(self.device.host_clock, clock)

    def _copy(self, source: Block | HostBlock, target: Block | HostBlock) -> None:
        assert isinstance(source, FakeMemory)
        assert isinstance(target, FakeMemory)
        self.run(lambda: np.copyto(target.array, source.array), reads=[source], writes=[target])

    def ready(self) -> bool:
        return bool(self.queue) and (self.queue[0][0] is None or self.queue[0][0][0])

    def advance(self) -> None:
        _, work, done = self.queue.pop(0)
        if work is not None:
            with COLLECTOR_PAUSED.held():  # a card works beside the host, where a lane's end waits for it
                work()
        if done is not None:
            done[0] = True


class FakeDevice:
    """``Device``. ``seed`` of the scheduler; ``detects``: by clocks (without, wrong pixels must show it);
    ``fails``: whether the allocation of a number finds no memory. Streams and events are of the two kinds."""

    stream_kind: type[FakeStream] = FakeStream
    event_kind: type[FakeEvent] = FakeEvent

    def __init__(self, kernels: Kernels, *, seed: int = 0, detects: bool = True) -> None:
        self.name, self.kernels, self.torch_device = "fake", kernels, torch.device("cpu")
        self.detects, self.random = detects, random.Random(seed)
        self.streams: list[FakeStream] = []
        self.host_clock: Clock = {}
        self.removed: set[str] = set()
        self.taken, self.used, self.waits = 0, 0, 0
        self.fails: Callable[[int], bool] = lambda taken: False
        self.releases = 0
        self.events = 0
        self.freed_early = 0  # blocks that were given back while, as far as the host knew, they were in use

    @contextmanager
    def active(self) -> Iterator[None]:
        with torch.inference_mode():
            yield

    def take(self, nbytes: int) -> None:
        self.taken += 1
        if self.fails(self.taken):
            raise OutOfMemory(f"no {nbytes} bytes")

    def block(self, nbytes: int) -> FakeMemory:
        self.take(nbytes)
        self.used += nbytes
        return FakeMemory(self, nbytes)

    host = block

    def stream(self, name: str) -> DeviceStream:
        stream = self.stream_kind(self, name)
        self.streams.append(stream)
        return stream

    def event(self) -> DeviceEvent:
        self.events += 1
        return self.event_kind(self, f"event{self.events}")

    def capture(self, stream: DeviceStream, work: DeviceWork) -> DeviceWork:
        self.take(0)
        return work

    def settle(self) -> None:
        """Nothing was put on a stream that is not among these."""

    def free_bytes(self) -> int:
        return 0

    def release_unused(self) -> None:
        self.releases += 1

    def waits_removed(self, stream: str) -> bool:
        return f"{stream} waits" in self.removed

    def run_until(self, done: list[bool]) -> None:
        while not done[0]:
            ready = [stream for stream in self.streams if stream.ready()]
            if not ready:
                raise Hazard("deadlock")
            self.random.choice(ready).advance()


def join(clock: Clock, other: Clock) -> None:
    for name, time in other.items():
        clock[name] = max(clock.get(name, 0), time)
