"""The CPU engine: an exported step run by OpenVINO, its state in double buffers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vsj4r.engine.base import Floats, State, Step, StepSpec, Tensors
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError

STATE_PREFIX = "state."
NEXT_SUFFIX = ".next"
FRAME_INPUTS = ("y", "uv", "y_next", "uv_next")


class CpuState:
    """Two sets of buffers: a step reads ``current`` and writes ``spare``; then they change places."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.current = _shared_zeros(shapes)
        self.spare = _shared_zeros(shapes)

    @property
    def nbytes(self) -> int:
        return sum(tensor.byte_size for buffers in (self.current, self.spare) for tensor in buffers.values())

    def reset(self) -> None:
        for tensor in self.current.values():
            tensor.data.fill(0)

    def advance(self) -> None:
        """What the last step wrote becomes what the next one reads."""
        self.current, self.spare = self.spare, self.current


class CpuEngine:
    """``Engine`` for one frame size. ``height`` and ``width`` in luma samples, ``threads`` at least 1.

    Frames and states go in and out without a copy. ``precision`` "auto" is bf16 where the CPU
    has it natively, otherwise f32; ``self.precision`` tells which one it became.

    Raises:
        Vsj4rError: OpenVINO cannot read or compile the graph, or the graph breaks the contract.
        ValueError: a side is not a multiple of ``spec.multiple``.
    """

    spec: StepSpec

    def __init__(self, model: Model, *, height: int, width: int, precision: str, threads: int) -> None:
        self.spec = model.spec
        multiple = self.spec.multiple
        if height < 1 or width < 1 or height % multiple or width % multiple:
            raise ValueError(f"sides must be multiples of {multiple}, got {height = }, {width = }")
        self._height, self._width = height, width
        core = ov.Core()
        native_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = "bf16" if precision == "auto" and native_bf16 else "f32"
        try:
            graph = core.read_model(model.onnx)
            self._state_shapes = self._reshape(graph)
            compiled = core.compile_model(
                graph,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": self.precision,
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,
                    "PERFORMANCE_HINT": "LATENCY",
                    "ENABLE_CPU_PINNING": False,  # the source filter and the encoder share these cores
                },
            )
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise Vsj4rError(
                f"model {model.name}: OpenVINO rejects {model.onnx}: {_last_line(error)}"
            ) from error
        # by index: a graph may give one tensor several names (an output that is an input too)
        self._input_index = {_input_name(port): index for index, port in enumerate(compiled.inputs)}
        self._output_index = {_output_name(port): index for index, port in enumerate(compiled.outputs)}
        self._outputs: dict[str, Floats] = {}
        for name, index in self._output_index.items():
            if not name.startswith(STATE_PREFIX):
                self._outputs[name] = np.zeros(tuple(compiled.outputs[index].shape), np.float32)
                self._request.set_output_tensor(index, ov.Tensor(self._outputs[name], shared_memory=True))

    def new_state(self) -> State:
        return CpuState(self._state_shapes)

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """See ``Engine.step``.

        Raises:
            ValueError: arrays of another shape or type, or a state of another engine.
            Vsj4rError: OpenVINO failed; ``state`` is as it was.
        """
        if not isinstance(state, CpuState) or state.shapes != self._state_shapes:
            raise ValueError("the state belongs to another model or frame size")
        frames = {"": o_t}
        if self.spec.lookahead:
            if o_next is None:
                raise ValueError(f"model {self.spec.name} looks ahead: o_next must not be None")
            frames["_next"] = o_next
        for suffix, frame in frames.items():
            for name, tensor in self._inputs(frame).items():
                self._request.set_input_tensor(self._input_index[name + suffix], tensor)
        for name, tensor in state.current.items():
            self._request.set_input_tensor(self._input_index[name], tensor)
        for name, tensor in state.spare.items():
            self._request.set_output_tensor(self._output_index[name + NEXT_SUFFIX], tensor)
        try:
            self._infer()
        except RuntimeError as error:
            raise Vsj4rError(f"model {self.spec.name}: OpenVINO failed: {_last_line(error)}") from error
        state.advance()
        uv = self._outputs["uv_residual"][0] if "uv_residual" in self._outputs else None
        residual = Tensors(y=self._outputs["y_residual"][0, 0], uv=uv)
        return Step(residual=residual, alpha=self._outputs["alpha"][0, 0])

    def _infer(self) -> None:
        self._request.infer(share_inputs=True, share_outputs=True)

    def _inputs(self, frame: Tensors) -> dict[str, ov.Tensor]:
        """The planes of ``frame`` as tensors of the graph, over the same memory."""
        height, width = self._height, self._width
        inputs = {"y": _shared(frame.y, (height, width), (1, 1, height, width))}
        if self.spec.planes == "yuv420":
            if frame.uv is None:
                raise ValueError(f"model {self.spec.name} needs chroma: uv must not be None")
            chroma = (2, height // 2, width // 2)
            inputs["uv"] = _shared(frame.uv, chroma, (1, *chroma))
        return inputs

    def _reshape(self, graph: ov.Model) -> dict[str, tuple[int, ...]]:
        """Fix the graph's frame size; gives the shape of each state.

        A state has the shape of its ``.next`` output, which may itself follow from another
        state (a queue of earlier frames): hence one round per state at most.
        """
        height, width = self._height, self._width
        inputs = {_input_name(port): port for port in graph.inputs}
        outputs = {_output_name(port): port for port in graph.outputs}
        states = [name for name in inputs if name.startswith(STATE_PREFIX)]
        self._check_names(inputs.keys() - set(states), set(states), set(outputs))
        fixed: dict[str, ov.PartialShape] = {}
        for name in inputs.keys() - set(states):
            luma = name.removesuffix("_next") == "y"
            shape = [1, 1, height, width] if luma else [1, 2, height // 2, width // 2]
            fixed[name] = ov.PartialShape(shape)
        for _ in range(len(states) + 1):
            graph.reshape(fixed)
            dynamic = [name for name in states if inputs[name].partial_shape.is_dynamic]
            if not dynamic:
                break
            for name in dynamic:
                fixed[name] = outputs[name + NEXT_SUFFIX].partial_shape
        else:
            raise Vsj4rError(
                f"model {self.spec.name}: the shape of {dynamic[0]!r} does not follow from the frame size"
            )
        for name in states:
            before, after = inputs[name].partial_shape, outputs[name + NEXT_SUFFIX].partial_shape
            if before != after:
                raise Vsj4rError(f"model {self.spec.name}: {name!r} is {before} but its .next is {after}")
        return {name: tuple(inputs[name].shape) for name in states}

    def _check_names(self, frames: set[str], states: set[str], outputs: set[str]) -> None:
        planes = {"y", "uv"} if self.spec.planes == "yuv420" else {"y"}
        suffixes = ["", "_next"] if self.spec.lookahead else [""]
        wanted_inputs = {plane + suffix for plane in planes for suffix in suffixes}
        wanted_outputs = (
            {plane + "_residual" for plane in planes} | {"alpha"} | {s + NEXT_SUFFIX for s in states}
        )
        for kind, wanted, got in (("inputs", wanted_inputs, frames), ("outputs", wanted_outputs, outputs)):
            if wanted != got:
                raise Vsj4rError(
                    f"model {self.spec.name}: its {kind} must be {', '.join(sorted(wanted))}, "
                    f"got {', '.join(sorted(got))}"
                )


def _shared(plane: Floats, shape: tuple[int, ...], as_shape: tuple[int, ...]) -> ov.Tensor:
    flags = plane.flags
    if plane.shape != shape or plane.dtype != np.float32 or not (flags.c_contiguous and flags.writeable):
        raise ValueError(
            f"a plane must be a writable C-contiguous float32 array {shape}, "
            f"got {plane.dtype} {plane.shape}, {flags.c_contiguous = }, {flags.writeable = }"
        )
    return ov.Tensor(plane.reshape(as_shape), shared_memory=True)


def _shared_zeros(shapes: dict[str, tuple[int, ...]]) -> dict[str, ov.Tensor]:
    """Written, not only reserved: what a filter needs is taken when it is created, not in mid-clip."""
    return {
        name: ov.Tensor(np.full(shape, 0, np.float32), shared_memory=True) for name, shape in shapes.items()
    }


def _input_name(port: ov.Output) -> str:
    return _contract_name(port, lambda name: name in FRAME_INPUTS or _is_state(name))


def _output_name(port: ov.Output) -> str:
    return _contract_name(port, lambda name: name == "alpha" or name.endswith((NEXT_SUFFIX, "_residual")))


def _contract_name(port: ov.Output, known: Callable[[str], bool]) -> str:
    """The name by which the contract knows a tensor, which may have others: where an output is an input too,
    or a node that changes nothing has been taken out. Any name where none is known."""
    names: list[str] = sorted(port.names)
    return next(filter(known, names), names[0])


def _is_state(name: str) -> bool:
    return name.startswith(STATE_PREFIX) and not name.endswith(NEXT_SUFFIX)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
