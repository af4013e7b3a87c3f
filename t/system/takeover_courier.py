#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""takeover_courier.py - a Maildir that Courier served, with what its clients hold, taken over

    takeover_courier.py                   the test
    takeover_courier.py --make ROOT       makes courier.tar.gz anew with Courier's programs below ROOT

courier.tar.gz was made by Courier-IMAP 5.0.13 (imapd and courierpop3d): its
Maildir with UIDs, 30 keywords, UTF-8 directories, subscriptions and POP3's
sizelist; the copy that mbsync made of it; and what both servers told, which is
what must still be true.  TAP.
"""
import json, os, shutil, subprocess, sys, tarfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import takeover as t

HERE = os.path.dirname(os.path.abspath(__file__))
ARCHIVE = f"{HERE}/courier.tar.gz"
KEPT = ("Maildir", "local", "told.json")
NAMES = ["INBOX.Archive", "INBOX.Archive.2026", "INBOX.&ZeVnLIqe-", "INBOX.R&-D", "INBOX.two words", "INBOX.Sent"]


# ------------------------------------------------------------ making it, with Courier

def make(root):
    env = dict(os.environ, HOME=t.base, AUTHENTICATED="alice", IMAP_KEYWORDS="1", PROTOCOL="IMAP",
               IMAP_CAPABILITY="IMAP4rev1 UIDPLUS NAMESPACE", LD_LIBRARY_PATH=f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib")
    os.environ.update(env)
    mail = f"{t.base}/Maildir"
    subprocess.run([f"{root}/usr/bin/maildirmake.courier", mail], check=True)
    for n in range(60):
        with open(f"{mail}/new/{1700000000 + n}.M{n}P1.host", "w") as f:
            f.write(t.body(n))
        os.utime(f"{mail}/new/{1700000000 + n}.M{n}P1.host", (1700000000 + n, 1700000000 + n))
    serve = f"{root}/usr/bin/imapd {mail} 2>/dev/null | sed -u '1{{/ALERT/d}}'"      # its monitor is not there
    t.imap = lambda: t.imaplib.IMAP4_stream(serve)
    m = t.imap()
    for name in NAMES:
        assert m.create(f'"{name}"')[0] == "OK", name
    for name in NAMES[::2] + ["INBOX"]:
        m.subscribe(f'"{name}"')
    m.select("INBOX")
    for k, word in enumerate(t.KEYWORDS):
        m.store(",".join(str(n) for n in range(k + 1, 61, 31)), "+FLAGS.SILENT", f"({word})")
    m.store("1", "+FLAGS.SILENT", "(" + " ".join(t.KEYWORDS) + ")")
    m.store("2:9", "+FLAGS.SILENT", "(\\Seen \\Answered)")
    m.store("20,30", "+FLAGS.SILENT", "(\\Deleted)")
    m.expunge()
    for k, name in enumerate(NAMES):
        m.copy(f"{k + 1}:{k + 5}", f'"{name}"')
    m.logout()
    pop3 = subprocess.Popen([f"{root}/usr/lib/courier/courier/courierpop3d", mail], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    told = pop3.communicate("UIDL\r\nLIST\r\nQUIT\r\n")[0].splitlines()
    uidls, rest = told[2:told.index(".")], told[told.index(".") + 2:]
    with open(f"{t.base}/rc", "w") as f:
        f.write(config())
    os.mkdir(f"{t.base}/local")
    with open(f"{t.base}/serve", "w") as f:
        f.write(serve)
    listener = subprocess.Popen(["socat", f"TCP4-LISTEN:{t.IMAP},bind=127.0.0.1,fork,reuseaddr", f"EXEC:sh {t.base}/serve"])
    t.wait_for(lambda: t.listening(t.IMAP))
    subprocess.run(["mbsync", "-c", f"{t.base}/rc", "-a"], check=True)
    listener.terminate()
    seen = {name: value if name == "subscribed" else [value[0], {u: [sorted(r[0]), r[1], r[2]] for u, r in value[1].items()}]
            for name, value in t.picture().items()}
    with open(f"{t.base}/told.json", "w") as f:
        json.dump({"imap": seen, "uidl": uidls, "list": rest[:rest.index(".")]}, f, indent=1)
    with tarfile.open(ARCHIVE, "w:gz") as tar:
        for name in KEPT:
            tar.add(f"{t.base}/{name}", name)


def config():
    return t.RC.format(port=t.IMAP, base=t.base).replace("IMAPStore far\nAccount a\n", "IMAPStore far\nAccount a\nPath INBOX.\n")


# ------------------------------------------------------------ the test

def told():
    """What Courier told, in the shape of takeover.picture(), and POP3's lists."""
    with open(f"{t.base}/told.json") as f:
        all_of_it = json.load(f)
    seen = {name: value if name == "subscribed" else
            (value[0], {int(u): (frozenset(r[0]), r[1], r[2]) for u, r in value[1].items()}) for name, value in all_of_it["imap"].items()}
    return seen, ([x.encode() for x in all_of_it["uidl"]], [x.encode() for x in all_of_it["list"]])


def main():
    if not shutil.which("mbsync"):
        print("1..0 # SKIP isync is not installed")
        return
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(t.base)
    os.makedirs(t.HOME)
    os.rename(f"{t.base}/Maildir", t.MAIL)
    for top, dirs, files in os.walk(t.HOME):
        for name in ["."] + files:
            t.own(f"{top}/{name}")
    with open(f"{t.base}/users", "w") as f:
        f.write(f"alice:{{PLAIN}}secret:{t.OWNER.pw_uid}:{t.OWNER.pw_gid}::{t.HOME}::\n")
    with open(f"{t.base}/mbsyncrc", "w") as f:
        f.write(config())
    seen, ids = told()
    postern = t.Postern("imap_namespace_prefix = INBOX.\n")
    for lost in (False, True):
        if lost:
            t.lose_index()
        with postern:
            title = "without its index" if lost else "from Courier to Postern"
            now = t.picture()
            t.tap.ok(now == seen, f"{title}: UIDVALIDITY, UIDs, flags, keywords, sizes, dates, subscriptions are the same", *t.differences(seen, now))
            now = t.uidls()
            t.tap.ok(ids == now, f"{title}: POP3's order, UIDLs and sizes are the same", *[x for x in zip(ids[0] + ids[1], now[0] + now[1]) if x[0] != x[1]][:5])
            t.mbsync(title, 0, 0)
            m = t.imap()
            m.append("INBOX", f"({t.KEYWORDS[3]} \\Seen)", None, t.body(100 + lost).replace("\n", "\r\n").encode())
            m.select("INBOX")
            m.store("3", "+FLAGS", "(\\Flagged)")
            m.store("4", "+FLAGS", "(\\Deleted)")
            m.expunge()
            m.logout()
            t.mbsync(title + ", after changes", 1, 1)
            seen, ids = t.picture(), t.uidls()
    if t.tap.failed:
        print("# " + postern.i.log()[-3000:].replace("\n", "\n# "))
    with postern.i:
        pass


if len(sys.argv) > 2 and sys.argv[1] == "--make":
    make(os.path.abspath(sys.argv[2]))
else:
    main()
t.end()
