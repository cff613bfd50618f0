"""The table of what may be written into what: each sound in it is written by a run and decoded again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests import media
from tests.running import derain_quickly
from tests.tried import tried
from vsj4r.media.containers import CONTAINERS, container_for
from vsj4r.media.extras import Along, Extras
from vsj4r.media.languages import spell_language
from vsj4r.media.probe import probe
from vsj4r.media.sound import encode_copied_sound, sound_change, sound_codec_for
from vsj4r.media.streams import Stream

IN_MATROSKA = (
    "aac ac3 eac3 dca mp2 libmp3lame libopus libvorbis flac alac truehd mlp wavpack wmav2 adpcm_ms "
    "pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_s16be pcm_alaw"
)
IN_QUICKTIME = "pcm_s8 pcm_s24be pcm_s32be pcm_f32be pcm_f64be pcm_mulaw adpcm_ima_qt"
ONE_DECODER = (("mp3", "mp2"), ("ac3", "eac3"))  # MP4 has one name for the first two, NUT for the others


def with_sound(path: Path, codecs: str, *more: str) -> Path:
    """Half a second of picture with a stream of stereo sound for each of ``codecs``."""
    names = codecs.split()
    maps = [argument for _ in names for argument in ("-map", "1")]
    coded = [argument for n, name in enumerate(names) for argument in (f"-c:a:{n}", name)]
    tone = ["-f", "lavfi", "-i", "sine=f=440:r=48000:d=0.5,volume=2"]
    media.ffmpeg(
        *media.picture(seconds=0.5, rate=24), *tone, "-map", "0", *maps, *media.QUICK, *coded, *more,
        "-ac", "2", "-strict", "-2", f"file:{path}",
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def matroska(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_sound(tmp_path_factory.mktemp("sounds") / "sounds.mkv", IN_MATROSKA)


@pytest.fixture(scope="module")
def quicktime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_sound(tmp_path_factory.mktemp("sounds") / "sounds.mov", IN_QUICKTIME)


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a Blu-ray has it: one stream of 16 bit, and one of 24."""
    path = tmp_path_factory.mktemp("sounds") / "disc.m2ts"
    return with_sound(path, "pcm_bluray pcm_bluray", "-sample_fmt:a:1", "s32")


def decoded(path: Path, place: int) -> tuple[str, NDArray[np.float64]]:
    """The codec of stream ``place``, and the samples of its first channel in -1 .. 1."""
    with av.open(str(path)) as container:
        stream = container.streams[place]
        assert isinstance(stream, av.AudioStream)
        flat = av.AudioResampler(format="dblp")
        frames = [part for frame in container.decode(stream) for part in flat.resample(frame)]
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        return stream.codec_context.codec.canonical_name, samples


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm", ".avi", ".nut", ".ts", ".mxf"])
@pytest.mark.parametrize("source", ["matroska", "quicktime", "disc"])
@tried(
    "Streams and tags",
    "31 codecs of sound, into each container that takes them",
    "decoded again, the same sound",
)
def test_every_sound_is_decoded_again(
    request: pytest.FixtureRequest, model: Path, tmp_path: Path, source: str, suffix: str
) -> None:
    path, output = request.getfixturevalue(source), tmp_path / f"out{suffix}"
    encoder = {".webm": "vp9", ".mxf": "ffv1"}.get(suffix, "x264")
    notes = derain_quickly(path, output, model, encoder=encoder)
    place = 1
    for stream in probe(path).others:
        becomes = sound_codec_for(CONTAINERS[suffix], stream)
        if not becomes:
            assert f"{suffix} cannot hold audio stream {stream.index} ({stream.codec}): left out" in notes
            continue
        codec, samples = decoded(output, place)
        expected = {"copy": stream.codec, "libopus": "opus"}.get(becomes, becomes)
        assert (codec, expected) in ((expected, expected), *ONE_DECODER)
        original = decoded(path, stream.index)[1]
        assert abs(len(samples) - len(original)) <= 0.05 * 48000, (stream.codec, becomes)
        assert np.abs(samples).max() > 0.1
        if becomes not in ("copy", stream.codec):
            assert any(f"audio stream {stream.index} ({stream.codec}) becomes" in note for note in notes)
        if becomes not in ("copy", "libopus"):
            tolerance = 2**-23 if becomes == "flac" or suffix == ".mxf" else 0
            if suffix == ".mxf":  # it has no sound without its picture
                early = float(media.seconds_of_frames(path)[0] - (stream.start_seconds or 0))
                original = original[max(0, round(early * 48_000)) :]
            both = min(len(samples), len(original))
            assert np.abs(samples[:both] - original[:both]).max() <= tolerance, (stream.codec, becomes)
        place += 1
    with av.open(str(output)) as container:
        assert len(container.streams) == place


