#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""packed.py - compressed messages in a Maildir are read by IMAP and POP3

As Dovecot's zlib plugin saves them (made by it where it is installed: gz and
zstd), as a script leaves them that gzips files and sets the flag Z, and as an
attacker would: bombs and torn files are refused, and harm nothing.  TAP.
"""
import gzip, imaplib, os, poplib, pwd, re, shutil, subprocess, sys, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port

IMAP, POP3 = free_port(), free_port()
MASTER = f"127.0.0.1:{IMAP} inet n - n - - imap-login\n127.0.0.1:{POP3} inet n - n - - pop3-login\n"
DOVECOT = next((p for p in ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap") if os.path.exists(p)), None)
ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
tap = Tap()


def message(n):
    return f"From: a@example.net\nSubject: message {n}\nMessage-ID: <{n}@example.net>\n\nneedle{n}\n{'hay ' * 15}\n" + "hay\n" * 40


def crlf(text):
    return text.replace("\n", "\r\n").encode()


def put(mail, name, content):
    with open(f"{mail}/cur/{name}", "wb") as f:
        f.write(content)
    if ROOT:
        os.chown(f"{mail}/cur/{name}", OWNER.pw_uid, OWNER.pw_gid)


def by_dovecot(i, mail, kind, n):
    """Appended through Dovecot with its plugin."""
    with open(f"{i.dir}/dovecot-{kind}", "w") as f:
        f.write(f"protocols = imap\nssl = no\nlog_path = {i.dir}/dovecot.log\nmail_location = maildir:{mail}\nfirst_valid_uid = 1\n"
                f"mail_plugins = zlib\nplugin {{\n zlib_save = {kind}\n}}\n")
    user = ["setpriv", "--reuid", "nobody", "--regid", str(OWNER.pw_gid), "--clear-groups", "env", "USER=nobody"] if ROOT else ["env"]
    m = imaplib.IMAP4_stream(" ".join(user + [f"HOME={i.dir}", DOVECOT, "-c", f"{i.dir}/dovecot-{kind}", f"2>>{i.dir}/dovecot.err"]))
    m.append("INBOX", None, None, crlf(message(n)))
    m.logout()


def main():
    with Instance(master=MASTER) as i:
        mail = f"{i.dir}/alice/Maildir"
        for d in ("cur", "new", "tmp"):
            os.makedirs(f"{mail}/{d}")
        for d in (f"{i.dir}/alice", mail, *(f"{mail}/{d}" for d in ("cur", "new", "tmp"))):
            if ROOT:
                os.chown(d, OWNER.pw_uid, OWNER.pw_gid)
        text = {n: message(n) for n in range(1, 6)}
        put(mail, f"1700000001.M1P1.host,S={len(text[1])},W={len(crlf(text[1]))}:2,SZ", gzip.compress(text[1].encode()))
        put(mail, "1700000002.M1P1.host:2,S", gzip.compress(text[2].encode()[:60]) + gzip.compress(text[2].encode()[60:]))
        put(mail, "1700000003.M1P1.host:2,S", text[3].encode())
        good = [1, 2, 3]
        if DOVECOT and os.path.exists("/usr/lib/dovecot/modules/lib20_zlib_plugin.so"):
            by_dovecot(i, mail, "gz", 4)
            by_dovecot(i, mail, "zstd", 5)
            good += [4, 5]
            packed = [open(f"{mail}/{d}/{f}", "rb").read(4) for d in ("cur", "new") for f in os.listdir(f"{mail}/{d}")]
            tap.ok(b"\x28\xb5\x2f\xfd" in packed and sum(p[:2] == b"\x1f\x8b" for p in packed) == 3, "Dovecot's plugin compressed them", packed)
        bombs = {"1800000001.M1P1.host:2,": gzip.compress(b"Subject: torn\n\n" + os.urandom(3000))[:2000],
                 "1800000002.M1P1.host:2,": b"\x1f\x8bnot a member at all",
                 "1800000003.M1P1.host:2,": zlib_bomb(512 << 20)}
        for name, content in bombs.items():
            put(mail, name, content)
        with open(f"{i.dir}/users", "w") as f:
            f.write(f"alice:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{i.dir}/alice::\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nauth_userdb = passwd-file:{i.dir}/users\n"
                    "auth_failure_delay = 0s\nfirst_valid_uid = 1\n", MASTER)
        if not tap.ok(i.start().returncode == 0, "the system starts", i.log()):
            return
        by_imap(text, good, len(bombs))
        by_pop3(text, good, len(bombs))
        left = os.listdir(f"{mail}/tmp")
        tap.ok(not left, "nothing is left in tmp", left)


def zlib_bomb(size):
    z, out = zlib.compressobj(9, zlib.DEFLATED, 31), []
    for _ in range(size >> 24):
        out.append(z.compress(bytes(1 << 24)))
    return b"".join(out) + z.flush()


def by_imap(text, good, bad):
    m = imaplib.IMAP4("127.0.0.1", IMAP, timeout=60)
    m.login("alice", "secret")
    count = int(m.select("INBOX")[1][0])
    tap.ok(count == len(good) + bad, "all are there", count)
    got, sizes = {}, {}
    for uid in m.uid("SEARCH", "1:*")[1][0].split():
        typ, data = m.uid("FETCH", uid, "(RFC822.SIZE BODY.PEEK[])")
        if typ == "OK" and isinstance(data[0], tuple):
            n = int((re.search(rb"Subject: message (\d+)", data[0][1]) or [0, b"0"])[1])
            got[n], sizes[n] = data[0][1], int(re.search(rb"SIZE (\d+)", data[0][0])[1])
    tap.ok(all(got.get(n) == crlf(text[n]) for n in good), "IMAP fetches them, the same to the byte", got)
    tap.ok(all(sizes.get(n) == len(crlf(text[n])) for n in good), "and tells their sizes", sizes)
    for n in good[1::3]:
        found = m.search(None, "BODY", f"needle{n}")[1][0].split()
        subject = m.fetch(found[0], "(ENVELOPE BODYSTRUCTURE)")[1][0] if found else b""
        tap.ok(len(found) == 1 and b"message %d" % n in subject, f"SEARCH finds message {n} by its body", found, subject)
    m.logout()


def by_pop3(text, good, bad):
    p = poplib.POP3("127.0.0.1", POP3, timeout=60)
    p.user("alice")
    p.pass_("secret")
    got, refused = {}, 0
    for n in range(1, p.stat()[0] + 1):
        try:
            lines = p.retr(n)[1]
        except poplib.error_proto:
            refused += 1
            continue
        got[b"\r\n".join(lines) + b"\r\n"] = int(p.list(n).split()[2])
    tap.ok(sorted(got) == sorted(crlf(text[n]) for n in good), "POP3 retrieves them, the same to the byte", got)
    tap.ok(all(size == len(body) for body, size in got.items()), "and tells their sizes", got.values())
    tap.ok(refused == bad, "and refuses what is torn or too large, without ado", refused)
    p.quit()


main()
print(f"1..{tap.n}")
sys.exit(1 if tap.failed else 0)
