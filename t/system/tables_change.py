#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""tables_change.py - no postmap needed: a changed text is built and used by itself, a bad one keeps the old table, no session is lost"""
import os, smtplib, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
port = free_port()
MASTER = f"""127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
local unix - n n - - local
"""


def session():
    s = smtplib.SMTP("127.0.0.1", port, timeout=20)
    s.ehlo("client.example")
    s.mail("a@client.example")
    return s


def ask(s, rcpt):
    code, text = s.rcpt(rcpt)
    return f"{code} {text.decode()}"


def answer(rcpt):
    with session() as s:
        return ask(s, rcpt)


with Instance(main="", master="") as i:
    access, virtual, aliases = (f"{i.dir}/etc/{name}" for name in ("access", "virtual", "aliases"))

    def write(path, text, replace=False):
        with open(path + ".new" if replace else path, "w") as f:
            f.write(text)
        if replace:
            os.rename(path + ".new", path)

    write(access, "one@example.net REJECT first\n")
    write(virtual, "v@example.net root\n")
    write(aliases, "known: /dev/null\n")
    i.configure(f"""mydestination = example.net
local_recipient_maps = hash:{access} $alias_maps
alias_maps = hash:{aliases}
virtual_alias_maps = hash:{virtual}
smtpd_recipient_restrictions = check_recipient_access hash:{access}, reject_unauth_destination
""", MASTER)
    r = i.start()
    t.ok(r.returncode == 0, "start", r)
    t.ok("554 5.7.1" in answer("one@example.net") and "first" in answer("one@example.net"), "the table as it was at start")

    old = session()
    write(access, "one@example.net REJECT second\n", replace=True)
    t.ok(wait_for(lambda: "second" in answer("one@example.net")), "a new text (renamed into place) is used", answer("one@example.net"))
    t.ok(old.noop()[0] == 250, "the session that was open lives")
    t.ok(ask(old, "one@example.net").startswith("554"), "and is answered")
    old.close()

    write(access, "one@example.net OK\nbroken\n")
    t.ok(wait_for(lambda: "access, line 2" in i.log()), "a bad line is named with file and line", i.log()[-2000:])
    t.ok("second" in answer("one@example.net"), "and the old table stays", answer("one@example.net"))
    n = i.log().count("access, line 2")
    write(access, "one@example.net OK\n")
    t.ok(wait_for(lambda: answer("one@example.net").startswith("250")), "a good one is used again", answer("one@example.net"))
    t.ok(i.log().count("access, line 2") == n, "the bad one was told once")

    t.ok(answer("fresh@example.net").startswith("550"), "an unknown recipient")
    write(virtual, "v@example.net root\nfresh@example.net root\n")
    t.ok(wait_for(lambda: answer("fresh@example.net").startswith("250")), "virtual aliases (asked of rewrite) change too", answer("fresh@example.net"))
    write(aliases, "known: /dev/null\nnewone: /dev/null\n")
    t.ok(wait_for(lambda: answer("newone@example.net").startswith("250")), "and so do aliases, without newaliases", answer("newone@example.net"))
    t.ok(i.run("stop").returncode == 0, "stop")
t.end()