@pytest.mark.parametrize(
    ("suffix", "codec", "samples", "becomes"),
    [
        (".mkv", "pcm_bluray", "s16", "pcm_s16le"),
        (".mkv", "pcm_bluray", "s32", "pcm_s24le"),
        (".mkv", "pcm_f32be", "flt", "pcm_f32le"),
        (".mkv", "nellymoser", "flt", "flac"),
        (".mov", "opus", "fltp", "pcm_f32le"),
        (".mov", "flac", "s32", "pcm_s32le"),
        (".mov", "pcm_dvd", "s32", "pcm_s24le"),
        (".mp4", "pcm_bluray", "s16", "flac"),
        (".mp4", "truehd", "s32", "flac"),
        (".avi", "opus", "fltp", "pcm_f32le"),
        (".avi", "pcm_s16be", "s16", "pcm_s16le"),
        (".webm", "aac", "fltp", "libopus"),
        (".ts", "flac", "s16", ""),
        (".ts", "pcm_s16le", "s16", ""),
        (".mxf", "pcm_s16be", "s16", "pcm_s16le"),
        (".mxf", "aac", "fltp", "pcm_s24le"),
        (".mkv", "", "", ""),
    ],
)
@tried(
    "Streams and tags",
    "sound that the container does not hold, such as PCM of a Blu-ray",
    "converted without loss where that can be, with a line",
    after="[nmaahcmm#69](https://github.com/NMAAHC/nmaahcmm/issues/69)",
)
def test_what_is_not_held_becomes_what_is(suffix: str, codec: str, samples: str, becomes: str) -> None:
    stream = Stream(index=1, kind="audio", codec=codec, sample_format=samples)
    assert sound_codec_for(container_for(Path(f"out{suffix}")), stream) == becomes


@pytest.mark.parametrize(
    ("suffix", "codec", "samples", "depth", "how"),
    [
        (".mp4", "wavpack", "s32p", 24, "without loss"),
        (".mp4", "wavpack", "s32p", 32, "rounded to 24 bits"),
        (".mp4", "wavpack", "fltp", 32, "rounded to 24 bits, clipped above full scale"),
        (".mxf", "pcm_f32le", "flt", 0, "rounded to 24 bits, clipped above full scale"),
        (".mxf", "pcm_s16be", "s16", 16, "without loss"),
        (".mov", "opus", "fltp", 0, "without loss"),
        (".webm", "flac", "s16", 16, "with loss"),
    ],
)
def test_what_sound_loses_is_said(suffix: str, codec: str, samples: str, depth: int, how: str) -> None:
    stream = Stream(index=1, kind="audio", codec=codec, sample_format=samples, depth=depth, sample_rate=48000)
    container = container_for(Path(f"out{suffix}"))
    assert sound_change(sound_codec_for(container, stream), stream, container) == how


@pytest.mark.parametrize(
    ("tag", "suffix", "spelled"),
    [
        ("deu", ".mov", "ger"),
        ("ger", ".mov", "ger"),
        ("ger", ".mp4", "ger"),
        ("swe", ".mov", "sve"),
        ("fre", ".mov", "fra"),
        ("hrv", ".mov", ""),
        ("hrv", ".ts", "hrv"),
        ("pt-BR", ".mkv", "pt-BR"),
        ("pt-BR", ".mp4", "por"),
        ("en_US", ".mov", "eng"),
        ("x", ".mp4", ""),
    ],
)
@tried("Streams and tags", "languages in two and three letters", "as the container spells them")
def test_languages_are_spelled_as_a_container_spells_them(tag: str, suffix: str, spelled: str) -> None:
    assert spell_language(tag, CONTAINERS[suffix]) == spelled


@pytest.mark.parametrize(
    ("suffix", "encoder"), [(".webm", "libopus"), (".mp4", "aac"), (".mkv", "aac"), (".avi", "pcm_s16le")]
)
def test_copied_sound_that_is_encoded_fits_its_container(tmp_path: Path, suffix: str, encoder: str) -> None:
    media.ffmpeg(*media.picture(), "-f", "lavfi", "-i", "sine=d=1", "-c:a", "libopus", f"{tmp_path}/in.mkv")
    source = probe(tmp_path / "in.mkv")
    extras = Extras(streams=(Along(1, "audio", "copy"),))
    (along,) = encode_copied_sound(source, extras, suffix, "so").streams
    assert along.codec == encoder
    assert ("b" in along.options) == (encoder != "pcm_s16le")
