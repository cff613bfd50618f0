"""A constant rate is constant in what a run writes, and a batch that joins parts: frame by frame."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests import media
from tests.cli import batch, run
from tests.tried import tried


def steps_of(path: Path) -> tuple[Fraction, set[Fraction], set[Fraction], int]:
    """When the first frame is shown, what frames last, how far apart they are decoded; their number."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        base = Fraction(video.time_base.numerator, video.time_base.denominator)
        packets = [packet for packet in container.demux(video) if packet.size]
        decoded = [packet.dts * base for packet in packets if packet.dts is not None]
        shown = [packet.pts * base for packet in packets if packet.pts is not None]
        lasts = {packet.duration * base for packet in packets if packet.duration}
        apart = {after - before for before, after in pairwise(decoded)}
    return min(shown), lasts, apart, len(packets)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["x264", "x265"])  # both show frames in another order than they decode
@pytest.mark.parametrize(("rate", "suffix"), [("25", ".mp4"), ("24000/1001", ".mov"), ("30000/1001", ".mp4")])
@tried("Times", "constant rates with B-frames, run and joined by a batch", "constant, from 0")
def test_every_frame_lasts_as_long(model: Path, tmp_path: Path, encoder: str, rate: str, suffix: str) -> None:
    source = tmp_path / "source.mkv"  # whose ticks are milliseconds
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=96x64:r={rate},trim=end_frame=60"]
    tone = ["-f", "lavfi", "-i", "sine=d=2"]
    media.ffmpeg(*picture, *tone, "-c:v", "libx264", "-c:a", "aac", f"file:{source}")
    by_run, by_batch = tmp_path / f"run{suffix}", tmp_path / f"batch{suffix}"
    run(source, by_run, "--model", model, "--encoder", encoder)
    job = f'[[job]]\ninput = "source.mkv"\noutput = "{by_batch.name}"\nmodel = "{model}"\n'
    (tmp_path / "jobs.toml").write_text(f'{job}encoder = "{encoder}"\n')
    batch(tmp_path)
    frame = 1 / Fraction(rate)
    for output in (by_run, by_batch):
        assert steps_of(output) == (Fraction(0), {frame}, {frame}, 60), output.name
        with av.open(str(output)) as container:
            assert container.streams.video[0].average_rate == Fraction(rate)
            assert container.streams.audio[0].start_time == 0
