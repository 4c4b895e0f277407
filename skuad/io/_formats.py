"""What the bytes of an image file say before it is decoded.

OpenCV decodes some truncated files without a word (the missing part is gray), drops
the alpha channel where it applies the EXIF orientation, and ignores the orientation
where it keeps alpha. So the container is looked at first: its kind, whether it is
complete, its orientation and whether it holds colour or alpha.
"""

import re
import struct
from typing import NamedTuple, TypeAlias

_EXIF_PREFIX = b"Exif\0\0"
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# A marker inside JPEG scan data: not a stuffed 0xFF00, a restart or a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Types of TIFF values; for what is no unsigned integer, a code of the same size.
_TIFF_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q", 6: "B", 7: "B", 8: "H", 9: "I"}
_TIFF_TYPES |= {10: "Q", 11: "I", 12: "Q", 13: "I", 16: "Q", 17: "Q", 18: "Q"}

_ORIENTATION, _PHOTOMETRIC, _EXTRA_SAMPLES = 274, 262, 338
_STRIPS, _TILES = (273, 279), (324, 325)  # the tags of offsets and of byte counts

_Bytes: TypeAlias = bytes | memoryview


class Header(NamedTuple):
    """What decoding needs to know about a file."""

    kind: str
    """"PNG", "JPEG", "BMP", "TIFF" or "WebP"."""
    colors: str
    """"gray", "rgb", or "any" where only the decoder can tell (alpha included)."""
    orientation: int
    """EXIF orientation, 1 to 8, still to be applied after decoding."""
    patch: tuple[int, bytes] | None = None
    """A place in the file and the bytes to put there before decoding."""


class _Field(NamedTuple):
    values: tuple[int, ...]
    position: int
    """Where in the data the first value stands."""


def read_header(data: _Bytes) -> Header:
    """Look at the container of an image file.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.

    Returns
    -------
    Header
        Kind, colours, orientation and patch.

    Raises
    ------
    ValueError
        If the file is of no known kind, or truncated; the message says which, in
        words that go after "the file".
    """
    if len(data) == 0:
        raise ValueError("is empty (0 bytes)")
    start = bytes(data[:16])
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, parse = "PNG", _parse_png
    elif start.startswith(b"\xff\xd8\xff"):
        kind, parse = "JPEG", _parse_jpeg
    elif start.startswith(b"BM"):
        kind, parse = "BMP", _parse_bmp
    elif start.startswith(_TIFF_MAGIC):
        kind, parse = "TIFF", _parse_tiff
    elif start.startswith(b"RIFF") and start[8:12] in (b"WEBP", b""):
        kind, parse = "WebP", _parse_webp
    else:
        raise ValueError(
            f"is no PNG, JPEG, BMP, TIFF or WebP image: it begins with {start!r}"
        )
    try:
        return parse(data)
    except (struct.error, IndexError):
        raise ValueError(
            f"is truncated: its {kind} header is cut off after {len(data)} bytes"
        ) from None


def _truncated(kind: str, missing: str) -> ValueError:
    return ValueError(f"is truncated: a {kind} file {missing}")


def _parse_png(data: _Bytes) -> Header:
    color_type = data[25]
    transparent = color_type >= 4
    orientation, position = 1, 8
    while True:
        if position + 12 > len(data):
            raise _truncated("PNG", "ends with an IEND chunk, and this one has none")
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise _truncated(
                "PNG",
                f"should go on for {end - len(data)} more bytes of its "
                f"{name.decode('latin1')} chunk",
            )
        if name == b"IEND":
            break
        if name == b"tRNS":
            transparent = True
        elif name == b"eXIf":
            orientation = _exif_orientation(data[position + 8 : end - 4])
        position = end
    if color_type == 0:
        return Header("PNG", "gray", orientation)
    return Header("PNG", "any" if transparent else "rgb", orientation)


def _parse_jpeg(data: _Bytes) -> Header:
    orientation, components, position = 1, None, 2
    missing = _truncated("JPEG", "ends with an EOI marker, and this one has none")
    while position + 2 <= len(data):
        if data[position] != 0xFF or data[position + 1] in (0x00, 0xFF):
            position += 1  # fill bytes, or the stray ones that decoders pass over
            continue
        marker = data[position + 1]
        if marker == 0xD9:
            if components is None:
                raise ValueError("is damaged: a JPEG file without a picture in it")
            return Header("JPEG", "gray" if components == 1 else "rgb", orientation)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # no payload
            position += 2
            continue
        if position + 4 > len(data):
            raise missing
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if end > len(data):
            raise missing
        if marker in _JPEG_FRAMES:
            components = data[position + 9]
        elif marker == 0xE1 and data[position + 4 : position + 10] == _EXIF_PREFIX:
            orientation = _exif_orientation(data[position + 4 : end])
        elif marker == 0xDA:
            found = _JPEG_MARKER.search(data, end)
            if found is None:
                raise missing
            end = found.start()
        position = end
    raise missing


