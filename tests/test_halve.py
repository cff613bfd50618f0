"""A quick network that begins as a large one gives what that gives on a frame of half the size."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from scripts.halve import LARGE, QUICK, halve_weights  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402

LEFT_OUT = "extractor.2", "extractor.4", "jrc_net.2", "r_net.2", "c_net.2"
FRAMES, SIDE = 3, 96
UNLIKE_BY = 1e-5


def enlarge_planes(planes: Any) -> Any:
    return planes.repeat_interleave(2, 2).repeat_interleave(2, 3)


def residual(net: J4RNet, y: Any, uv: Any) -> tuple[Any, Any]:
    out_y, out_uv = net.planes(net(net.observe(y, uv), FRAMES).residual)
    assert out_uv is not None
    return out_y, out_uv


def test_it_begins_as_the_large_one_on_half_the_size() -> None:
    torch.manual_seed(1)
    large, quick = J4RNet(LARGE).eval(), J4RNet(QUICK).eval()
    for name, weights in large.named_parameters():
        if name.startswith(LEFT_OUT):  # a block of zeros gives what it was given
            weights.data.zero_()
    quick.load_state_dict(halve_weights(large.state_dict()))
    y = torch.rand(1, 1, SIDE, SIDE).repeat(FRAMES, 1, 1, 1)  # still: motion has other rules on another size
    uv = torch.rand(1, 2, SIDE // 2, SIDE // 2).repeat(FRAMES, 1, 1, 1) - 0.5
    with torch.inference_mode():
        small = residual(large, y, uv)
        whole = residual(quick, enlarge_planes(y), enlarge_planes(uv))
    assert small[0].std() > 0.01
    for a, b in zip(small, whole, strict=True):
        assert torch.allclose(enlarge_planes(a), b, atol=UNLIKE_BY)
