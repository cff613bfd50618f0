"""The CUDA engine: a step of J4R-Net on frames as they are, or on float planes as ``Engine`` has them."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vsj4r.engine.base import Feed, FrameCodes, FrameLayout, Plane, Scales, State, Tensors
from vsj4r.engine.base import Step as Evaluated
from vsj4r.engine.cuda.cell_tiles import halve_tile, working_bytes
from vsj4r.engine.cuda.device import Device, OutOfMemory
from vsj4r.engine.cuda.graphs import capture_lane
from vsj4r.engine.cuda.grid import Grid
from vsj4r.engine.cuda.lane import Lane, LaneOutput, LaneSpec, Streams
from vsj4r.engine.cuda.network import CudaStep, Fused, check_channels, relu_after
from vsj4r.engine.cuda.reduced import reduced_bytes
from vsj4r.engine.downscaled import downscale_spec
from vsj4r.engine.loading import load_net
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError
from vsj4r.model.limits import CHROMA_GAIN

LOG = logging.getLogger("vsj4r")
CELLS: dict[str, np.dtype[Any]] = {"f16": np.dtype(np.float16), "f32": np.dtype(np.float32)}


@dataclass(frozen=True, slots=True)
class Options:
    """``depth``: frames in flight. ``graphs``: capture the step. ``fused``: how a convolution with a
    ReLU is computed. ``tile``: (width, height) in luma samples of the frame that the convolutions take at
    most at a time, overlap not counted; None: the frame."""

    depth: int = 1
    graphs: bool = True
    fused: Fused = relu_after
    tile: tuple[int, int] | None = None


class CudaLanes:
    """The network on a card, for one frame size: ``height`` and ``width`` in luma samples, multiples of
    ``spec.multiple``; and its lanes, which are the states.

    ``frames``: the planes that are fed and given back, which may be smaller than that: the rest repeats their
    edge. None: float planes of that size are fed, residual and alpha are given back. ``downscale``: by how
    much they are reduced before the step, see ``DownscaledEngine``; ``alpha`` stays on the network's grid.

    Raises:
        Vsj4rError: weights that are missing or damaged, or no room on the device.
        ValueError: a side is not a multiple of ``spec.multiple``.
    """

    def __init__(
        self,
        model: Model,
        *,
        height: int,
        width: int,
        device: Device,
        precision: str = "f16",
        frames: FrameLayout | None = None,
        downscale: int = 1,
        options: Options | None = None,
    ) -> None:
        self.spec = downscale_spec(model.spec, downscale)
        multiple = self.spec.multiple
        if height < 1 or width < 1 or height % multiple or width % multiple:
            raise ValueError(f"sides must be multiples of {multiple}, got {height = }, {width = }")
        self.device, self.precision, self._options = device, precision, options or Options()
        self._net = load_net(model).requires_grad_(False)
        check_channels(self._net)
        config = self._net.config
        shift = config.scale.bit_length() - 1
        chroma = config.planes == "yuv420"
        cell = CELLS[precision]
        rows, columns = height // downscale, width // downscale
        self.grid = Grid(rows >> shift, columns >> shift, shift, chroma, CHROMA_GAIN, cell)
        layout = frames or FrameLayout(height, width, np.dtype(np.float32), chroma)
        memory = config.gru_layers * config.channels
        self.plan = LaneSpec(
            layout, self.grid, self._options.depth, memory, residual=frames is None, downscale=downscale
        )
        self._lanes: weakref.WeakSet[Lane] = weakref.WeakSet()
        self._opened: CudaStep | None = None
        with device.active():
            self._streams = Streams(*(device.stream(name) for name in Streams._fields))
        self._step = self._opened = self._with_room(self._new_step)
        self._luma = self._with_room(lambda: device.block(4 * rows * columns))

    @property
    def tile(self) -> tuple[int, int]:
        """Cells of a tile of the convolutions, (height, width)."""
        return self._opened.tile if self._opened else (self.grid.height, self.grid.width)

    @property
    def _cell_px(self) -> int:
        """Luma samples of the frame along a side of a cell."""
        return self.plan.downscale << self.grid.shift

    def new_state(self) -> Lane:
        """A lane of this engine.

        Raises:
            Vsj4rError: there is no room for it, tiles as small as they may be.
        """
        lane = self._with_room(self._new_lane)
        self._lanes.add(lane)
        return lane

    def submit(self, now: Feed, following: Feed | None, lane: Lane, scales: Scales | None) -> None:
        """``Lane.submit``, in smaller tiles where memory has become scarce."""
        self._with_room(lambda: lane.submit(now, following, scales))

    def collect(self, lane: Lane) -> LaneOutput:
        """``Lane.collect``.

        Raises:
            Vsj4rError: residual or alpha is no number. If nothing else was in flight the lane is as it was
                before; otherwise it is to be reset.
        """
        output = lane.collect()
        if not np.isfinite(output.figures[1:]).all():
            if not lane.waiting:
                lane.undo()
            hint = ": precision='f32' reaches further" if self.precision == "f16" else ""
            raise Vsj4rError(f"model {self.spec.name}: its result must be finite, got NaN or infinity{hint}")
        return output

    def _lane(self, state: State) -> Lane:
        if not isinstance(state, Lane) or state not in self._lanes:
            raise ValueError("the state belongs to another model or frame size")
        return state

    def _new_step(self) -> CudaStep:
        layout, cell_px = self.plan.frames, self._cell_px
        step = CudaStep(
            self._net,
            self.grid,
            (-(-layout.height // self.plan.downscale), -(-layout.width // self.plan.downscale)),
            device=self.device.torch_device,
            kernels=self.device.kernels,
            fused=self._options.fused,
        )
        if self._options.tile is not None:
            width, height = (max(1, side // cell_px) for side in self._options.tile)
            step.tile = min(height, self.grid.height), min(width, self.grid.width)
        self.device.settle()
        return step

    def _new_lane(self) -> Lane:
        lane = Lane(self.device, self._streams, self.plan, self._step, self._luma)
        if self._options.graphs:
            lane.captured = capture_lane(self.device, self._streams.compute, lane)
        return lane

    def _with_room[T](self, work: Callable[[], T]) -> T:
        while True:
            try:
                with self.device.active():
                    return work()
            except OutOfMemory as error:
                self._shrink(error)

    def _shrink(self, error: OutOfMemory) -> None:
        """Smaller tiles.

        Raises:
            Vsj4rError: they are as small as they may be.
        """
        self._streams.drain(self.device)  # what is in flight may be the graphs that are given up below
        with self.device.active():
            self.device.release_unused()
            free = self.device.free_bytes()
        tile = halve_tile(self.tile)
        if self._opened is None or tile is None:
            needed = self._needed() >> 20
            raise Vsj4rError(
                f"memory of {self.device.name} must be about {needed} MiB for a state of "
                f"{self.plan.frames.width}x{self.plan.frames.height}, got {free >> 20} MiB free"
            ) from error
        self._opened.tile = tile
        width, height = (side * self._cell_px for side in reversed(tile))
        LOG.warning("%s: out of memory, going on in tiles of %dx%d pixels", self.device.name, width, height)
        for lane in self._lanes:
            lane.captured = None

    def _needed(self) -> int:
        """What one state and the steps on it take, about."""
        grid, plan = self.grid, self.plan
        cells = grid.height * grid.width
        memory = 2 * cells * (grid.cell.itemsize * (plan.memory_channels + 2 * grid.channels) + 8)
        found = cells * (grid.channels * grid.cell.itemsize + 4)
        rings = (plan.depth + 1) * plan.frames.nbytes + plan.depth * plan.out_bytes
        luma = 4 * cells << (2 * grid.shift)
        reduced = 0 if plan.reduction is None else reduced_bytes(plan.reduction)
        return memory + found + rings + luma + reduced + working_bytes(self._net.config, grid, self.tile)


class CudaEngine(CudaLanes):
    """``Engine`` on a card."""

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Evaluated:
        """See ``Engine.step``."""
        now = self._source(o_t)
        if self.spec.lookahead and o_next is None:
            raise ValueError(f"model {self.spec.name} looks ahead: o_next must not be None")
        following = self._source(o_next) if self.spec.lookahead and o_next is not None else None
        lane = self._lane(state)
        self.submit(now, following, lane, Scales())
        output = self.collect(lane)
        y, *uv = self.plan.frames.views(output.frame)
        residual = Tensors(np.ascontiguousarray(y), np.stack(uv) if uv else None)
        return Evaluated(residual=residual, alpha=output.alpha)

    def _source(self, frame: Tensors) -> Feed:
        planes = [frame.y]
        if self.grid.chroma:
            if frame.uv is None:
                raise ValueError(f"model {self.spec.name} needs chroma: uv must not be None")
            planes += [frame.uv[0], frame.uv[1]]
        for plane, view in zip(planes, self._shapes, strict=True):
            if plane.shape != view or plane.dtype != np.float32:
                raise ValueError(f"a plane must be float32 {view}, got {plane.dtype} {plane.shape}")
        return Feed(None, planes, FrameCodes())

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        layout = self.plan.frames
        return [(layout.height, layout.width)] + [layout.chroma_sides] * (2 if layout.chroma else 0)


class CudaFrameEngine(CudaLanes):
    """``FrameEngine`` on a card."""

    @property
    def depth(self) -> int:
        return self.plan.depth

    def begin(self, now: Feed, following: Feed | None, state: State, scales: Scales | None) -> None:
        """See ``FrameEngine.begin``."""
        self.submit(now, following if self.spec.lookahead else None, self._lane(state), scales)

    def waiting(self, state: State) -> int:
        """See ``FrameEngine.waiting``."""
        return self._lane(state).waiting

    def finish(self, state: State) -> tuple[list[Plane], float, float]:
        """See ``FrameEngine.finish``."""
        output = self.collect(self._lane(state))
        return self.plan.frames.views(output.frame), float(output.figures[0]), float(output.figures[1])
