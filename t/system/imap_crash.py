#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills an IMAP session at every system call that changes the disk, and makes each
such call fail, while it runs APPEND, COPY, MOVE, STORE and EXPUNGE; then EXPUNGE and DELETE where
lazy_expunge keeps what goes.  Afterwards what got its tagged OK is there, and each message is there whole; what
is kept is in one of the two mailboxes, never in both.  Needs strace.  TAP."""
import os, re, shutil, subprocess, sys, tempfile

BUILD = os.environ.get("top_builddir", ".")
SERVER = os.path.abspath(os.path.join(BUILD, "t/system/imapd_stdio"))
ROOT = tempfile.mkdtemp(prefix="imap_crash_")
MOST = int(os.environ.get("IMAP_CRASH_POINTS", "12"))
BODY = "Subject: m%d\r\n\r\nline one\r\nend %d.\r\n"
CALLS = ["openat", "openat2", "write", "pwrite64", "fsync", "fdatasync", "renameat", "renameat2", "linkat",
         "unlinkat", "mkdirat", "utimensat", "fchmod"]

FULL = ["openat2", "write", "pwrite64", "renameat", "renameat2", "linkat", "mkdirat"]
BROKEN = ["fsync", "fdatasync", "unlinkat", "utimensat"]


# What the second script does in a way of its own.
LAZY_CASES = [(c, "signal=KILL") for c in ("write", "fsync", "renameat", "renameat2", "unlinkat")] + [("renameat2", "error=ENOSPC"), ("fsync", "error=EIO")]


def append(tag, i, box="INBOX"):
    m = BODY % (i, i)
    return "%s APPEND %s (\\Seen) {%d+}\r\n%s\r\n" % (tag, box, len(m), m)


SCRIPT = "".join([append("a1", 10), "a2 SELECT INBOX\r\n", "a3 COPY 1:2 Other\r\n", "a4 STORE 1 +FLAGS (\\Deleted kw)\r\n",
                  "a5 EXPUNGE\r\n", "a6 MOVE 1 Other\r\n", "a7 CREATE New\r\n", append("a8", 11, "New"), "a9 LOGOUT\r\n"])


LAZY = ["lazy=EXPUNGED"]
LAZY_SCRIPT = ("a1 SELECT INBOX\r\na2 STORE 1:3 +FLAGS (\\Deleted kw)\r\na3 EXPUNGE\r\na4 UNSELECT\r\na5 DELETE Other\r\n"
               "a6 LOGOUT\r\n")


def run(mail, script, *wrap, settings=()):
    p = subprocess.run([*wrap, SERVER, "maildir:" + mail, *settings], input=script.encode(), stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, timeout=60)
    return p.stdout.decode("latin-1")


def base():
    mail = os.path.join(ROOT, "base")
    run(mail, "c CREATE Other\r\n" + "".join(append("x", i) for i in range(4)) + "l LOGOUT\r\n")
    return mail


def lazy_base():
    mail = os.path.join(ROOT, "lazy")
    run(mail, "c CREATE Other\r\n" + "".join(append("x", i) for i in range(4)) + append("y", 4, "Other") + append("y", 5, "Other") + "l LOGOUT\r\n")


def contents(mail, boxes=("INBOX", "Other", "New")):
    """{box: [message numbers]}, every message whole; and through IMAP, so that UIDs are given."""
    out = {}
    for box in boxes:
        text = run(mail, "s EXAMINE %s\r\nf FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])\r\nl LOGOUT\r\n" % box)
        if "s NO" in text:
            continue
        assert "f OK" in text, text
        found = re.findall(r"FETCH \(UID (\d+) RFC822.SIZE (\d+) BODY\[\] \{(\d+)\}\r\nSubject: m(\d+)\r\n\r\nline one\r\nend (\d+)\.\r\n\)", text)
        exists = int(re.search(r"\* (\d+) EXISTS", text).group(1))
        assert exists == len(found), text
        uids = [int(f[0]) for f in found]
        assert uids == sorted(set(uids))
        for f in found:
            assert f[1] == f[2] and f[3] == f[4], f
        out[box] = sorted(int(f[3]) for f in found)
    return out


def check(mail, said):
    """What was promised holds; what was not may have happened or not, but whole."""
    have = contents(mail)
    done = {n for n in range(1, 9) if re.search(r"^a%d OK" % n, said, re.M)}
    inbox, other = have["INBOX"], have["Other"]
    everywhere = inbox + other
    if 1 in done:
        assert 10 in everywhere, have
    if 3 in done:
        assert 0 in other and 1 in other, have
    if 5 in done and 4 in done:
        assert 0 not in inbox, have
    if {4, 5, 6} <= done:
        assert 1 in other and 1 not in inbox, have
    for n in (1, 2, 3):
        assert n in everywhere, have          # never lost
    if 0 not in everywhere:
        assert 4 in done or "a4" not in said, (have, said)
    if 8 in done:
        assert have.get("New") == [11], have
    assert inbox == sorted(set(inbox)), have
    said = run(mail, append("n1", 99) + append("n2", 99, "Other") + "n3 LOGOUT\r\n")
    assert "n1 OK" in said and "n2 OK" in said, said      # a dead holder's lock is broken at once
    locks = [f for d in (mail, mail + "/.Other") for f in os.listdir(d) if f.endswith(".lock")]
    assert not locks, locks


def check_lazy(mail, said):
    """Each message is in one place; those that are told gone are where they are kept; the rest can be done again."""
    boxes = ("INBOX", "Other", "EXPUNGED")
    have = contents(mail, boxes)
    done = {n for n in range(1, 6) if re.search(r"^a%d OK" % n, said, re.M)}
    kept = have.get("EXPUNGED", [])
    assert sorted(sum(have.values(), [])) == list(range(6)), have
    assert 3 in have["INBOX"] and 3 not in kept and 4 not in have["INBOX"], have
    if {2, 3} <= done:
        assert kept[:3] == [0, 1, 2], have
    if 5 in done:
        assert "Other" not in have and kept[-2:] == [4, 5], have
    script = LAZY_SCRIPT
    if len(have["INBOX"]) < 4:                # so many are gone; the others come first
        left = len(have["INBOX"]) - 1
        script = script.replace("1:3", "1:%d" % left) if left else script.replace("a2 STORE 1:3 +FLAGS (\\Deleted kw)\r\n", "")
    said = run(mail, script, settings=LAZY)
    assert "a3 OK" in said and ("a5 OK" in said or "Other" not in have), said
    have = contents(mail, boxes)
    assert have == {"INBOX": [3], "EXPUNGED": [0, 1, 2, 4, 5]}, have
    flags = run(mail, "s EXAMINE EXPUNGED\r\nf FETCH 1:* (FLAGS)\r\nl LOGOUT\r\n")
    assert flags.count("\\Seen") >= 5 and "\\Deleted" not in re.sub(r"\* (FLAGS|OK) .*", "", flags), flags


def points(call, how, start="base", script=SCRIPT, settings=(), verify=check):
    """Runs the script with the Nth such call killed or failing, until it is not reached."""
    n = 0
    for when in range(1, 400):
        mail = os.path.join(ROOT, "run")
        shutil.rmtree(mail, ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, start), mail, symlinks=True)
        log = os.path.join(ROOT, "trace")
        said = run(mail, script, "strace", "-f", "-qq", "-o", log, "-e", "trace=" + call,
                   "-e", "inject=%s:%s:when=%d" % (call, how, when), settings=settings)
        trace = open(log).read()
        hit = "INJECTED" in trace or "killed by SIGKILL" in trace
        if not hit:
            return n
        n += 1
        verify(mail, said)
        if n >= MOST and call in ("openat", "openat2", "write"):
            return n
    return n


def main():
    if not shutil.which("strace"):
        print("1..0 # SKIP no strace")
        return 0
    base()
    lazy_base()
    cases = [(c, "signal=KILL") for c in CALLS] + [(c, "error=ENOSPC") for c in FULL] + [(c, "error=EIO") for c in BROKEN]
    lazy = dict(start="lazy", script=LAZY_SCRIPT, settings=LAZY, verify=check_lazy)
    cases = [(c, how, {}) for c, how in cases] + [(c, how, lazy) for c, how in LAZY_CASES]
    print("1..%d" % len(cases))
    bad = 0
    for i, (call, how, more) in enumerate(cases, 1):
        what = "%s %s%s" % (call, how, " (lazy_expunge)" if more else "")
        try:
            n = points(call, how, **more)
            assert n, "no such call was made: nothing was tried"
            print("ok %d - %s at %d points" % (i, what, n))
        except Exception as e:
            bad += 1
            print("not ok %d - %s" % (i, what))
            for line in ("%s: %s" % (type(e).__name__, e)).splitlines()[:20]:
                print("# " + line[:1500])
        sys.stdout.flush()
    shutil.rmtree(ROOT, ignore_errors=True)
    return 1 if bad else 0


sys.exit(main())
