#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_dovecot.py - Dovecot and Postern by turns, and both at once, on one Maildir

Everything that a client may have cached stays: UIDs, UIDVALIDITY, flags, keywords,
subscriptions, in both directions.  Skipped where Dovecot's imap is not installed.  TAP.
"""
import imaplib, os, pwd, re, shutil, subprocess, sys, tempfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
DOVECOT = next((p for p in ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap") if os.path.exists(p)), None)
tap = Tap()
root = tempfile.mkdtemp(prefix="imap_dovecot_")


def as_user():
    """Dovecot serves nobody's mail as root."""
    return "setpriv --reuid nobody --regid nogroup --clear-groups env USER=nobody" if os.getuid() == 0 else "env"


def ours(mail):
    return imaplib.IMAP4_stream(f"{as_user()} HOME={root} {BUILD}/t/system/imapd_stdio maildir:{mail} separator=/ 2>>{root}/log")


def theirs(mail):
    return imaplib.IMAP4_stream(f"{as_user()} HOME={root} {DOVECOT} -c {root}/conf -o mail_location=maildir:{mail} 2>>{root}/log")


def new_mail(name):
    mail = f"{root}/{name}"
    os.mkdir(mail)
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(mail, nobody.pw_uid, nobody.pw_gid)
    return mail


def picture(m):
    """What a client can cache of the account; \\Recent belongs to a session."""
    out = {}
    for name in ("INBOX", "Archive/2026"):
        status = m.status(name, "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")[1][0]
        m.select(f'"{name}"', readonly=True)
        rows = []
        for x in m.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")[1]:
            if isinstance(x, tuple):
                head = x[0].decode()
                rows.append((re.search(r"UID (\d+)", head).group(1),
                             tuple(sorted(set(re.search(r"FLAGS \((.*?)\)", head).group(1).split()) - {"\\Recent"})),
                             re.search(r'INTERNALDATE "(.*?)"', head).group(1).lstrip(" 0"), re.search(r"SIZE (\d+)", head).group(1), x[1]))
        out[name] = (sorted(re.findall(rb"[A-Z]+ \d+", status)), rows)
    out["subscribed"] = sorted(x.split(b' "/" ')[1].strip(b'"') for x in m.lsub()[1] if x)
    return out


def change(m, k):
    m.select("INBOX")
    m.append("INBOX", "(\\Seen key%d)" % k, None, b"Subject: first of %d\r\n\r\none\r\n" % k)
    m.append("INBOX", None, '" 7-Feb-1994 21:52:25 +0000"', b"Subject: second of %d\r\n\r\ntwo\r\n" % k)
    m.noop()
    m.store("1", "+FLAGS", "(\\Flagged other%d)" % k)
    m.copy("1:2", "Archive/2026")
    m.store("2", "+FLAGS", "(\\Deleted)")
    m.expunge()


def by_turns():
    mail = new_mail("turns")
    for k, (writer, reader) in enumerate(((ours, theirs), (theirs, ours), (ours, theirs), (theirs, ours))):
        m = writer(mail)
        if k == 0:
            m.create("Archive/2026")
            m.subscribe("Archive/2026")
        change(m, k)
        before = picture(m)
        m.logout()
        m = reader(mail)
        after = picture(m)
        m.logout()
        tap.ok(before == after, f"turn {k + 1}: what {writer.__name__} wrote {reader.__name__} reads", before, after)


def at_once():
    mail, faults = new_mail("both"), []

    def work(open_session, k):
        try:
            m = open_session(mail)
            m.select()
            for i in range(20):
                assert m.append("INBOX", "(kw%d)" % k if i % 2 else None, None, b"Subject: %d %d\r\n\r\nbody\r\n" % (k, i))[0] == "OK"
                assert m.uid("STORE", "1:*", "-FLAGS" if i % 2 else "+FLAGS", "(w%d)" % k)[0] == "OK"
                m.noop()
            m.logout()
        except Exception as e:
            faults.append(repr(e)[:300])

    threads = [threading.Thread(target=work, args=(o, k)) for k, o in enumerate((ours, theirs, ours, theirs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.ok(not faults, "two sessions of each at once: every command is answered OK", *faults)
    seen = []
    for o in (ours, theirs):
        m = o(mail)
        m.select(readonly=True)
        rows = m.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        seen.append(sorted((re.search(rb"UID (\d+)", x[0]).group(1), x[1]) for x in rows if isinstance(x, tuple)))
        m.logout()
    tap.ok(seen[0] == seen[1] and len({s for _, s in seen[0]}) == 80 == len(seen[0]),
           "80 messages, each once, with the same UIDs for both", len(seen[0]), len(seen[1]))


def main():
    if not DOVECOT or (os.getuid() == 0 and not shutil.which("setpriv")):
        print("1..0 # SKIP Dovecot's imap is not installed")
        return
    os.chmod(root, 0o777)
    with open(f"{root}/conf", "w") as f:
        f.write("protocols = imap\nssl = no\nlog_path = /dev/stderr\nnamespace inbox {\n  inbox = yes\n  separator = /\n}\n")
    by_turns()
    at_once()
    if tap.failed and os.path.exists(f"{root}/log"):
        print("# " + open(f"{root}/log").read()[-3000:].replace("\n", "\n# "))
    print(f"1..{tap.n}")


main()
shutil.rmtree(root, ignore_errors=True)
sys.exit(1 if tap.failed else 0)
