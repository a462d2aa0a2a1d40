"""Write small zip archives, also with the traditional encryption, which zipfile can read but not write."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

PASSWORD = b"s3cret"


def crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = crc_table()


def zip_crypto(data: bytes, password: bytes, check: int) -> bytes:
    """The traditional zip encryption (PKWARE appnote 6.1), for pictures small enough for plain Python."""
    k0, k1, k2 = 0x12345678, 0x23456789, 0x34567890

    def crc(value: int, byte: int) -> int:
        return CRC_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)

    def update(byte: int) -> None:
        nonlocal k0, k1, k2
        k0 = crc(k0, byte)
        k1 = ((k1 + (k0 & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        k2 = crc(k2, k1 >> 24)

    for byte in password:
        update(byte)
    out = bytearray()
    for byte in bytes(11) + bytes([check]) + data:
        t = (k2 | 2) & 0xFFFF
        out.append(byte ^ ((t * (t ^ 1)) >> 8 & 0xFF))
        update(byte)
    return bytes(out)


def locked_zip(path: Path, files: dict[str, bytes], password: bytes = PASSWORD) -> Path:
    """Write an archive with the traditional encryption, stored, by hand (zipfile cannot)."""
    body, directory = io.BytesIO(), io.BytesIO()
    for name, data in files.items():
        crc = zlib.crc32(data)
        packed = zip_crypto(data, password, crc >> 24)
        raw = name.encode()
        common = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0, 0x21, crc, len(packed), len(data), len(raw), 0)
        directory.write(
            b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, body.tell()) + raw
        )
        body.write(b"PK\3\4" + common + raw + packed)
    size, offset = directory.tell(), body.tell()
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(files), len(files), size, offset, 0)
    path.write_bytes(body.getvalue() + directory.getvalue() + end)
    return path


def open_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
