"""J4R-Net in torch: the equations, the memory, streaming, and the exported step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vsj4r.engine import open_engine
from vsj4r.engine.base import Tensors
from vsj4r.engine.weights import find_model

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from vsj4r.engine.loading import load_net  # noqa: E402
from vsj4r.model.blocks import ResidualBlock  # noqa: E402
from vsj4r.model.config import CONFIGS, J4RConfig  # noqa: E402
from vsj4r.model.d_net import DNet  # noqa: E402
from vsj4r.model.f_net import FNet  # noqa: E402
from vsj4r.model.initial import begin_with_frame  # noqa: E402
from vsj4r.model.j4rnet import J4RNet, Observation  # noqa: E402
from vsj4r.model.limits import limits_of  # noqa: E402
from vsj4r.model.loss import LossWeights, high_pass, loss  # noqa: E402
from vsj4r.publishing.onnx_step import export_onnx  # noqa: E402
from vsj4r.publishing.publish import TOLERANCE, onnx_difference, publish  # noqa: E402

NAMES = list(CONFIGS)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def network(name: str, seed: int = 0) -> J4RNet:
    """The named configuration, narrow, with random weights."""
    torch.manual_seed(seed)
    config = replace(CONFIGS[name], channels=8, detector_channels=4, extractor_blocks=1, head_blocks=1)
    return J4RNet(config).eval()


def clip(net: J4RNet, frames: int = 6, height: int = 48, width: int = 64, seed: int = 1) -> list[Observation]:
    generator = torch.Generator().manual_seed(seed)
    luma_only = net.config.planes == "y"
    return [
        net.observe(
            torch.rand(1, 1, height, width, generator=generator),
            None if luma_only else torch.rand(1, 2, height // 2, width // 2, generator=generator) - 0.5,
        )
        for _ in range(frames)
    ]


def stream(net: J4RNet, frames: list[Observation]) -> list[Tensor]:
    """Residuals, one step at a time."""
    state, out = None, []
    for t, now in enumerate(frames):
        following = frames[min(t + 1, len(frames) - 1)] if net.config.lookahead else None
        estimate, state = net.step(now, following, state)
        out.append(estimate.residual)
    return out


def whole(frames: list[Observation]) -> Observation:
    return Observation(torch.cat([f.o for f in frames]), torch.cat([f.l for f in frames]))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_clips_of_a_batch_are_as_each_by_itself(name: str) -> None:
    net = network(name)
    clips = [clip(net, seed=1), clip(net, seed=5)]
    at_once = net(whole([frame for pair in zip(*clips, strict=True) for frame in pair]), len(clips[0]))
    for n, frames in enumerate(clips):
        for t, residual in enumerate(stream(net, frames)):
            torch.testing.assert_close(at_once.residual[2 * t + n], residual[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_later_frames_never_change_earlier_output(name: str) -> None:
    net = network(name)
    frames = clip(net)
    changed = frames[:4] + clip(net, 2, seed=9)
    before, after = stream(net, frames), stream(net, changed)
    untouched = 4 - net.config.lookahead
    assert all(torch.equal(a, b) for a, b in zip(before[:untouched], after[:untouched], strict=True))
    assert not torch.equal(before[untouched], after[untouched])


@pytest.mark.parametrize("name", NAMES)
def test_the_past_is_remembered(name: str) -> None:
    net = network(name)
    frames = clip(net)
    other_past = clip(net, 1, seed=9) + frames[1:]
    assert not torch.equal(stream(net, frames)[-1], stream(net, other_past)[-1])


@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_a_step_sees_the_last_one_restored(name: str) -> None:
    """O_{t-1} itself is forgotten: B_{t-1}, H_{t-1} and the matched luma are what the next step gets."""
    net = network(name)
    first, second = clip(net)[:2]
    estimate, state = net.step(first, second)
    b_t = first.o + estimate.residual
    least, most = limits_of(net.config)[1:]
    inside = (b_t >= least) & (b_t <= most)
    assert inside.float().mean() > 0.9
    torch.testing.assert_close(state.b_prev[inside], b_t[inside])
    same, _ = net.step(second, second, state)
    other, _ = net.step(second, second, state._replace(b_prev=state.b_prev + 0.1))
    assert not torch.equal(same.residual, other.residual)


@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_what_is_restored_stays_a_picture(name: str) -> None:
    """Wherever the network goes wrong, B_{t-1} is the next frame's neighbour: it may not run away."""
    net = network(name)
    net.jrc_net[-1].get_parameter("weight").mul_(100)
    state = None
    for now, following in pairwise(clip(net, 12)):
        estimate, state = net.step(now, following, state)
    assert state is not None
    least, most = limits_of(net.config)[1:]
    assert estimate.residual.abs().max() > 2
    assert (state.b_prev >= least).all()
    assert (state.b_prev <= most).all()


