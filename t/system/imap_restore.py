#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_restore.py - dovecot-uidlist comes back from a backup, and no UID is given to a second message

RFC 9051, 2.3.1.1: what a client keeps under a UID stays what that UID means, whichever way the next message comes.  The
index beside the mailbox, which no backup has, knows what was given.  TAP.
"""
import imaplib, os, shutil, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap

SERVER = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "t/system/imapd_stdio"))
tap = Tap()


class Cached:
    """A client that keeps what it has seen, by UIDVALIDITY and UID."""

    def __init__(self, mail):
        self.mail, self.seen, self.lies = mail, {}, []

    def session(self, work=lambda m: None):
        m = imaplib.IMAP4_stream(f"{SERVER} maildir:{self.mail} 2>/dev/null")
        try:
            work(m)
            if m.state != "SELECTED":
                m.select("INBOX")
            m.noop()
            validity = m.untagged_responses.get("UIDVALIDITY") or m.response("UIDVALIDITY")[1]
            uids = m.uid("SEARCH", "ALL")[1][0].split()
            for uid in uids:
                text = m.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1]
                if self.seen.setdefault((validity[0], uid), text) != text:
                    self.lies.append(uid)
            return [int(u) for u in uids]
        finally:
            m.logout()


def body(n):
    return f"Subject: {n}\r\n\r\n{n}\r\n".encode()


def append(n, box="INBOX"):
    return lambda m: m.append(box, None, None, body(n))


def append_selected(n):
    def work(m):
        m.select("INBOX")
        m.append("INBOX", None, None, body(n))
    return work


def copy(n):
    def work(m):
        m.create(f"From{n}")
        m.append(f"From{n}", None, None, body(n))
        m.select(f"From{n}")
        m.copy("1", "INBOX")
        m.select("INBOX")
    return work


def expunge_last(m):
    m.select("INBOX")
    m.store("3", "+FLAGS", "(\\Deleted)")
    m.expunge()


def case(root, name, come):
    mail = f"{root}/{name}"
    c = Cached(mail)
    c.session(append(100))
    shutil.copy2(f"{mail}/dovecot-uidlist", f"{root}/kept")
    c.session(append(101))
    c.session(append(102))
    last = max(c.session(expunge_last)) + 1
    shutil.copy2(f"{root}/kept", f"{mail}/dovecot-uidlist.new")
    os.rename(f"{mail}/dovecot-uidlist.new", f"{mail}/dovecot-uidlist")
    for entry in os.scandir(f"{mail}/cur"):
        with open(entry.path, "rb") as f:
            if b"101" in f.read():
                os.unlink(entry.path)
    uids = c.session(come(mail))
    tap.ok(uids[0] == 1 and len(uids) == 2 and uids[1] > last and not c.lies, f"after a restore no UID means another message: {name}",
           uids, c.lies)
    again = c.session(append(104))
    tap.ok(again[:2] == uids and again[2] > uids[1] and not c.lies, "and UIDs go on from there", again, c.lies)


def delivered(mail):
    def work(m):
        with open(f"{mail}/new/1700000103.M1P1.test", "wb") as f:
            f.write(body(103).replace(b"\r", b""))
    return work


def main():
    root = tempfile.mkdtemp(prefix="imap_restore_")
    try:
        case(root, "delivery", delivered)
        case(root, "append", lambda mail: append(103))
        case(root, "append_selected", lambda mail: append_selected(103))
        case(root, "copy", lambda mail: copy(103))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    tap.end()


main()
