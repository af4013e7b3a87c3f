#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_kept.py - the child of the last delivery is kept for the next to the same Maildir, and to no other

It keeps the uid and the sandbox that it has; a list, a script or another directory that comes meanwhile is seen;
one that ran a script is never kept; whoever dies, no message is lost.
"""
import array, fcntl, glob, os, shutil, signal, sys, termios
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *
from instance import alive, children_of, freeze, is_sanitized, wait_for

t = Tap()
UID = 5005 if ROOT else os.getuid()
OTHER = 5006 if ROOT else UID
MAIN = f"""virtual_mailbox_base = $DIR/vmail
virtual_mailbox_maps = texthash:$DIR/vmailbox
virtual_uid_maps = texthash:$DIR/uids
virtual_gid_maps = static:{UID if ROOT else os.getgid()}
virtual_minimum_uid = 1
"""
TABLES = {"vmailbox": "a@v.example a/\nalso-a@v.example a/\nb@v.example b/\nother@v.example a/\n",
          "uids": f"a@v.example {UID}\nalso-a@v.example {UID}\nb@v.example {UID}\nother@v.example {OTHER}\n"}
serial = 0


class Session:
    """One connection of the queue manager's to an agent, and the child that its process keeps."""

    def __init__(self, site, name):
        self.site = site
        before = set(children_of(site.programs[name][0].pid))
        self.sock = site.connect(name)
        self.pid = wait_for(lambda: set(children_of(site.programs[name][0].pid)) - before).pop()

    def one(self, recipient, content=b"Subject: x\r\n\r\nhello\r\n", **more):
        global serial
        serial += 1
        more.setdefault("queue_id", f"4Xk{serial}")
        self.site.send(self.sock, [recipient], content, **more)
        return self.site.answers(self.sock)[0]

    def kept(self):
        """The child's pid, 0 where none is kept: one that is not was waited for before the answer came."""
        found = children_of(self.pid)
        assert len(found) < 2, found
        return found[0] if found else 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


INPUT_FD = 3                                 # local/worker.c


def is_fed(child):
    """Content waits in its pipe: the session has asked it, and said so before."""
    with open(f"/proc/{child}/fd/{INPUT_FD}", "rb") as pipe:
        waiting = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0] > 0


def new(path):
    return len(glob.glob(f"{path}/new/*"))