def _parse_bmp(data: _Bytes) -> Header:
    file_size, offset, header_size = struct.unpack_from("<2xI4xII", data)
    if header_size == 12:  # the OS/2 header
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression in (1, 2, 4, 5):  # run lengths, or JPEG and PNG inside
        needed = file_size
    else:
        needed = offset + abs(height) * ((abs(width) * bits + 31) // 32 * 4)
    if len(data) < needed:
        raise _truncated("BMP", f"of this header has {needed} bytes, not {len(data)}")
    return Header("BMP", "rgb" if bits == 24 else "any", 1)


def _parse_webp(data: _Bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise _truncated(
            "WebP", f"of this header has {size + 8} bytes, not {len(data)}"
        )
    first = bytes(data[12:16])
    if first == b"VP8L":
        transparent = bool(data[24] & 0x10)
    else:
        transparent = first == b"VP8X" and bool(data[20] & 0x10)
    orientation = 1
    if first == b"VP8X" and data[20] & 0x08:
        position = 12
        while position + 8 <= size + 8:
            name, length = struct.unpack_from("<4sI", data, position)
            if name == b"EXIF":
                orientation = _exif_orientation(
                    data[position + 8 : position + 8 + length]
                )
                break
            position += 8 + length + length % 2
    return Header("WebP", "any" if transparent else "rgb", orientation)


def _parse_tiff(data: _Bytes) -> Header:
    fields = _read_ifd(data)
    for offsets_tag, counts_tag in (_STRIPS, _TILES):
        offsets = _values(fields, offsets_tag, default=())
        counts = _values(fields, counts_tag, default=(0,) * len(offsets))
        needed = max(map(sum, zip(offsets, counts, strict=False)), default=0)
        if needed > len(data):
            raise _truncated(
                "TIFF", f"with these strips has {needed} bytes, not {len(data)}"
            )
    if not any(tag in fields for tag, _ in (_STRIPS, _TILES)):
        raise ValueError("is damaged: a TIFF file without strips or tiles")
    # OpenCV applies the orientation tag of a TIFF file itself, alpha or not. Ink
    # (CMYK) has four channels that are not RGBA, so the decoder must convert it.
    ink = _values(fields, _PHOTOMETRIC, default=(0,))[0] == 5
    patch = None
    if _values(fields, _EXTRA_SAMPLES, default=(0,))[0] == 2:
        # Of independent alpha (2) the decoder multiplies it into the colours; of
        # alpha that is multiplied in already (1) it leaves all as stored.
        order = "<" if data[0] == 0x49 else ">"
        patch = fields[_EXTRA_SAMPLES].position, struct.pack(order + "H", 1)
    return Header("TIFF", "rgb" if ink else "any", 1, patch)


def _values(
    fields: dict[int, _Field], tag: int, *, default: tuple[int, ...]
) -> tuple[int, ...]:
    return fields[tag].values if tag in fields else default


def _read_ifd(data: _Bytes) -> dict[int, _Field]:
    """Return the fields of a TIFF block's first directory, by tag."""
    order = "<" if data[0] == 0x49 else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    if version == 43:  # BigTIFF: 8-byte offsets
        word, start, head, entry, inline = "Q", 8, "Q", "HHQ", 8
    else:
        word, start, head, entry, inline = "I", 4, "H", "HHI", 4
    (position,) = struct.unpack_from(order + word, data, start)
    (n_entries,) = struct.unpack_from(order + head, data, position)
    position += struct.calcsize(order + head)
    fields = {}
    for _ in range(n_entries):
        tag, type_, count = struct.unpack_from(order + entry, data, position)
        value = position + struct.calcsize(order + entry)
        position = value + inline
        code = _TIFF_TYPES.get(type_)
        if code is None or count == 0:
            continue
        layout = f"{order}{count}{code}"
        if struct.calcsize(layout) > inline:
            (value,) = struct.unpack_from(order + word, data, value)
        fields[tag] = _Field(struct.unpack_from(layout, data, value), value)
    struct.unpack_from(order + word, data, position)  # the link to the next one
    return fields


def _exif_orientation(block: _Bytes) -> int:
    """Return the orientation in an EXIF block, 1 where it is absent or damaged."""
    block = bytes(block)
    block = block.removeprefix(_EXIF_PREFIX)
    if not block.startswith(_TIFF_MAGIC):
        return 1
    try:
        orientation = _values(_read_ifd(block), _ORIENTATION, default=(1,))[0]
    except struct.error:  # damaged metadata does not spoil the picture
        return 1
    return orientation if 1 <= orientation <= 8 else 1
