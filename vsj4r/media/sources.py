"""What a run reads, whatever it is, as a VapourSynth clip with exact timestamps; and how it is to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vapoursynth as vs

from vsj4r.errors import InputError
from vsj4r.frames.matrix import UNSPECIFIED
from vsj4r.media.containers import Container
from vsj4r.media.image_facts import Chunk
from vsj4r.media.images import ImageSet, colours_of
from vsj4r.media.index import Index
from vsj4r.media.pipes import Pipe
from vsj4r.media.plates import EXR, is_plate
from vsj4r.media.png_colours import chunks_of
from vsj4r.media.probe import GUESSED_RATE, Probe
from vsj4r.media.streams import Picture
from vsj4r.media.times import frame_number_times, rate_of_frames, rate_of_most, usual_rate_near, usual_step
from vsj4r.words import count_of

if TYPE_CHECKING:  # it works on sources
    from vsj4r.media.steady import Steady

ONE_THREAD = "one-thread"
"""What an index keeps of a file that many threads do not always decode alike."""

_WITH_PROFILE = ("png", "tif")  # images that hold an ICC profile
_WIDEST_CHROMA = 4  # pixels: 4:1:1, 4:1:0


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read an input. ``fps``: frames a second of one that does not say it (images, raw streams), None
    is 25. ``assume_progressive``: frames that are flagged as interlaced are whole all the same.
    ``one_thread``: decode it slowly, and always alike. ``track``: which of its video streams, counted from
    0; None is the one that a player would play."""

    fps: Fraction | None = None
    assume_progressive: bool = False
    one_thread: bool = False
    track: int | None = None

    @property
    def rate(self) -> Fraction:
        """Of an input that does not say it."""
        return self.fps or GUESSED_RATE

    def check_rate(self, name: object, *, is_said: bool) -> None:
        """Refuse ``fps`` for the input ``name`` if that says its rate.

        Raises:
            InputError: it does.
        """
        if is_said and self.fps is not None:
            raise InputError(
                f"{name} has a rate of its own: --fps (fps in a job file) is for images and raw streams"
            )

    def guess_of_rate(self, name: object, said: Fraction | None = None) -> list[str]:
        """The line for an input that does not say its rate, or ``said`` one that none can be, where nobody
        else does."""
        if self.fps is not None:
            return []
        sets = "--fps, or fps in a job file, sets it"
        what = f"says a rate of {float(said):g}, which is none" if said else "does not say its rate"
        return [f"{name} {what}: taken as {GUESSED_RATE} frames a second ({sets})"]


AS_IT_SAYS = Reading()


@dataclass(frozen=True, slots=True)
class Source:
    """``clip`` as the input has it stored (see ``media.rotation``), and when each frame is shown.

    ``timestamps`` has one entry per frame, in units of ``time_base`` seconds. At most one of ``images``,
    ``probe`` and ``pipe`` is not None: a source is a folder of images, a video, a pipe, or a script.
    ``said``: a line for each thing that the file says wrongly, and what was taken for it. ``index`` keeps
    what was found out about the file, ``is_damaged`` that not every frame is whole. ``joints``: see
    ``media.times``. ``has_alpha``: whether the frames carry an alpha channel, see ``media.alpha``. ``part``:
    which frames of the file these are, ``begins_late`` by how many seconds the first; None is all of them.
    ``ends``: when the last one has been shown, in units of ``time_base``; None: as long as most.
    """

    path: Path
    clip: vs.VideoNode
    time_base: Fraction
    timestamps: Sequence[int]
    images: ImageSet | None = None
    probe: Probe | None = None
    pipe: Pipe | None = None
    index: Index = field(default_factory=Index)
    said: tuple[str, ...] = ()
    joints: tuple[Fraction, ...] = ()
    is_damaged: bool = False
    has_alpha: bool = False
    part: range | None = None
    begins_late: Fraction = Fraction(0)
    ends: Fraction | None = None

    @property
    def ends_at(self) -> Fraction:
        """When the last frame has been shown, in units of ``time_base``."""
        return self.timestamps[-1] + usual_step(self.timestamps) if self.ends is None else self.ends

    @property
    def picture(self) -> Picture:
        """What its encoder follows from."""
        for known in (self.images, self.probe):
            if known is not None:
                return known.picture
        if self.pipe is not None:  # y4m says nothing of it, and its first frame may be long in coming
            return Picture(self.clip.format.bits_per_sample, UNSPECIFIED)
        with self.clip.get_frame(0) as first:
            return Picture(self.clip.format.bits_per_sample, int(first.props.get("_Transfer", UNSPECIFIED)))

    @property
    def counted_rate(self) -> Fraction:
        """Frames a second as a time code counts them: of a variable rate, the one of most frames. 0 where
        nothing says it."""
        rate = rate_of_frames(self.time_base, self.timestamps)
        if rate is None and len(self.timestamps) > 1:
            rate = usual_rate_near(self.time_base, self.timestamps)
        return rate or (self.probe and self.probe.rate) or Fraction(self.clip.fps)

    @property
    def image_names(self) -> list[str] | None:
        """File names of a folder's images; None for a video."""
        return None if self.images is None else self.images.names

    def times(
        self, container: Container, steady: Steady | None = None
    ) -> tuple[Fraction, Sequence[int], Fraction | None]:
        """Time base and timestamps for an output of ``container``, those of ``steady`` if it is to be that;
        and for how many seconds the last frame is shown, None where that is about as long as most."""
        time_base, stamps, rate = self.time_base, self.timestamps, Fraction(self.clip.fps)
        lasts, usual = self.ends_at - stamps[-1], usual_step(stamps)
        last_seconds = lasts * time_base if 4 * abs(lasts - usual) > usual else None
        if steady is not None:
            time_base, stamps, rate, last_seconds = steady.time_base, steady.timestamps, steady.rate, None
        if container.counts_frames and self.pipe is None:
            time_base, stamps = frame_number_times(time_base, stamps, rate)
        return time_base, stamps, last_seconds

    def rate_beside(self, time_base: Fraction, timestamps: Sequence[int]) -> Fraction:
        """What a container, or an encoder, says of a rate beside these times: that of most frames."""
        if len(timestamps) == 1 and self.probe is not None:
            return self.probe.rate or GUESSED_RATE
        return rate_of_most(time_base, timestamps)

    def colours(self, n: int, props: Mapping[str, Any], *, as_grey: bool = False) -> tuple[Chunk, ...]:
        """What image ``n`` says of its colours, for a PNG of RGB, or of grey; of a frame of a video, what its
        ``props`` say."""
        if self.images is None:
            return chunks_of(props)
        return colours_of(self.images.folder / self.images.names[n], as_grey=as_grey)

    def use_one_thread(self) -> None:
        """From now on, whoever opens this file decodes it with one thread."""
        self.index.forget()
        self.index.write(ONE_THREAD, b"")

    def notes(self, *, image: str | None = None) -> list[str]:
        """A line for what the output lacks of the input; ``image``: of which kind its images are, None for a
        video."""
        if self.images is not None:
            return [*self.said, *_losses_of_images(self.images, image)]
        return [*self.said, *([] if self.probe is None else _losses(self.probe, self.clip))]

    def left_out_of_images(self) -> list[str]:
        """The line for what a video file has beside its frames, and a folder of images cannot have."""
        if self.probe is None:
            return []
        others = [stream for stream in self.probe.others if not stream.is_passed_over and not stream.is_cover]
        kinds = Counter(f"{stream.kind} stream" for stream in others if not stream.tag("timecode"))
        lost = [count_of(number, kind) for kind, number in kinds.items()]
        if self.probe.chapters:
            lost.append(count_of(len(self.probe.chapters), "chapter"))
        if any(stream.tag("timecode") for stream in self.probe.streams):
            lost.append("the time code")
        if len(self.timestamps) > 1 and rate_of_frames(self.time_base, self.timestamps) is None:
            lost.append("the times of a variable rate")
        return [f"a folder of images cannot hold {', '.join(lost)}: left out"] if lost else []


