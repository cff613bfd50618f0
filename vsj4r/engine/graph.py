"""An exported step as OpenVINO reads it: its tensors by name, checked, and cut where the whole frame ends."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from vsj4r.engine.base import StepSpec
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError

STATE_PREFIX = "state."
NEXT_SUFFIX = ".next"
MEMORY = "state.h"
"""What only convolutions and gates read. Other states are pictures, for which bfloat16 is too coarse."""
FRAME_INPUTS = ("y", "uv", "y_next", "uv_next")

Shapes = dict[str, tuple[int, ...]]


def frame_shapes(model: Model, graph: ov.Model, height: int, width: int) -> Shapes:
    """Every input, output and whole-frame tensor of the step for frames of ``height`` x ``width``, by name.
    ``graph``, as it was read, becomes one of that size.

    A state has the shape of its ``.next`` output, which may itself follow from another state (a queue of
    earlier frames): hence one round per state at most.

    Raises:
        Vsj4rError: the graph breaks the contract.
    """
    inputs, outputs = inputs_of(graph), outputs_of(graph)
    states = [name for name in inputs if name.startswith(STATE_PREFIX)]
    _check_names(model.spec, inputs.keys() - set(states), set(states), set(outputs))
    for name in model.spec.whole_frame:
        if name in outputs or name in inputs:
            kind = "output" if name in outputs else "input"
            raise Vsj4rError(f"model {model.name}: whole_frame must name tensors inside, got {kind} {name!r}")
    within = {name: _inside(graph, name, model) for name in model.spec.whole_frame}
    fixed: dict[str, ov.PartialShape] = {}
    for name in inputs.keys() - set(states):
        luma = name.removesuffix("_next") == "y"
        fixed[name] = ov.PartialShape([1, 1, height, width] if luma else [1, 2, height // 2, width // 2])
    for _ in range(len(states) + 1):
        graph.reshape(fixed)
        dynamic = [name for name in states if inputs[name].partial_shape.is_dynamic]
        if not dynamic:
            break
        for name in dynamic:
            fixed[name] = outputs[name + NEXT_SUFFIX].partial_shape
    else:
        raise Vsj4rError(
            f"model {model.name}: the shape of {dynamic[0]!r} does not follow from the frame size"
        )
    for name in states:
        before, after = inputs[name].partial_shape, outputs[name + NEXT_SUFFIX].partial_shape
        if before != after:
            raise Vsj4rError(f"model {model.name}: {name!r} is {before} but its .next is {after}")
    return {name: tuple(port.shape) for name, port in (inputs | outputs | within).items()}


def stages(model: Model, graph: ov.Model) -> tuple[ov.Model | None, ov.Model]:
    """The step in two graphs: what takes the whole frame (None where the model has none of that), and what
    takes tiles of it. ``whole_frame`` tensors are int32 outputs of the first and inputs of the second.
    ``graph``, as it was read, is used up."""
    if not model.spec.whole_frame:
        return None, graph
    return _head(graph.clone(), model), _tail(graph, model)


def model_error(model: Model, error: Exception) -> Vsj4rError:
    """``error`` of OpenVINO as that of ``model``."""
    if "bad_alloc" in str(error):
        return Vsj4rError(f"model {model.name}: there is not enough memory to compile it")
    return Vsj4rError(f"model {model.name}: OpenVINO rejects {model.onnx}: {last_line(error)}")


def last_line(error: Exception) -> str:
    """Where OpenVINO says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def read_graph(model: Model, onnx: bytes) -> ov.Model:
    """The graph in ``onnx``, the file of ``model``, read as ONNX: ``Core.read_model`` tries other formats,
    and those print on stderr about a damaged file.

    Raises:
        Vsj4rError: it is no ONNX.
    """
    try:
        frontend = ov.frontend.FrontEndManager().load_by_framework("onnx")
        return frontend.convert(frontend.load(io.BytesIO(onnx)))
    except Exception as error:  # of one class for each way to fail
        raise model_error(model, error) from error


