"""Colour profiles made from their definitions, and the values that sRGB colours have in them."""

from __future__ import annotations

import struct

D50 = (0.9642, 1.0, 0.8249)

# Red, green and blue as XYZ under D50, as in the profiles that their makers publish.
PRIMARIES = {
    "srgb": ((0.4360747, 0.2225045, 0.0139322), (0.3850649, 0.7168786, 0.0971045), (0.1430804, 0.0606169, 0.7141733)),
    "p3": ((0.5151187, 0.2411892, -0.0010505), (0.2919778, 0.6922441, 0.0418791), (0.1571035, 0.0665668, 0.7840713)),
    "adobe": ((0.6097559, 0.3111242, 0.0194811), (0.2052401, 0.6256560, 0.0608902), (0.1492240, 0.0632197, 0.7448387)),
}  # fmt: skip


def _s15(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _curve(kind: str) -> bytes:
    if kind == "adobe":
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(563 / 256 * 256)) + bytes(2)
    # The curve of sRGB, which Display P3 shares: parametric type 3.
    return (
        b"para"
        + bytes(4)
        + struct.pack(">HH", 3, 0)
        + _s15(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    )


def _xyz(values) -> bytes:
    return b"XYZ " + bytes(4) + _s15(*values)


def _text(text: str) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text.encode() + bytes(1 + 79)


def _profile(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("test"), b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": _xyz(D50), **tags}
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s12s4s", size, b"none", 0x02400000, kind, space, pcs, bytes(12), b"acsp")
    header = header.ljust(68, b"\0") + _s15(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb(kind: str) -> bytes:
    """The profile of `srgb`, `p3` or `adobe`."""
    red, green, blue = PRIMARIES[kind]
    tags = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    return _profile(
        b"RGB ", b"XYZ ", b"mntr", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(kind))
    )


def grey(gamma: float) -> bytes:
    """The profile of greys with this gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    return _profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": curve})


def cmyk(corners) -> bytes:
    """A profile in which each full mixture of inks has the colour that `corners(c, m, y, k)` gives as Lab;
    between them it is linear."""
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + _s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += bytes(range(256)) * 4
    for i in range(16):
        lightness, a, b = corners(*((i >> shift) & 1 for shift in (3, 2, 1, 0)))
        lut += bytes([round(lightness * 2.55), round(a + 128), round(b + 128)])
    lut += bytes(range(256)) * 3
    return _profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": lut})


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encoded(value: float, kind: str) -> float:
    value = min(1.0, max(0.0, value))
    if kind == "adobe":
        return value ** (256 / 563)
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def in_profile(colour: tuple[int, int, int], kind: str) -> tuple[int, int, int]:
    """The values that an sRGB colour has in the profile of `kind`."""
    linear = [_linear(value / 255) for value in colour]
    xyz = [sum(linear[i] * PRIMARIES["srgb"][i][row] for i in range(3)) for row in range(3)]
    values = _solve([[PRIMARIES[kind][i][row] for i in range(3)] for row in range(3)], xyz)
    red, green, blue = (round(255 * _encoded(value, kind)) for value in values)
    return red, green, blue


def _determinant(m) -> float:
    (a, b, c), (d, e, f), (g, h, i) = m
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _solve(matrix, wanted) -> list[float]:
    """Cramer's rule."""
    whole = _determinant(matrix)
    return [
        _determinant([[wanted[r] if c == column else matrix[r][c] for c in range(3)] for r in range(3)])
        / whole
        for column in range(3)
    ]


def to_srgb(stored: tuple[int, int, int], kind: str) -> tuple[int, int, int]:
    """The sRGB colour of values in the profile of `kind`."""
    if kind == "adobe":
        linear = [(value / 255) ** (563 / 256) for value in stored]
    else:
        linear = [_linear(value / 255) for value in stored]
    xyz = [sum(linear[i] * PRIMARIES[kind][i][row] for i in range(3)) for row in range(3)]
    values = _solve([[PRIMARIES["srgb"][i][row] for i in range(3)] for row in range(3)], xyz)
    red, green, blue = (round(255 * _encoded(value, "srgb")) for value in values)
    return red, green, blue
