#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sieve_crash.py - local dies or its disk fails at every system call of a delivery that a script spreads over folders

After each the same delivery is tried again until it is sent.  Then exactly one whole message must be in
each folder, with its flags and $HasNoAttachment, and what a script forwards was forwarded at least once: never lost.
"""
import glob, os, shutil, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from agents import *

t = Tap()
if not shutil.which("strace"):
    print("1..0 # SKIP no strace")
    sys.exit(0)
MESSAGE = b"Subject: hi\r\n\r\n" + b"a line of text\r\n" * 3000
SCRIPT = ('require ["fileinto", "mailbox", "imap4flags", "copy"];\nfileinto :create "A";\n'
          'fileinto :create :flags ["\\\\Seen", "$Kept"] "B";\nredirect :copy "far@elsewhere.example";\nkeep;\n')
POINTS = [("write", 6), ("fsync", 12), ("renameat2", 3), ("rename,renameat", 3), ("sendmsg", 4), ("mkdirat,mkdir", 6), ("unlinkat", 3),
          ("mmap", 0), ("ftruncate", 1)]
ERRORS = [("fsync", "EIO", 12), ("write", "ENOSPC", 6), ("renameat2", "ENOSPC", 3), ("rename,renameat", "EIO", 3), ("mkdirat", "ENOSPC", 3)]


def attempt(s, inject):
    calls = inject.split(":")[0]
    try:
        s.start("local/local", "local", tracer=["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={inject}"])
    except Exception:
        s.stop("local")
        return "not started"
    try:
        with s.connect("local") as c:
            c.settimeout(30)
            s.send(c, ["alice@example.com"], MESSAGE)
            return s.answers(c).get(0)
    except OSError:
        return None
    finally:
        subprocess.run(["pkill", "-KILL", "-P", str(s.programs["local"][0].pid)])
        s.stop("local")


def whole(path):
    return len(open(path, "rb").read().splitlines()) == 3004


def check(s, queue, inject, name):
    queue.got.clear()
    got = attempt(s, inject)
    s.start("local/local", "local")
    again = s.one("local", "alice@example.com", MESSAGE)
    s.stop("local")
    files = {f: glob.glob(s.home("alice", f"Maildir/{f}new/*")) + glob.glob(s.home("alice", f"Maildir/{f}cur/*")) for f in ("", ".A/", ".B/")}
    good = again[0] == "sent" and all(len(v) == 1 and whole(v[0]) for v in files.values()) and len(queue.got) >= 1
    if good:
        good = files[".B/"][0].endswith(":2,Sab") and files[".A/"][0].endswith(":2,a") and files[""][0].endswith(":2,a") and b"$Kept" in open(s.home("alice", "Maildir/.B/dovecot-keywords"), "rb").read()
    t.ok(good, f"{name}: {got[0] if got and got != 'not started' else got}", got, again, files, len(queue.got))
    shutil.rmtree(s.home("alice", "Maildir"), ignore_errors=True)


with Site("home_mailbox = Maildir/\nmail_attachment_detection_options = add-flags\n", {"alice": 5001}) as s:
    queue = FakeCleanup(s)
    s.write("alice", ".dovecot.sieve", SCRIPT)
    for call, most in POINTS:
        for n in range(1, most + 1):
            check(s, queue, f"{call}:signal=KILL:when={n}", f"killed at {call} {n}")
    for call, error, most in ERRORS:
        for n in range(1, most + 1):
            check(s, queue, f"{call}:error={error}:when={n}", f"{error} from {call} {n}")
t.end()
