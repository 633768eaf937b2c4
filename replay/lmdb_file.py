"""Whether an LMDB file is whole, told without mapping it.

LMDB trusts its pages: a process that follows a damaged one, or reads behind the end of the file, dies without a word.

Layout, as in LMDB 0.9 on a little-endian machine of 64 bits. Pages 0 and 1 are meta pages, of which the one with the
later transaction counts:

    16 magic   20 version   24 address   32 map size   40 two databases of 48 bytes   136 last page   144 transaction

A database has its page size at 0 (of the first one) and its root page at 40. A page has its number at 0, its flags at
10, the end of its node pointers (of two bytes, from 16 on) at 12; an overflow page how many pages it takes at 12. A
node has its size or child page in the first six bytes, flags at 4, the size of its key at 6, its key at 8; what does
not fit lies in overflow pages, whose number stands behind the key.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = 0xBEEFC0DE
META, HEADER, DATABASE = 152, 16, 48  # bytes
BRANCH, LEAF, OVERFLOW = 1, 2, 4  # flags of a page
BIG, NAMED = 1, 2  # flags of a node: its data lies in overflow pages, its data is a database
NOWHERE = (1 << 64) - 1  # the root of an empty database
TRIES = 5  # while a writer changes the file


class TornFile(ValueError):
    """A file that ends before what it refers to, or that holds something else there."""


def check_whole(file: Path) -> None:
    """Raise `TornFile` for a file with a page in use that is not there or is none.

    A good file may end before its last page, if nothing has been written there yet. A file that is not LMDB's is left
    for LMDB to refuse. Raises `OSError` where it cannot be read.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        for left in reversed(range(TRIES)):
            meta = _meta(descriptor)
            try:
                if meta:
                    _Walk(descriptor, *meta).check()
                return
            except TornFile:
                if left == 0 or _meta(descriptor) == meta:  # nobody has written in the meantime
                    raise
    finally:
        os.close(descriptor)


def _meta(descriptor: int) -> tuple[int, int, bytes] | None:
    """Page size, bytes that the file should have, and the databases; None if it is no file of LMDB's."""
    size = os.fstat(descriptor).st_size
    first = os.pread(descriptor, META, 0)
    if len(first) < META:
        raise TornFile(f"it has {size} bytes")
    if struct.unpack_from("<I", first, 16)[0] != MAGIC:
        return None
    page_size = struct.unpack_from("<I", first, 40)[0]
    if page_size < 512 or size < 2 * page_size:
        raise TornFile(f"it has {size:,} bytes, which is less than its first two pages")
    second = os.pread(descriptor, META, page_size)
    last_page, _, databases = max(
        ((*struct.unpack_from("<QQ", page, 136), page[40:136]) for page in (first, second)), key=lambda meta: meta[1]
    )
    return page_size, (last_page + 1) * page_size, databases


class _Walk:
    """Goes from page to page by what refers to them."""

    def __init__(self, descriptor: int, page_size: int, wanted: int, databases: bytes) -> None:
        self._descriptor = descriptor
        self._page_size = page_size
        self._wanted = wanted
        self._size = os.fstat(descriptor).st_size
        self._databases = databases

    def check(self) -> None:
        """Raise `TornFile` at the first page that is not what it should be."""
        pages = self._size // self._page_size
        todo = [*_root(self._databases), *_root(self._databases[DATABASE:])]
        seen = 0
        while todo:
            number = todo.pop()
            seen += 1
            if number >= pages:
                raise TornFile(f"it has {self._size:,} of {self._wanted:,} bytes")
            page = os.pread(self._descriptor, self._page_size, number * self._page_size)
            try:
                todo.extend(self._referred(page, number))
            except struct.error:
                raise TornFile(f"page {number} holds something else") from None
            if seen > pages:
                raise TornFile("its pages refer to each other in a circle")

    def _referred(self, page: bytes, number: int) -> Iterator[int]:
        """The pages that a page refers to; of overflow pages the last one."""
        stored, flags, end = struct.unpack_from("<Q2xHH", page)
        if stored != number or not flags & (BRANCH | LEAF | OVERFLOW):
            raise TornFile(f"page {number} holds something else")
        if flags & OVERFLOW:
            length = struct.unpack_from("<I", page, 12)[0]
            if (number + length) * self._page_size > self._size:
                yield number + length - 1
            return
        for (at,) in struct.iter_unpack("<H", page[HEADER:end]):
            low, high, node_flags, key = struct.unpack_from("<HHHH", page, at)
            if flags & BRANCH:
                yield low | high << 16 | node_flags << 32
            elif node_flags & BIG:
                yield struct.unpack_from("<Q", page, at + 8 + key)[0]
            elif node_flags & NAMED:
                yield from _root(page[at + 8 + key :])
            elif at + 8 + key + (low | high << 16) > len(page):
                raise TornFile(f"page {number} holds something else")


def _root(database: bytes) -> Iterator[int]:
    root = struct.unpack_from("<Q", database, 40)[0]
    if root != NOWHERE:
        yield root
