"""A lane's frames at the size that the network sees, and its corrections at theirs."""

from __future__ import annotations

import torch

from vsj4r.engine.base import FrameCodes, Scales
from vsj4r.engine.cuda import kernels
from vsj4r.engine.cuda.buffers import float_tensor
from vsj4r.engine.cuda.device import Block, Device
from vsj4r.engine.cuda.kernels import Reduction
from vsj4r.engine.resampling import phases_of


class Reduced:
    """Blocks of a lane whose frames are reduced, used on one stream: ``small``, the frame that lies in the
    cells of each parity, and what ``enlarge`` works on. The methods launch kernels: they belong into what is
    put on that stream.

    Raises:
        OutOfMemory: nothing is held afterwards.
    """

    def __init__(self, device: Device, reduction: Reduction) -> None:
        self._kernels, self._reduction = device.kernels, reduction
        layout = reduction.small
        self.small = [device.block(layout.nbytes) for _ in range(2)]
        self.change, self._rain = (device.block(layout.nbytes) for _ in range(2))
        self._levels, self._levels_block = float_tensor(device, (layout.height, layout.width))
        self._phases = torch.from_numpy(phases_of(reduction.by)).to(device.torch_device)
        self._pixels = reduction.frames.height * reduction.frames.width

    @property
    def working(self) -> list[Block]:
        """All that ``enlarge`` reads and writes beside the frame, its small one and its output."""
        return [self.change, self._rain, self._levels_block]

    def shrink(self, codes: FrameCodes, *, frame: int, parity: int) -> None:
        """Write ``small[parity]``; ``frame`` is an address."""
        small = self.small[parity].address
        kernels.shrink(self._kernels, self._reduction, codes, frame=frame, small=small)

    def enlarge(
        self, codes: FrameCodes, scales: Scales, *, frame: int, parity: int, before: int, after: int
    ) -> torch.Tensor:
        """``after``, from ``change``, the residual of ``small[parity]``: ``kernels.enlarge``. Gives, on
        the device, the mean of |correction| of luma over the picture, a tensor of shape ()."""
        small = self._reduction.small
        kernels.find_rain(self._kernels, small, change=self.change.address, rain=self._rain.address)
        kernels.enlarge(
            self._kernels, self._reduction, codes, scales,
            frame=frame, small=self.small[parity].address, change=self.change.address,
            rain=self._rain.address, phases=self._phases.data_ptr(), before=before, after=after,
            levels=self._levels_block.address,
        )  # fmt: skip
        return self._levels.sum() / self._pixels


def reduced_bytes(reduction: Reduction) -> int:
    """What a ``Reduced`` holds."""
    small = reduction.small
    return 4 * small.nbytes + 4 * small.height * small.width
