#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_hostile.py - homes that lie, mailboxes that are not, locks, and a racer (SECURITY.md, rows 8 and 27)"""
import fcntl, glob, os, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
MESSAGE = b"Subject: hi\r\n\r\nsecret\r\n"
USERS = {"mallory": 5001, "victim": 5002}
n = 0


def send(s, to="mallory@example.com", **more):
    global n
    n += 1
    return s.one("local", to, MESSAGE, queue_id=f"4XyZhos{n:05d}", **more)


def everything(path):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(path) for f in files)


with Site("home_mailbox = Maildir/\n", USERS) as s:
    s.start("local/local", "local")
    home, victim = s.home("mallory").rstrip("/"), s.home("victim").rstrip("/")
    uid = os.stat(home).st_uid
    own = lambda p: os.chown(p, uid, os.stat(home).st_gid, follow_symlinks=False)
    for d in ("Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"):
        os.mkdir(f"{victim}/{d}", 0o700)
        os.chown(f"{victim}/{d}", os.stat(victim).st_uid, os.stat(victim).st_gid)
    os.mkdir(f"{s.dir}/outside", 0o777)
    os.chmod(f"{s.dir}/outside", 0o777)

    if ROOT:
        os.symlink(f"{victim}/Maildir", f"{home}/Maildir")
        t.same(send(s)[0], "deferred", "a Maildir that is a link to another's")
        t.same(everything(victim), [], "leaves that one alone")
        os.unlink(f"{home}/Maildir")
    t.same(send(s)[0], "sent", "a good Maildir first")
    for part in ("new", "tmp", "cur"):
        os.rename(f"{home}/Maildir/{part}", f"{home}/{part}.saved")
        os.symlink(f"{s.dir}/outside", f"{home}/Maildir/{part}")
        got = send(s)
        t.same((got[0], everything(f"{s.dir}/outside")), ("deferred", []), f"{part} that is a link elsewhere")
        os.unlink(f"{home}/Maildir/{part}")
        os.mkfifo(f"{home}/Maildir/{part}")
        t.same(send(s)[0], "deferred", f"{part} that is a FIFO")
        os.unlink(f"{home}/Maildir/{part}")
        with open(f"{home}/Maildir/{part}", "w"):
            pass
        t.same(send(s)[0], "deferred", f"{part} that is a file")
        os.unlink(f"{home}/Maildir/{part}")
        os.rename(f"{home}/{part}.saved", f"{home}/Maildir/{part}")
    t.same(send(s)[0], "sent", "and good again")
    if ROOT:
        os.rename(home, home + ".away")
        t.same(send(s)[0], "deferred", "no home")
        os.rename(home + ".away", home)
        os.chmod(home, 0)
        t.same(send(s)[0], "deferred", "a home that its owner may not enter")
        os.chmod(home, 0o755)
        with open(f"{home}/.forward", "w") as f:
            f.write("victim\n")
        os.chown(f"{home}/.forward", 5002, 5002)
        t.same(send(s)[2], "delivered to maildir", "another's .forward")
        os.unlink(f"{home}/.forward")
    os.mkdir(f"{home}/.forward")
    t.same(send(s)[2], "delivered to maildir", "a .forward that is a directory")
    os.rmdir(f"{home}/.forward")
    s.write("mallory", ".forward", "x@y.example, " * 200000)
    t.same(send(s)[0], "deferred", "a .forward of megabytes")
    s.write("mallory", ".forward", "\0\1\2\"((((<<<,,,|\n" * 1000)
    t.ok(send(s)[0] in ("sent", "bounced"), "a .forward of nonsense")
    os.unlink(f"{home}/.forward")

    # a racer swaps new/ with a link to another place while mail comes in
    a, b = f"{home}/Maildir/new", f"{home}/Maildir/new2"
    racer = os.fork()
    if racer == 0:
        if ROOT:
            os.setgroups([])
            os.setgid(5001)
            os.setuid(5001)
        while True:
            try:
                os.rename(a, b)
                os.symlink(f"{s.dir}/outside", a)
                os.unlink(a)
                os.rename(b, a)
            except OSError:
                pass
    got = [send(s) for _ in range(60)]
    os.kill(racer, signal.SIGKILL)
    os.waitpid(racer, 0)
    t.same(everything(f"{s.dir}/outside"), [], "a racer never leads mail elsewhere")
    t.ok({g[0] for g in got} <= {"sent", "deferred"}, "each try is sent or waits", {g for g in got})
    for name in ("new", "new2"):
        if os.path.islink(f"{home}/Maildir/{name}"):
            os.unlink(f"{home}/Maildir/{name}")

