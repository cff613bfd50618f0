"""Twenty small videos in each container, made by ffmpeg, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import media

Make = Callable[[], bytes]
FRAMES = 6

_RATE = 25
_SECONDS = FRAMES / _RATE
PICTURE = ["-f", "lavfi", "-i", f"testsrc2=s=48x32:r={_RATE}:d={_SECONDS}"]
LONG = ["-f", "lavfi", "-i", f"testsrc2=s=48x32:r={_RATE}:d=1"]
TONE = ["-f", "lavfi", "-i", f"sine=d={_SECONDS}"]
LONG_TONE = ["-f", "lavfi", "-i", "sine=d=1"]
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "6"]
HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:pools=none"]
HDR_RAW = (*PICTURE[:3], PICTURE[3].replace("48x32", "96x64"), "-pix_fmt", "yuv420p10le", "-c:v", "rawvideo")
HDR = [
    *["-mastering_display:v:0", media.MASTERING, "-content_light:v:0", media.LIGHT, "-i", "input.nut", "-vf"],
    "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc",
    *HEVC,
]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-row-mt", "0"]
AV1 = ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"]
BOTH = ["-map", "0", "-map", "1"]
BESIDE = {
    "words.srt": "1\n00:00:00,020 --> 00:00:00,120\nhello\n\n2\n00:00:00,130 --> 00:00:00,200\nagain\n",
    "about.txt": ";FFMETADATA1\ntitle=A title\nartist=somebody\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=120\n"
    "title=one\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=120\nEND=240\ntitle=two\n",
    "font.ttf": "not really a font",
}
WORDS, ABOUT = ["-i", "words.srt"], ["-i", "about.txt"]
COVER = ["-f", "lavfi", "-i", "color=c=red:s=16x16:d=0.04"]
INTERLACED = ["-vf", "setfield=tff", "-flags", "+ilme+ildct"]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a while."""
    with TemporaryDirectory(prefix="vsj4r-test-") as folder:
        yield Path(folder)


def made(name: str, *arguments: str, first: tuple[str, ...] = ()) -> bytes:
    """What ffmpeg writes as ``name``; ``first``: arguments for a file input.nut to begin with."""
    exact = [
        "-threads",
        "1",
        "-fflags",
        "+bitexact",
        "-flags:v",
        "+bitexact",
        "-flags:a",
        "+bitexact",
        "-strict",
        "-2",
    ]
    with scratch() as folder:
        for beside, text in BESIDE.items():
            (folder / beside).write_text(text)
        if first:
            media.ffmpeg(*first, *exact, f"file:{folder}/input.nut")
        inside = [str(folder / each) if each in (*BESIDE, "input.nut") else each for each in arguments]
        path = folder / name
        media.ffmpeg(*inside, *exact, f"file:{path}")
        return path.read_bytes()


def _maker(name: str, *arguments: str, first: tuple[str, ...] = ()) -> Make:
    return lambda: made(name, *arguments, first=first)


def _mp4(*arguments: str, first: tuple[str, ...] = ()) -> Make:
    return _maker("a.mp4", *arguments, first=first)


def _mov(*arguments: str, first: tuple[str, ...] = ()) -> Make:
    return _maker("a.mov", *arguments, first=first)


def _mkv(*arguments: str, first: tuple[str, ...] = ()) -> Make:
    return _maker("a.mkv", *arguments, first=first)


def _ts(*arguments: str) -> Make:
    return _maker("a.ts", *arguments)


def _avi(*arguments: str) -> Make:
    return _maker("a.avi", *arguments)


_SOUNDING = (*LONG, *LONG_TONE, *H264, "-bf", "2", "-c:a", "aac")

