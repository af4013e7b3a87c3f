#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""pop3_restore.py - dovecot-uidlist comes back from a backup, and whoever looks first, by POP3 or with a delivery, gives no UID again

As imap_restore.py, where the first look is not IMAP's: what an IMAP client keeps under a UID (RFC 9051, 2.3.1.1), and a POP3
client under a unique id that is made of it (RFC 1939, 7), stays what it is.  TAP.
"""
import imaplib, os, poplib, pwd, shutil, smtplib, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port

OWNER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
IMAP, POP, LMTP = free_port(), free_port(), free_port()
MASTER = (f"127.0.0.1:{IMAP} inet n - n - - imap-login\n127.0.0.1:{POP} inet n - n - - pop3-login\n127.0.0.1:{LMTP} inet n - n - - lmtpd\n"
          "cleanup unix n - n - 0 cleanup\npickup unix n - n 60 1 pickup\nqmgr unix n - n 300 1 qmgr\n")
ATTACHED = ("Subject: 103\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf; name=x.pdf\r\n"
            "Content-Disposition: attachment; filename=x.pdf\r\n\r\n103\r\n")
tap = Tap()


def imap(user, work):
    m = imaplib.IMAP4("127.0.0.1", IMAP, timeout=30)
    try:
        m.login(user, "secret")
        m.select("INBOX")
        return work(m)
    finally:
        m.logout()


def append(m, n):
    m.append("INBOX", None, None, f"Subject: {n}\r\n\r\n{n}\r\n".encode())


def messages(m):
    """By UID: what its subject says."""
    return {int(uid): m.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1].split()[1] for uid in m.uid("SEARCH", "ALL")[1][0].split()}


def two_more(m):
    append(m, 101)
    append(m, 102)
    m.noop()
    known = messages(m)
    m.store("3", "+FLAGS", "(\\Deleted)")
    m.expunge()
    return known


def by_pop(mail):
    path = f"{mail}/new/1700000103.M1P1.test"
    with open(path, "w") as f:
        f.write(ATTACHED.replace("\r", ""))
    os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
    p = poplib.POP3("127.0.0.1", POP, timeout=30)
    p.user(os.path.basename(os.path.dirname(mail)))
    p.pass_("secret")
    ids = [x.split()[1] for x in p.uidl()[1]]
    p.quit()
    return ids


def by_delivery(mail):
    """Whose keyword ($HasAttachment) needs a look at the mailbox."""
    with smtplib.LMTP("127.0.0.1", LMTP, timeout=30) as s:
        s.sendmail("s@example.net", [os.path.basename(os.path.dirname(mail)) + "@v.example"], ATTACHED)
    with open(f"{mail}/dovecot-uidlist") as f:
        tap.ok(len(f.readlines()) == 4, "the delivery gave UIDs")


def case(home, user, come):
    mail = f"{home}/{user}/Maildir"
    imap(user, lambda m: append(m, 100))
    imap(user, messages)
    shutil.copy2(f"{mail}/dovecot-uidlist", f"{home}/kept")
    known = imap(user, two_more)
    shutil.copy2(f"{home}/kept", f"{mail}/dovecot-uidlist.new")
    os.chown(f"{mail}/dovecot-uidlist.new", OWNER.pw_uid, OWNER.pw_gid)
    os.rename(f"{mail}/dovecot-uidlist.new", f"{mail}/dovecot-uidlist")
    ids = come(mail)
    now = imap(user, messages)
    tap.ok(len(known) == 3 and sorted(now.values()) == [b"100", b"101", b"103"], "the messages are there", known, now)
    tap.ok(all(known.get(uid, subject) == subject for uid, subject in now.items()), f"no UID means another message: {user}", known, now)
    if ids:
        tap.ok([int(x[:8], 16) for x in ids] == sorted(now), "and unique ids are of these UIDs", ids, now)


def main():
    i = Instance(master=MASTER)
    try:
        home = f"{i.dir}/home"
        os.makedirs(home)
        for user in ("pop", "delivery"):
            os.mkdir(f"{home}/{user}")
            os.chown(f"{home}/{user}", OWNER.pw_uid, OWNER.pw_gid)
        with open(f"{i.dir}/users", "w") as f:
            f.write("".join(f"{x}{at}:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{home}/{x}::\n" for x in ("pop", "delivery") for at in ("", "@v.example")))
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nauth_userdb = passwd-file:{i.dir}/users\nfirst_valid_uid = 1\n"
                    "virtual_mailbox_domains = v.example\nvirtual_mailbox_maps = static:yes\nmydestination =\nmail_location = maildir:%h/Maildir\n"
                    "mail_attachment_detection_options = add-flags\n", MASTER)
        started = i.start()
        tap.ok(started.returncode == 0, "the system starts", started)
        if started.returncode == 0:
            case(home, "pop", by_pop)
            case(home, "delivery", by_delivery)
    finally:
        if tap.failed:
            print("# " + i.log().replace("\n", "\n# "))
        i.__exit__()
    tap.end()


main()
