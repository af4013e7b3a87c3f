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


class Returning:
    """A client that keeps what it was told, and comes back with QRESYNC (RFC 7162)."""

    def __init__(self, mail):
        self.mail, self.state, self.validity, self.modseq = mail, {}, 0, 0

    def visit(self):
        """Lines told at SELECT; self.state is then what it believes, `truth` what a FETCH of all tells."""
        p = subprocess.Popen(f"{as_user()} HOME={root} {BUILD}/t/system/imapd_stdio maildir:{self.mail} separator=/ 2>>{root}/log",
                             shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def ask(command):
            p.stdin.write(f"x {command}\r\n")
            p.stdin.flush()
            lines = []
            while not lines or not lines[-1].startswith("x "):
                lines.append(p.stdout.readline())
                if not lines[-1]:
                    raise EOFError(command)
            return lines

        p.stdout.readline()
        ask("ENABLE QRESYNC")
        told = ask("SELECT INBOX" + (f" (QRESYNC ({self.validity} {self.modseq}))" if self.modseq else ""))
        everything = "".join(told)
        validity = int(re.search(r"UIDVALIDITY (\d+)", everything).group(1))
        modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", everything).group(1))
        went_back = modseq < self.modseq or (self.validity and validity != self.validity)
        for first, last in re.findall(r"(\d+)(?::(\d+))?", "".join(re.findall(r"VANISHED \(EARLIER\) (\S+)", everything))):
            for uid in range(int(first), int(last or first) + 1):
                self.state.pop(uid, None)
        self.state.update(self.flags(told))
        truth = self.flags(ask("UID FETCH 1:* (FLAGS)"))
        first = not self.modseq
        self.validity, self.modseq = validity, modseq
        believed, self.state = (truth if first else self.state), truth
        ask("LOGOUT")
        p.stdin.close()
        p.wait()
        return believed, truth, went_back, told

    @staticmethod
    def flags(lines):
        return {int(u): frozenset(f.split()) - {"\\Recent"} for u, f in re.findall(r"UID (\d+) FLAGS \(([^)]*)\)", "".join(lines))}


def comes_back():
    mail = new_mail("back")
    m = theirs(mail)
    for i in range(40):
        m.append("INBOX", "(k%d)" % (i % 30), None, b"Subject: %d\r\n\r\nbody\r\n" % i)
    m.logout()
    client = Returning(mail)
    client.visit()
    for turn in range(4):
        m = (theirs, ours)[turn % 2](mail)
        m.select("INBOX")
        m.store(f"{turn + 1}", "+FLAGS", "(\\Flagged)")
        m.store(f"{turn + 5}:{turn + 6}", "+FLAGS.SILENT", "(\\Deleted)")
        m.expunge()
        m.append("INBOX", None, None, b"Subject: new\r\n\r\nbody\r\n")
        m.logout()
        lost = turn >= 2
        for path in ([f"{mail}/postern.index", f"{mail}/postern.index-lock"] if lost else []):
            if os.path.exists(path):
                os.unlink(path)
        believed, truth, went_back, told = client.visit()
        tap.ok(believed == truth and not went_back, f"a client that comes back after turn {turn + 1}"
               f"{' and the loss of the index' if lost else ''} believes what is true", believed, truth, went_back)
        if not lost:
            fetched = sum("FETCH" in line for line in told)
            tap.ok(fetched == 2, "and was told only of the two messages that changed", fetched)


def main():
    if not DOVECOT or (os.getuid() == 0 and not shutil.which("setpriv")):
        print("1..0 # SKIP Dovecot's imap is not installed")
        return
    os.chmod(root, 0o777)
    with open(f"{root}/conf", "w") as f:
        f.write("protocols = imap\nssl = no\nlog_path = /dev/stderr\nnamespace inbox {\n  inbox = yes\n  separator = /\n}\n")
    by_turns()
    at_once()
    comes_back()
    if tap.failed and os.path.exists(f"{root}/log"):
        print("# " + open(f"{root}/log").read()[-3000:].replace("\n", "\n# "))
    print(f"1..{tap.n}")


main()
shutil.rmtree(root, ignore_errors=True)
sys.exit(1 if tap.failed else 0)
