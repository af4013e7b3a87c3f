#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sieve_own.py - local and virtual obey a user's own sieve= and quota_rule=, which authd tells of the userdb

With the real authd beside them; who is not in the userdb has the settings.  TAP.
"""
import glob, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
USERS = {"alice": 5001, "bob": 5002, "carol": 5003}
MESSAGE = b"Subject: hello\r\n\r\nline\r\n"
UID, GID = (5001, 5001) if ROOT else (os.getuid(), max(os.getgid(), 1))
serial = 0


def qid():
    global serial
    serial += 1
    return f"4Own{serial:04d}z1"


def count(path):
    return len(glob.glob(f"{path}/new/*") + glob.glob(f"{path}/cur/*"))


def line(s, user, uid, home, extra):
    return f"{user}:{{PLAIN}}x:{uid}:{uid if ROOT else GID}::{home}::{extra}\n"


with Site("auth_mechanisms = plain\nauth_passdb = passwd-file:$DIR/users\nauth_userdb = passwd-file:$DIR/users\nfirst_valid_uid = 1\n"
          "mail_location = maildir:%h/Maildir\nhome_mailbox = Maildir/\nrecipient_delimiter = +\nlda_mailbox_autocreate = yes\n"
          "quota = maildir:User quota\nquota_grace = 0\n"
          "virtual_mailbox_base = $DIR/mail\nvirtual_mailbox_maps = inline:{ ann@v.example=ann/Maildir/, zoe@v.example=zoe/Maildir/ }\n"
          f"virtual_uid_maps = static:{UID}\nvirtual_gid_maps = static:{GID}\nvirtual_minimum_uid = 1\n", USERS) as s:
    ids = {u: USERS[u] if ROOT else os.getuid() for u in USERS}
    for user in ("ann", "zoe"):
        os.makedirs(f"{s.dir}/mail/{user}")
        os.chown(f"{s.dir}/mail/{user}", UID, GID)
        with open(f"{s.dir}/mail/{user}/.dovecot.sieve", "w") as f:
            f.write('require ["fileinto", "mailbox"]; fileinto :create "usual";')
        with open(f"{s.dir}/mail/{user}/mine.sieve", "w") as f:
            f.write('require ["fileinto", "mailbox"]; fileinto :create "mine";')
    for user in USERS:
        s.write(user, ".dovecot.sieve", 'require ["fileinto", "mailbox"]; fileinto :create "usual";')
        s.write(user, "mine.sieve", 'require ["fileinto", "mailbox"]; fileinto :create "mine";')
    with open(f"{s.dir}/users", "w") as f:
        f.write(line(s, "alice", ids["alice"], s.home("alice").rstrip("/"), "userdb_sieve=~/mine.sieve") +
                line(s, "bob", ids["bob"], s.home("bob").rstrip("/"), "userdb_sieve=") +
                line(s, "ann@v.example", UID, f"{s.dir}/mail/ann", "userdb_sieve=~/mine.sieve userdb_quota_rule=*:messages=2"))
    os.makedirs(f"{s.dir}/queue/role/auth", exist_ok=True)
    authd = s.start("guard/authd", "authd")
    s.start("local/local", "local")
    s.start("local/virtual", "virtual")

    got = s.one("local", "alice@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(s.home("alice", "Maildir/.mine")) == 1 and count(s.home("alice", "Maildir")) == 0,
         "local: the userdb's sieve= names another script", got)
    got = s.one("local", "alice+x@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(s.home("alice", "Maildir/.mine")) == 2, "with an extension, too", got)
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(s.home("bob", "Maildir")) == 1 and not os.path.exists(s.home("bob", "Maildir/.usual")),
         "an empty one: no filter for him", got)
    got = s.one("local", "carol@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(s.home("carol", "Maildir/.usual")) == 1, "who is not in the userdb has the settings", got)

    got = s.one("virtual", "ann@v.example", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(f"{s.dir}/mail/ann/Maildir/.mine") == 1, "virtual: the userdb's sieve= names another script", got)
    got = s.one("virtual", "ann+x@v.example", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(f"{s.dir}/mail/ann/Maildir/.mine") == 2, "with an extension, too", got)
    got = s.one("virtual", "ann+x@v.example", MESSAGE, queue_id=qid())
    t.ok(got[:2] == ("bounced", "5.2.2"), "and her own quota, which no extension goes around", got)
    got = s.one("virtual", "zoe@v.example", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(f"{s.dir}/mail/zoe/Maildir/.usual") == 1, "who is not in the userdb has the settings", got)

    with open(f"{s.dir}/users", "w") as f:
        f.write(line(s, "carol", ids["carol"], s.home("carol").rstrip("/"), "userdb_sieve=~/mine.sieve"))
    got = s.one("local", "carol@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and count(s.home("carol", "Maildir/.mine")) == 1, "an edit of the userdb holds for the next message", got)
print(f"1..{t.n}")
sys.exit(t.failed != 0)
