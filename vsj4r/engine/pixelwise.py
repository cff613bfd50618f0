"""A step's pictures pixel by pixel: (N, h * w, C), as convolutions and gathers read them.

An exported graph has them as planes, (N, C, h, w), and OpenVINO computes what lies between the convolutions
as it is written: pictures are turned from planes into pixels and back at every gather, and 72 planes are gone
through at once to be turned for the first convolution. Here that part of a graph is written again for pixels:
from where frames are taken apart (torch's pixel_unshuffle) over moving, mixing and limiting them to where
they are put together (pixel_shuffle). What convolutions do between them stays. No sample changes.

Without height and width apart, OpenVINO has no other layout for them to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vsj4r.engine.runtime import ov

_LEAST_CHANNELS = 16
"""A line of a cache: pixels of j4r have 6 (its step took 4 % longer), those of j4r-lite 24."""
_SAMPLE_BY_SAMPLE: dict[str, Callable[..., ov.Node]] = {
    "Add": ov.opset13.add,
    "Subtract": ov.opset13.subtract,
    "Multiply": ov.opset13.multiply,
    "Minimum": ov.opset13.minimum,
    "Maximum": ov.opset13.maximum,
    "Select": ov.opset13.select,
}
_TO_PLANES, _TO_PIXELS = [0, 3, 1, 2], [0, 2, 3, 1]
_APART, _APART_IN_PIXELS = [0, 1, 3, 5, 2, 4], [0, 2, 4, 1, 3, 5]
"""How pixel_unshuffle turns (N, C, h, s, w, s): to planes, (N, C, s, s, h, w), and to pixels."""
_TOGETHER = [0, 3, 1, 4, 2, 5]
"""How (N, h, w, C, s, s) becomes (N, C, h, s, w, s)."""


def write_pixelwise(graph: ov.Model) -> None:
    """Change ``graph``, all of whose sizes are known. Names of inputs and outputs, and the outputs, stay. One
    in which no picture is turned into pixels, or only such of few channels, is left alone: there it costs
    more than it saves."""
    _fold_constants(graph)
    pixels = _Pixels()
    nodes = graph.get_ordered_ops()
    turns = [node for node in nodes if node.get_type_name() == "Transpose" and _order(node) == _TO_PIXELS]
    pictures = [(node, found) for node in turns if (found := pixels.of(node.input_value(0))) is not None]
    if min((found.get_shape()[2] for _, found in pictures), default=0) < _LEAST_CHANNELS:
        return
    for node, found in pictures:
        _replace(node, _reshape(found, node.output(0).get_shape()))
    for node in nodes:
        match node.get_type_name():
            case "DepthToSpace":
                _replace(node, _together(node, pixels.of(node.input_value(0))))
            case "Result" | "Convolution":
                _read_as_planes(node, pixels.of(node.input_value(0)))
    graph.validate_nodes_and_infer_types()


class _Pixels:
    """The pictures of a graph pixel by pixel, each made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], ov.Output | None] = {}

    def of(self, port: ov.Output) -> ov.Output | None:
        """What ``port`` gives, (N, h * w, C); None where it is no picture, or is not made as one."""
        key = port.get_node().get_name(), port.get_index()
        if key not in self._known:
            self._known[key] = self._made(port) if len(port.get_shape()) == 4 else None
        return self._known[key]

    def _made(self, port: ov.Output) -> ov.Output | None:
        node = port.get_node()
        match node.get_type_name():
            case "Transpose" if _order(node) == _TO_PLANES:
                return _flatten(node.input_value(0))
            case "Squeeze":
                return _take_apart(node)
            case "Concat" if node.get_attributes()["axis"] == 1:
                parts = [self.of(each) for each in node.input_values()]
                return None if any(part is None for part in parts) else ov.opset13.concat(parts, 2).output(0)
            case "Slice" if _numbers(node, 4) == [1]:
                return self._cut(node)
            case "Add" if "Convolution" in {each.get_node().get_type_name() for each in node.input_values()}:
                return _flatten(_turn(port, _TO_PIXELS))  # its bias: here a convolution ends
            case kind if kind in _SAMPLE_BY_SAMPLE:
                return self._computed(node, _SAMPLE_BY_SAMPLE[kind])
        return None

    def _cut(self, node: ov.Node) -> ov.Output | None:
        """Some channels of a picture; where they are one of those that it was put together of, that one."""
        picture = self.of(node.input_value(0))
        if picture is None:
            return None
        begins, ends = _numbers(node, 1), _numbers(node, 2)
        if picture.get_node().get_type_name() == "Concat" and begins and ends:
            place = 0
            for part in picture.get_node().input_values():
                if [place, place + part.get_shape()[2]] == [*begins, *ends]:
                    return part
                place += part.get_shape()[2]
        axis = ov.opset13.constant(np.array([2]))
        return ov.opset13.slice(picture, *node.input_values()[1:4], axis).output(0)

    def _computed(self, node: ov.Node, compute: Callable[..., ov.Node]) -> ov.Output | None:
        """What ``compute``, which goes sample by sample, gives of pictures, numbers, and numbers for each
        channel."""
        inputs, pictures = [], 0
        for port in node.input_values():
            shape = list(port.get_shape())
            if len(shape) != 4:
                inputs.append(port)
            elif shape[2:] == [1, 1]:
                inputs.append(_flatten(_turn(port, _TO_PIXELS)))
            elif (picture := self.of(port)) is not None:
                inputs.append(picture)
                pictures += 1
            else:
                return None
        return compute(*inputs).output(0) if pictures else None


