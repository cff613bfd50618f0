"""Programs of an MPEG transport stream (ISO/IEC 13818-1), which PyAV does not tell."""

from __future__ import annotations

from pathlib import Path

_SYNC = 0x47
_PACKET_SIZES = (188, 192, 204)  # plain; with a time code before it (Blu-ray); with checks after it
_LOOK_BYTES = 4 << 20
_PAT_TABLE, _PMT_TABLE = 0, 2


def programs_of(path: Path) -> dict[int, tuple[int, ...]]:
    """For each PID the numbers of the programs that it belongs to, from the first tables of ``path``.

    Empty where none are found; damaged tables are passed over.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_LOOK_BYTES)
    found = _packet_layout(content)
    if found is None:
        return {}
    first, size = found
    maps: dict[int, int] = {}  # PID of a program's table: number of the program
    tables: set[int] = set()
    programs: dict[int, list[int]] = {}
    parts: dict[int, bytes] = {}
    for start in range(first, len(content) - 187, size):
        packet = content[start : start + 188]
        if packet[0] != _SYNC:
            continue
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid and pid not in maps:
            continue
        payload = _payload(packet)
        if packet[1] & 0x40 and payload:  # a section begins, after a pointer to it
            payload = payload[1 + payload[0] :]
            parts[pid] = payload
        elif pid in parts:
            parts[pid] += payload
        section = _whole_section(parts.get(pid, b""))
        if section is None:
            continue
        del parts[pid]
        if pid == 0 and section[0] == _PAT_TABLE:
            for place in range(8, len(section) - 7, 4):
                number = int.from_bytes(section[place : place + 2])
                if number:
                    maps[int.from_bytes(section[place + 2 : place + 4]) & 0x1FFF] = number
        elif pid and section[0] == _PMT_TABLE and pid not in tables:
            tables.add(pid)
            for stream in _streams_in(section):
                programs.setdefault(stream, []).append(int.from_bytes(section[3:5]))
        if maps and len(tables) == len(maps):
            break
    return {pid: tuple(numbers) for pid, numbers in programs.items()}


def _packet_layout(content: bytes) -> tuple[int, int] | None:
    """Where the first packet begins, and how far apart they are."""
    for size in _PACKET_SIZES:
        for first in range(min(size, len(content))):
            places = range(first, min(len(content), first + 8 * size), size)
            if len(places) >= 2 and all(content[place] == _SYNC for place in places):
                return first, size
    return None


def _payload(packet: bytes) -> bytes:
    match packet[3] >> 4 & 3:
        case 1:
            return packet[4:]
        case 3:
            return packet[5 + packet[4] :]
        case _:
            return b""


def _whole_section(content: bytes) -> bytes | None:
    if len(content) < 3:
        return None
    length = 3 + (int.from_bytes(content[1:3]) & 0x0FFF)
    return content[:length] if 12 <= length <= len(content) else None


def _streams_in(section: bytes) -> list[int]:
    """PIDs of a program's streams; its table ends with a check of 4 bytes."""
    place, pids = 12 + (int.from_bytes(section[10:12]) & 0x0FFF), []
    while place + 5 <= len(section) - 4:
        pids.append(int.from_bytes(section[place + 1 : place + 3]) & 0x1FFF)
        place += 5 + (int.from_bytes(section[place + 3 : place + 5]) & 0x0FFF)
    return pids
