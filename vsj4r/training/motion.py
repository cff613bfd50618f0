"""A simulated camera over a still picture, as the paper trains with (rescaling and displacement), and more.

Paths are in output pixels per frame; positive y is down. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.draws import log_uniform

FASTEST_PX = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class CameraPath:
    """Where the camera looks, frame by frame; every array is (T,) float.

    ``y_px``, ``x_px``: displacement since the first frame, output pixels. ``zoom``: picture pixels per
    output pixel (below 1 enlarges). ``angle_deg``: rotation. ``start``: (y, x) in [0, 1], where the
    first frame lies in the room that keeps the whole path inside the picture.
    """

    y_px: NDArray[np.float64]
    x_px: NDArray[np.float64]
    zoom: NDArray[np.float64]
    angle_deg: NDArray[np.float64]
    start: tuple[float, float] = (0.5, 0.5)

    @property
    def speed_px(self) -> float:
        """The largest displacement between two frames, output pixels."""
        steps = np.hypot(np.diff(self.y_px), np.diff(self.x_px))
        return float(steps.max()) if steps.size else 0.0


def draw_path(rng: np.random.Generator, frames: int) -> CameraPath:
    """A camera for a training clip: one in five stands still, the rest move up to ``FASTEST_PX`` a frame."""
    t = np.arange(frames, dtype=np.float64)
    zoom = np.full(frames, 1.0 if rng.random() < 0.35 else log_uniform(rng, (0.6, 1.4)))
    start = float(rng.random()), float(rng.random())
    kind = rng.choice(4, p=[0.2, 0.4, 0.25, 0.15])
    if kind == 0:
        return CameraPath(np.zeros(frames), np.zeros(frames), zoom, np.zeros(frames), start)
    speed = float(rng.uniform(*((0, 3), (3, 12), (12, FASTEST_PX))[int(kind) - 1]))
    heading = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        heading = rng.choice([0, np.pi]) + rng.normal(0, 0.15)  # most pans are horizontal
    velocity = speed * np.array([np.sin(heading), np.cos(heading)])
    change = rng.normal(0, 0.06 * speed, 2) if rng.random() < 0.5 else np.zeros(2)
    shake = _shake(rng, frames) if rng.random() < 0.4 else np.zeros((2, frames))
    y_px, x_px = velocity[:, None] * t + change[:, None] * t * t / 2 + shake
    if rng.random() < 0.35:
        zoom = zoom * np.exp(np.clip(rng.normal(0, 0.01), -0.03, 0.03) * t)
    angle_deg = np.zeros(frames)
    if rng.random() < 0.15:
        angle_deg = rng.normal(0, 4) + rng.normal(0, 0.8) * t
    return _slow_down(CameraPath(y_px, x_px, zoom, angle_deg, start), FASTEST_PX)


def _shake(rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    """A hand that holds a camera: (2, T) output pixels, correlated from frame to frame."""
    noise = rng.normal(0, rng.uniform(0.2, 1.5), (2, frames))
    for t in range(1, frames):
        noise[:, t] += 0.6 * noise[:, t - 1]
    return noise - noise[:, :1]


def _slow_down(path: CameraPath, fastest_px: float) -> CameraPath:
    factor = min(1.0, fastest_px / max(path.speed_px, 1e-9))
    return CameraPath(path.y_px * factor, path.x_px * factor, path.zoom, path.angle_deg, path.start)


def simulate_motion(
    image: Pixels, path: CameraPath, size: tuple[int, int], frames: int, sway: Floats | None = None
) -> Pixels:
    """The picture as the moving camera sees it: (H, W, 3) uint8 to (T, h, w, 3) uint8, bilinear. ``sway``:
    (T, 2, h, w), by how many output pixels (dy, dx) each pixel is displaced besides.

    The path is placed so that it stays inside the picture; where the picture is too small for that,
    it is mirrored at its edges.

    Raises:
        ValueError: the path has fewer than ``frames`` poses, or the picture is not (H, W, 3) uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if len(path.zoom) < frames:
        raise ValueError(f"path must have at least {frames} poses, got {len(path.zoom)}")
    y_mid, x_mid = _centres(image.shape[:2], path, size, frames)
    clip = np.empty((frames, *size, 3), np.uint8)
    for t in range(frames):
        y = (np.arange(size[0]) - (size[0] - 1) / 2) * path.zoom[t]
        x = (np.arange(size[1]) - (size[1] - 1) / 2) * path.zoom[t]
        if path.angle_deg[t] == 0 and sway is None:
            clip[t] = _sample_grid(image, y + y_mid[t], x + x_mid[t])
        else:
            cos, sin = np.cos(np.deg2rad(path.angle_deg[t])), np.sin(np.deg2rad(path.angle_deg[t]))
            yy = (y * cos)[:, None] - (x * sin) + y_mid[t]
            xx = (y * sin)[:, None] + (x * cos) + x_mid[t]
            if sway is not None:
                yy, xx = yy + sway[t, 0] * path.zoom[t], xx + sway[t, 1] * path.zoom[t]
            clip[t] = _sample(image, yy, xx)
    return clip


