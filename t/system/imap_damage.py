#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_damage.py - postern.index and postern.snapshot are removed, cut short or written over while sessions have them open

They are caches (lib/store/index.h, snapshot.h): no session ends, no flag or message is told that the files do not have, and no
mod-sequence goes back.  TAP.
"""
import imaplib, os, re, shutil, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap

SERVER = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "t/system/imapd_stdio"))
MESSAGES = 400
EVERYTHING = "(UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])"
tap = Tap()


class Session:
    def __init__(self, mail):
        self.imap = imaplib.IMAP4_stream(f"exec {SERVER} maildir:{mail} 2>>{mail}.log")
        self.told = 0

    def select(self):
        typ, _ = self.imap._simple_command("SELECT", "INBOX", "(CONDSTORE)")
        assert typ == "OK"
        self.imap.state = "SELECTED"
        return self.note(self.imap.response("HIGHESTMODSEQ")[1])

    def note(self, data):
        found = [int(n) for item in data or [] if item for n in re.findall(rb"(?:MODSEQ \(|^)(\d{10,})", item if isinstance(item, bytes) else b"".join(item))]
        self.told = max([self.told, *found])
        return found[-1] if found else 0

    def store(self, number, change):
        return self.note(self.imap.store(str(number), *change)[1])

    def flags(self):
        return {int(re.search(rb"UID (\d+)", r).group(1)): re.search(rb"FLAGS \((.*?)\)", r).group(1).replace(b"\\Recent", b"").split()
                for r in self.imap.fetch("1:*", "(UID FLAGS)")[1] if r and b"UID " in r}

    def subjects(self):
        """{UID: the subject's number}"""
        return {int(re.search(rb"UID (\d+)", r[0]).group(1)): int(re.search(rb"Subject: (\d+)", r[1]).group(1))
                for r in self.imap.fetch("1:*", EVERYTHING)[1] if isinstance(r, tuple)}

    def end(self):
        self.imap.logout()


def make(root, name):
    mail = f"{root}/{name}"
    for d in ("cur", "new", "tmp"):
        os.makedirs(f"{mail}/{d}", exist_ok=True)
    for i in range(MESSAGES):
        with open(f"{mail}/cur/{1700000000 + i}.M{i}P1.test:2,", "w") as f:
            f.write(f"Subject: {i}\n\n{i}\n")
    look(mail).end()
    return mail


def look(mail):
    s = Session(mail)
    s.select()
    s.subjects()
    return s


def is_right(s, mail, what):
    try:
        uids = s.subjects()
        tap.ok(len(uids) == MESSAGES and all(uid == n + 1 for uid, n in uids.items()), f"{what}: each UID is its message", uids)
    except imaplib.IMAP4.error as e:
        tap.ok(False, f"{what}: the session goes on", e, open(f"{mail}.log").read())


def over(path, content):
    """As cp does: the same inode."""
    with open(path, "wb") as f:
        f.write(content)


INDEX = {
    "emptied": lambda path, old: over(path, b""),
    "halved": lambda path, old: os.truncate(path, os.path.getsize(path) // 2),
    "cut in a page": lambda path, old: os.truncate(path, 3 * 4096 + 1000),
    "an older one copied over it": lambda path, old: over(path, old),
    "noise": lambda path, old: over(path, os.urandom(200000)),
    "removed": lambda path, old: os.unlink(path),
    "removed with its locks": lambda path, old: (os.unlink(path), os.unlink(path + "-lock")),
    "its locks removed": lambda path, old: os.unlink(path + "-lock"),
}


def index(root):
    for name, harm in INDEX.items():
        try:
            index_harmed(root, name, harm)
        except imaplib.IMAP4.error as e:
            tap.ok(False, f"index {name}: no session ends", e)


def index_harmed(root, name, harm):
    """What a session told is the least of what each later one tells, whatever happened to the index."""
    mail = make(root, "index_" + name.replace(" ", "_"))
    path = f"{mail}/postern.index"
    with open(path, "rb") as f:
        old = f.read()
    a = look(mail)
    told = a.store(1, ("+FLAGS", "(\\Flagged)"))
    harm(path, old)
    b = Session(mail)
    first = b.select()
    tap.ok(first >= told, f"index {name}: the next session's HIGHESTMODSEQ is not less", told, first)
    told = a.store(1, ("-FLAGS", "(\\Flagged)"))
    told = max(told, a.store(1, ("+FLAGS", "(\\Flagged)")))
    c = Session(mail)
    again = c.select()
    tap.ok(again >= told > first, f"index {name}: nor after the old session changed something", first, told, again)
    for s, who in ((a, "old"), (b, "next"), (c, "last")):
        is_right(s, mail, f"index {name}, the {who} session")
    b.store(2, ("+FLAGS", "(\\Answered)"))
    a.imap.noop()
    tap.ok(a.flags().get(2) == [b"\\Answered"], f"index {name}: sessions tell each other", a.flags().get(2))
    for s in (a, b, c):
        s.end()


def zeros(root):
    """What a disk lost while nobody had it open: LMDB finds no page there, whatever it is asked, until the file is made anew."""
    for first in (2, 3, 4, 5, 8, 16):
        mail = make(root, f"zeros{first}")
        path = f"{mail}/postern.index"
        s = look(mail)
        s.store(7, ("+FLAGS", "(\\Flagged)"))
        told = s.told
        s.end()
        size = os.path.getsize(path)
        over(path, open(path, "rb").read()[:first * 4096] + bytes(size - first * 4096))
        for who in ("next", "one after"):
            s = Session(mail)
            highest = s.select()
            is_right(s, mail, f"index without pages from {first} on, the {who}")
            changed = s.store(8, ("+FLAGS" if who == "next" else "-FLAGS", "(\\Answered)"))
            tap.ok(highest >= told and changed > highest, f"index without pages from {first} on, the {who}: mod-sequences go on", told, highest, changed)
            told = s.told
            s.end()


def kept(mail):
    """Sessions until the mailbox is opened from its snapshot."""
    path = f"{mail}/postern.snapshot"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        before = os.stat(path).st_ino if os.path.exists(path) else 0
        look(mail).end()
        if before and os.stat(path).st_ino == before:
            return path
    raise SystemExit("no snapshot is kept")


def snapshot(root):
    mail = make(root, "snapshot")
    path = kept(mail)
    with open(path, "rb") as f:
        old = f.read()
    s = look(mail)
    for n in range(1, 51):
        s.store(n, ("+FLAGS", "(\\Flagged)"))
    s.end()
    kept(mail)
    for name, harm in (("emptied", lambda: over(path, b"")), ("halved", lambda: os.truncate(path, os.path.getsize(path) // 2)),
                       ("an older one copied over it", lambda: over(path, old)), ("noise", lambda: over(path, os.urandom(len(old))))):
        kept(mail)
        a, b = Session(mail), Session(mail)
        a.select()
        with open(path, "r+b"):  # no lease for who comes now (lib/store/mapping.h)
            b.select()
        harm()
        for s in (a, b):
            try:
                flags = s.flags()
                tap.ok(len(flags) == MESSAGES and all((b"\\Flagged" in f) == (uid <= 50) for uid, f in flags.items()),
                       f"snapshot {name}: flags are as they were", flags)
            except imaplib.IMAP4.error as e:
                tap.ok(False, f"snapshot {name}: the session goes on", e)
            is_right(s, mail, f"snapshot {name}")
        a.store(300, ("+FLAGS", "(\\Seen)"))
        b.imap.noop()
        tap.ok(b.flags().get(300) == [b"\\Seen"], f"snapshot {name}: and they go on", b.flags().get(300))
        a.store(300, ("-FLAGS", "(\\Seen)"))
        for s in (a, b):
            s.end()
        s = look(mail)
        is_right(s, mail, f"snapshot {name}, the next session")
        s.end()


def main():
    root = tempfile.mkdtemp(prefix="imap_damage_")
    try:
        for part in sys.argv[1:] or ("index", "zeros", "snapshot"):
            globals()[part](root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    tap.end()


main()
