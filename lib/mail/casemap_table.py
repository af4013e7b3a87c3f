#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""casemap_table.py > casemap_table.inc - RFC 5051's mapping of each character, from Python's Unicode data

A character has its simple titlecase, which is then decomposed wholly (canonical and compatibility);
Hangul syllables are computed (casemap.c).  Pages of 256 characters hold offsets into a pool of
length-prefixed UTF-8; offset 0: the character stays as it is."""
import unicodedata as u


def title(c):
    t = chr(c).title()              # of more than one character: from SpecialCasing, which is not meant
    return ord(t) if len(t) == 1 else c


def decompose(c):
    d = u.decomposition(chr(c)).split()
    if not d:
        return [c]
    return [x for word in d if word[0] != "<" for x in decompose(int(word, 16))]


pool, at, pages, page_of = bytearray(b"\0"), {}, [[0] * 256], []
for high in range(0x1100):
    page = []
    for c in range(high << 8, (high + 1) << 8):
        to = [c]
        if not 0xd800 <= c < 0xe000 and not 0xac00 <= c <= 0xd7a3:
            to = decompose(title(c))
        if to == [c]:
            page.append(0)
            continue
        b = "".join(map(chr, to)).encode()
        if b not in at:
            at[b] = len(pool)
            pool += bytes([len(b)]) + b
        page.append(at[b])
    if page not in pages:
        pages.append(page)
    page_of.append(pages.index(page))
assert len(pool) < 65536 and len(pages) < 256


def table(kind, name, values):
    print(f"static const {kind} {name} = {{")
    for i in range(0, len(values), 24):
        print("\t" + ",".join(map(str, values[i:i + 24])) + ",")
    print("};")


print(f"/* Made by casemap_table.py from Unicode {u.unidata_version}. */")
table("uint8_t", "page_of[0x1100]", page_of)
print(f"static const uint16_t pages[{len(pages)}][256] = {{")
for page in pages:
    print("\t{" + ",".join(map(str, page)) + "},")
print("};")
table("unsigned char", f"pool[{len(pool)}]", list(pool))
