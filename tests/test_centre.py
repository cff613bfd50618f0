"""The same residual, a part of a code higher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

torch = pytest.importorskip("torch")

from scripts.centre import SPAN, lift_luma, lift_model  # noqa: E402
from vsj4r.engine.loading import load_net  # noqa: E402
from vsj4r.engine.weights import find_model  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402

WEIGHTS = Path(__file__).parents[1] / "weights"


@pytest.mark.parametrize("model", ["j4r", "j4r-lite"])
def test_luma_alone_is_lifted(model: str) -> None:
    torch.manual_seed(3)
    net = J4RNet(CONFIGS[model]).eval()
    y, uv = torch.rand(1, 1, 64, 64), torch.rand(1, 2, 32, 32) - 0.5

    def residual() -> tuple[Any, Any]:
        with torch.inference_mode():
            luma, chroma = net.planes(net(net.observe(y, uv), 1).residual)
        assert chroma is not None
        return luma, chroma

    before = residual()
    net.load_state_dict(lift_luma(net.state_dict(), net.config.scale, 0.4))
    after = residual()
    torch.testing.assert_close(after[0] - before[0], torch.full_like(y, 0.4 / SPAN), atol=1e-6, rtol=0)
    torch.testing.assert_close(after[1], before[1])


@pytest.mark.slow
def test_a_lifted_model_keeps_all_else(tmp_path: Path) -> None:
    name = "j4r-lite"
    lift_model(WEIGHTS / f"{name}.onnx", 0.25, tmp_path)
    before, after = (json.loads((folder / f"{name}.json").read_text()) for folder in (WEIGHTS, tmp_path))
    for field in ("config", "training", "int8", "halo_px", "motion", "parameters"):
        assert after[field] == before[field]
    models = (find_model(str(folder / f"{name}.onnx")) for folder in (WEIGHTS, tmp_path))
    weights, lifted = (load_net(model).state_dict() for model in models)
    (changed,) = (each for each in weights if not torch.equal(weights[each], lifted[each]))
    assert changed.startswith("jrc_net.")


def test_a_plain_picture_of_10_bits_keeps_its_codes() -> None:
    grey = vs.core.std.BlankClip(
        width=320, height=192, format=vs.YUV420P10, length=4, color=[400, 512, 512], keep=True
    )
    for frame in vs.core.j4r.Derain(grey, model="j4r", precision="f32").frames():
        assert (np.asarray(frame[0]) != 400).mean() < 0.05
