#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""disk_full.py - the queue's file system is full: mail is refused for now, none is lost, and it goes on by itself

The queue lies on a small tmpfs in a mount namespace of this test (as root, or
where user namespaces let one mount); where that cannot be, it is skipped.
"""
import ctypes, os, re, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sink import Sink
from whole import *

CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_PRIVATE = 0x20000, 0x10000000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)
t = Tap()


def call(what, result):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def own_mounts():
    uid, gid = os.getuid(), os.getgid()
    call("unshare", libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if uid else 0)))
    if uid:   # ourselves, so that the programs see an ordinary user; the capabilities to mount stay until exec
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
    call("mount --make-rprivate", libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def mount(path, options):
    os.makedirs(path, exist_ok=True)
    call("mount", libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, options.encode()))


def header(name):
    return f"From: a@example.org\r\nTo: b@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n\r\n".encode()


def send(w, name, to, size=200):
    try:
        c = Smtp(w.ports["smtp"])
        a = c.send("alice@example.net", [to], header(name) + (b"x" * 70 + b"\r\n") * (size // 72))
        c.quit()
        return a
    except OSError as e:
        return f"000 {e}"


def fill(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for size in (65536, 4096, 512, 1):
        try:
            while os.write(fd, b"\0" * size) == size:
                pass
        except OSError:
            pass
    os.close(fd)


def subjects(texts):
    return sorted(re.search(rb"Subject: (\S+)", x)[1].decode() for x in texts)


def boxes(w):
    return subjects(open(p, "rb").read() for p in w.box())


def full_queue(w):
    ballast = f"{w.dir}/queue/ballast"
    late = [f"late{k}" for k in range(5)]
    for name in late:
        t.ok(send(w, name, "x@late.example").startswith("250"), f"{name} is taken, and cannot be delivered yet")
    wait_for(lambda: w.log().count("status=deferred") >= 5)
    fill(ballast)
    a = send(w, "refused", "alice@example.net")
    t.ok(a.startswith("452 4.3.1"), "full: 452 4.3.1", a)
    p = w.command("sendmail", "-i", "-f", "alice@example.net", "alice@example.net", input=header("sendmail").replace(b"\r\n", b"\n"))
    t.ok(p.returncode == 75 or p.returncode == 71, "sendmail fails for now, and says so", p)
    w.command("postqueue", "-f")   # tries are made and written down, or not, on a full disk
    before = w.log().count("status=deferred")
    t.ok(wait_for(lambda: w.log().count("status=deferred") > before + 5), "what is queued is tried on", w.log()[-1500:])
    global come
    come = True
    t.ok(wait_for(lambda: len(sink.messages) == 5, 30), "and delivered while the disk is full", w.log()[-2000:])
    os.unlink(ballast)
    t.ok(wait_for(lambda: send(w, "after", "alice@example.net").startswith("250"), 30), "room again: mail is taken, without a hand")
    t.ok(wait_for(w.queue_is_empty, 40), "the queue drains", w.log()[-2000:])
    t.ok(subjects(m.content for m in sink.messages) == late, "what was taken was delivered once", subjects(m.content for m in sink.messages))
    t.ok(boxes(w) == ["after"], "what was refused was not", boxes(w))


def filling_up(w):
    """20 senders until nothing fits any more: whoever got 250 is delivered."""
    global come
    come = False
    acked, answers = [], set()

    def one(k):
        for n in range(40):
            name = f"f{k}.{n}"
            a = send(w, name, "x@late.example" if n % 2 else "alice@example.net", 60000)
            answers.add(a[:9])
            if a.startswith("250"):
                acked.append((name, n % 2))
            elif n > 20:
                return
    senders = [threading.Thread(target=one, args=(k,)) for k in range(10)]
    for x in senders:
        x.start()
    for x in senders:
        x.join(60)
    t.ok(any(a.startswith("452") for a in answers) and not any(a[0] == "5" for a in answers), f"filled up by mail: {sorted(answers)}")
    come = True
    t.ok(wait_for(w.queue_is_empty, 60), "delivery makes room: the queue drains", w.log()[-2000:])
    got = boxes(w) + subjects(m.content for m in sink.messages)
    lost = [n for n, _ in acked if n not in got]
    twice = [n for n in set(got) if got.count(n) > 1]
    t.ok(not lost and not twice, f"each of {len(acked)} that was taken is delivered once", lost[:10], twice[:10])
    t.ok(not glob.glob(f"{w.dir}/queue/corrupt/*"), "nothing in corrupt/")
    t.ok(not glob.glob(f"{w.dir}/queue/incoming/*.part"), "and no unfinished file is left", glob.glob(f"{w.dir}/queue/incoming/*"))


def full_mailbox(w):
    box = f"{w.dir}/mail/full"
    fill(f"{box}/ballast")
    t.ok(send(w, "box", "full@example.net", 20000).startswith("250"), "the mailbox's disk is full: mail is taken")
    t.ok(wait_for(lambda: re.search(r"to=<full@example.net>.*dsn=4.2.2, status=deferred", w.log())), "and deferred with 4.2.2", w.log()[-1500:])
    os.unlink(f"{box}/ballast")
    t.ok(wait_for(lambda: len(w.box("full")) == 1, 30), "room again: delivered", w.log()[-1500:])
    t.ok(not glob.glob(f"{box}/Maildir/tmp/*"), "tmp/ is clean")


come = False
try:
    own_mounts()
except OSError as e:
    print(f"1..0 # SKIP no mounting here ({e})")
    sys.exit(0)
with Sink(lambda verb, argument: "451 4.2.0 come again" if verb == "RCPT" and not come else None) as sink:
    with Whole(sink.port, users=("alice", "full"), main="queue_minfree = 0\nnotify_classes =\nmessage_size_limit = 100000\n") as w:
        try:
            mount(f"{w.dir}/queue", "size=6m,mode=755")
            mount(f"{w.dir}/mail/full", "size=1m,mode=1777")
        except OSError as e:
            print(f"1..0 # SKIP no mounting here ({e})")
            sys.exit(0)
        w.start_or_end(t)
        full_queue(w)
        filling_up(w)
        full_mailbox(w)
        t.ok("killed by signal" not in w.log() and "panic" not in w.log(), "no program ended by its own fault", w.log()[-2000:])
        w.run("stop")
        libc.umount2(f"{w.dir}/queue".encode(), 2)
        libc.umount2(f"{w.dir}/mail/full".encode(), 2)
t.end()
