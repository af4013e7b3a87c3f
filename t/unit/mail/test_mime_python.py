#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_mime_python.py - lib/mail and Python's email package see the same parts and bodies

Reads the messages of t/unit/mail/eml, or of the directory that MIME_VECTORS names
(a set of other people's messages that is not ours to give away, say).  Where the two
differ on purpose the file stands in DIFFERENT with the reason.
"""
import email
import glob
import os
import subprocess
import sys
import zlib

top = os.environ.get("top_srcdir", ".")
build = os.environ.get("top_builddir", ".")
folder = os.environ.get("MIME_VECTORS") or os.path.join(top, "t/unit/mail/eml")

# file name -> why the two need not agree
NESTED = "the same boundary in two multiparts: ours belongs to the innermost"
UUENCODE = "Python undoes x-uuencode too"
NO_BLANK = "a line that is no field: Python ends the header there, we (as Dovecot) at the empty line"
LUMP = "RFC 3501 describes only message/rfc822 from inside"
DIFFERENT = {
    "malformed/000.eml": "Python loses a part that is empty altogether",
    "malformed/003.eml": NESTED,
    "malformed/005.eml": "boundaries that end in --: Python takes a part's for the end of the outer one",
    "malformed/007.eml": "a part's header that runs into its own boundary line: no empty line, so no body",
    "malformed/013.eml": NESTED,
    "malformed/017.eml": "no semicolon before boundary: Python makes a type of it",
    "malformed/019.eml": NO_BLANK,
    "malformed/022.eml": NO_BLANK,
    "rfc/001.eml": LUMP,
    "rfc/008.eml": NO_BLANK,
    "legacy/017.eml": UUENCODE,
    "legacy/026.eml": UUENCODE,
    "legacy/048.eml": UUENCODE,
    "thirdparty/003.eml": "Python does not know an encoding with blanks behind it",
    "thirdparty/009.eml": LUMP,
    "thirdparty/012.eml": "Python keeps the fold in a quoted boundary",
    "thirdparty/015.eml": NO_BLANK,
}


def walk(message, depth, out):
    if depth > 100:
        return
    # Python keeps the type of a message inside a part as the only part of its payload
    text = message.get_content_type()
    body = ""
    if not message.is_multipart() and text != "message/rfc822" and not text.startswith("multipart/"):
        raw = message.get_payload(decode=True) or b""
        raw = raw.replace(b"\r\n", b"\n")
        body = " body=%08x" % (zlib.crc32(raw.strip()) & 0xffffffff)
    out.append("%d %s%s" % (depth, text, body))
    if message.is_multipart():
        for part in message.get_payload():
            walk(part, depth + 1, out)


def ours(path):
    run = subprocess.run([os.path.join(build, "t/unit/mail/mime_tree"), path], stdout=subprocess.PIPE, check=True)
    return [l for l in run.stdout.decode("utf-8", "replace").split("\n") if l.startswith("part ")]


def main():
    paths = sorted(glob.glob(os.path.join(folder, "**", "*.eml"), recursive=True))
    if not paths:
        print("1..0 # SKIP no messages in %s" % folder)
        return
    print("1..%d" % len(paths))
    for number, path in enumerate(paths, 1):
        name = os.path.relpath(path, folder)
        with open(path, "rb") as f:
            message = email.message_from_bytes(f.read())
        theirs = []
        walk(message, 0, theirs)
        mine = []
        for line in ours(path):
            words = line.split(" ")
            mine.append("%s %s" % (words[1], words[2]) + "".join(" " + w for w in words if w.startswith("crc=")).replace("crc", "body"))
        if name in DIFFERENT:
            print("ok %d - %s is read (%s)" % (number, name, DIFFERENT[name]))
        elif mine == theirs:
            print("ok %d - %s" % (number, name))
        else:
            print("not ok %d - %s" % (number, name))
            for a, b in zip(mine + ["-"] * len(theirs), theirs + ["-"] * len(mine)):
                if a != b and (a != "-" or b != "-"):
                    print("# ours %s | Python %s" % (a, b))


main()
