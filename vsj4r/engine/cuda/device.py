"""What the engine asks of a device. Two answer: ``cupy_device.CupyDevice``, and the fake one of the tests,
which defers work, reorders it between streams and finds what no event orders.

All that is put on a stream comes back at once and is done later, in the stream's own order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch

from vsj4r.engine.base import Bytes
from vsj4r.engine.cuda.kernels import Kernels

DeviceWork = Callable[[], None]


class OutOfMemory(Exception):  # noqa: N818
    """The device, or the host's pinned memory, has no room left."""


class Block(Protocol):
    """Memory of the device, uninitialised."""

    @property
    def tensor(self) -> torch.Tensor:
        """(nbytes,) uint8 on the same memory; to be touched in what is put on a stream only."""

    @property
    def address(self) -> int: ...


class HostBlock(Protocol):
    """Pinned memory of the host, which copies go through."""

    def write(self) -> Bytes:
        """To be written: no copy may be reading it any more."""

    def read(self) -> Bytes:
        """To be read: the copy into it must have been waited for."""


class DeviceEvent(Protocol):
    def synchronize(self) -> None:
        """Wait, on the host, for what was put on the stream before it was recorded last."""


class DeviceStream(Protocol):
    def wait(self, event: DeviceEvent) -> None:
        """What comes after waits for ``event`` as it was recorded last; not at all if it never was."""

    def record(self, event: DeviceEvent) -> None: ...

    def upload(self, source: HostBlock, target: Block) -> None: ...

    def download(self, source: Block, target: HostBlock) -> None: ...

    def run(self, work: DeviceWork, *, reads: Sequence[Block], writes: Sequence[Block]) -> None:
        """``work`` launches kernels and torch operations, and touches no other block."""

    def synchronize(self) -> None: ...


class Device(Protocol):
    name: str
    torch_device: torch.device

    @property
    def kernels(self) -> Kernels: ...

    def active(self) -> AbstractContextManager[None]:
        """For everything else here: each call, for threads have devices of their own.

        Raises:
            OutOfMemory: what inside has failed for lack of memory.
        """

    def block(self, nbytes: int) -> Block: ...

    def host(self, nbytes: int) -> HostBlock: ...

    def stream(self, name: str) -> DeviceStream: ...

    def event(self) -> DeviceEvent: ...

    def capture(self, stream: DeviceStream, work: DeviceWork) -> DeviceWork:
        """``work``, which has run before, as one graph: what comes back launches it."""

    def settle(self) -> None:
        """Wait for what torch has put on the stream of its own: weights, of which other streams know
        nothing."""

    def free_bytes(self) -> int: ...

    def release_unused(self) -> None:
        """Give back what was allocated and is not in use."""
