#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""neighbours_milter.py - python-milter (and the libmilter below it), unmodified: it refuses, changes headers and body, adds and
removes recipients, quarantines; and it goes away"""
import glob, os, pwd, re, smtplib, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

python = next((p for p in ("/usr/bin/python3", sys.executable) if subprocess.run([p, "-c", "import Milter"], capture_output=True).returncode == 0), None)
if not python:
    print("1..0 # SKIP python3-milter is not installed")
    sys.exit(0)
t = Tap()
port, milter = free_port(), free_port()
who = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
PROGRAM = r'''
import sys, Milter
class Ours(Milter.Base):
    @Milter.noreply
    def header(self, name, value):
        self.names = getattr(self, "names", []) + [name]
        return Milter.CONTINUE
    def hello(self, name):
        self.helo = name
        return Milter.CONTINUE
    def envfrom(self, sender, *more):
        self.names, self.subject = [], ""
        if sender == "<bad@example.org>":
            self.setreply("554", "5.7.1", "not", "you")
            return Milter.REJECT
        return Milter.CONTINUE
    def envrcpt(self, to, *more):
        self.to = to
        if to.startswith("<later@"):
            return Milter.TEMPFAIL
        return Milter.CONTINUE
    def body(self, chunk):
        return Milter.CONTINUE
    def eom(self):
        self.addheader("X-Milter", "i=%s names=%d helo=%s" % (self.getsymval("i"), len(self.names), self.helo))
        self.chgheader("Subject", 1, "changed")
        if self.to == "<hold@example.net>":
            self.quarantine("looks odd")
        if self.to == "<body@example.net>":
            self.replacebody(b"another body\r\n")
            self.addrcpt("<u@example.net>")
            self.delrcpt("<body@example.net>")
            self.chgfrom("<new@example.org>")
        return Milter.ACCEPT
Milter.factory = Ours
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.DELRCPT | Milter.QUARANTINE | Milter.CHGFROM)
Milter.runmilter("ours", sys.argv[1], 60)
'''

with Instance() as i:
    with open(i.dir + "/ours.py", "w") as f:
        f.write(PROGRAM)
    os.mkdir(i.dir + "/boxes")
    os.chmod(i.dir + "/boxes", 0o777)
    p = subprocess.Popen([python, i.dir + "/ours.py", f"inet:{milter}@127.0.0.1"], stdout=open(i.dir + "/out", "w"), stderr=subprocess.STDOUT)
    try:
        i.configure(f"""mydestination =
virtual_mailbox_domains = example.net
virtual_mailbox_maps = inline:{{u@example.net=u/, body@example.net=b/, hold@example.net=h/, later@example.net=l/}}
virtual_mailbox_base = {i.dir}/boxes
virtual_uid_maps = static:{who.pw_uid}
virtual_gid_maps = static:{who.pw_gid}
virtual_minimum_uid = 1
smtpd_milters = inet:127.0.0.1:{milter}
milter_default_action = tempfail
smtpd_peername_lookup = no
""", f"""127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
virtual unix - n n - - virtual
""")
        t.ok(i.start().returncode == 0, "start", i.log())

        def is_up():
            try:
                socket.create_connection(("127.0.0.1", milter)).close()
                return True
            except OSError:
                return False

        def send(sender, to):
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
                c.ehlo("client.example.org")
                code, text = c.docmd(f"MAIL FROM:<{sender}>")
                if code == 250:
                    code, text = c.docmd(f"RCPT TO:<{to}>")
                if code == 250:
                    code, text = c.data("From: a@example.org\r\nSubject: first\r\n\r\nhello\r\n")
                return code, text

        def mails(box):
            return [open(f).read() for f in glob.glob(f"{i.dir}/boxes/{box}/new/*")]
        if not wait_for(is_up):
            t.ok(False, "python-milter listens", open(i.dir + "/out").read())
            t.end()
        code, text = send("s@example.org", "u@example.net")
        got = wait_for(lambda: mails("u"))
        queue_id = re.search(r"queued as (\S+)", text.decode())
        t.ok(got and queue_id and f"\nX-Milter: i={queue_id.group(1)} names=4 helo=client.example.org\n" in got[0] and "\nSubject: changed\n" in got[0] and "first" not in got[0],
             "headers (with those that were missing) and macros", code, text, got, i.log())
        t.ok(send("bad@example.org", "u@example.net") == (554, b"5.7.1 not\n5.7.1 you"), "its reply is the client's", i.log()[-1500:])
        t.ok(send("s@example.org", "later@example.net")[0] == 451, "TEMPFAIL of a recipient", i.log()[-1500:])
        t.ok(send("s@example.org", "body@example.net")[0] == 250 and wait_for(lambda: len(mails("u")) == 2), "a recipient is added", i.log()[-1500:])
        other = next((m for m in mails("u") if "another body" in m), "")
        t.ok("hello" not in other and "Return-Path: <new@example.org>" in other and not mails("b"), "the body is replaced, a recipient removed, the sender changed", other, i.log()[-1500:])
        t.ok(send("s@example.org", "hold@example.net")[0] == 250 and wait_for(lambda: glob.glob(i.dir + "/queue/hold/**/*", recursive=True)) and "milter triggers HOLD action" in i.log(),
             "quarantine is the hold queue", i.log()[-1500:])
        p.kill()
        p.wait()
        code, text = send("s@example.org", "u@example.net")
        t.ok(code == 451, "the milter is away: milter_default_action", code, text, i.log()[-1500:])
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
t.end()
