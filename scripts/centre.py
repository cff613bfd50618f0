"""Lift what a network gives where it finds nothing, by a part of a code of 8 bits.

python -m scripts.centre weights/j4r.onnx 0.14 OUT

A young network takes a little light from everything, in case it is rain: by more than half a code, a picture
of 8 bits is darker by one, and with more bits less is seen. The bias of the last convolution's luma is where
that stands; with the model alone the script says what it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from vsj4r.engine.loading import load_net
from vsj4r.engine.weights import find_model
from vsj4r.publishing.publish import publish

SPAN = 219
"""Codes of 8 bit luma, limited range."""


def lift_luma(weights: dict[str, Tensor], scale: int, codes: float) -> dict[str, Tensor]:
    """``weights`` of a network on a grid of ``scale``, with ``codes`` more in its residual of luma."""
    name = last_bias(weights)
    lifted = weights[name].clone()
    lifted[: scale**2] += codes / SPAN
    return {**weights, name: lifted}


def last_bias(weights: dict[str, Tensor]) -> str:
    """The bias of JRC-Net's last convolution, whose first channels are luma of the residual."""
    names = [name for name in weights if name.startswith("jrc_net.") and name.count(".") == 2]
    return max((name for name in names if name.endswith(".bias")), key=lambda name: int(name.split(".")[1]))


def lift_model(onnx: Path, codes: float, folder: Path) -> None:
    """The model ``onnx``, whose .safetensors and .json are beside it, lifted by ``codes``, into ``folder``.
    The ranges for int8 stay: no convolution reads what is lifted."""
    folder.mkdir(parents=True, exist_ok=True)
    model = find_model(str(onnx))
    net = load_net(model)
    net.load_state_dict(lift_luma(net.state_dict(), net.config.scale, codes))
    publish(net, onnx.stem, folder, model.training, int8=model.int8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="an .onnx with its .safetensors and .json beside it")
    parser.add_argument("codes", type=float, nargs="?")
    parser.add_argument("out", type=Path, nargs="?", help="the folder for the three files")
    arguments = parser.parse_args()
    net = load_net(find_model(str(arguments.model)))
    bias = net.state_dict()[last_bias(net.state_dict())][: net.config.scale**2].mean()
    print(f"{float(bias) * SPAN:.3f} codes where nothing is found")
    if arguments.out is not None:
        lift_model(arguments.model, arguments.codes, arguments.out)


if __name__ == "__main__":
    main()
