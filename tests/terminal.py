#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sits before a command at a terminal of 30 rows and 100 columns.

terminal.py STEP... -- COMMAND...: each step is send:TEXT (with \\n, \\x03, ...), expect:REGEX,
or size:ROWS,COLUMNS. Prints what the command printed; exit status: the command's, or 99 when
something expected did not come within 60 s.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE_S = 60


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_some(fd):
    """What comes within a moment; None at the end."""
    if not select.select([fd], [], [], 0.2)[0]:
        return b""
    try:
        return os.read(fd, 65536) or None
    except OSError:
        return None


def expect(fd, seen, regex):
    """Reads until regex comes; returns what is left behind it."""
    end = time.monotonic() + PATIENCE_S
    while not (match := re.search(regex.encode(), seen)):
        piece = read_some(fd)
        if piece is None or time.monotonic() > end:
            print(f"\nthis did not come: {regex}; but: {seen!r}")
            sys.exit(99)
        sys.stdout.buffer.write(piece)
        seen += piece
    return seen[match.end():]


def main():
    split = sys.argv.index("--")
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
    resize(fd, 30, 100)
    seen = b""
    for step in sys.argv[1:split]:
        verb, _, value = step.partition(":")
        if verb == "send":
            os.write(fd, value.encode().decode("unicode_escape").encode())
        elif verb == "size":
            resize(fd, *map(int, value.split(",")))
        else:
            seen = expect(fd, seen, value)
    end = time.monotonic() + PATIENCE_S
    while (piece := read_some(fd)) is not None and time.monotonic() < end:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xff)


main()
