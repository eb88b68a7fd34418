"""Where things are in a GGUF file: just enough to change the type of some tensors.

Reads the header and nothing else; it neither loads weights nor understands metadata.

Source: GGUF, ggml, docs/gguf.md.

Next file: `models/repack.py`.
"""

import mmap
import struct
from dataclasses import dataclass

__all__ = [
    "BLOCK",
    "Q4_1",
    "Q4_1_BYTES",
    "Q8_0",
    "Q8_0_BYTES",
    "Layout",
    "Tensor",
    "aligned",
    "read_layout",
]

Q4_1, Q8_0 = 3, 8  # tensor types by number
BLOCK = 32  # weights per block of either
Q4_1_BYTES, Q8_0_BYTES = 20, 34  # bytes per block


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a GGUF file: `begin` and `size` in bytes of the file, `count` in weights.

    `info_at` is where its type stands in the header; its data's offset follows.
    """

    name: str
    kind: int
    count: int
    begin: int
    size: int
    info_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things are in a GGUF file; tensors in the order of their data."""

    data_at: int
    alignment: int
    file_type_at: int | None
    tensors: tuple[Tensor, ...]


TEXT, ARRAY = 8, 9
# Sizes of GGUF's scalar types by number.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class _Reader:
    """Walks through a GGUF header."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize("<" + kind)
        return int(value)

    def text(self) -> str:
        size = self.number("Q")
        begin, self.at = self.at, self.at + size
        return self.data[begin : self.at].decode("utf-8", "replace")

    def skip(self, kind: int) -> None:
        if kind == TEXT:
            size = self.number("Q")  # moves `at` itself
            self.at += size
        elif kind == ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _SIZES:
                self.at += count * _SIZES[inner]
            else:
                for _ in range(count):
                    self.skip(inner)
        else:
            self.at += _SIZES[kind]


def read_layout(data: mmap.mmap) -> Layout:
    """Parse a GGUF header.

    Raises:
        ValueError: Not a little-endian GGUF file of version 2 or 3, or damaged.
        struct.error: It ends too early.
    """
    reader = _Reader(data)
    if data[:4] != b"GGUF" or struct.unpack_from("<I", data, 4)[0] not in (2, 3):
        raise ValueError("not a GGUF file of version 2 or 3")
    reader.at = 8
    tensor_count, pair_count = reader.number("Q"), reader.number("Q")
    alignment, file_type_at = 32, None
    for _ in range(pair_count):
        key, kind = reader.text(), reader.number("I")
        if kind not in (TEXT, ARRAY, *_SIZES):
            raise ValueError(f"unknown value type {kind} of {key!r}")
        if key == "general.alignment":
            (alignment,) = struct.unpack_from("<I", data, reader.at)
        if key == "general.file_type":
            file_type_at = reader.at
        reader.skip(kind)
    infos = []
    for _ in range(tensor_count):
        name, dimensions, count = reader.text(), reader.number("I"), 1
        for _ in range(dimensions):
            count *= reader.number("Q")
        infos.append((name, count, reader.at, reader.number("I"), reader.number("Q")))
    data_at = aligned(reader.at, alignment)
    infos.sort(key=lambda info: info[4])
    ends = [info[4] for info in infos[1:]] + [len(data) - data_at]
    tensors = []
    for (name, count, info_at, kind, offset), end in zip(infos, ends, strict=True):
        # Other types' sizes are not known here: their bytes, padding included, are copied.
        size = count // BLOCK * Q4_1_BYTES if kind == Q4_1 else end - offset
        if not 0 <= offset <= offset + size <= end:
            raise ValueError(f"tensor {name!r} lies outside the file")
        tensors.append(
            Tensor(
                name=name,
                kind=kind,
                count=count,
                begin=data_at + offset,
                size=size,
                info_at=info_at,
            )
        )
    return Layout(
        data_at=data_at, alignment=alignment, file_type_at=file_type_at, tensors=tuple(tensors)
    )


def aligned(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment
