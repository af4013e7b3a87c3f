#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""who.py - postern who and kick: who is logged in, asleep or not, also after anvil died

Sessions of IMAP and POP3; what is listed, and what a client sees that is sent away.  TAP.
"""
import json, os, pwd, shutil, signal, socket, struct, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
tap = Tap()
base = tempfile.mkdtemp(prefix="who_")
os.chmod(base, 0o755)
os.chown(base, OWNER.pw_uid, OWNER.pw_gid)
imap, pop, one = free_port(), free_port(), free_port()
with open(f"{base}/users", "w") as f:
    for user in ("ann", "bob", "ben"):
        f.write(f"{user}:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{base}/{user}::\n")
MAIN = f"""mail_location = maildir:%h/Maildir
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
first_valid_uid = 1
imap_hibernate_timeout = 1s
"""
MASTER = f"""127.0.0.1:{imap} inet n - n - - imap-login
127.0.0.1:{pop} inet n - n - - pop3-login
127.0.0.1:{one} inet n - n - 5 imap-login -o imap_hibernate_timeout=0
"""


def rogue(i, pid=None, **changed):
    """A program of net_owner lists a session of its own making: does anvil stay with it?"""
    def frame(verb, fields):
        return verb + b"\0" + b"".join(k.encode() + b"\0" + struct.pack(">I", len(v)) + v for k, v in fields.items())
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(30)
    s.connect(f"{i.dir}/queue/private/anvil")
    s.send(frame(b"roster", {"pid": str(pid or os.getpid()).encode()}))
    entry = {"session": b"made", "service": b"imap", "user": b"boss", "peer": b"192.0.2.9", "pid": b"1"} | changed
    try:
        s.send(frame(b"join", entry))
        s.send(frame(b"who", {}))       # an answer, or the end: all before was looked at
        return s, s.recv(65536) != b""
    except (BrokenPipeError, ConnectionResetError):       # silence is neither: TimeoutError ends the test
        return s, False


class Imap:
    def __init__(self, user, port=imap):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.got = b""
        self.until(b"* OK")
        self.ask(f"a LOGIN {user} secret", b"a OK")
        self.ask("b SELECT INBOX", b"b OK")

    def until(self, what):
        while what not in self.got:
            more = self.s.recv(65536)
            if not more:
                break
            self.got += more
        return what in self.got

    def ask(self, line, what):
        self.got = b""
        self.s.sendall(line.encode() + b"\r\n")
        return self.until(what)

    def rest(self):
        self.got = b""
        try:
            self.until(b"never")
        except ConnectionError:
            pass
        return self.got


def who(i, *words):
    r = i.run("who", "-1", "-f", "json", *words)
    return sorted((x["username"], x["proto"], x["ip"], int(x["pid"])) for x in json.loads(r.stdout)) if r.returncode == 0 else r.stderr


with Instance(MAIN, MASTER) as i:
    tap.ok(i.start().returncode == 0, "start")
    tap.ok(who(i) == [], "nobody at first", who(i))
    ann, bob = Imap("ann"), Imap("bob")
    ben = Imap("ben", one)
    p = socket.create_connection(("127.0.0.1", pop), timeout=60).makefile("rw")
    p.readline()
    for line in ("USER ann\n", "PASS secret\n"):
        p.write(line)
        p.flush()
        p.readline()
    tap.ok(wait_for(lambda: len(who(i)) == 4), "four are logged in", who(i))
    now = who(i)
    tap.ok([x[:3] for x in now] == [("ann", "imap", "127.0.0.1"), ("ann", "pop3", "127.0.0.1"), ("ben", "imap", "127.0.0.1"), ("bob", "imap", "127.0.0.1")],
           "who, by what, from where", now)
    tap.ok(all(os.path.exists(f"/proc/{x[3]}") for x in now), "and with which process", now)
    tap.ok([x[0] for x in who(i, "b*")] == ["ben", "bob"] and who(i, "127.0.0.0/8") == now and who(i, "ann", "192.0.2.1") == [],
           "a mask of users, an address")
    out = i.run("who").stdout.splitlines()
    tap.ok(out[0].split() == ["username", "#", "proto", "(pids)", "(ips)"] and out[1].split()[:3] == ["ann", "1", "imap"] and
           out[1].endswith("(127.0.0.1)     ") , "doveadm's table", out)
    ann.ask("c IDLE", b"+ ")
    awake = next(x[3] for x in now if x[:2] == ("ann", "imap"))
    tap.ok(wait_for(lambda: any(x[:2] == ("ann", "imap") and x[3] in i.named("imap-login") for x in who(i))) and len(who(i)) == 4,
           "who sleeps is listed with the login program", awake, who(i))
    ann.ask("DONE", b"c OK")
    tap.ok(wait_for(lambda: any(x[:2] == ("ann", "imap") and x[3] not in i.named("imap-login") and x[3] != awake for x in who(i))),
           "who woke with the new process", who(i))
    for pid in i.named("anvil"):
        os.kill(pid, signal.SIGKILL)
    tap.ok(wait_for(lambda: isinstance(who(i), list) and len(who(i)) == 4, 30), "an anvil that died is told all again", who(i))

    r = i.run("kick", "bob")
    tap.ok(r.returncode == 0 and r.stdout == "kicked connections from the following users:\nbob \n", "kick", r.stdout, r.stderr)
    tap.ok(b"OK" not in bob.rest() and wait_for(lambda: [x[0] for x in who(i)] == ["ann", "ann", "ben"]), "he is gone", who(i))
    ann.ask("d IDLE", b"+ ")
    wait_for(lambda: any(x[:2] == ("ann", "imap") and x[3] in i.named("imap-login") for x in who(i)))
    r = i.run("kick", "a*", "127.0.0.1")
    tap.ok(r.stdout.endswith("\nann \n") and b"* BYE " in ann.rest() and
           wait_for(lambda: "Disconnected: Disconnected by the administrator" in i.log()), "who sleeps hears BYE, and the log says why", r.stdout, ann.got)
    tap.ok(p.readline() == "" and wait_for(lambda: [x[0] for x in who(i)] == ["ben"]), "POP3 as well", who(i))
    r = i.run("kick", "ben")
    tap.ok(r.returncode == 0 and ben.rest() is not None and wait_for(lambda: who(i) == []), "where a process serves one session, too", who(i))
    r = i.run("kick", "nobody")
    tap.ok(r.returncode == 68 and "no users kicked" in r.stdout, "nobody: 68", r.stdout, r.returncode)
    tap.ok("out of turn" not in i.log() and "killed by signal 11" not in i.log(), "no complaint", i.log()[-500:])
    good, stays = rogue(i)
    tap.ok(stays and [x[0] for x in who(i)] == ["boss"], "who keeps to the form is believed", who(i))
    good.close()
    tap.ok(wait_for(lambda: who(i) == []), "as long as the connection lasts", who(i))
    for name, changed in (("a NUL in a user", {"user": b"ann\0root"}), ("a line end", {"user": b"ann\nroot"}), ("a terminal's command", {"user": b"\x1b[2J"}),
                          ("no session", {"session": b""}), ("a NUL in a session", {"session": b"a\0b"}), ("no address", {"peer": b"here, there"}),
                          ("another's process", {"pid": i.named("imap-login")[0]})):
        s, stays = rogue(i, **changed) if "pid" not in changed else rogue(i, changed["pid"])
        tap.ok(not stays and who(i) == [], f"{name}: anvil hangs up", who(i))
        s.close()
    # who reads mail is not for a program of net_owner, and not for another user
    if ROOT:
        nobody = subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", sys.executable, "-c",
            f"import socket\ns=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\ns.connect('{i.dir}/queue/role/net/anvil')\n"
            "s.sendall(b'who\\0')\nprint(s.recv(9000))"], capture_output=True, text=True)
        tap.ok("session" not in nobody.stdout and "done" not in nobody.stdout, "net_owner is told nothing", nobody.stdout, nobody.stderr)
shutil.rmtree(base, ignore_errors=True)
tap.end()