def channels_last(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor lies in memory pixel by pixel, as convolutions and gathers like it: a state that is
    a picture of several channels."""
    return name.startswith(STATE_PREFIX) and len(shape) == 4 and shape[1] > 1


def with_states_as_computed(graph: ov.Model, precision: str) -> ov.Model:
    """``graph``, all sizes known, with states as its convolutions leave them: (N, h, w, C) for (N, C, h, w)
    where ``channels_last`` says so, and the memory in bfloat16 where ``precision`` is "bf16"."""
    steps = ov.preprocess.PrePostProcessor(graph)
    for ports, of in ((inputs_of(graph), steps.input), (outputs_of(graph), steps.output)):
        for index, (name, port) in enumerate(ports.items()):
            if channels_last(name, tuple(port.shape)):
                of(index).tensor().set_layout(ov.Layout("NHWC"))
                of(index).model().set_layout(ov.Layout("NCHW"))
            if precision == "bf16" and name.removesuffix(NEXT_SUFFIX) == MEMORY:
                of(index).tensor().set_element_type(ov.Type.bf16)
    return steps.build()


def quantise(graph: ov.Model, model: Model) -> None:
    """Mark the convolutions of ``model.int8`` in ``graph``, all sizes known, to be computed in 8 bits: what
    they read in 256 steps of its range, weights in 255 steps for each channel that they give.

    Raises:
        Vsj4rError: one of them is not there.
    """
    op = ov.opset13
    marked: dict[tuple[str, int], ov.Output] = {}
    nodes = {_onnx_name(node): node for node in graph.get_ops() if node.get_type_name() == "Convolution"}
    for name, (least, most) in model.int8.items():
        if name not in nodes:
            raise Vsj4rError(f"model {model.name}: int8 must name convolutions, got {name!r}")
        node = nodes[name]
        weights = node.input_value(1)
        largest = np.abs(weights.get_node().data).max((1, 2, 3), keepdims=True)
        largest = np.maximum(largest, np.finfo(np.float32).tiny)
        ends = [op.constant(-largest), op.constant(largest)]
        node.input(1).replace_source_output(op.fake_quantize(weights, *ends, *ends, 255).output(0))
        read = node.input_value(0)
        place = (read.get_node().get_friendly_name(), read.get_index())
        if place not in marked:
            low, high = (0.0, most) if least >= 0 else (-max(-least, most), max(-least, most) * 127 / 128)
            marked[place] = _in_steps(read, low, high)
        node.input(0).replace_source_output(marked[place])
    graph.validate_nodes_and_infer_types()


def _in_steps(read: ov.Output, low: float, high: float) -> ov.Output:
    """``read`` in 256 steps from ``low`` to ``high``. What was gathered pixel by pixel is put into steps as
    it lies, and turned after that: convolutions like it so, and OpenVINO then moves nothing."""
    op = ov.opset13
    ends = [op.constant(np.full((1, 1, 1, 1), end, np.float32)) for end in (low, high)]
    node = read.get_node()
    if node.get_type_name() == "Slice" and node.output(0).get_shape() == node.input_value(0).get_shape():
        node = node.input_value(0).get_node()  # all of it
    if node.get_type_name() == "Transpose":
        lying = op.fake_quantize(node.input_value(0), *ends, *ends, 256)
        return op.transpose(lying, node.input_value(1)).output(0)
    return op.fake_quantize(read, *ends, *ends, 256).output(0)


def _onnx_name(node: ov.Node) -> str:
    """The name of a convolution in the ONNX, which one with a bias makes two nodes of here."""
    return str(node.get_friendly_name()).removesuffix("/WithoutBiases")


def inputs_of(graph: ov.Model | ov.CompiledModel) -> dict[str, ov.Output]:
    """Its inputs by the names of the contract."""
    return {
        _known_name(port, lambda name: name in FRAME_INPUTS or _is_state(name)): port for port in graph.inputs
    }


def outputs_of(graph: ov.Model | ov.CompiledModel) -> dict[str, ov.Output]:
    def known(name: str) -> bool:
        return name == "alpha" or name.endswith((NEXT_SUFFIX, "_residual"))

    return {_known_name(port, known): port for port in graph.outputs}


def _head(graph: ov.Model, model: Model) -> ov.Model:
    cuts = [_inside(graph, name, model) for name in model.spec.whole_frame]
    later = _reached_from(cuts)
    results = [result for result in graph.get_results() if result.get_friendly_name() not in later]
    for name, port in zip(model.spec.whole_frame, cuts, strict=True):
        port.get_tensor().set_names(set())
        converted = ov.opset13.convert(port, "i32")
        converted.output(0).get_tensor().set_names({name})
        results.append(ov.op.Result(converted.output(0)))
    return ov.Model(results, _parameters_of(results), "whole frame")


def _tail(graph: ov.Model, model: Model) -> ov.Model:
    cuts = [_inside(graph, name, model) for name in model.spec.whole_frame]
    later = _reached_from(cuts)
    results = [result for result in graph.get_results() if result.get_friendly_name() in later]
    for name, port in zip(model.spec.whole_frame, cuts, strict=True):
        readers = port.get_target_inputs()
        port.get_tensor().set_names(set())
        parameter = ov.op.Parameter(ov.Type.i32, port.get_partial_shape())
        parameter.output(0).get_tensor().set_names({name})
        restored = ov.opset13.convert(parameter, port.get_element_type())
        for reader in readers:
            reader.replace_source_output(restored.output(0))
    return ov.Model(results, _parameters_of(results), "tile")


def _inside(graph: ov.Model, name: str, model: Model) -> ov.Output:
    for node in graph.get_ops():
        for port in node.outputs():
            if name in port.get_names():
                return port
    raise Vsj4rError(f"model {model.name}: it must have a tensor {name!r}, which its JSON names")


def _reached_from(ports: list[ov.Output]) -> set[str]:
    """Names of all nodes that depend on ``ports``."""
    reached: set[str] = set()
    waiting = list(ports)
    while waiting:
        for reader in waiting.pop().get_target_inputs():
            node = reader.get_node()
            if node.get_friendly_name() not in reached:
                reached.add(node.get_friendly_name())
                waiting += node.outputs()
    return reached


def _parameters_of(results: list[ov.Node]) -> list[ov.Node]:
    """The inputs that ``results`` depend on."""
    nodes: dict[str, ov.Node] = {}
    waiting = list(results)
    while waiting:
        for value in waiting.pop().input_values():
            node = value.get_node()
            if node.get_friendly_name() not in nodes:
                nodes[node.get_friendly_name()] = node
                waiting.append(node)
    return [node for node in nodes.values() if node.get_type_name() == "Parameter"]


def _check_names(spec: StepSpec, frames: set[str], states: set[str], outputs: set[str]) -> None:
    planes = {"y", "uv"} if spec.planes == "yuv420" else {"y"}
    suffixes = ["", "_next"] if spec.lookahead else [""]
    wanted_inputs = {plane + suffix for plane in planes for suffix in suffixes}
    wanted_outputs = {plane + "_residual" for plane in planes} | {"alpha"} | {s + NEXT_SUFFIX for s in states}
    for kind, wanted, got in (("inputs", wanted_inputs, frames), ("outputs", wanted_outputs, outputs)):
        if wanted != got:
            raise Vsj4rError(
                f"model {spec.name}: its {kind} must be {', '.join(sorted(wanted))}, "
                f"got {', '.join(sorted(got))}"
            )


def _known_name(port: ov.Output, known: Callable[[str], bool]) -> str:
    """The name by which the contract knows a tensor, which may have others: where an output is an input too,
    or a node that changes nothing has been taken out. Any name where none is known."""
    names: list[str] = sorted(port.names)
    return next(filter(known, names), names[0])


def _is_state(name: str) -> bool:
    return name.startswith(STATE_PREFIX) and not name.endswith(NEXT_SUFFIX)
