#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_crash.py - local dies or its disk fails at every system call of a Maildir delivery

After each the same delivery is tried again until it is sent.  Then exactly one
whole message must be in new/, however far the first try came.  That the fault was met is read
from strace's trace; the first number of a call that is not met is the end of them.
"""
import collections, glob, os, re, shutil, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from agents import *
from instance import attach, children_of, descendants, wait_for


def may_attach():
    sleeper = subprocess.Popen(["sleep", "60"])
    tracer = attach(sleeper.pid, "-o", "/dev/null")
    sleeper.kill()
    sleeper.wait()
    return tracer is not None and tracer.wait(30) is not None


t = Tap()
if not may_attach():
    print("1..0 # SKIP no strace that may attach to a process")
    sys.exit(0)
MESSAGE = b"Subject: hi\r\n\r\n" + b"a line of text\r\n" * 3000
# A call, and how often at least it is made by one of the processes that a delivery takes.
POINTS = [("openat2", 8), ("write", 1), ("fsync", 3), ("renameat2", 1), ("sendmsg", 1), ("fork,clone,clone3", 1)]
POINTS += [("setresuid", 1), ("setresgid", 1)] if ROOT else []
ERRORS = [("fsync", "EIO", 3), ("fsync", "ENOSPC", 3), ("write", "ENOSPC", 1), ("renameat2", "ENOSPC", 1), ("renameat2", "EIO", 1), ("openat2", "EMFILE", 8), ("openat2", "ENOSPC", 8)]
MOST = 40


def error(name):
    """Instead of the call another is made that the sandbox allows: it would take none for a forbidden one."""
    return f"error={name}:syscall=getpid"


class Fault:
    """A process, and those that it makes, meet it at the n-th call of a kind."""

    def __init__(self, s, pid, calls, what, n):
        self.path, self.n, self.kills = f"{s.dir}/trace", n, "KILL" in what
        self.tracer = attach(pid, "-o", self.path, "-e", f"trace={calls}", "-e", f"inject={calls}:{what}:when={n}")

    def trace(self):
        with open(self.path) as f:
            return f.read()

    def is_met(self):
        """Once the tracer has ended: one was killed in that call, whose end nobody has seen, or got the error."""
        if not self.kills:
            return "(INJECTED)" in self.trace()
        made, open_call = collections.Counter(), {}
        for pid, rest in re.findall(r"^(\d+) +(.*)$", self.trace(), re.M):
            if rest == "+++ killed by SIGKILL +++" and made[pid] == self.n and open_call[pid]:
                return True
            if re.match(r"\w+\(", rest):
                made[pid] += 1
                open_call[pid] = rest.endswith(("= ?", "<unfinished ...>"))
            elif "resumed>" in rest:
                open_call[pid] = rest.endswith("= ?")
        return False


def stop(s):
    below = descendants(s.programs["local"][0].pid)
    s.stop("local")
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def check(s, calls, what, n):
    """One delivery with that fault, and one without: whether the fault was met."""
    fault = Fault(s, s.start("local/local", "local").pid, calls, what, n)
    try:
        with s.connect("local") as c:
            c.settimeout(30)
            s.send(c, ["alice@example.com"], MESSAGE)
            got = s.answers(c).get(0)
    except OSError:
        got = ("gone", "", "")
    stop(s)
    fault.tracer.wait(30)
    files = glob.glob(s.home("alice", "Maildir/new/*"))
    torn = [f for f in files if len(open(f, "rb").read().splitlines()) != 3004]
    early, met = len(files), fault.is_met()
    s.start("local/local", "local")
    again = s.one("local", "alice@example.com", MESSAGE)
    stop(s)
    files = glob.glob(s.home("alice", "Maildir/new/*"))
    good = again[0] == "sent" and len(files) == 1 and not torn and (got[0] != "sent" or early == 1) and "signal 31" not in got[2]
    if met and (fault.kills or calls != "openat2"):      # a directory that is not there yet is no trouble
        good = good and got[0] != "sent"
    t.ok(good, f"{what} at {calls} {n}: {got[0]}" if met else f"{calls} {n} is not made: {got[0]}", got, again, files, torn, fault.trace())
    if not met:
        t.same(got[0], "sent", "and without a fault it is sent")
    shutil.rmtree(s.home("alice", "Maildir"), ignore_errors=True)
    return met


def every(s, calls, what, least):
    n = 1
    while check(s, calls, what, n) and n < MOST:
        n += 1
    t.ok(least < n < MOST, f"{what}: all {n - 1} times that {calls} is called")


with Site("home_mailbox = Maildir/\n", {"alice": 5001}) as s:
    for calls, least in POINTS:
        every(s, calls, "signal=KILL", least)
    for calls, name, least in ERRORS:
        every(s, calls, error(name), least)


def kept_child(program):
    """Of the one session that there is: the child that stays, once the delivery before is over."""
    def one():
        sessions = children_of(program.pid)
        stays = [p for session in sessions for p in children_of(session)]
        return len(sessions) == 1 and len(stays) == 1 and stays[0]
    return wait_for(one)


def second(s, calls, what, n, outcomes):
    """A child that stays meets it in its second delivery."""
    program = s.start("local/local", "local")
    with s.connect("local") as c:
        c.settimeout(30)
        s.send(c, ["alice@example.com"], MESSAGE, queue_id="4XyZabc0z0")
        s.answers(c)
        child = kept_child(program)
        fault = Fault(s, child, calls, what, n)
        s.send(c, ["alice@example.com"], MESSAGE)
        got = s.answers(c)[0]
        early = len(glob.glob(s.home("alice", "Maildir/new/*")))
        s.send(c, ["alice@example.com"], MESSAGE)
        again = s.answers(c)[0][0]
    stop(s)
    fault.tracer.wait(30)
    met, files = fault.is_met(), glob.glob(s.home("alice", "Maildir/new/*"))
    torn = [f for f in files if len(open(f, "rb").read().splitlines()) != 3004]
    t.ok(again == "sent" and len(files) == 2 and not torn and met and got[0] in outcomes and (got[0] == "deferred" or early == 2) and "signal 31" not in got[2],
         f"the second, {what} at {calls} {n}: {got[0]}", got, again, met, early, files, torn, fault.trace())
    shutil.rmtree(s.home("alice", "Maildir"), ignore_errors=True)


# One that is killed before it has read of the second has done nothing: another child delivers that.
with Site("home_mailbox = Maildir/\n", {"alice": 5001}) as s:
    for calls, most in (("openat2", 3), ("write", 1), ("fsync", 2), ("renameat2", 1), ("sendmsg", 1), ("recvmsg", 1)):
        for n in range(1, most + 1):
            second(s, calls, "signal=KILL", n, ["sent"] if calls == "recvmsg" else ["deferred"])
    for calls, name, most in (("fsync", "EIO", 2), ("write", "ENOSPC", 1), ("renameat2", "EIO", 1), ("openat2", "EMFILE", 3)):
        for n in range(1, most + 1):
            second(s, calls, error(name), n, ["deferred"])
t.end()