def _centres(
    shape: tuple[int, ...], path: CameraPath, size: tuple[int, int], frames: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The middle of every frame, picture pixels; snapped to whole pixels where the camera stands still."""
    zoom = path.zoom[:frames]
    turn = np.deg2rad(path.angle_deg[:frames])
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    half_y, half_x = (size[0] - 1) / 2 * zoom, (size[1] - 1) / 2 * zoom
    centres = []
    for offset, reach, side, start in (
        (path.y_px[:frames] * zoom, half_y * cos + half_x * sin, shape[0], path.start[0]),
        (path.x_px[:frames] * zoom, half_y * sin + half_x * cos, shape[1], path.start[1]),
    ):
        low = float(np.max(reach - offset))
        high = float(np.min(side - 1 - reach - offset))
        origin = low + start * (high - low) if high > low else (low + high) / 2
        if high > low and zoom[0] == 1:
            first = np.floor(origin - reach[0]) + reach[0]
            origin = first if low <= first <= high else origin
        centres.append(origin + offset)
    return centres[0], centres[1]


def _mirror(position: NDArray[np.float64], side: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Reflect positions into [0, side - 1]; the pixel before, the one after, and the share of the latter."""
    period = max(2 * (side - 1), 1)
    folded = np.abs((position + side - 1) % period - (side - 1))
    before = np.minimum(folded.astype(np.intp), max(side - 2, 0))
    after = np.minimum(before + 1, side - 1)
    return before, after, (folded - before).astype(np.float32)


def _sample_grid(image: Pixels, y: NDArray[np.float64], x: NDArray[np.float64]) -> Pixels:
    """Bilinear samples at the crossings of rows y and columns x."""
    y0, y1, fy = _mirror(y, image.shape[0])
    x0, x1, fx = _mirror(x, image.shape[1])
    left, right = int(min(x0.min(), x1.min())), int(max(x0.max(), x1.max())) + 1
    band = image[:, left:right]
    if not fy.any() and not fx.any():
        return band[y0][:, x0 - left]
    rows = band[y0].astype(np.float32)
    rows += (band[y1] - rows) * fy[:, None, None]
    out = rows[:, x0 - left]
    out += (rows[:, x1 - left] - out) * fx[:, None]
    return _round(out)


def _sample(image: Pixels, y: NDArray[np.float64], x: NDArray[np.float64]) -> Pixels:
    """Bilinear samples at the points (y, x), each (h, w)."""
    width = image.shape[1]
    y0, y1, fy = _mirror(y, image.shape[0])
    x0, x1, fx = _mirror(x, width)
    flat = image.reshape(-1, 3)
    fx = fx[..., None]
    top = flat[y0 * width + x0].astype(np.float32)
    top += (flat[y0 * width + x1] - top) * fx
    bottom = flat[y1 * width + x0].astype(np.float32)
    bottom += (flat[y1 * width + x1] - bottom) * fx
    top += (bottom - top) * fy[..., None]
    return _round(top)


def _round(samples: Floats) -> Pixels:
    samples += np.float32(0.5)
    return samples.astype(np.uint8)


def add_object(clip: Pixels, image: Pixels, rng: np.random.Generator) -> None:
    """Move a feathered blob from another picture over the clip, in place: something with its own motion.

    ``clip`` (T, H, W, 3) uint8, ``image`` (h, w, 3) uint8. Speed 0 to 12 px a frame; the blob spans
    about a fifth to three fifths of the frame's shorter side.
    """
    frames, height, width = clip.shape[:3]
    side = min(int(rng.uniform(0.25, 0.8) * min(height, width)), *image.shape[:2])
    if side < 8:
        return
    top, left = rng.integers(image.shape[0] - side + 1), rng.integers(image.shape[1] - side + 1)
    texture = image[top : top + side, left : left + side].astype(np.float32)
    mask = _blob(side, rng)[..., None]
    speed = rng.uniform(0, 12)
    heading = rng.uniform(0, 2 * np.pi)
    velocity = speed * np.array([np.sin(heading), np.cos(heading)])
    middle = rng.uniform(0, 1, 2) * (height, width) - side / 2  # where it is half way through the clip
    for t in range(frames):
        y, x = middle + velocity * (t - (frames - 1) / 2)
        _paste(clip[t], texture, mask, float(y), float(x))


def _blob(side: int, rng: np.random.Generator) -> Floats:
    """A round shape of uneven radius, (side, side) in [0, 1], 0 at the border, its edge 2 pixels soft."""
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    radius, turn = np.hypot(axis[:, None], axis), np.arctan2(axis[:, None], axis)
    edge = np.full_like(radius, 0.72)
    for k in (2, 3, 5):
        edge += np.float32(rng.uniform(0, 0.22 / k)) * np.cos(k * turn + np.float32(rng.uniform(0, 6.28)))
    blob: Floats = np.clip((np.minimum(edge, 1) * (side / 2 - 2) - radius) / 2 + 0.5, 0, 1)
    return blob


def _paste(frame: Pixels, texture: Floats, mask: Floats, y: float, x: float) -> None:
    """Blend the texture into the frame with its corner at (y, x), between pixels where need be."""
    y0, x0 = int(np.floor(y)), int(np.floor(x))
    fy, fx = np.float32(y - y0), np.float32(x - x0)
    layer = np.pad(np.concatenate((texture * mask, mask), -1), ((1, 1), (1, 1), (0, 0)))
    layer = layer[1:] * (1 - fy) + layer[:-1] * fy
    layer = layer[:, 1:] * (1 - fx) + layer[:, :-1] * fx
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + layer.shape[0], frame.shape[0]), min(x0 + layer.shape[1], frame.shape[1])
    if top >= bottom or left >= right:
        return
    part = layer[top - y0 : bottom - y0, left - x0 : right - x0]
    under = frame[top:bottom, left:right]
    under[:] = np.rint(under * (1 - part[..., 3:]) + part[..., :3]).astype(np.uint8)