def _losses_of_images(images: ImageSet, image: str | None) -> list[str]:
    """A line for each thing that ``images`` have, and the output (see ``Source.notes``) has not."""
    total, target = len(images.names), "a video" if image is None else f".{image}"
    first = Path(images.names[0])

    def some(count: int) -> str:
        return f"{count} of {total} images"

    lost = []
    if images.depth == 32 and image != "exr":
        what = "EXR" if is_plate(first) else "TIFF of floats"
        clipped = "what is below 0 or above 1 is clipped"
        lost.append(f"{what} is scene-linear: it goes into {target} by sRGB's curve, and {clipped}")
    has_profiles = image in _WITH_PROFILE
    if unfit := images.unfit_profiles + (0 if has_profiles else images.profiled):
        channels = "grey" if images.is_grey else "RGB"
        reason = f"is not for {channels}" if has_profiles else f"cannot go into {target}"
        lost.append(f"the ICC profile of {some(unfit)} {reason}: left out")
    if images.deeper:
        lost.append(f"{some(images.deeper)} have 16 bit: read as 8 bit, like the first")
    if images.strange and image is None:
        lost.append(f"{some(images.strange)} say other colours than the first, whose the video has")
    if images.cut_short:
        lost.append(f"{some(images.cut_short)} are cut short: the decoder fills in the rest")
    if images.windows and image != first.suffix[1:].lower():
        lost.append(
            f"{some(images.windows)} show another part than their display window: that part is written"
        )
    if images.whole_numbers and image == "exr":
        lost.append(f"{some(images.whole_numbers)} have channels of 32 bit whole numbers: 24 bits are kept")
    if images.translucent and first.suffix.lower() == EXR and image in (None, "png"):
        lost.append(f"the alpha of {some(images.translucent)} is in their colour, too, and stays in it")
    if images.lossy and image == "exr":
        lost.append(f"{some(images.lossy)} are compressed with loss, and so is what is written: ZIP has none")
    if images.others:
        lost.append(f"{some(images.others)} have channels beside colour and alpha: left out")
    if images.paged:
        lost.append(f"{some(images.paged)} have several pages: the first is read, the others are left out")
    return lost


def _losses(source: Probe, clip: vs.VideoNode) -> list[str]:
    """A line for each thing that the file has with its first frame, and ``clip`` has not."""
    frame = source.first_frame
    if frame is None:
        return []  # BestSource may still read it
    lost = []
    off_by = max(frame.width - clip.width, frame.height - clip.height)
    if 0 < off_by < _WIDEST_CHROMA and source.video.cropping is None:
        size = f"{frame.width}x{frame.height}"
        lost.append(
            f"{size} does not divide into whole chroma samples: "
            f"the picture is cut to {clip.width}x{clip.height}"
        )
    return lost


def check_constant(path: Path, clip: vs.VideoNode) -> None:
    """Refuse the input ``path`` whose frames differ.

    Raises:
        InputError: in their format or size.
    """
    varies = clip.format is None or clip.format.color_family == vs.UNDEFINED
    if varies or not clip.width or not clip.height:
        raise InputError(
            f"{path} changes its format or size in the middle, which is not supported: "
            "cut it into parts there"
        )