def _take_apart(squeeze: ov.Node) -> ov.Output | None:
    """pixel_unshuffle, which is a reshape, a transpose, a reshape and ``squeeze`` in ONNX."""
    reshape = squeeze.input_value(0).get_node()
    turn = reshape.input_value(0).get_node() if reshape.get_type_name() == "Reshape" else reshape
    if turn.get_type_name() != "Transpose" or _order(turn) != _APART:
        return None
    n, c, h, w = squeeze.output(0).get_shape()
    return _reshape(_turn(turn.input_value(0), _APART_IN_PIXELS), [n, h * w, c])


def _together(shuffle: ov.Node, picture: ov.Output | None) -> ov.Output | None:
    """pixel_shuffle of ``picture``, as ``shuffle`` does it of planes."""
    about = shuffle.get_attributes()
    if picture is None or about["mode"] != "depth_first":
        return None
    n, c, h, w = shuffle.input_value(0).get_shape()
    side = about["block_size"]
    parts = _reshape(picture, [n, h, w, c // side**2, side, side])
    return _reshape(_turn(parts, _TOGETHER), [n, c // side**2, h * side, w * side])


def _fold_constants(graph: ov.Model) -> None:
    """So that channels that are cut are numbers, and not computed from sizes."""
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(graph)


def _replace(node: ov.Node, port: ov.Output | None) -> None:
    """Let whoever reads ``node`` read ``port``, which takes over its names."""
    if port is None:
        return
    _hand_on_names(node.output(0), port)
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(port)


def _read_as_planes(reader: ov.Node, picture: ov.Output | None) -> None:
    """Let ``reader`` have planes of ``picture``, at no cost: a convolution reads pixels, and a state is
    turned back. What lies as pixels already stays, and what a convolution has just given."""
    before = reader.input_value(0)
    if picture is None or before.get_node().get_type_name() in ("Transpose", "Slice", "Add"):
        return
    planes = _planes(picture, before.get_shape())
    if reader.get_type_name() == "Result":
        _hand_on_names(before, planes)
    reader.input(0).replace_source_output(planes)


def _hand_on_names(before: ov.Output, after: ov.Output) -> None:
    names = before.get_tensor().get_names()
    before.get_tensor().set_names(set())
    after.get_tensor().set_names(names)


def _order(transpose: ov.Node) -> list[int] | None:
    return _numbers(transpose, 1)


def _numbers(node: ov.Node, place: int) -> list[int] | None:
    """The constant that ``node`` reads at ``place``; None where there is none."""
    if node.get_input_size() <= place or node.input_value(place).get_node().get_type_name() != "Constant":
        return None
    return [int(number) for number in np.ravel(node.input_value(place).get_node().data)]


def _flatten(port: ov.Output) -> ov.Output:
    """(N, h, w, C) as (N, h * w, C)."""
    n, h, w, c = port.get_shape()
    return _reshape(port, [n, h * w, c])


def _planes(picture: ov.Output, shape: Sequence[int]) -> ov.Output:
    """``picture`` as planes of the ``shape`` (N, C, h, w)."""
    n, c, h, w = shape
    return _turn(_reshape(picture, [n, h, w, c]), _TO_PLANES)


def _turn(port: ov.Output, order: list[int]) -> ov.Output:
    return ov.opset13.transpose(port, ov.opset13.constant(np.array(order))).output(0)


def _reshape(port: ov.Output, shape: Sequence[int]) -> ov.Output:
    return ov.opset13.reshape(port, ov.opset13.constant(np.array(shape)), special_zero=False).output(0)
