"""The kinds of inputs: their seeds, what harms them, how they are given to the program."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from tests.fuzz import blocks, models, pictures, texts, videos, ways
from tests.fuzz.mutations import BYTES, TEXTS, Mutator, edit_header, in_blocks, mutate, squeezed
from tests.fuzz.videos import Make
from tests.fuzz.ways import Way


@dataclass(frozen=True)
class Kind:
    """``ways``: each with how often it is taken. ``torch``: whether the program loads it."""

    name: str
    seeds: Callable[[], Mapping[str, Make]]
    mutators: Sequence[Mutator]
    ways: Sequence[tuple[Way, float]]
    torch: bool = False

    @cached_property
    def seed_names(self) -> list[str]:
        return list(self.seeds())

    def seed(self, name: str) -> bytes:
        return _made(self, name)

    def harmed(self, seed: str, rng: random.Random) -> bytes:
        others = [self.seed(rng.choice(self.seed_names)) for _ in range(2)]
        return mutate(rng, self.seed(seed), others, self.mutators, png=self.name == "PNG")

    def way(self, rng: random.Random) -> Way:
        return rng.choices([way for way, _ in self.ways], [weight for _, weight in self.ways])[0]


@cache
def _made(kind: Kind, name: str) -> bytes:
    return kind.seeds()[name]()


def _picture(name: str, seeds: Mapping[str, Make], finder: blocks.Finder, suffix: str) -> Kind:
    more = (squeezed, squeezed) if name == "PNG" else ()
    how = (
        (ways.pictures_to_folder(suffix), 0.75),
        (ways.pictures_to_video(suffix), 0.15),
        (ways.batch_of(suffix, images=True), 0.1),
    )
    return Kind(name, lambda: seeds, (*BYTES, *in_blocks(finder), *more), how)


def _video(name: str, seeds: Mapping[str, Make], finder: blocks.Finder, suffix: str) -> Kind:
    how = (
        (ways.video_to("out.mkv", suffix), 0.45),
        (ways.video_to("out.mp4", suffix), 0.15),
        (ways.video_to("out.mov", suffix, "--encoder", "prores"), 0.05),
        (ways.video_to("out", suffix), 0.15),
        (ways.batch_of(suffix), 0.15),
        (ways.rain_on(suffix), 0.05),
    )
    return Kind(name, lambda: seeds, (*BYTES, *in_blocks(finder)), how)


def _other(
    name: str,
    seeds: Callable[[], Mapping[str, Make]],
    mutators: Sequence[Mutator],
    way: Way,
    *,
    torch: bool = False,
) -> Kind:
    return Kind(name, seeds, mutators, ((way, 1),), torch)


_IN_PROTOBUF = in_blocks(blocks.protobuf_fields)
KINDS = {
    kind.name: kind
    for kind in (
        _picture("PNG", pictures.PNG, blocks.png_chunks, "png"),
        _picture("JPEG", pictures.JPEG, blocks.jpeg_segments, "jpg"),
        _picture("TIFF", pictures.TIFF, blocks.tiff_entries, "tif"),
        _picture("WEBP", pictures.WEBP, blocks.riff_chunks, "webp"),
        _picture("EXR", pictures.EXR, blocks.exr_attributes, "exr"),
        _picture("DPX", pictures.DPX, blocks.dpx_parts, "dpx"),
        _video("MP4", videos.MP4, blocks.atoms, "mp4"),
        _video("MOV", videos.MOV, blocks.atoms, "mov"),
        _video("MKV", videos.MKV, blocks.elements, "mkv"),
        _video("TS", videos.TS, blocks.ts_packets, "ts"),
        _video("AVI", videos.AVI, blocks.riff_chunks, "avi"),
        _other("JOB", lambda: texts.JOB, (*TEXTS, *TEXTS, *BYTES), ways.job_file),
        _other("RECIPE", lambda: texts.RECIPE, (*TEXTS, *TEXTS, *BYTES), ways.recipe_file, torch=True),
        _other("QPFILE", lambda: texts.QPFILE, (*TEXTS, *BYTES), ways.cut_list),
        _other("JSON", lambda: texts.JSON, (*TEXTS, *TEXTS, *BYTES), ways.model_description, torch=True),
        _other("ONNX", lambda: models.ONNX, (*BYTES, *_IN_PROTOBUF, *_IN_PROTOBUF), ways.onnx_model),
        _other(
            "SAFETENSORS", lambda: models.SAFETENSORS, (*BYTES, *[edit_header] * 8), ways.weights, torch=True
        ),
        _other("CHECKPOINT", lambda: models.CHECKPOINT, BYTES, ways.checkpoint, torch=True),
        _other("MANIFEST", ways.manifest_seeds, BYTES, ways.manifest),
    )
}
"""All that the program reads."""
