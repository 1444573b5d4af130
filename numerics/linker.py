"""Object code -> a callable address, without LLVM.

What a kernel's object holds is simple: code and constants in a few sections, and 64-bit addresses
to be filled in. Linking it takes a page of memory and a loop, where loading LLVM would take longer
than everything else that a second process does. Objects of other processors and formats are left
to LLVM's linker (:mod:`numerics.llvm_target`).

References
----------
System V Application Binary Interface, AMD64 supplement, section 4.4 (relocations).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAGIC = b"\x7fELF\x02\x01"  # 64 bit, little endian
_MACHINE = 62  # x86-64
_SYMBOLS, _ADDENDS, _NO_BITS = 2, 4, 8  # section types
_LOADED, _THREAD_LOCAL = 0x2, 0x400  # section flags
_ABSOLUTE = 1  # R_X86_64_64: the address of a symbol and an addend, as 64 bits
_NOT_A_SECTION = 0xFF00


@dataclass(frozen=True)
class Section:
    """One section of an object file: type, flags, place in the file, relations, alignment."""

    kind: int
    flags: int
    start: int
    size: int
    link: int
    about: int
    alignment: int


@dataclass(frozen=True)
class Symbol:
    """A name, the section that defines it (0: none) and its place there."""

    name: str
    section: int
    value: int


@dataclass(frozen=True)
class ObjectFile:
    """The parts of a relocatable object that a linker reads.

    Parameters
    ----------
    data : bytes
        The file.
    machine : int
        Processor family.
    sections : tuple of Section
        In the order of the file.
    symbols : tuple of Symbol
        Entry 0 is the undefined one.
    """

    data: bytes
    machine: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    @classmethod
    def read(cls, data: bytes) -> ObjectFile | None:
        """Read an object file.

        Parameters
        ----------
        data : bytes
            Of any format.

        Returns
        -------
        ObjectFile or None
            None if it is no 64-bit little-endian ELF file, or is damaged.
        """
        if data[:6] != MAGIC:
            return None
        try:
            (machine,) = struct.unpack_from("<H", data, 18)
            (table,) = struct.unpack_from("<Q", data, 40)
            width, count = struct.unpack_from("<HH", data, 58)
            sections = []
            for k in range(count):
                _, kind, flags, _, start, size, link, about, alignment, _ = struct.unpack_from(
                    "<IIQQQQIIQQ", data, table + width * k
                )
                if kind != _NO_BITS and start + size > len(data):
                    return None
                sections.append(Section(kind, flags, start, size, link, about, max(1, alignment)))
            symbols = _symbols(data, sections)
        except (struct.error, IndexError, ValueError):
            return None
        return cls(data, machine, tuple(sections), symbols)

    @property
    def undefined(self) -> frozenset[str]:
        """Names that are expected from outside."""
        return frozenset(s.name for s in self.symbols[1:] if s.section == 0 and s.name)


def _symbols(data: bytes, sections: list[Section]) -> tuple[Symbol, ...]:
    found = []
    for section in sections:
        if section.kind != _SYMBOLS:
            continue
        strings = sections[section.link].start
        for at in range(section.start, section.start + section.size, 24):
            name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", data, at)
            end = data.index(b"\0", strings + name)
            found.append(Symbol(data[strings + name : end].decode(), index, value))
    return tuple(found)


def linked(code: ObjectFile, entry: str, outside: Mapping[str, int]) -> tuple[int, Any] | None:
    """Load the sections of an object into memory that may be executed, and no longer written.

    Parameters
    ----------
    code : ObjectFile
        For this processor.
    entry : str
        The function to call.
    outside : mapping of str to int
        Addresses of the functions that the object may call.

    Returns
    -------
    tuple of int and object, or None
        Address of the function, and the memory, which has to stay referenced. None if the object
        is for another processor, needs more than absolute addresses, or if the system allows no
        new code: the caller has LLVM for that.

    Raises
    ------
    KeyError
        If a symbol is neither in the object nor outside.
    """
    if code.machine != _MACHINE or os.name != "posix" or os.uname().machine != "x86_64":
        return None
    loaded = [k for k, s in enumerate(code.sections) if s.flags & _LOADED]
    places: dict[int, int] = {}
    size = 0
    for k in loaded:
        section = code.sections[k]
        if section.flags & _THREAD_LOCAL or section.alignment > mmap.PAGESIZE:
            return None
        size += -size % section.alignment
        places[k] = size
        size += section.size
    memory = mmap.mmap(-1, max(size, 1), prot=mmap.PROT_READ | mmap.PROT_WRITE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for k in loaded:
        section = code.sections[k]
        if section.kind != _NO_BITS:
            text = code.data[section.start : section.start + section.size]
            memory[places[k] : places[k] + section.size] = text

    def address(symbol: Symbol) -> int | None:
        if symbol.section == 0:
            return outside[symbol.name]
        place = places.get(symbol.section)
        return None if symbol.section >= _NOT_A_SECTION or place is None else base + place

    for section in code.sections:
        if section.kind != _ADDENDS or section.about not in places:
            continue
        into = places[section.about]
        for at in range(section.start, section.start + section.size, 24):
            offset, about, addend = struct.unpack_from("<QQq", code.data, at)
            symbol = code.symbols[about >> 32]
            start = address(symbol)
            if about & 0xFFFFFFFF != _ABSOLUTE or start is None:
                return None
            value = (start + symbol.value + addend) % 2**64
            struct.pack_into("<Q", memory, into + offset, value)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        return None
    for symbol in code.symbols:
        start = address(symbol) if symbol.section in places and symbol.name == entry else None
        if start is not None:
            return start + symbol.value, memory
    return None