with Site("deliver_lock_attempts = 2\nstale_lock_time = 100s\n", USERS) as s:
    s.start("local/local", "local")
    box, uid = f"{s.dir}/spool/mallory", os.stat(s.home("mallory")).st_uid
    with open(f"{s.dir}/precious", "w") as f:
        f.write("precious")
    os.chmod(f"{s.dir}/precious", 0o666)
    os.symlink(f"{s.dir}/precious", box)
    t.same((send(s)[0], open(f"{s.dir}/precious").read()), ("deferred", "precious"), "an mbox that is a link")
    os.unlink(box)
    os.link(f"{s.dir}/precious", box)
    t.same((send(s)[0], open(f"{s.dir}/precious").read()), ("deferred", "precious"), "an mbox with two names")
    os.unlink(box)
    os.mkfifo(box)
    os.chown(box, uid, -1)
    t.same(send(s)[0], "deferred", "an mbox that is a FIFO")
    os.unlink(box)
    os.mkdir(box)
    t.same(send(s)[0], "deferred", "an mbox that is a directory")
    os.rmdir(box)
    if ROOT:
        with open(box, "w"):
            pass
        os.chown(box, 5002, 5002)
        os.chmod(box, 0o666)
        t.same((send(s)[0], os.path.getsize(box)), ("deferred", 0), "an mbox of somebody else's")
        os.unlink(box)
    t.same(send(s)[0], "sent", "a good mbox")
    size = os.path.getsize(box)
    with open(f"{box}.lock", "w"):
        pass
    os.chown(f"{box}.lock", uid, -1)
    t.same((send(s)[0], os.path.getsize(box)), ("deferred", size), "a dot lock that is held")
    os.utime(f"{box}.lock", (1, 1))
    t.same((send(s)[0], os.path.exists(f"{box}.lock")), ("sent", False), "a stale one is removed")
    size = os.path.getsize(box)
    with open(box, "r+") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        t.same((send(s)[0], os.path.getsize(box)), ("deferred", size), "an fcntl lock that is held")
    t.same(send(s)[0], "sent", "and free again")
    s.stop("local")
    s.start("local/local", "local", options=["mailbox_size_limit=400"])
    size = os.path.getsize(box)
    t.same((send(s)[:2], os.path.getsize(box)), (("bounced", "5.2.2"), size), "mailbox_size_limit")
    # ten at once: all there, none torn
    s.stop("local")
    s.start("local/local", "local", options=["deliver_lock_attempts=20"])
    os.unlink(box)
    results = []
    def one(i):
        results.append(s_one(i))
    def s_one(i):
        with s.connect("local") as c:
            lock.acquire()
            s.send(c, ["mallory@example.com"], b"Subject: m%d\r\n\r\n%s\r\n" % (i, b"x" * 70000), queue_id=f"4Par{i}")
            lock.release()
            return s.answers(c)[0][0]
    lock = threading.Lock()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(5)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    data = open(box, "rb").read()
    t.same((results, len(re.findall(rb"(?m)^From sender@elsewhere", data)), len(re.findall(rb"(?m)^x{70000}$", data))), (["sent"] * 5, 5, 5), "five at once")
    if ROOT:      # a spool that only its group may write
        s.stop("local")
        os.makedirs(f"{s.dir}/spool2")
        os.chown(f"{s.dir}/spool2", 0, 8)
        os.chmod(f"{s.dir}/spool2", 0o2775)
        s.start("local/local", "local", options=["mail_spool_directory=$DIR/spool2"])
        t.same((send(s)[0], os.stat(f"{s.dir}/spool2/mallory").st_uid), ("sent", 5001), "a spool directory of group mail")
t.end()