with Site(MAIN, tables=TABLES) as s:
    for d in ("vmail", "vmail/a", "vmail/b"):
        os.mkdir(f"{s.dir}/{d}")
        os.chown(f"{s.dir}/{d}", UID, UID if ROOT else os.getgid())
    os.chmod(f"{s.dir}/vmail/a", 0o770)
    s.start("local/virtual", "virtual")
    a, b = f"{s.dir}/vmail/a", f"{s.dir}/vmail/b"
    with Session(s, "virtual") as c:
        t.same(c.one("a@v.example")[:2], ("sent", "2.0.0"), "a first message")
        first = c.kept()
        t.ok(first, "its child stays")
        told = status(first)
        t.same([told["Uid"].split(), told["NoNewPrivs"], told["Seccomp"]], [[str(UID)] * 4, "1", "0" if is_sanitized() else "2"],       # no seccomp under a sanitizer
               "with the owner's uid and its sandbox")
        t.same(c.one("a@v.example", b"Subject: y\r\n\r\n" + b"a line of text\r\n" * 20000), ("sent", "2.0.0", "delivered to maildir"), "a second, longer than a pipe")
        t.same((c.kept(), new(a)), (first, 2), "is delivered by the same child")
        t.same((c.one("also-a@v.example")[0], c.kept()), ("sent", first), "another address of that mailbox, too")
        t.ok(any(b"Delivered-To: also-a@v.example\n" in open(f, "rb").read() for f in glob.glob(f"{a}/new/*")), "with its own headers")
        t.same((c.one("a@v.example", queue_id="4Xk1"), new(a), c.kept()), (("sent", "2.0.0", "delivered to maildir, possible duplicate"), 3, first),
               "what was delivered already is known")
        t.same(c.one("a@v.example", b"Delivered-To: a@v.example\r\n\r\nx\r\n")[:2], ("bounced", "5.4.6"), "a loop is found")
        t.same((c.kept(), alive(first)), (0, False), "what is not delivered ends the child")
        c.one("a@v.example")
        first = c.kept()
        t.same((c.one("b@v.example")[0], new(b)), ("sent", 1), "another's mailbox")
        t.ok(c.kept() not in (0, first), "has another child")
        second = c.kept()
        t.same(c.one("other@v.example")[0], "sent", "the same mailbox as another uid")
        t.same((status(c.kept())["Uid"].split()[0], c.kept() != second), (str(OTHER), True), "has another child, of that uid")

        c.one("a@v.example")
        first, before = c.kept(), new(a)
        os.rename(a, f"{a}.moved")
        shutil.copytree(f"{a}.moved", a)
        for d, _, files in os.walk(a):
            for one in [d] + [f"{d}/{f}" for f in files]:
                os.chown(one, UID, UID if ROOT else os.getgid())
        t.same((c.one("a@v.example")[0], new(a), new(f"{a}.moved")), ("sent", before + 1, before), "a Maildir that was exchanged: into the new one")
        t.ok(c.kept() not in (0, first), "by another child")

        idle = c.kept()
        assert idle                          # 0 would be ourselves and all who started us
        os.kill(idle, signal.SIGKILL)
        wait_for(lambda: not alive(idle))
        t.same((c.one("a@v.example")[0], new(a)), ("sent", before + 2), "an idle child that was killed costs nothing")
        asked = c.kept()
        t.ok(asked not in (0, idle), "and another stays")
        freeze(asked)
        s.send(c.sock, ["a@v.example"], b"Subject: z\r\n\r\n" + b"a line of text\r\n" * 20000, queue_id="4Xkstop")
        t.ok(wait_for(lambda: is_fed(asked)), "that is asked, and has not read of it")
        os.kill(asked, signal.SIGKILL)
        t.same((s.answers(c.sock)[0][0], new(a)), ("sent", before + 3), "costs nothing when it is killed, either")
        last = c.kept()
        t.ok(last not in (0, asked) and alive(last), "a third stays")
    t.ok(wait_for(lambda: not alive(last) and not alive(c.pid)), "it ends with its session")

    # a script
    with Session(s, "virtual") as c:
        c.one("a@v.example")
        first = c.kept()
        with open(f"{a}/.dovecot.sieve", "w") as f:
            f.write('require ["fileinto", "mailbox"];\nfileinto :create "Filed";\n')
        t.same((c.one("a@v.example")[0], new(f"{a}/.Filed")), ("sent", 1), "a script that came meanwhile is run")
        t.same(c.kept(), 0, "and its child does not stay")
        t.same((c.one("a@v.example")[0], new(f"{a}/.Filed"), c.kept()), ("sent", 2, 0), "nor the next")
        os.unlink(f"{a}/.dovecot.sieve")
        t.same((c.one("a@v.example")[0], new(f"{a}/.Filed")), ("sent", 2), "a script that went is not run")
        t.ok(c.kept(), "and children stay again")
    s.stop("virtual")
    with open(f"{s.dir}/main.cf", "a") as f:
        f.write(f"sieve = file:{s.dir}/sieve/%n;active={s.dir}/sieve/%n.active\nsieve_after = {s.dir}/after.sieve\n")
    os.mkdir(f"{s.dir}/sieve")
    s.start("local/virtual", "virtual")
    with Session(s, "virtual") as c:
        c.one("a@v.example")
        first, filed = c.kept(), new(f"{a}/.Filed")
        with open(f"{s.dir}/sieve/also-a.active", "w") as f:
            f.write('require "fileinto";\nfileinto "Filed";\n')
        t.same((bool(first), c.one("a@v.example")[0], c.kept()), (True, "sent", first), "another's script is no matter")
        t.same((c.one("also-a@v.example")[0], new(f"{a}/.Filed")), ("sent", filed + 1), "his own is, though he has the same mailbox")
        c.one("a@v.example")
        with open(f"{s.dir}/after.sieve", "w") as f:
            f.write('require "fileinto";\nfileinto "Filed";\n')
        t.same((bool(c.kept()), c.one("a@v.example")[0], new(f"{a}/.Filed")), (True, "sent", filed + 2), "so is one of the site's")
    os.unlink(f"{s.dir}/after.sieve")

with Site("home_mailbox = Maildir/\nforward_path = $home/.forward\n", {"alice": 5001, "bob": 5002}) as s:
    s.start("local/local", "local")
    with Session(s, "local") as c:
        t.same(c.one("alice@example.com")[0], "sent", "local: a first message")
        first = c.kept()
        t.same((bool(first), c.one("alice@example.com")[0], c.kept(), new(s.home("alice", "Maildir"))), (True, "sent", first, 2), "a second, by the same child")
        s.write("alice", ".forward", s.home("alice", "forwarded") + "\n")
        t.same((c.one("alice@example.com")[0], new(s.home("alice", "Maildir"))), ("sent", 2), "a .forward that came meanwhile")
        t.ok(b"hello" in open(s.home("alice", "forwarded"), "rb").read(), "is followed")
        os.unlink(s.home("alice", ".forward"))
        t.same((c.one("alice@example.com")[0], new(s.home("alice", "Maildir"))), ("sent", 3), "and one that went is not")
        t.same((c.one("bob@example.com")[0], new(s.home("bob", "Maildir"))), ("sent", 1), "another user's mail is his")
        if ROOT:
            t.same(status(c.kept())["Uid"].split()[0], "5002", "and his child's")

with Site("home_mailbox = Maildir/\nmail_attachment_detection_options = add-flags\n", {"alice": 5001}) as s:
    s.start("local/local", "local")
    with Session(s, "local") as c:
        t.same((c.one("alice@example.com")[0], c.kept(), len(glob.glob(s.home("alice", "Maildir/cur/*")))), ("sent", 0, 1), "one that parsed a message's MIME does not stay")
t.end()
