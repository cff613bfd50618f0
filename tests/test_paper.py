"""``j4r-paper`` against the paper's text, where ``test_model`` does not look: boxes, wiring, sizes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from vsj4r.model.blocks import ResidualBlock  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.f_net import FNet  # noqa: E402
from vsj4r.model.j4rnet import Estimate, J4RNet, Observation  # noqa: E402
from vsj4r.publishing.onnx_step import export_onnx  # noqa: E402
from vsj4r.publishing.publish import TOLERANCE, onnx_difference, parameters, parameters_by_box  # noqa: E402

PAPER = CONFIGS["j4r-paper"]
NARROW = replace(PAPER, channels=6, detector_channels=6, extractor_blocks=1, head_blocks=1)


def conv_parameters(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return 9 * inputs * outputs + bias * outputs


def test_parameter_count() -> None:
    """Docs/paper.md explains the numbers."""
    c = 64
    block = 2 * conv_parameters(c, c)
    head = conv_parameters(c, c) + 4 * block + conv_parameters(c, 1)
    expected = {
        "extractor": conv_parameters(1, c) + 4 * block,
        "d_net": conv_parameters(2 * c, c)
        + conv_parameters(c, 2)
        + conv_parameters(2, c)
        + conv_parameters(c, c),
        "f_net": 8 * conv_parameters(c, c, bias=False),  # W_z W_r W_h, U_z U_r U_h, V_z V_r
        "jrc_net": head,
        "r_net": head,
        "c_net": head,
    }
    net = J4RNet(PAPER)
    assert parameters_by_box(net) == expected
    assert parameters(net) == 1_702_853
    assert parameters(net, exported=True) == 1_036_995
    released = J4RNet(replace(PAPER, head_blocks=1))
    assert parameters(released, exported=True) == 815_427, "the 0.82 M of the authors' released network"


def test_the_graph_holds_neither_r_net_nor_c_net(tmp_path: Path) -> None:
    net = J4RNet(PAPER)
    export_onnx(net, tmp_path / "net.onnx")
    tensors = onnx.load(tmp_path / "net.onnx").graph.initializer
    weights = [t for t in tensors if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) in (1, 4)]
    assert sum(int(torch.tensor(list(t.dims)).prod()) for t in weights) == parameters(net, exported=True)


def test_one_architecture_for_extractor_and_heads() -> None:
    """Figure 5: a convolution and four residual blocks; the heads end in a convolution to the image."""
    net = J4RNet(PAPER)
    extractor = [type(layer) for layer in net.extractor]
    assert extractor == [nn.Conv2d, nn.ReLU] + 4 * [ResidualBlock]
    for head in (net.r_net, net.c_net, net.jrc_net):
        assert [type(layer) for layer in head] == [*extractor, nn.Conv2d]
        assert head[0].in_channels == 64
        assert head[-1].out_channels == 1
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.kernel_size == (3, 3) for m in convolutions)


def gates(channels: int) -> tuple[FNet, Tensor, Tensor, Tensor]:
    """F-Net without biases, and F_t, H_{t-1} and f_4 whose first channel is 1 so that gates can be forced."""
    torch.manual_seed(2)
    f_net = FNet(channels, channels, bias=False)
    f_t, h_prev, f_4 = (torch.randn(1, channels, 7, 7) for _ in range(3))
    f_4[:, 0] = 1
    return f_net, f_t, h_prev, f_4


def force(gate: nn.Conv2d, value: float) -> None:
    nn.init.zeros_(gate.weight)
    with torch.no_grad():
        gate.weight[:, 0, 1, 1] = value


def test_equation_16_and_17() -> None:
    f_net, f_t, h_prev, f_4 = gates(4)
    force(f_net.v_z, 1e4)  # z = 1
    force(f_net.v_r, -1e4)  # r = 0
    assert torch.allclose(f_net(f_t, h_prev, f_4), torch.tanh(f_net.w_h(f_t))), "Eq. 16"
    force(f_net.v_r, 1e4)  # r is large: U_h (r . H) outweighs W_h F
    r = F.relu(f_net.w_r(f_t) + f_net.u_r(h_prev) + f_net.v_r(f_4))
    assert torch.allclose(f_net(f_t, h_prev, f_4), torch.tanh(f_net.u_h(r * h_prev)), atol=1e-3), "Eq. 17"
    force(f_net.v_z, -1e4)  # z = 0
    assert torch.equal(f_net(f_t, h_prev, f_4), h_prev)


def watched(net: J4RNet, frames: Tensor) -> Estimate:
    with torch.inference_mode():
        estimate: Estimate = net(Observation(frames, frames), len(frames), shaping=True)
        return estimate


def test_wiring_of_figure_4() -> None:
    """R-Net sees frame t alone, C-Net the frames before it alone, JRC-Net both; alpha too."""
    torch.manual_seed(0)
    net = J4RNet(NARROW).eval()
    frames = torch.rand(3, 1, 24, 24)
    before, now = frames.clone(), frames.clone()
    before[1], now[2] = torch.rand(1, 24, 24), torch.rand(1, 24, 24)
    whole, past_changed, present_changed = (watched(net, x) for x in (frames, before, now))

    def same(name: str, other: Estimate) -> bool:
        return bool(torch.equal(getattr(whole, name)[2], getattr(other, name)[2]))

    assert same("s_hat", past_changed)
    assert not same("s_hat", present_changed)
    assert not same("e_hat", past_changed)
    assert same("e_hat", present_changed)
    for name in ("residual", "logits"):
        assert not same(name, past_changed)
        assert not same(name, present_changed)


def test_stacked_layers_of_equation_14(tmp_path: Path) -> None:
    """Layer j reads what layer j - 1 put out; streaming and the exported graph carry the memory of both."""
    torch.manual_seed(0)
    net = J4RNet(replace(NARROW, gru_layers=2)).eval()
    frames = torch.rand(4, 1, 16, 16)
    whole = watched(net, frames).residual
    state = None
    for t in range(4):
        now = frames[t : t + 1]
        with torch.inference_mode():
            estimate, state = net.step(Observation(now, now), None, state)
        assert torch.allclose(estimate.residual[0], whole[t], atol=1e-5)
    assert state is not None
    assert state.h.shape == (1, 2 * NARROW.channels, 16, 16)
    export_onnx(net, tmp_path / "net.onnx")
    assert onnx_difference(net, tmp_path / "net.onnx") <= TOLERANCE


def test_the_table_of_the_equations_is_true() -> None:
    """Every equation stands in docs/paper.md, and every file and test that it names is there."""
    root = Path(__file__).resolve().parent.parent
    text = (root / "docs" / "paper.md").read_text("utf-8")
    for path, test in re.findall(r"`((?:tests|vsj4r|scripts)/\w[\w/.-]*\.py)(?:::(\w+))?`", text):
        assert f"def {test}(" in (root / path).read_text("utf-8") if test else (root / path).is_file(), (
            path,
            test,
        )
    table = text.partition("## Where each equation is")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    named = {
        int(n) for row in rows for n in re.findall(r"\b\d+\b", re.sub(r"(Fig|Sec|Table)\.? \d+", "", row[0]))
    }
    assert named == set(range(1, 18))
    assert all("::test_" in row[3] for row in rows[1:])
