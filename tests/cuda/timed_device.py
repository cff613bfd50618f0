"""The fake device with a clock: how long a card would be busy, and when, if each piece of work took what
``COSTS`` says. Nothing is measured; the results are those of the fake device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.cuda.fake_device import FakeDevice, FakeEvent, FakeStream
from vsj4r.engine.cuda.device import Block, DeviceEvent, DeviceWork
from vsj4r.engine.cuda.kernels import Kernels

COSTS = {"upload": 1.0, "compute": 2.0, "download": 1.0}
"""Of one piece of work. A step is three of the compute stream: pack, step, unpack."""


class Span(NamedTuple):
    stream: str
    begin: float
    end: float


class TimedEvent(FakeEvent):
    time = 0.0

    def synchronize(self) -> None:
        super().synchronize()
        assert isinstance(self.device, TimedDevice)
        self.device.host_time = max(self.device.host_time, self.time)


class TimedStream(FakeStream):
    time = 0.0

    def wait(self, event: DeviceEvent) -> None:
        super().wait(event)
        assert isinstance(event, TimedEvent)
        self.time = max(self.time, event.time)

    def record(self, event: DeviceEvent) -> None:
        super().record(event)
        assert isinstance(event, TimedEvent)
        event.time = self.time

    def run(self, work: DeviceWork, *, reads: Sequence[Block], writes: Sequence[Block]) -> None:
        super().run(work, reads=reads, writes=writes)
        assert isinstance(self.device, TimedDevice)
        begin = max(self.time, self.device.host_time)
        self.time = begin + COSTS[self.name]
        self.device.spans.append(Span(self.name, begin, self.time))


class TimedDevice(FakeDevice):
    """``host_time``: where the host stands; ``spans``: what was done so far."""

    stream_kind, event_kind = TimedStream, TimedEvent

    def __init__(self, kernels: Kernels, *, seed: int = 0) -> None:
        super().__init__(kernels, seed=seed)
        self.host_time = 0.0
        self.spans: list[Span] = []