def test_what_is_brighter_than_white_is_restored_as_it_is() -> None:
    limits = limits_of(CONFIGS["j4r"])
    o = torch.full((1, 6, 2, 2), 3.0)
    assert torch.equal(limits.restore(o, torch.zeros_like(o)), o)
    assert torch.equal(limits.restore(o, torch.ones_like(o))[:, :4], o[:, :4])


def test_convolutions_are_shown_no_chroma_that_they_do_not_know() -> None:
    net = network("j4r")
    frames = [now._replace(o=now.o.clone()) for now in clip(net, 2)]
    changed = [now._replace(o=now.o.clone()) for now in frames]
    for one, other in zip(frames, changed, strict=True):
        one.o[:, 4:], other.o[:, 4:] = 2.0, 3.0
    before, after = (net.step(now, following)[1].h for now, following in (frames, changed))
    assert torch.equal(before, after)


def test_residual_block_is_equation_11() -> None:
    block = ResidualBlock(4)
    f_in = torch.randn(1, 4, 5, 5)
    conv = F.conv2d
    f_mid = conv(f_in, block.w_in.weight, block.w_in.bias, padding=1).clamp(min=0)
    expected = (conv(f_mid, block.w_mid.weight, block.w_mid.bias, padding=1) + f_in).clamp(min=0)
    assert torch.allclose(block(f_in), expected)


def test_d_net_is_equations_12_and_13() -> None:
    d_net = DNet(4, 3)
    f_t, h_prev = torch.randn(1, 4, 6, 6), torch.randn(1, 4, 6, 6)
    f_2 = d_net.w_2(d_net.w_1(torch.cat((f_t, h_prev), 1)))
    alpha_hat = f_2.exp() / f_2.exp().sum(1, keepdim=True)
    out = d_net(f_t, h_prev)
    assert torch.allclose(out.f_4, d_net.w_4(d_net.w_3(alpha_hat)), atol=1e-6)
    assert torch.allclose(out.alpha, alpha_hat[:, 1:], atol=1e-6)


