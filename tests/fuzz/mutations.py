"""What befalls a file: bits, lengths, blocks, words; everything follows from a random generator."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Literal

from tests.fuzz.blocks import Block, Finder, png_chunks, with_png_sums

Mutator = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
"""(generator, the file, others of its kind) to the harmed file."""

Order = Literal["big", "little"]

_BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_SIZES = (1, 2, 3, 4, 8)
_MOST_BYTES = 1 << 20


def _boundary(rng: random.Random, size: int) -> bytes:
    """A number of ``size`` bytes at the edge of something."""
    top = 1 << 8 * size
    edges = [0, 1, 2, top - 1, top - 2, top // 2, top // 2 - 1, top // 4, 1 << rng.randrange(8 * size)]
    return rng.choice(edges).to_bytes(size, rng.choice(("big", "little")))


def flip_bits(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    harmed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        harmed[rng.randrange(len(harmed))] ^= 1 << rng.randrange(8)
    return bytes(harmed)


def set_numbers(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    harmed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        size = rng.choice(_SIZES)
        at = rng.randrange(len(harmed))
        harmed[at : at + size] = _boundary(rng, size)[: len(harmed) - at]
    return bytes(harmed)


def set_early_numbers(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """In the first bytes, where sizes and depths stand."""
    head = min(len(content), rng.choice((64, 256)))
    return set_numbers(rng, content[:head], others) + content[head:]


def truncate(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    return content[: rng.choice((rng.randrange(len(content)), rng.randrange(min(len(content), 64))))]


def _part(rng: random.Random, content: bytes) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, min(len(content), start + rng.choice((1, 2, 4, 16, 64, 256, 2048)))


def remove(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _part(rng, content)
    return content[:start] + content[end:]


def repeat(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _part(rng, content)
    return content[:end] + content[start:end] * rng.choice((1, 1, 2, 50)) + content[end:]


def blank(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _part(rng, content)
    return content[:start] + bytes([rng.choice(_BYTES)]) * (end - start) + content[end:]


def splice(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    if rng.random() < 0.5:
        place = rng.randrange(min(len(content), len(other)))
        return content[:place] + other[place:]
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


BYTES: tuple[Mutator, ...] = (
    flip_bits,
    set_numbers,
    set_early_numbers,
    truncate,
    remove,
    repeat,
    blank,
    splice,
)


def in_blocks(finder: Finder) -> tuple[Mutator, ...]:
    """Mutators for files that ``finder`` knows the blocks of."""

    def pick(rng: random.Random, content: bytes) -> tuple[list[Block], Block | None]:
        found = list(finder(content))
        return found, rng.choice(found) if found else None

    def edit_length(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
        _, block = pick(rng, content)
        if block is None or not block.size_bytes:
            return set_numbers(rng, content, others)
        at, size = block.size_at, block.size_bytes
        order: Order = "big" if block.big_endian else "little"
        true = int.from_bytes(content[at : at + size], order)
        near = [max(0, true + step) for step in (-8, -1, 1, 2, 8, len(content))]
        if rng.random() < 0.5:
            number = (rng.choice(near) % (1 << 8 * size)).to_bytes(size, order)
        else:
            number = _boundary(rng, size)
        return content[:at] + number + content[at + size :]

    def edit_body(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
        _, block = pick(rng, content)
        if block is None or block.body >= block.end:
            return set_numbers(rng, content, others)
        stop = min(block.end, block.body + 64)
        change = rng.choice((set_numbers, flip_bits))
        return content[: block.body] + change(rng, content[block.body : stop], others) + content[stop:]

    def replace_block(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
        """Remove, repeat, empty or replace a block; mostly the lengths around it follow."""
        found, block = pick(rng, content)
        if block is None:
            return remove(rng, content, others)
        whole = content[block.start : block.end]
        other = rng.choice(others)
        foreign = list(finder(other))
        instead: bytes = rng.choice(
            (
                b"",
                whole * 2,
                whole * rng.choice((3, 20)),
                content[block.start : block.body],
                other[(one := rng.choice(foreign)).start : one.end] if foreign else b"",
                whole + (other[(one := rng.choice(foreign)).start : one.end] if foreign else b""),
            )
        )
        return replaced(rng, content, found, block, instead)

    def replaced(
        rng: random.Random, content: bytes, found: list[Block], block: Block, instead: bytes
    ) -> bytes:
        more = len(instead) - (block.end - block.start)
        harmed = bytearray(content)
        if rng.random() < 0.7:
            for around in found:
                if around.size_bytes and around.start < block.start and around.end >= block.end:
                    at, size = around.size_at, around.size_bytes
                    order: Order = "big" if around.big_endian else "little"
                    number = int.from_bytes(content[at : at + size], order) + more
                    harmed[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, order)
        harmed[block.start : block.end] = instead
        return bytes(harmed)

    def swap_blocks(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
        found, block = pick(rng, content)
        apart = [each for each in found if block and (each.start >= block.end or each.end <= block.start)]
        if block is None or not apart:
            return set_numbers(rng, content, others)
        first, second = sorted((block, rng.choice(apart)), key=lambda each: each.start)
        return (
            content[: first.start]
            + content[second.start : second.end]
            + content[first.end : second.start]
            + content[first.start : first.end]
            + content[second.end :]
        )

    return (
        edit_length,
        edit_length,
        edit_body,
        edit_body,
        edit_body,
        replace_block,
        replace_block,
        swap_blocks,
    )


def squeezed(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A PNG whose pixels are harmed inside their compression."""
    chunks = [chunk for chunk in png_chunks(content) if content[chunk.start + 4 : chunk.body] == b"IDAT"]
    try:
        pixels = zlib.decompress(b"".join(content[c.body : c.end - 4] for c in chunks))
    except zlib.error:
        return set_numbers(rng, content, others)
    if not pixels:
        return set_numbers(rng, content, others)
    harmed = zlib.compress(rng.choice(BYTES)(rng, pixels, [pixels]))
    chunk = len(harmed).to_bytes(4) + b"IDAT" + harmed + bytes(4)
    return content[: chunks[0].start] + chunk + content[chunks[-1].end :]


