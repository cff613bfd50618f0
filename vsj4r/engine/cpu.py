"""The CPU engine: an exported step run by OpenVINO, states in double buffers, large frames in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.base import State, Step, StepSpec, Tensors
from vsj4r.engine.compiled import (
    Request,
    choose_precision,
    compile_or_load,
    factor_of,
    has_bf16,
    tile_shapes,
)
from vsj4r.engine.graph import (
    NEXT_SUFFIX,
    STATE_PREFIX,
    Shapes,
    channels_last,
    inputs_of,
    last_line,
    model_error,
    outputs_of,
)
from vsj4r.engine.native.light_change import Sums, block_sums, light_change, relight_luma
from vsj4r.engine.native.motion_search import BLOCK, Luma, MotionSearch, is_native
from vsj4r.engine.runtime import ov
from vsj4r.engine.tiles import Span
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError

Arrays = Mapping[str, NDArray[Any]]
Tile = tuple[Span, Span]
Types = Mapping[str, np.dtype[Any]]

_BF16 = np.dtype(np.uint16)
"""What numpy has no type for lies here as its bits."""


class CpuState:
    """Two sets of buffers: a step reads ``current`` and writes ``spare``; then they change places."""

    def __init__(self, shapes: Shapes, types: Types) -> None:
        self.shapes = shapes
        self._is_new = True
        self.current = {name: _zeros(name, shape, types[name]) for name, shape in shapes.items()}
        self.spare = {name: _zeros(name, shape, types[name]) for name, shape in shapes.items()}

    def reset(self) -> None:
        if self._is_new:  # all zeros already, and not in memory yet
            return
        for array in self.current.values():
            array.fill(0)
        self._is_new = True

    def advance(self) -> None:
        """What the last step wrote becomes what the next one reads."""
        self.current, self.spare = self.spare, self.current
        self._is_new = False


class CpuEngine:
    """``Engine`` for one frame size. ``height`` and ``width`` in luma samples, ``threads`` at least 1.

    Frames and states go in and out without a copy where there is one tile. ``precision``: see
    ``choose_precision``; ``self.precision`` tells which one it became. Motion, which takes
    the whole frame, is whole numbers either way: found by the compiled library where it knows the model's
    kind of motion, otherwise by the graph in f32. ``tile``: (width, height) to keep from one tile, None for
    as few tiles as ``TILE_BYTES`` allow.

    Raises:
        Vsj4rError: OpenVINO cannot read or compile the graph, or the graph breaks the contract; a precision
            is asked of a model or a CPU without it.
        ValueError: a side is not a multiple of ``spec.multiple``.
    """

    spec: StepSpec

    def __init__(
        self,
        model: Model,
        *,
        height: int,
        width: int,
        precision: str,
        threads: int,
        tile: tuple[int, int] | None = None,
    ) -> None:
        self.spec = model.spec
        multiple = self.spec.multiple
        if height < 1 or width < 1 or height % multiple or width % multiple:
            raise ValueError(f"sides must be multiples of {multiple}, got {height = }, {width = }")
        self._height, self._width = height, width
        core = ov.Core()
        self.precision = choose_precision(core, model, precision)
        in_int8 = self.precision == "int8"
        floats = "bf16" if has_bf16(core) and self.precision != "f32" else "f32"
        native = is_native(self.spec.motion)
        request = Request(height, width, floats, threads, tile, with_head=not native, in_int8=in_int8)
        try:
            step = compile_or_load(core, model, request)
            self._tail = _Stage(step.tail)
            self._head: _Stage | _NativeMotion | None = None
            if native:
                self._head = _NativeMotion(self.spec, height, width)
            elif step.head is not None:
                self._head = _Stage(step.head)
        except RuntimeError as error:
            raise model_error(model, error) from error
        self._shapes, self.tiles = step.shapes, step.tiles
        self._state_shapes = {
            name: shape
            for name, shape in self._shapes.items()
            if name.startswith(STATE_PREFIX) and not name.endswith(NEXT_SUFFIX)
        }
        self._state_types = {name: self._tail.type_of(name) for name in self._state_shapes}
        given = set(self._state_shapes) | {name + NEXT_SUFFIX for name in self._state_shapes}
        computed = {**(self._head.outputs if self._head else {}), **self._tail.outputs}
        self._computed = {
            name: _zeros(name, self._shapes[name], dtype)
            for name, (_, dtype) in computed.items()
            if name not in given
        }
        of_tile = tile_shapes(self._shapes, self.tiles.height, self.tiles.width, multiple)
        self._buffers = {} if len(self.tiles) == 1 else self._tail.new_arrays(of_tile)

    def new_state(self) -> State:
        return CpuState(self._state_shapes, self._state_types)

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """See ``Engine.step``.

        Raises:
            ValueError: arrays of another shape or type, or a state of another engine.
            Vsj4rError: OpenVINO failed; ``state`` is as it was.
        """
        if not isinstance(state, CpuState) or state.shapes != self._state_shapes:
            raise ValueError("the state belongs to another model or frame size")
        arrays: dict[str, NDArray[Any]] = self._inputs(o_t, "")
        if self.spec.lookahead:
            if o_next is None:
                raise ValueError(f"model {self.spec.name} looks ahead: o_next must not be None")
            arrays |= self._inputs(o_next, "_next")
        arrays |= self._computed | state.current
        arrays |= {name + NEXT_SUFFIX: array for name, array in state.spare.items()}
        try:
            self._infer(arrays)
        except RuntimeError as error:
            raise Vsj4rError(f"model {self.spec.name}: OpenVINO failed: {last_line(error)}") from error
        state.advance()
        uv = arrays["uv_residual"][0] if self.spec.planes == "yuv420" else None
        return Step(residual=Tensors(y=arrays["y_residual"][0, 0], uv=uv), alpha=arrays["alpha"][0, 0])

    def _infer(self, arrays: Arrays) -> None:
        """From the inputs and the current state among ``arrays`` to all the others."""
        if self._head is not None:
            self._head.run(arrays)
        if not self._buffers:
            self._tail.run(arrays)
            return
        for tile in self.tiles:
            for name in self._tail.inputs:
                np.copyto(self._buffers[name], self._evaluated(arrays[name], tile))
            self._tail.run(self._buffers)
            for name in self._tail.outputs:
                self._keep(self._buffers[name], arrays[name], tile)

    def _evaluated(self, array: NDArray[Any], tile: Tile) -> NDArray[Any]:
        factor = self._factor(array.shape)
        return array[..., tile[0].evaluated(factor), tile[1].evaluated(factor)] if factor else array

    def _keep(self, part: NDArray[Any], array: NDArray[Any], tile: Tile) -> None:
        rows, columns = tile
        factor = self._factor(array.shape)
        if factor:
            array[..., rows.kept(factor), columns.kept(factor)] = part[
                ..., rows.kept_inside(factor), columns.kept_inside(factor)
            ]
        else:
            np.copyto(array, part)

    def _factor(self, shape: tuple[int, ...]) -> int:
        return factor_of(shape, self._height, self._width, self.spec.multiple)

    def _inputs(self, frame: Tensors, suffix: str) -> dict[str, NDArray[Any]]:
        """The planes of ``frame`` as tensors of the graph, over the same memory."""
        height, width = self._height, self._width
        inputs: dict[str, NDArray[Any]] = {"y" + suffix: _check_plane(frame.y, (height, width))[None, None]}
        if self.spec.planes == "yuv420":
            if frame.uv is None:
                raise ValueError(f"model {self.spec.name} needs chroma: uv must not be None")
            inputs["uv" + suffix] = _check_plane(frame.uv, (2, height // 2, width // 2))[None]
        return inputs


class _NativeMotion:
    """``_Stage`` for motion, by the compiled library."""

    def __init__(self, spec: StepSpec, height: int, width: int) -> None:
        scale = spec.motion.scale if spec.motion else 1
        self._search = MotionSearch(height, width, scale)
        flows = dict.fromkeys(spec.whole_frame, np.dtype(np.int32))
        states = dict.fromkeys(("state.l_prev.next", "state.seen.next"), np.dtype(np.float32))
        self.outputs = {name: (index, dtype) for index, (name, dtype) in enumerate((flows | states).items())}

    def run(self, arrays: Arrays) -> None:
        """Read the inputs and write the outputs among ``arrays``."""
        now = self._search.luma(arrays["y"][0, 0])
        seen = arrays["state.seen"].any()
        before = arrays["state.l_prev"][0, 0].astype(np.uint8) if seen else now
        sums = block_sums(now) if "light.back" in self.outputs else None
        self._find(now, sums, before, "back", arrays)
        if "motion.ahead" in self.outputs:
            self._find(now, sums, self._search.luma(arrays["y_next"][0, 0]), "ahead", arrays)
        arrays["state.l_prev.next"][0, 0] = now
        arrays["state.seen.next"].fill(1)

    def _find(self, now: Luma, sums: Sums | None, other: Luma, where: str, arrays: Arrays) -> None:
        """The displacement of each pixel, (1, 2, h, w), and by the ``sums`` of ``now`` the change of light:
        None for a model that has none."""
        if sums is not None:
            ratio = light_change(sums, block_sums(other))
            arrays[f"light.{where}"].fill(ratio)
            other = relight_luma(other, ratio)
        flow, into = self._search.find(now, other), arrays[f"motion.{where}"]
        for y in range(BLOCK):
            for x in range(BLOCK):
                into[0, :, y::BLOCK, x::BLOCK] = flow


class _Stage:
    """A compiled graph. ``inputs`` and ``outputs``: index and type of each by name."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        # by index: a graph may give one tensor several names (an output that is an input too)
        self.inputs, self.outputs = (
            {name: (index, _dtype_of(port)) for index, (name, port) in enumerate(ports.items())}
            for ports in (inputs_of(compiled), outputs_of(compiled))
        )
        self._request = compiled.create_infer_request()

    def new_arrays(self, shapes: Shapes) -> dict[str, NDArray[Any]]:
        both = self.inputs | self.outputs
        return {name: _zeros(name, shapes[name], dtype) for name, (_, dtype) in both.items()}

    def type_of(self, name: str) -> np.dtype[Any]:
        """Of an input or output; float32 where the graph has none of that name."""
        _, dtype = (self.inputs | self.outputs).get(name, (0, np.dtype(np.float32)))
        return dtype

    def run(self, arrays: Arrays) -> None:
        """Read the inputs and write the outputs among ``arrays``."""
        for name, (index, _) in self.inputs.items():
            self._request.set_input_tensor(index, _tensor(name, arrays[name]))
        for name, (index, _) in self.outputs.items():
            self._request.set_output_tensor(index, _tensor(name, arrays[name]))
        self._request.infer(share_inputs=True, share_outputs=True)


