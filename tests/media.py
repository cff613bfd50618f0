"""Small real files for the tests, made by ffmpeg, and what PyAV sees in a file."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsj4r.media.encoders import ffmpeg_executable
from vsj4r.media.pixels import clip_to_rgb

VARIABLE_RATE = "select='not(eq(mod(n,7),3))'"
TAGS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709,setsar=4/3"
QUICK = ("-c:v", "libx264", "-preset", "ultrafast")
BEEPS = "aevalsrc=exprs=0.5*sin(2*PI*1000*t)*lt(mod(t+0.5\\,1)\\,0.08):s=48000:d=3"
"""At 0.5, 1.5 and 2.5 s."""
SINE = ("-f", "lavfi", "-i", "sine=d=1")
ATTACHMENT = b"not really a font"


def ffmpeg(*arguments: str) -> None:
    command = [ffmpeg_executable(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True)


def picture(*, seconds: float = 2, size: str = "96x64", rate: int = 24) -> list[str]:
    """ffmpeg input arguments of a moving test picture."""
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]


def plain(path: Path, *options: str, seconds: float = 1, size: str = "96x64") -> Path:
    ffmpeg(*picture(seconds=seconds, size=size), "-c:v", "ffv1", *options, f"file:{path}")
    return path


def rich(folder: Path, *, seconds: float = 2) -> Path:
    """Anamorphic, at a variable rate (41 frames of 2 s), with sound, subtitles, chapters and a font."""
    subtitles, chapters, font = folder / "s.srt", folder / "chapters.txt", folder / "font.ttf"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:01,000\nhello\n")
    chapters.write_text(
        ";FFMETADATA1\ntitle=A title\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=two\n"
    )
    font.write_bytes(ATTACHMENT)
    path = folder / "rich.mkv"
    inputs = [
        *picture(seconds=seconds),
        "-f",
        "lavfi",
        "-i",
        f"sine=d={seconds}",
        "-i",
        str(subtitles),
        "-i",
        str(chapters),
    ]
    video = ["-vf", f"{VARIABLE_RATE},{TAGS}", "-fps_mode", "vfr", *QUICK]
    others = [
        "-c:a",
        "libopus",
        "-c:s",
        "srt",
        "-metadata:s:a",
        "language=fra",
        "-metadata:s:v",
        "language=deu",
    ]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3"]
    attach = ["-attach", str(font), "-metadata:s:t", "mimetype=font/ttf"]
    ffmpeg(*inputs, *maps, *attach, *video, *others, f"file:{path}")
    return path


def seconds_of_frames(path: Path) -> list[Fraction]:
    """When each video frame is shown, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        time_base = Fraction(stream.time_base.numerator, stream.time_base.denominator)
        return sorted(packet.pts * time_base for packet in container.demux(stream) if packet.pts is not None)


def timecode_of(path: Path) -> str:
    """Of the file, or of the first stream that has one; "" where there is none."""
    with av.open(str(path)) as container:
        tags = [container.metadata, *(stream.metadata for stream in container.streams)]
    return next(filter(None, (each.get("timecode") or each.get("TIMECODE") for each in tags)), "")


def audio_packets(path: Path) -> list[tuple[float, bytes]]:
    """(seconds, bytes) of every packet of the first sound stream."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        scale = float(stream.time_base)
        return [
            (round(packet.pts * scale, 6), bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None
        ]


def samples(path: Path) -> tuple[str, NDArray[Any]]:
    """Codec and all samples of the first sound of ``path``, (channels, samples)."""
    with av.open(str(path)) as container:
        codec = container.streams.audio[0].codec_context.name
        return codec, np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=-1)


def assert_all_kept(rich: Path, output: Path) -> None:
    """Everything of ``rich`` but the picture's samples."""
    assert seconds_of_frames(output) == seconds_of_frames(rich)
    assert audio_packets(output) == audio_packets(rich)
    with av.open(str(rich)) as before, av.open(str(output)) as after:
        assert [s.type for s in after.streams] == ["video", "audio", "subtitle", "attachment"]
        assert after.metadata["title"] == "A title"
        assert after.chapters() == before.chapters()
        assert [s.metadata.get("language") for s in after.streams][:2] == ["deu", "fra"]
        attachment = after.streams.attachments[0]
        assert attachment.data == ATTACHMENT
        assert attachment.name == "font.ttf"
        one, other = before.streams.video[0], after.streams.video[0]
        assert other.sample_aspect_ratio == one.sample_aspect_ratio == Fraction(4, 3)
        old, new = one.codec_context, other.codec_context
        tags = ("color_primaries", "color_trc", "colorspace", "color_range", "pix_fmt")
        assert {tag: getattr(new, tag) for tag in tags} == {tag: getattr(old, tag) for tag in tags}


def planes(path: Path) -> list[list[NDArray[np.uint16]]]:
    """Every frame's planes, as the source filter decodes them."""
    clip = vs.core.bs.VideoSource(str(path), cachemode=0)
    return [
        [np.array(frame[plane], np.uint16) for plane in range(clip.format.num_planes)]
        for frame in clip.frames(close=True)
    ]


def assert_same_frames(one: Path, other: Path) -> None:
    for before, after in zip(planes(one), planes(other), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


MASTERING = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)"
LIGHT = "1000,400"


def hdr10(path: Path, *, seconds: float = 0.5) -> Path:
    """10 bit BT.2020 PQ with mastering display and light levels."""
    raw = path.with_suffix(".nut")
    ffmpeg(*picture(seconds=seconds), "-pix_fmt", "yuv420p10le", "-c:v", "rawvideo", f"file:{raw}")
    tags = "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    hdr = ["-mastering_display:v:0", MASTERING, "-content_light:v:0", LIGHT]
    encoder = ["-vf", tags, "-c:v", "libx265", "-x265-params", "log-level=error"]
    ffmpeg(*hdr, "-i", f"file:{raw}", *encoder, f"file:{path}")
    raw.unlink()
    return path


def hdr_props(path: Path) -> dict[str, object]:
    """What a file says of its colours and of HDR10."""
    props = vs.core.bs.VideoSource(str(path), cachemode=0).get_frame(0).props
    words = ("Mastering", "ContentLight", "_Matrix", "_Primaries", "_Transfer", "_Range")
    return {name: value for name, value in props.items() if name.startswith(words)}


def decoded(path: Path, layout: str = "rgb24") -> list[NDArray[Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=layout) for frame in container.decode(video=0)]


def rgb(clip: vs.VideoNode) -> list[NDArray[Any]]:
    frames = clip_to_rgb(clip).frames(close=True)
    return [np.stack([np.asarray(frame[plane]) for plane in range(3)], -1) for frame in frames]