def _set(convolution: nn.Conv2d, factor: float) -> None:
    """Make a 3x3 convolution of one channel a multiplication."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    with torch.no_grad():
        convolution.weight[:, :, 1, 1] = factor


def test_f_net_is_equation_14_by_hand() -> None:
    f_net = FNet(1, 1)
    factors = {
        "w_z": 0.5,
        "w_r": 2.0,
        "w_h": 0.7,
        "u_z": 0.3,
        "u_r": 1.5,
        "u_h": 0.9,
        "v_z": -0.2,
        "v_r": 0.4,
    }
    for name, factor in factors.items():
        _set(getattr(f_net, name), factor)
    f, h, f_4 = (torch.tensor(x) for x in (0.8, -0.5, 0.6))
    z = torch.sigmoid(0.5 * f + 0.3 * h - 0.2 * f_4)
    r = (2.0 * f + 1.5 * h + 0.4 * f_4).clamp(min=0)
    h_tilde = torch.tanh(0.7 * f + 0.9 * r * h)
    out = f_net(*(x.view(1, 1, 1, 1) for x in (f, h, f_4)))
    assert torch.allclose(out, (1 - z) * h + z * h_tilde)
    assert r > 1, "the read gate is a ReLU: it may exceed 1"


def test_section_4_3_single_frame_and_memory() -> None:
    f_net = FNet(3, 2)
    f_t, h_prev, f_4 = torch.randn(1, 3, 6, 6), torch.rand(1, 3, 6, 6), torch.randn(1, 2, 6, 6)
    assert f_net.w_z.bias is not None
    assert f_net.w_r.bias is not None
    f_net.w_z.bias.fill_(1e4)  # z = 1
    f_net.w_r.bias.fill_(-1e4)  # r = 0
    assert torch.allclose(f_net(f_t, h_prev, f_4), torch.tanh(f_net.w_h(f_t))), "Eq. 16: a single-frame net"
    f_net.w_z.bias.fill_(-1e4)  # z = 0
    assert torch.equal(f_net(f_t, h_prev, f_4), h_prev), "the memory is passed on"


@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_a_share_of_one_takes_the_neighbour_over(name: str) -> None:
    """Output channels: the residual, then the shares of frame t + 1 and of frame t - 1."""
    net = network(name)
    o, following, before = torch.rand(3, 1, net.config.frame_channels, 5, 6)
    shown = torch.cat((o, following, before), 1)
    nothing, everything = torch.zeros_like(o), torch.ones_like(o)
    for out, expected in (
        ((o / 2, nothing, nothing), 1.5 * o),
        ((nothing, everything, nothing), following),
        ((nothing, nothing, everything), before),
        ((o, everything / 2, everything / 2), o + (following + before) / 2),
    ):
        torch.testing.assert_close(o + net.residual(torch.cat(out, 1), shown), expected)
    paper = network("j4r-paper")
    assert torch.equal(o[:, :1] + paper.residual(everything[:, :1], o[:, :1]), everything[:, :1])


def test_planes_invert_observe() -> None:
    for name in NAMES:
        net = network(name)
        y, uv = torch.rand(1, 1, 16, 24), torch.rand(1, 2, 8, 12)
        back_y, back_uv = net.planes(net.observe(y, None if net.config.planes == "y" else uv).o)
        assert torch.equal(back_y, y)
        assert back_uv is None or torch.equal(back_uv, uv)


def test_training_begins_with_the_frame() -> None:
    for net in (*map(network, NAMES), J4RNet(replace(CONFIGS["j4r-paper"], channels=8, gru_layers=2))):
        frames = clip(net)
        begin_with_frame(net)
        residual = net(whole(frames), len(frames)).residual
        assert residual.square().mean() < 0.01**2
        assert net.config.output == "background" or not residual.any()


def test_loss_is_equation_15() -> None:
    net = network("j4r-paper")
    frames = clip(net, 2)
    estimate = net(whole(frames), 2, shaping=True)
    o, b, alpha = whole(frames).o, torch.rand(2, 1, 48, 64), (torch.rand(2, 1, 48, 64) < 0.3).float()
    joint = (o + estimate.residual - b).square().mean()
    detect = F.cross_entropy(estimate.logits, alpha[:, 0].long())
    rect = (estimate.e_hat - high_pass(b)).square().mean()
    removal = ((estimate.s_hat - (o - b)) * (1 - alpha)).square().mean()
    expected = joint + 0.001 * detect + 0.0001 * rect + 0.0001 * removal
    assert torch.allclose(loss(estimate, o, b, alpha, LossWeights(), net.config), expected)


def test_chroma_has_its_weight_and_charbonnier_its_root() -> None:
    net = network("j4r")
    frames, config = clip(net, 2), net.config
    estimate, o = net(whole(frames), 2), whole(frames).o
    luma, chroma = config.scale**2, config.frame_channels - config.scale**2
    error = torch.tensor([0.1] * luma + [0.2] * chroma).view(1, -1, 1, 1)
    b, alpha = o + estimate.residual - error, torch.zeros(len(o), 1, *o.shape[2:])
    plain = LossWeights(joint="l2", lambda_d=0, lambda_c=0, lambda_r=0, chroma=0.25)
    expected = (luma * 0.01 + 0.25 * chroma * 0.04) / (luma + 0.25 * chroma)
    assert loss(estimate, o, b, alpha, plain, config).item() == pytest.approx(expected, rel=1e-4)
    robust = replace(plain, joint="charbonnier", chroma=1.0)
    expected = (luma * (0.01 + 1e-6) ** 0.5 + chroma * (0.04 + 1e-6) ** 0.5) / (luma + chroma)
    assert loss(estimate, o, b, alpha, robust, config).item() == pytest.approx(expected, rel=1e-4)


def test_the_scene_has_its_weight_where_no_rain_is() -> None:
    net = network("j4r")
    frames, config = clip(net, 2), net.config
    estimate, o = net(whole(frames), 2), whole(frames).o
    luma, rain = config.scale**2, torch.zeros_like(o)
    rain[0, :luma, :, : o.shape[-1] // 2] = 0.2
    rain[0, luma:, :, :4] = 0.2  # 6 codes of chroma, which the grid holds eight times
    rain[1, luma:] = 0.05  # 2 codes: noise
    wrong, alpha = estimate.residual + rain, torch.zeros(len(o), 1, *o.shape[2:])
    plain = LossWeights(joint="l2", lambda_d=0, lambda_c=0, lambda_r=0, scene=4.0)
    by_place = torch.where(rain > 0.1, 1.0, 4.0)
    shares = by_place / by_place.mean((1, 2, 3), keepdim=True)  # of each frame, on whatever process it is
    expected = (wrong.square() * shares).mean()
    assert torch.allclose(loss(estimate, o, o - rain, alpha, plain, config), expected)


def test_a_grid_pixel_is_occluded_from_one_half_on() -> None:
    net = network("j4r-paper")
    frames = clip(net, 2)
    estimate, o = net(whole(frames), 2, shaping=True), whole(frames).o
    shares = torch.rand(len(o), 1, *o.shape[2:], generator=torch.Generator().manual_seed(1))

    def value(alpha: Tensor) -> Tensor:
        return loss(estimate, o, o * 0.9, alpha, LossWeights(), net.config)

    assert torch.equal(value(shares), value((shares >= 0.5).float()))
    assert not torch.equal(value(shares), value((shares > 0).float()))


def test_high_pass_takes_the_mean_away() -> None:
    assert torch.allclose(high_pass(torch.full((1, 1, 9, 9), 0.7)), torch.zeros(1, 1, 9, 9), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_onnx_equals_torch(name: str, tmp_path: Path) -> None:
    net = network(name)
    export_onnx(net, tmp_path / "net.onnx")
    assert onnx_difference(net, tmp_path / "net.onnx") <= TOLERANCE


@pytest.mark.slow
def test_published_weights_come_back(tmp_path: Path) -> None:
    net = network("j4r-lite")
    publish(net, "j4r-lite", tmp_path, {"steps": 0})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"j4r-lite.{k}" for k in ("json", "onnx", "safetensors")
    ]
    again = load_net(find_model(str(tmp_path / "j4r-lite.onnx")))
    assert again.config == net.config
    assert all(
        torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True)
    )


@pytest.mark.slow
def test_shipped_weights_match_their_onnx() -> None:
    weights = Path(__file__).parent.parent / "weights"
    shipped = sorted(p.stem for p in weights.glob("*.onnx"))
    assert shipped, "no weights are shipped"
    for name in shipped:
        assert onnx_difference(load_net(find_model(name)), weights / f"{name}.onnx") <= TOLERANCE


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scale": 3}, "scale must be one of 1, 2, 4, got 3"),
        ({"scale": "2"}, "scale must be one of 1, 2, 4, got '2'"),
        ({"planes": ["y"]}, r"planes must be one of y, yuv420, got \['y'\]"),
        ({"channels": 4294967296}, "channels must be 1 to 512, got 4294967296"),
        ({"channels": None}, "channels must be of type int, got None"),
        ({"gru_layers": 0}, "gru_layers must be 1 to 512, got 0"),
        ({"gru_bias": 1}, "gru_bias must be of type bool, got 1"),
        ({"scale": 1, "planes": "y"}, "scale must be 2 or 4 where align is 'motion', got 1"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_is_refused(changes: dict[str, object], text: str) -> None:
    small = {"scale": 2, "channels": 8, "extractor_blocks": 1, "head_blocks": 1}
    with pytest.raises(ValueError, match=text):
        J4RConfig(**{**small, **changes})  # type: ignore[arg-type]


def test_configurations_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="scale must be 2 or 4"):
        J4RConfig(scale=1, channels=8, extractor_blocks=1, head_blocks=1)
    with pytest.raises(ValueError, match="align must be 'motion'"):
        J4RConfig(scale=2, channels=8, extractor_blocks=1, head_blocks=1, align="none")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_cpu_engine_equals_torch(name: str, tmp_path: Path) -> None:
    """The published files through the real engine, against ``J4RNet.step``, each with its own state."""
    net = network(name)
    publish(net, name, tmp_path, {})
    height, width = 48, 64
    engine = open_engine(
        find_model(str(tmp_path / f"{name}.onnx")), height=height, width=width, precision="f32", threads=1
    )
    memory, state = engine.new_state(), None
    generator = torch.Generator().manual_seed(5)
    luma = [torch.rand(1, 1, height, width, generator=generator) for _ in range(6)]
    chroma = [torch.rand(1, 2, height // 2, width // 2, generator=generator) - 0.5 for _ in range(6)]
    tensors = [Tensors(y[0, 0].numpy(), uv[0].numpy()) for y, uv in zip(luma, chroma, strict=True)]
    frames = [
        net.observe(y, None if net.config.planes == "y" else uv) for y, uv in zip(luma, chroma, strict=True)
    ]
    for t in range(5):
        following = t + 1 if net.config.lookahead else None
        estimate, state = net.step(frames[t], None if following is None else frames[following], state)
        step = engine.step(tensors[t], None if following is None else tensors[following], memory)
        y, uv = net.planes(estimate.residual)
        assert np.abs(step.residual.y - y[0, 0].numpy()).max() < TOLERANCE
        assert uv is None or np.abs(step.residual.uv - uv[0].numpy()).max() < TOLERANCE
        assert np.abs(step.alpha - estimate.logits.softmax(1)[0, 1].numpy()).max() < TOLERANCE
