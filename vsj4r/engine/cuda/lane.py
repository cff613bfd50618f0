"""One recurrence on the device: its memory, its rings of frames, and the order of its work on three streams.

Frame t + 1 is uploaded and packed before step t, which looks ahead at it; what a step needs is kept in
slots by turns, so that step k reads cells k % 2 and (k + 1) % 2 and memory k % 2, and writes memory (k + 1)
% 2. A step that fails has moved nothing on.

    host      write in[s]                                                     read out[j]
    upload      . copy in[s] -> raw[s]
    compute          . pack raw[s] -> cells . step . unpack + raw[s] -> out[j]
    download                                            . copy out[j] -> host

Where frames are reduced, "pack" is shrink raw[s] -> small[k % 2], pack that; "unpack" is unpack -> the small
frame's change, enlarge that + raw[s] -> out[j].

Events: ``uploaded[s]`` before pack, and before the host writes in[s] again; ``released[s]`` before raw[s] is
overwritten; ``computed[j]`` before the copy back; ``downloaded[j]`` before the host reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import finalize

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsj4r.engine.base import Bytes, Feed, FrameCodes, FrameLayout, Scales
from vsj4r.engine.cuda import kernels
from vsj4r.engine.cuda.buffers import Cells, Memory, cell_tensor, float_tensor
from vsj4r.engine.cuda.device import Block, Device, DeviceStream, DeviceWork
from vsj4r.engine.cuda.grid import Grid
from vsj4r.engine.cuda.kernels import Reduction
from vsj4r.engine.cuda.network import FIGURES, CudaStep, Found
from vsj4r.engine.cuda.reduced import Reduced


class LaneOutput(NamedTuple):
    """``frame``: a block of the layout, which holds until the lane's next call; ``alpha`` (h, w), empty
    unless asked for; ``figures`` as in ``Found``."""

    frame: Bytes
    alpha: NDArray[np.float32]
    figures: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """What a lane is made for. ``depth``: frames in flight. ``residual``: give the residual (float planes)
    and alpha, instead of the frame with the residual added. ``downscale``: by how much frames are reduced
    before they are packed."""

    frames: FrameLayout
    grid: Grid
    depth: int
    memory_channels: int
    residual: bool
    downscale: int = 1

    @property
    def packed(self) -> FrameLayout:
        """What the network sees: the frames, or smaller ones as large as its grid."""
        if self.downscale == 1:
            return self.frames
        return FrameLayout(*self.grid.luma_shape, np.dtype(np.float32), self.frames.chroma)

    @property
    def reduction(self) -> Reduction | None:
        return None if self.downscale == 1 else Reduction(self.frames, self.packed, self.downscale)

    @property
    def out_bytes(self) -> int:
        alpha = 4 * self.grid.height * self.grid.width if self.residual else 0
        return self.tail + 4 * FIGURES + alpha

    @property
    def tail(self) -> int:
        """Where figures and alpha begin in what comes back."""
        return -(-self.frames.nbytes // 64) * 64


class Streams(NamedTuple):
    upload: DeviceStream
    compute: DeviceStream
    download: DeviceStream

    def drain(self, device: Device) -> None:
        """Wait for all that was put on them."""
        with device.active():
            for stream in self:
                stream.synchronize()


class Lane:
    """``State`` of the engine. ``captured``: the two steps, even and odd; eager ones where it is None.

    Raises:
        OutOfMemory: nothing is held afterwards.
    """

    def __init__(self, device: Device, streams: Streams, plan: LaneSpec, step: CudaStep, luma: Block) -> None:
        self.plan, self._device, self._streams, self._step, self._luma = plan, device, streams, step, luma
        grid = plan.grid
        height, width = step.matching(torch.zeros(grid.luma_shape, device="meta")).shape[2:]
        ring, outs = range(plan.depth + 1), range(plan.depth)
        self._cells = [Cells(device, grid, (height, width)) for _ in range(2)]
        self._memory = [Memory(device, grid, plan.memory_channels, (height, width)) for _ in range(2)]
        residual, residual_block = cell_tensor(device, (1, grid.channels, grid.height, grid.width), grid)
        alpha, alpha_block = float_tensor(device, (grid.height, grid.width))
        figures, figures_block = float_tensor(device, (FIGURES,))
        self._found = Found(residual, alpha, figures)
        self._found_blocks = [residual_block, alpha_block, figures_block]
        self._raw = [device.block(plan.frames.nbytes) for _ in ring]
        self._in = [device.host(plan.frames.nbytes) for _ in ring]
        self._out = [device.block(plan.out_bytes) for _ in outs]
        self._back = [device.host(plan.out_bytes) for _ in outs]
        self._reduced = None if plan.reduction is None else Reduced(device, plan.reduction)
        self._uploaded, self._released = ([device.event() for _ in ring] for _ in range(2))
        self._computed, self._downloaded = ([device.event() for _ in outs] for _ in range(2))
        self._steps, self._uploads, self._submitted, self._collected = 0, 0, 0, 0
        self.captured: tuple[DeviceWork, DeviceWork] | None = None
        finalize(self, streams.drain, device).atexit = False  # what is in flight uses our memory
        self.reset()

    @property
    def waiting(self) -> int:
        """Outputs in flight: submitted and not collected."""
        return self._submitted - self._collected

    def reset(self) -> None:
        """Before the first frame; outputs in flight are dropped."""
        while self.waiting:
            self.collect()
        memory = self._memory[self._steps % 2]
        with self._device.active():
            self._streams.compute.run(memory.clear, reads=[], writes=memory.blocks)

    def submit(self, now: Feed, following: Feed | None, scales: Scales | None) -> None:
        """Put a step on the streams. With ``scales`` its output is to be collected, in order; None: nobody
        wants it. ``following``: None for a model without look-ahead.

        Raises:
            OutOfMemory: nothing has moved on.
            RuntimeError: ``depth`` outputs wait to be collected.
        """
        if self.waiting >= self.plan.depth:
            raise RuntimeError(f"{self.plan.depth} outputs wait to be collected")
        parity = self._steps % 2
        with self._device.active():
            self._bring(now, parity)
            if following is not None:
                self._bring(following, 1 - parity)
            self._compute(parity, following is not None)
            if scales is not None:
                self._give(now.codes, parity, scales)
        self._steps += 1

    def collect(self) -> LaneOutput:
        """Wait for the oldest output that was submitted."""
        j = self._collected % self.plan.depth
        with self._device.active():
            self._downloaded[j].synchronize()
            block = self._back[j].read()
        self._collected += 1
        tail = block[self.plan.tail :].view(np.float32)
        alpha = tail[FIGURES:].reshape(-1, self.plan.grid.width)
        return LaneOutput(block[: self.plan.frames.nbytes], alpha, tail[:FIGURES])

    def undo(self) -> None:
        """Before the last step again, its output collected: its memory is still there."""
        self._steps -= 1

    def works(self) -> tuple[DeviceWork, DeviceWork]:
        """The even and the odd step on this lane's memory, as the network computes them."""

        def work(parity: int) -> DeviceWork:
            now, following = self._cells[parity].observation, self._cells[1 - parity].observation
            before, after = self._memory[parity].state, self._memory[1 - parity].state
            ahead = following if self._step.net.config.lookahead else None
            return lambda: self._step.run(now, ahead, before, after, self._found)

        return work(0), work(1)

    def inputs(self, parity: int) -> list[Tensor]:
        """What step ``parity`` reads, for who checks it."""
        cells = [tensor for each in self._cells for tensor in each.observation]
        return [*cells, *self._memory[parity].state]

    def results(self, parity: int) -> list[Tensor]:
        """What step ``parity`` writes."""
        return [*self._memory[1 - parity].state[:3], self._found.residual, self._found.alpha]

    def blocks(self) -> list[Block]:
        """All memory that ``works`` touch."""
        packed = [block for cells in self._cells for block in cells.blocks]
        remembered = [block for memory in self._memory for block in memory.blocks]
        return packed + remembered + self._found_blocks

    def forget(self) -> None:
        """No frame is packed here any more, and no memory either."""
        for cells in self._cells:
            cells.key = None
        self.reset()

    def _bring(self, source: Feed, parity: int) -> None:
        """Upload and pack, unless it is there."""
        cells, other = self._cells[parity], self._cells[1 - parity]
        if source.key is not None and source.key == cells.key:
            return
        cells.key = None
        if self._uploads % len(self._raw) == other.slot:  # whose samples are still needed
            self._uploads += 1
        s = self._uploads % len(self._raw)
        self._uploads += 1
        upload, compute = self._streams.upload, self._streams.compute
        self._uploaded[s].synchronize()
        views = self.plan.frames.views(self._in[s].write())
        for plane, view in zip(source.planes, views, strict=True):
            np.copyto(view, plane)
        upload.wait(self._released[s])
        upload.upload(self._in[s], self._raw[s])
        upload.record(self._uploaded[s])
        compute.wait(self._uploaded[s])
        raw, plan, reduced = self._raw[s], self.plan, self._reduced
        observation, o_block, luma = cells.observation, cells.o_block, self._luma
        written = [*cells.blocks, luma]
        if reduced is not None:
            written += [reduced.small[parity]]

        def pack() -> None:
            samples, codes = raw, source.codes
            if reduced is not None:
                reduced.shrink(codes, frame=raw.address, parity=parity)
                samples, codes = reduced.small[parity], FrameCodes()
            kernels.pack(
                self._device.kernels, plan.packed, plan.grid, codes,
                frame=samples.address, cells=o_block.address, luma=luma.address,
            )  # fmt: skip
            plane = luma.tensor.view(torch.float32).view(plan.grid.luma_shape)
            observation.l.copy_(self._step.matching(plane))

        compute.run(pack, reads=[raw], writes=written)
        compute.record(self._released[s])
        cells.key, cells.slot = source.key, s

    def _compute(self, parity: int, ahead: bool) -> None:
        works = self.captured or self.works()
        read = [*self._cells[parity].blocks, *self._memory[parity].blocks]
        read += self._cells[1 - parity].blocks if ahead else []
        written = [*self._memory[1 - parity].blocks, *self._found_blocks]
        self._streams.compute.run(works[parity], reads=read, writes=written)

    def _give(self, codes: FrameCodes, parity: int, scales: Scales) -> None:
        """Unpack onto the frame's own samples and send it back."""
        j, plan, cells = self._submitted % self.plan.depth, self.plan, self._cells[parity]
        raw, out, residual = self._raw[cells.slot], self._out[j], self._found_blocks[0]
        compute, download = self._streams.compute, self._streams.download
        before, reduced = 0 if plan.residual else raw.address, self._reduced
        read, written = [raw, *self._found_blocks], [out]
        if reduced is not None:
            read += [reduced.small[parity]]
            written += reduced.working

        def unpack() -> None:
            tail = out.tensor[plan.tail :].view(torch.float32)
            tail[:FIGURES].copy_(self._found.figures)
            if plan.residual:
                tail[FIGURES:].copy_(self._found.alpha.view(-1))
            if reduced is None:
                kernels.unpack(
                    self._device.kernels, plan.frames, plan.grid, scales,
                    cells=residual.address, before=before, after=out.address,
                )  # fmt: skip
                return
            kernels.unpack(
                self._device.kernels, plan.packed, plan.grid, Scales(),
                cells=residual.address, before=0, after=reduced.change.address,
            )  # fmt: skip
            level = reduced.enlarge(
                codes, scales, frame=raw.address, parity=parity, before=before, after=out.address
            )
            tail[0].copy_(level)

        compute.run(unpack, reads=read, writes=written)
        compute.record(self._released[cells.slot])
        compute.record(self._computed[j])
        download.wait(self._computed[j])
        download.download(out, self._back[j])
        download.record(self._downloaded[j])
        self._submitted += 1
