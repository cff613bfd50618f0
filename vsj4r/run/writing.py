"""Where the outputs of a run go, each in the form that its name asks for: a video, images, y4m."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import vapoursynth as vs

from vsj4r.media.containers import container_for
from vsj4r.media.encoders import find_encoder
from vsj4r.media.extras import Extras
from vsj4r.media.image_sink import image_sink
from vsj4r.media.part import extras_of
from vsj4r.media.pipes import is_y4m, y4m_sink
from vsj4r.media.probe import GUESSED_RATE
from vsj4r.media.steady import Steady, repeating_sink, steady_for, with_told_rate
from vsj4r.media.trial import try_out
from vsj4r.media.video import ClipSink, video_sink
from vsj4r.run.encodable import (
    chosen_encoder,
    encode_for,
    kind_of_images,
    make_encodable,
    make_images,
    make_y4m,
)
from vsj4r.run.filtering import Filtering
from vsj4r.run.settings import RunSettings


class Writing:
    """Makes the outputs of ``filtering``. ``notes``: a line for each thing that they lack, or have otherwise;
    ``ffmpeg``: more of its arguments; ``on_command`` is told what is run."""

    def __init__(
        self,
        filtering: Filtering,
        settings: RunSettings,
        ffmpeg: tuple[str, ...],
        on_command: Callable[[list[str]], None],
    ) -> None:
        self._on_command = on_command
        self.notes: list[str] = []
        self._filtering, self._settings, self._ffmpeg = filtering, settings, ffmpeg
        self._is_first = True
        self._beside = Extras()

    def output(self, clip: vs.VideoNode, path: Path, *, to_folder: bool, is_matte: bool) -> ClipSink:
        """``clip``, one of the filter's outputs, into ``path``. With the first one goes what the input has
        beside its picture.

        Raises:
            Vsj4rError: the first does not fit there.
        """
        if to_folder:
            made = self._images(clip, path, is_matte=is_matte)
        elif is_y4m(path):
            made = self._y4m(clip, path)
        else:
            made = self._video(clip, path, is_matte=is_matte)
        self._is_first = False
        return made

    def _images(self, clip: vs.VideoNode, folder: Path, *, is_matte: bool) -> ClipSink:
        source = self._filtering.part
        kind = kind_of_images(source, self._settings)
        images, notes = make_images(clip, source, kind, self._settings.depth, is_matte=is_matte)
        self.notes += notes
        return images, image_sink(
            folder,
            source,
            kind,
            depth=self._settings.depth,
            is_matte=is_matte,
            replaces=self._settings.overwrite,
        )

    def _y4m(self, clip: vs.VideoNode, path: Path) -> ClipSink:
        source = self._filtering.part
        written, notes = make_y4m(clip, source, self._settings.chroma)
        self.notes += notes
        steady = self._steady(path)
        size = source.pipe.head.size if source.pipe else None
        make = partial(y4m_sink, written, path, size=size, replaces=self._settings.overwrite)
        rate = Fraction(source.clip.fps) or (source.probe and source.probe.rate) or GUESSED_RATE
        if steady is not None:
            sink = make(rate=steady.rate, head=None, frames=len(steady.timestamps))
            return written, repeating_sink(sink, steady.counts)
        if not source.clip.fps:
            self.notes.append(f"y4m has one rate for all frames: taken as {float(rate):g} a second")
        as_read = source.part is None and written.format.id == source.clip.format.id
        head = source.pipe.head if source.pipe and as_read else None
        return written, make(rate=rate, head=head, frames=self._filtering.frames)

    def _video(self, clip: vs.VideoNode, path: Path, *, is_matte: bool) -> ClipSink:
        settings, source = self._settings, self._filtering.part
        suffix, container = path.suffix, container_for(path)
        name, chosen = chosen_encoder(source, container, settings)
        find_encoder(name)
        encoded, notes = make_encodable(clip, source, suffix, name, settings, is_matte=is_matte)
        steady = self._steady(path)
        if self._is_first:
            extras = extras_of(source, suffix, steady)
            self._beside = extras.of_picture()
            self.notes += [*chosen, *notes, *extras.notes]
        else:
            extras = self._beside
        encode = replace(
            encode_for(settings, source, name, container, steady),
            source=source.probe,
            extras=extras,
            arguments=self._ffmpeg,
        )
        if self._is_first:  # the others are pictures alone, of the same encoder
            trial, _ = make_encodable(self._filtering.before, source, suffix, name, settings)
            self.notes += try_out(with_told_rate(trial, source, steady), encode, suffix)
        encoded = with_told_rate(encoded, source, steady)
        sink = video_sink(encoded, path, encode, replaces=settings.overwrite, on_command=self._on_command)
        return encoded, sink if steady is None else repeating_sink(sink, steady.counts)

    def _steady(self, path: Path) -> Steady | None:
        steady = steady_for(self._filtering.part, path, self._settings.cfr)
        if steady is not None and steady.note is not None:
            self.notes.append(steady.note)
        return steady
