#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""proxied.py - smtpd, cleanup, virtual and smtp ask proxymap for proxy: tables; killing it loses no answer and makes none wrong"""
import glob, os, pwd, signal, smtplib, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
port, other = free_port(), free_port()
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{other} inet n - n - - smtpd -o smtpd_sender_restrictions=check_sender_access,proxy:texthash:DIR/unlisted
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
smtp unix - - n - - smtp
virtual unix - n n - - virtual
"""
uid, gid = (5000, 5000) if os.getuid() == 0 else (os.getuid(), os.getgid())


def answer(command, *before, at=port):
    with smtplib.SMTP("127.0.0.1", at, timeout=60) as c:
        for b in before:
            c.docmd(b)
        return c.docmd(command)


def held(i, program, path):
    """The program holds the table's text open."""
    found = []
    for pid in i.named(program):
        for fd in glob.glob(f"/proc/{pid}/fd/*"):
            try:
                found.append(os.readlink(fd))
            except OSError:
                pass
    return path in found


with Instance() as i:
    os.mkdir(i.dir + "/boxes", 0o777)
    os.chmod(i.dir + "/boxes", 0o777)
    tables = {"access": "bad@example.com REJECT not you\n", "mailboxes": "u@example.net u/\nv@example.net v/\n", "unlisted": "x@example.com REJECT\n",
              "bcc": "a@example.com v@example.net\n"}
    for name, text in tables.items():
        with open(f"{i.dir}/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{i.dir}/{name}", 0o600)
        if os.getuid() == 0:       # what only map_owner may read
            owner = next(l.split()[-1] for l in i.main.splitlines() if l.startswith("map_owner"))
            os.chown(f"{i.dir}/{name}", pwd.getpwnam(owner).pw_uid, -1)
    i.configure(f"""mydestination =
virtual_mailbox_domains = example.net
virtual_mailbox_maps = proxy:texthash:{i.dir}/mailboxes
virtual_mailbox_base = {i.dir}/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
sender_bcc_maps = proxy:texthash:{i.dir}/bcc
smtpd_helo_required = yes
smtpd_delay_reject = no
smtpd_helo_restrictions = check_helo_access proxy:pipemap:{{unix:passwd.byname,static:REJECT}}
smtpd_sender_restrictions = check_sender_access proxy:texthash:{i.dir}/access
smtpd_peername_lookup = no
service_throttle_time = 1s
""", MASTER.replace("DIR", i.dir))
    r = i.run("check")
    t.ok(r.returncode == 0, "check", r.stderr)
    t.ok(i.start().returncode == 0, "start")
    t.ok(answer("HELO root")[0] == 554, "proxy:unix:passwd.byname has root", i.log())
    t.ok(answer("HELO no-such-user-x")[0] == 250, "and not another")
    code, text = answer("MAIL FROM:<bad@example.com>", "HELO x")
    t.ok(code == 554 and b"not you" in text, "proxy:texthash", text)
    t.ok(answer("MAIL FROM:<good@example.com>", "HELO x")[0] == 250, "and what it does not list")
    t.ok(held(i, "proxymap", f"{i.dir}/access") and not held(i, "smtpd", f"{i.dir}/access"), "proxymap has the table, smtpd has not")

    code, text = answer("MAIL FROM:<x@example.com>", "HELO x", at=other)
    t.ok(code == 451, "a table that proxy_read_maps does not list is not asked: 451", code, text)
    t.ok(wait_for(lambda: f'warning: request for unapproved table: "texthash:{i.dir}/unlisted"' in i.log()) and
         f"warning: to approve this table for read-only access, list proxy:texthash:{i.dir}/unlisted in main.cf:proxy_read_maps"
         in i.log(), "with Postfix's warning", i.log())

    with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
        c.helo("x")
        c.sendmail("a@example.com", ["u@example.net"], "Subject: one\r\n\r\nhello\r\n")
    t.ok(wait_for(lambda: len(glob.glob(f"{i.dir}/boxes/[uv]/new/*")) == 2), "cleanup (bcc) and virtual ask too", i.log())
    t.ok(not held(i, "virtual", f"{i.dir}/mailboxes") and not held(i, "cleanup", f"{i.dir}/bcc"), "and have no table themselves")

    with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
        c.docmd("HELO x")
        wrong = []
        for n in range(20):
            pid = wait_for(lambda: i.named("proxymap"))[0]
            if n % 2:       # while the question waits
                os.kill(pid, signal.SIGSTOP)
                killer = threading.Timer(0.1, os.kill, (pid, signal.SIGKILL))
                killer.start()
            else:
                killer = None
                os.kill(pid, signal.SIGKILL)
            code, text = c.docmd("MAIL FROM:<bad@example.com>" if n % 4 < 2 else "MAIL FROM:<good@example.com>")
            if code not in ((554, 451) if n % 4 < 2 else (250, 451)):
                wrong.append((n, code, text))
            c.docmd("RSET")
            if killer:
                killer.join()
            if n >= 3:
                break
        t.ok(not wrong, "proxymap killed: right answers or 451, no wrong ones", wrong, i.log())
    t.ok(wait_for(lambda: answer("MAIL FROM:<bad@example.com>", "HELO x")[0] == 554), "and it is back", i.log())

    # a table that cannot be read: mail waits
    os.rename(f"{i.dir}/access", f"{i.dir}/away")
    os.kill(wait_for(lambda: i.named("proxymap"))[0], signal.SIGKILL)
    code, text = answer("MAIL FROM:<good@example.com>", "HELO x")
    t.ok(code == 451, "its table is gone: 451", code, text, i.log()[-1500:])
    os.rename(f"{i.dir}/away", f"{i.dir}/access")
    os.kill(wait_for(lambda: i.named("proxymap"))[0], signal.SIGKILL)
    t.ok(answer("MAIL FROM:<good@example.com>", "HELO x")[0] == 250, "and is back", i.log())
t.end()
