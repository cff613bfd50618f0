"""What the inner convolutions of a network read, which ``precision="int8"`` has to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from vsj4r.model.j4rnet import J4RNet

Ranges = Mapping[str, tuple[float, float]]
"""The least and the most, by the names that nodes have in the ONNX."""

_BEYOND = 1e-5
"""The share of values, at each end, that may lie outside of a range."""
_INNER = ("w_in", "w_mid", "w_z", "w_r", "w_h", "u_z", "u_r", "u_h")
"""Convolutions between full width and full width, by the end of their names; and JRC-Net's first one."""


@contextmanager
def watch_ranges(net: J4RNet) -> Iterator[Ranges]:
    """Gives the ranges of whatever ``net`` reads until the context ends; 0 is in each of them."""
    seen: dict[str, tuple[float, float]] = {}

    def watch(node: str) -> Callable[[Any, tuple[Tensor, ...]], None]:
        def note(_: Any, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].flatten()
            beyond = max(1, int(_BEYOND * values.numel()))
            low, high = -float((-values).topk(beyond)[0][-1]), float(values.topk(beyond)[0][-1])
            least, most = seen.get(node, (0.0, 0.0))
            seen[node] = round(min(low, least), 4), round(max(high, most), 4)

        return note

    hooks = [
        module.register_forward_pre_hook(watch(exported_name(path)))
        for path, module in net.named_modules()
        if path == "jrc_net.0"
        or (path.rpartition(".")[2] in _INNER and not path.startswith(("r_net", "c_net")))
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def wider_ranges(one: Ranges, other: Ranges) -> Ranges:
    """Those that hold both."""
    both = {**other, **one}
    for node in one.keys() & other.keys():
        both[node] = min(one[node][0], other[node][0]), max(one[node][1], other[node][1])
    return both


def exported_name(path: str) -> str:
    """ "extractor.2.w_in" -> "/extractor/extractor.2/w_in/Conv", as the exporter names a node."""
    parts = path.split(".")
    if parts[0] == "f_net":
        return f"/f_net.{parts[1]}/{parts[2]}/Conv"
    inside = "".join(f"/{part}" for part in parts[2:])
    return f"/{parts[0]}/{parts[0]}.{parts[1]}{inside}/Conv"
