#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_crash.py - local dies or its disk fails at every system call of a Maildir delivery

After each the same delivery is tried again until it is sent.  Then exactly one
whole message must be in new/, however far the first try came.
"""
import glob, os, shutil, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from agents import *

t = Tap()
if not shutil.which("strace"):
    print("1..0 # SKIP no strace")
    sys.exit(0)
MESSAGE = b"Subject: hi\r\n\r\n" + b"a line of text\r\n" * 3000
POINTS = [("openat2", 8), ("write", 3), ("fsync", 3), ("renameat2", 1), ("sendmsg", 1), ("fork,clone,clone3", 2), ("setresuid,setresgid", 3), ("ftruncate", 1)]
ERRORS = [("fsync", "EIO", 3), ("fsync", "ENOSPC", 3), ("write", "ENOSPC", 3), ("renameat2", "ENOSPC", 1), ("renameat2", "EIO", 1), ("openat2", "EMFILE", 6), ("openat2", "ENOSPC", 6)]


def attempt(s, inject):
    """One delivery with that fault: its answer, or None when the agent went away."""
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


def check(s, inject, name):
    got = attempt(s, inject)
    files = glob.glob(s.home("alice", "Maildir/new/*"))
    torn = [f for f in files if len(open(f, "rb").read().splitlines()) != 3004]
    early = len(files)
    s.start("local/local", "local")
    again = s.one("local", "alice@example.com", MESSAGE)
    s.stop("local")
    files = glob.glob(s.home("alice", "Maildir/new/*"))
    good = again[0] == "sent" and len(files) == 1 and not torn and (got is None or got == "not started" or got[0] != "sent" or early == 1)
    t.ok(good, f"{name}: {got[0] if got and got != 'not started' else got}", got, again, files, torn)
    shutil.rmtree(s.home("alice", "Maildir"), ignore_errors=True)
    return got


with Site("home_mailbox = Maildir/\n", {"alice": 5001}) as s:
    for call, most in POINTS:
        for n in range(1, most + 1):
            check(s, f"{call}:signal=KILL:when={n}", f"killed at {call} {n}")
    for call, error, most in ERRORS:
        for n in range(1, most + 1):
            got = check(s, f"{call}:error={error}:when={n}", f"{error} from {call} {n}")


def kept_child(program):
    """Of the one session that there is: the child that stays, once the delivery before is over."""
    for _ in range(2000):
        sessions = below(program.pid)
        stays = [p for session in sessions for p in below(session)]
        if len(sessions) == 1 and len(stays) == 1:
            return stays[0]
        time.sleep(0.01)
    raise RuntimeError("no child stays")


def below(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def second(s, inject, name, outcomes):
    """A child that stays meets it in its second delivery."""
    program, trace = s.start("local/local", "local"), f"{s.dir}/trace"
    with s.connect("local") as c:
        c.settimeout(30)
        s.send(c, ["alice@example.com"], MESSAGE, queue_id="4XyZabc0z0")
        s.answers(c)
        child = kept_child(program)
        tracer = subprocess.Popen(["strace", "-qq", "-o", trace, "-e", f"trace={inject.split(':')[0]}", "-e", f"inject={inject}", "-p", str(child)],
                                  stderr=subprocess.DEVNULL)
        while "TracerPid:\t0\n" in open(f"/proc/{child}/status").read() and tracer.poll() is None:
            time.sleep(0.01)
        s.send(c, ["alice@example.com"], MESSAGE)
        got = s.answers(c)[0][0]
        early = len(glob.glob(s.home("alice", "Maildir/new/*")))
        if "KILL" in inject:           # who traces a child that was killed has nothing more to do
            try:
                tracer.wait(20)
            except subprocess.TimeoutExpired:
                pass
        met = tracer.poll() is not None
        s.send(c, ["alice@example.com"], MESSAGE)
        again = s.answers(c)[0][0]
    s.stop("local")
    tracer.wait(30)
    with open(trace) as f:
        traced = f.read()
    met = met if "KILL" in inject else "INJECTED" in traced
    files = glob.glob(s.home("alice", "Maildir/new/*"))
    torn = [f for f in files if len(open(f, "rb").read().splitlines()) != 3004]
    t.ok(again == "sent" and len(files) == 2 and not torn and met and got in outcomes and (got == "deferred" or early == 2), f"the second, {name}: {got}",
         got, again, met, early, files, torn, traced)
    shutil.rmtree(s.home("alice", "Maildir"), ignore_errors=True)


# One that is killed before it has read of the second has done nothing: another child delivers that.
with Site("home_mailbox = Maildir/\n", {"alice": 5001}) as s:
    for call, most in (("openat2", 3), ("write", 1), ("fsync", 2), ("renameat2", 1), ("sendmsg", 1), ("recvmsg", 1)):
        for n in range(1, most + 1):
            second(s, f"{call}:signal=KILL:when={n}", f"killed at {call} {n}", ["sent"] if call == "recvmsg" else ["deferred"])
    for call, error, most in (("fsync", "EIO", 2), ("write", "ENOSPC", 1), ("renameat2", "EIO", 1), ("openat2", "EMFILE", 3)):
        for n in range(1, most + 1):
            second(s, f"{call}:error={error}:when={n}", f"{error} from {call} {n}", ["deferred"])
t.end()
