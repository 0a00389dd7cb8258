#!/usr/bin/env python3
"""Makes the PNG files of Tests/DataTests/Fixtures: one ramp of 16 gray pixels in every depth and colour type.

They are written chunk by chunk with Python's zlib and struct, that is by neither libpng nor Martlet."""

import pathlib
import struct
import zlib

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/DataTests/Fixtures"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(name, depth, color, rows, interlace=0, extra=b""):
    header = struct.pack(">2I5B", 16, 1, depth, color, 0, 0, interlace)
    data = b"".join(b"\0" + row for row in rows)
    (OUTPUT / f"{name}.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def packed(values, depth):
    bits = "".join(format(value, f"0{depth}b") for value in values)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


ramp = [17 * i for i in range(16)]
for depth in (1, 2, 4):
    top = (1 << depth) - 1
    png(f"gray{depth}", depth, 0, [packed([i * top // 15 for i in range(16)], depth)])
png("gray8", 8, 0, [bytes(ramp)])
png("gray16", 16, 0, [b"".join(struct.pack(">H", 257 * value) for value in ramp)])
png("palette8", 8, 3, [bytes(range(16))], extra=chunk(b"PLTE", b"".join(bytes([value] * 3) for value in ramp)))
png("rgb8", 8, 2, [b"".join(bytes([value] * 3) for value in ramp)])
png("rgb16", 16, 2, [b"".join(struct.pack(">3H", *[257 * value] * 3) for value in ramp)])
# Adam7: of one row, the passes 1, 2, 4 and 6 have pixels.
png("interlaced", 8, 0, [bytes(ramp[0::8]), bytes(ramp[4::8]), bytes(ramp[2::4]), bytes(ramp[1::2])], interlace=1)