MP4: dict[str, Make] = {
    "plain": _mp4(*PICTURE, *TONE, *H264, "-bf", "2", "-c:a", "aac"),
    "edit_list": _mp4("-ss", "0.6", "-i", "input.nut", "-c", "copy", first=_SOUNDING),
    "hdr10": _mp4(*HDR, "-tag:v", "hvc1", first=HDR_RAW),
    "av1": _mp4(*PICTURE, *TONE, *AV1, "-c:a", "libopus"),
    "mpeg4": _mp4(*PICTURE, *TONE, "-c:v", "mpeg4", "-bf", "2", "-c:a", "mp3"),
    "vp9": _mp4(*PICTURE, *VP9),
    "two_sounds": _mp4(
        *PICTURE, *TONE, *TONE, *BOTH, "-map", "2", *H264, "-c:a:0", "aac", "-c:a:1", "ac3",
        "-metadata:s:a:1", "language=fra",
    ),
    "subtitles": _mp4(*PICTURE, *WORDS, *BOTH, *H264, "-c:s", "mov_text"),
    "chapters": _mp4(*PICTURE, *ABOUT, "-map", "0", "-map_metadata", "1", *H264),
    "cover": _mp4(*PICTURE, *COVER, *BOTH, *H264, "-c:v:1", "png", "-disposition:v:1", "attached_pic"),
    "fragmented": _mp4(*PICTURE, *TONE, *H264, "-movflags", "frag_keyframe+empty_moov", "-g", "2"),
    "index_first": _mp4(*PICTURE, *H264, "-bf", "2", "-movflags", "+faststart"),
    "turned": _mp4("-display_rotation", "90", "-i", "input.nut", "-c", "copy", first=(*PICTURE, *H264)),
    "444_10_bit": _mp4(*PICTURE, *H264, "-pix_fmt", "yuv444p10le"),
    "mjpeg": _mp4(*PICTURE, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "anamorphic_variable": _mp4(
        *PICTURE, "-vf", media.VARIABLE_RATE + ",setsar=16/11", "-fps_mode", "vfr", *H264,
    ),
    "two_videos": _mp4(
        *PICTURE, *PICTURE, *BOTH, *H264, "-disposition:v:1", "default", "-disposition:v:0", "0",
    ),
    "words": _mp4(*PICTURE, *H264, "-metadata", "title=t", "-metadata", "location=+48.8577+002.295/",
                  "-metadata", "comment=é雨"),
    "one_frame": _mp4(*PICTURE, *TONE, *H264, "-frames:v", "1"),
    "late_time_code": _mp4("-itsoffset", "0.1", *PICTURE, *TONE, *H264, "-timecode", "01:02:03:04"),
}  # fmt: skip

MOV: dict[str, Make] = {
    "prores": _mov(*PICTURE, *TONE, "-c:v", "prores_ks", "-c:a", "pcm_s24le"),
    "prores_4444": _mov(*PICTURE, "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"),
    "prores_interlaced": _mov(*PICTURE, "-c:v", "prores_ks", "-vf", "setfield=tff", "-flags", "+ildct"),
    "animation": _mov(*PICTURE, "-c:v", "qtrle", "-pix_fmt", "rgb24"),
    "animation_alpha": _mov(*PICTURE, "-c:v", "qtrle", "-pix_fmt", "argb"),
    "png48": _mov(*PICTURE, "-c:v", "png", "-pix_fmt", "rgb48be"),
    "mjpeg422": _mov(*PICTURE, "-c:v", "mjpeg", "-pix_fmt", "yuvj422p"),
    "dnxhr": _mov(*PICTURE[:3], "testsrc2=s=256x128:r=25:d=0.08", "-c:v", "dnxhd", "-profile:v", "dnxhr_lb",
                  "-pix_fmt", "yuv422p"),
    "v210": _mov(*PICTURE, "-c:v", "v210"),
    "raw": _mov(*PICTURE, "-c:v", "rawvideo", "-pix_fmt", "uyvy422"),
    "cineform": _mov(*PICTURE, "-c:v", "cfhd"),
    "hap": _mov(*PICTURE, "-c:v", "hap"),
    "cinepak": _mov(*PICTURE, "-c:v", "cinepak"),
    "time_code": _mov(*PICTURE, *TONE, *H264, "-timecode", "01:02:03:04", "-c:a", "pcm_s16le"),
    "keys": _mov(*PICTURE, *H264, "-movflags", "use_metadata_tags", "-metadata",
                 "com.apple.quicktime.location.ISO6709=+48.8577+002.295/",
                 "-metadata", "com.apple.quicktime.make=x"),
    "turned_mirrored": _mov("-display_rotation", "270", "-display_hflip", "-i", "input.nut", "-c", "copy",
                            first=(*PICTURE, *H264)),
    "edit_list": _mov("-ss", "0.5", "-i", "input.nut", "-c", "copy", first=_SOUNDING),
    "hevc": _mov(*PICTURE, *HEVC, "-tag:v", "hvc1"),
    "four_channels": _mov(*PICTURE, "-f", "lavfi", "-i", f"sine=d={_SECONDS},aformat=channel_layouts=quad",
                          *H264, "-c:a", "aac"),
    "rpza": _mov(*PICTURE, "-c:v", "rpza"),
}  # fmt: skip

MKV: dict[str, Make] = {
    "ffv1": _mkv(*PICTURE, *TONE, "-c:v", "ffv1", "-c:a", "flac"),
    "ffv1_rgb": _mkv(*PICTURE, "-c:v", "ffv1", "-pix_fmt", "gbrp"),
    "ffv1_422_16_bit": _mkv(*PICTURE, "-c:v", "ffv1", "-pix_fmt", "yuv422p16le",
                            "-level", "3", "-slices", "4"),
    "grey": _mkv(*PICTURE, "-c:v", "ffv1", "-pix_fmt", "gray"),
    "rich": _mkv(
        *PICTURE, *TONE, *WORDS, *ABOUT, *BOTH, "-map", "2", "-map_metadata", "3", *H264, "-bf", "2",
        "-c:a", "libopus", "-c:s", "srt", "-attach", "font.ttf", "-metadata:s:3", "mimetype=font/ttf",
    ),
    "hdr10": _mkv(*HDR, first=HDR_RAW),
    "alpha": _mkv(*PICTURE, "-vf", "format=yuva420p", *VP8, "-auto-alt-ref", "0"),
    "vp9": _mkv(*PICTURE, *TONE, *VP9, "-c:a", "libvorbis"),
    "av1": _mkv(*PICTURE, *AV1),
    "mpeg2": _mkv(*PICTURE, *TONE, "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"),
    "ass": _mkv(*PICTURE, *WORDS, *BOTH, *H264, "-c:s", "ass"),
    "cover": _mkv(*PICTURE, *COVER, *BOTH, *H264, "-c:v:1", "mjpeg", "-disposition:v:1", "attached_pic"),
    "variable": _mkv(*PICTURE, "-vf", f"{media.VARIABLE_RATE},{media.TAGS}", "-fps_mode", "vfr", *H264),
    "stereo": _mkv(*PICTURE, *H264, "-metadata:s:v", "stereo_mode=left_right"),
    "live": _mkv(*PICTURE, *TONE, *H264, "-live", "1", "-c:a", "pcm_s16le"),
    "interlaced": _mkv(*PICTURE, *INTERLACED, *H264),
    "mjpeg": _mkv(*PICTURE, "-c:v", "mjpeg", "-pix_fmt", "yuvj444p"),
    "theora": _mkv(*PICTURE, "-c:v", "libtheora"),
    "odd_size": _mkv(*PICTURE, "-vf", "format=yuv444p,crop=47:31,format=yuv420p", "-c:v", "ffv1"),
    "packed": _mkv(*PICTURE, *TONE, *H264, "-c:a", "ac3", "-cluster_time_limit", "40"),
}  # fmt: skip

TS: dict[str, Make] = {
    "mpeg2": _ts(*PICTURE, *TONE, "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"),
    "h264": _ts(*PICTURE, *TONE, *H264, "-bf", "2", "-c:a", "aac"),
    "hevc": _ts(*PICTURE, *TONE, *HEVC, "-c:a", "ac3"),
    "two_programs": _ts(
        *PICTURE, *TONE, *PICTURE, *BOTH, "-map", "2", *H264, "-c:a", "mp2",
        "-program", "st=0:st=1", "-program", "st=2",
    ),
    "bluray": _maker("a.m2ts", *PICTURE, *TONE, *H264, "-c:a", "pcm_bluray", "-mpegts_m2ts_mode", "1"),
    "late": _ts(*PICTURE, *TONE, *H264, "-c:a", "mp2", "-output_ts_offset", "5000"),
    "wraps": _ts(*PICTURE, *TONE, *H264, "-c:a", "mp2", "-output_ts_offset", "95443.6"),
    "latm": _ts(*PICTURE, *TONE, *H264, "-c:a", "aac", "-mpegts_flags", "latm"),
    "padded": _ts(*PICTURE, *TONE, *H264, "-c:a", "mp2", "-muxrate", "1M"),
    "opus": _ts(*PICTURE, *TONE, *H264, "-c:a", "libopus"),
    "s302m": _ts(*PICTURE, "-f", "lavfi",
                 "-i", f"sine=d={_SECONDS}:sample_rate=48000,aformat=channel_layouts=stereo",
                 *H264, "-c:a", "s302m"),
    "mpeg1": _ts(*PICTURE, "-c:v", "mpeg1video"),
    "interlaced": _ts(*PICTURE, *INTERLACED, "-c:v", "mpeg2video"),
    "silent": _ts(*PICTURE, *H264),
    "named": _ts(*PICTURE, *H264, "-metadata", "service_name=a", "-metadata", "service_provider=b"),
    "often": _ts(*PICTURE, *TONE, *H264, "-mpegts_flags", "resend_headers+pat_pmt_at_frames", "-c:a", "aac"),
    "intra": _ts(*PICTURE, *H264[:-1], "1", "-x264-params", "annexb=1"),
    "subtitles": _ts(*PICTURE, "-f", "lavfi", "-i", f"sine=d={_SECONDS}", *H264, "-c:a", "eac3"),
    "422": _ts(*PICTURE, "-c:v", "mpeg2video", "-pix_fmt", "yuv422p"),
    "10_bit": _ts(*PICTURE, *H264, "-pix_fmt", "yuv422p10le"),
}  # fmt: skip

AVI: dict[str, Make] = {
    "mpeg4": _avi(*PICTURE, *TONE, "-c:v", "mpeg4", "-bf", "2", "-c:a", "mp3"),
    "xvid": _avi(*PICTURE, "-c:v", "libxvid"),
    "mjpeg": _avi(*PICTURE, *TONE, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"),
    "huffyuv": _avi(*PICTURE, "-c:v", "huffyuv", "-pix_fmt", "yuv422p"),
    "ffvhuff": _avi(*PICTURE, "-c:v", "ffvhuff", "-pix_fmt", "yuv420p"),
    "raw_rgb": _avi(*PICTURE, "-c:v", "rawvideo", "-pix_fmt", "bgr24"),
    "raw_yuv": _avi(*PICTURE, "-c:v", "rawvideo", "-pix_fmt", "yuyv422"),
    "msvideo1": _avi(*PICTURE, "-c:v", "msvideo1"),
    "cinepak": _avi(*PICTURE, "-c:v", "cinepak"),
    "ffv1": _avi(*PICTURE, "-c:v", "ffv1"),
    "utvideo": _avi(*PICTURE, "-c:v", "utvideo"),
    "msmpeg4": _avi(*PICTURE, "-c:v", "msmpeg4"),
    "msmpeg4v2": _avi(*PICTURE, "-c:v", "msmpeg4v2"),
    "h264": _avi(*PICTURE, *TONE, *H264, "-c:a", "mp3"),
    "two_sounds": _avi(*PICTURE, *TONE, *TONE, *BOTH, "-map", "2", "-c:v", "mpeg4", "-c:a:0",
                       "pcm_s16le", "-c:a:1", "adpcm_ms"),
    "png": _avi(*PICTURE, "-c:v", "png"),
    "zmbv": _avi(*PICTURE, "-c:v", "zmbv"),
    "magicyuv": _avi(*PICTURE, "-c:v", "magicyuv"),
    "palette": _avi(*PICTURE, "-c:v", "msrle", "-pix_fmt", "pal8"),
    "wmv2": _avi(*PICTURE, *TONE, "-c:v", "wmv2", "-c:a", "wmav2"),
}  # fmt: skip