_WORDS = [
    "0", "1", "-1", "1e999", "-0.0", "nan", "inf", "-inf", "NaN", "Infinity", "1e308", "1_0", "0.1.2",
    "9" * 400, "-" + "9" * 5000, "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "4294967296", "0x7fffffff",
    "true", "false", "null", "none", '""', '"\\u0000"', '"\\ud800"', '"x264"', "''", "[]",
    '"' + "x" * 70000 + '"', "{}", "[[]]", "[[1]]", "[" * 3000, "{" * 3000, "[" * 500 + "]" * 500,
    '{"a":' * 400 + "1" + "}" * 400, "[" * 90000, "a." * 2000 + "a = 1", "x" * 70000,
    "\ufeff", "\x00", "\x1b[31m", "\r", "\u2028", "é", "雨", "=", ",", ":", "#", "\n", '"', "'''", '"""',
    "..", "/", "\\", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "-", "{stem}", "%s", "[[job]]",
    "[defaults]", "[a.b.c]", "[job]", "*", "**", "?", "[!", "~", "$HOME", "file:", "-i",
]  # fmt: skip
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[\w.+-]+|\s+|[^\w\s]')


def edit_words(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A word of a text replaced, removed, repeated or put somewhere else."""
    words = _TOKEN.findall(content.decode("utf-8", "surrogateescape"))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        place = rng.randrange(len(words)) if words else 0
        match rng.randrange(6):
            case 0 | 1:
                words[place : place + 1] = [rng.choice(_WORDS)]
            case 2:
                words.insert(place, rng.choice(_WORDS))
            case 3:
                del words[place : place + rng.choice((1, 1, 3, 10))]
            case 4:
                words[place:place] = words[place : place + rng.choice((1, 3, 10))] * rng.choice((1, 2, 200))
            case 5:
                elsewhere = rng.randrange(len(words) + 1)
                words[elsewhere:elsewhere] = words[place : place + rng.choice((1, 3))]
    return "".join(words).encode("utf-8", "surrogateescape")


def edit_values(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """What stands after an equals sign or a colon becomes something else; the rest stays what it is."""
    text = content.decode("utf-8", "surrogateescape")
    places = list(re.finditer(r'(?<=[=:])\s*("(?:\\.|[^"\\])*"|[^\s,}\]]+)', text))
    if not places:
        return edit_words(rng, content, others)
    found = rng.choice(places)
    harmed = f"{text[: found.start()]} {rng.choice(_WORDS)}{text[found.end() :]}"
    return harmed.encode("utf-8", "surrogateescape")


def add_mark(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Another way to write text."""
    text = content.decode("utf-8", "replace")
    return rng.choice(
        (
            b"\xef\xbb\xbf" + content,
            text.encode("utf-16"),
            text.encode("utf-16-be"),
            text.replace("\n", "\r\n").encode(),
            text.replace("\n", "\r").encode(),
            content + b"\x00",
            content + b"\xff\xfe",
            content + b"\xed\xa0\x80",
            b"\xc0\x80" + content,
        )
    )


TEXTS: tuple[Mutator, ...] = (
    edit_words,
    edit_words,
    edit_words,
    edit_values,
    edit_values,
    edit_values,
    add_mark,
)


def edit_header(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """The JSON at the beginning of a safetensors file; mostly its length follows."""
    size = int.from_bytes(content[:8], "little")
    header, rest = content[8 : 8 + size], content[8 + size :]
    try:
        tensors = json.loads(header)
        name = rng.choice(sorted(tensors))
    except (ValueError, IndexError, TypeError, RecursionError):
        return set_early_numbers(rng, content, others)
    edges = (-1, 0, 1, len(rest), len(rest) + 1, 1 << 40, 1 << 63, (1 << 64) - 1, 1.5, None, "1")
    match rng.randrange(8):
        case 0:
            header = edit_words(rng, header, others)
        case 1:
            tensors[name] = rng.choice((None, [], {}, 1, "F32", {"dtype": "F32"}))
            header = json.dumps(tensors).encode()
        case 2 | 3 if isinstance(tensors[name], dict) and "data_offsets" in tensors[name]:
            tensors[name]["data_offsets"] = [rng.choice(edges) for _ in range(rng.choice((2, 2, 2, 0, 1, 3)))]
            header = json.dumps(tensors).encode()
        case 4 if isinstance(tensors[name], dict):
            tensors[name]["shape"] = [rng.choice(edges) for _ in range(rng.choice((0, 1, 4, 100)))]
            header = json.dumps(tensors).encode()
        case 5 if isinstance(tensors[name], dict):
            tensors[name]["dtype"] = rng.choice(
                ("F64", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "x", 3)
            )
            header = json.dumps(tensors).encode()
        case 6:
            tensors[rng.choice(("", "x", "\u0000", "é" * 300))] = tensors.pop(name)
            header = json.dumps(tensors).encode()
        case _:
            sizes = (0, 1, size - 1, size + 1, len(content), 1 << 31, (1 << 63) - 1, (1 << 64) - 1)
            return rng.choice(sizes).to_bytes(8, "little") + header + rest
    return len(header).to_bytes(8, "little") + header + rest


def mutate(
    rng: random.Random,
    content: bytes,
    others: Sequence[bytes],
    mutators: Sequence[Mutator],
    *,
    png: bool = False,
) -> bytes:
    """One to four mutations of ``content``, and of a PNG mostly its checksums mended."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if not content:
            break
        content = rng.choice(mutators)(rng, content, others)[:_MOST_BYTES]
    return with_png_sums(content) if png and rng.random() < 0.85 else content