def _check_plane(plane: Floats, shape: tuple[int, ...]) -> Floats:
    flags = plane.flags
    if plane.shape != shape or plane.dtype != np.float32 or not (flags.c_contiguous and flags.writeable):
        raise ValueError(
            f"a plane must be a writable C-contiguous float32 array {shape}, "
            f"got {plane.dtype} {plane.shape}, {flags.c_contiguous = }, {flags.writeable = }"
        )
    return plane


def _zeros(name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
    """As the contract sees a tensor, whichever way it lies in memory. The memory itself is reserved; the
    system gives it when it is written, so the state that a clip has not come to yet costs nothing."""
    if not channels_last(name, shape):
        return np.zeros(shape, dtype)
    n, c, h, w = shape
    return np.zeros((n, h, w, c), dtype).transpose(0, 3, 1, 2)


def _dtype_of(port: ov.Output) -> np.dtype[Any]:
    kind = port.get_element_type()
    return _BF16 if kind == ov.Type.bf16 else np.dtype(kind.to_dtype())


def _tensor(name: str, array: NDArray[Any]) -> ov.Tensor:
    """The same memory for OpenVINO."""
    if channels_last(name, array.shape):
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == _BF16:
        return ov.Tensor(array, list(array.shape), ov.Type.bf16)
    return ov.Tensor(array, shared_memory=True)
