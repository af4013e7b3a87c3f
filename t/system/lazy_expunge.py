#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""lazy_expunge.py - what is expunged can be had back, as with Dovecot's plugin of that name

The same dialogues with Debian's Dovecot and with ours leave the same messages, flags and dates in the same mailboxes, and
a maildirsize that is right; Dovecot reads on what ours has left.  POP3's DELE and a whole system.  TAP.
"""
import glob, imaplib, os, poplib, pwd, re, shutil, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
DOVECOT = next((p for p in ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap") if os.path.exists(p)), None)
PLUGIN = DOVECOT and glob.glob("/usr/lib/dovecot/modules/*lazy_expunge_plugin.so")
ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
AS_USER = "setpriv --reuid nobody --regid nogroup --clear-groups env USER=nobody" if ROOT else "env"
tap = Tap()
base = tempfile.mkdtemp(prefix="lazy_expunge_")
os.chmod(base, 0o777)


def mail_of(name):
    mail = f"{base}/{name}"
    os.mkdir(mail)
    if ROOT:
        os.chown(mail, OWNER.pw_uid, OWNER.pw_gid)
    return mail


def dovecot(mail, settings, quota):
    plugin = "".join(f"  {k} = {v}\n" for k, v in settings.items())
    if quota:
        plugin += f"  quota = maildir:User quota\n  quota_rule = {quota[0]}\n" + "".join(f"  quota_rule2 = {q}\n" for q in quota[1:])
    with open(f"{mail}.conf", "w") as f:
        f.write("protocols = imap\nssl = no\nlog_path = /dev/stderr\nmail_plugins = quota lazy_expunge\n"
                "protocol imap {\n  mail_plugins = quota imap_quota lazy_expunge\n}\nplugin {\n" + plugin + "}\n"
                "namespace inbox {\n  inbox = yes\n  separator = /\n  mailbox Trash {\n    special_use = \\Trash\n  }\n}\n")
    return imaplib.IMAP4_stream(f"{AS_USER} HOME={base} {DOVECOT} -c {mail}.conf -o mail_location=maildir:{mail} 2>>{base}/log")


def ours(mail, settings, quota):
    words = {"lazy_expunge": "lazy", "lazy_expunge_only_last_instance": "lazy_only_last", "lazy_expunge_exclude": "lazy_exclude1",
             "lazy_expunge_exclude2": "lazy_exclude2", "lazy_expunge_exclude3": "lazy_exclude3"}
    given = [f"'{words[k]}={v}'" for k, v in settings.items()]
    if quota:
        given += ["'quota=maildir:User quota'"] + [f"'quota_rule{n or ''}={q}'" for n, q in zip((0, 2), quota)]
    return imaplib.IMAP4_stream(f"{AS_USER} HOME={base} {BUILD}/t/system/imapd_stdio maildir:{mail} separator=/ {' '.join(given)} 2>>{base}/log")


def put(m, box, subject, flags=None, date=None):
    assert m.append(box, flags, date, f"Subject: {subject}\r\n\r\n".encode() + b"y" * 600 + b"\r\n")[0] == "OK"


def expunge(m, box, numbers="1:*"):
    m.select(box)
    m.store(numbers, "+FLAGS", "(\\Deleted)")
    said = m.expunge()[0]
    m.unselect()
    return said


def state(m):
    """{mailbox: [(subject, flags, date)]}"""
    out = {}
    for line in m.list()[1]:
        box = re.search(r' "[./]" (.*)$', line.decode()).group(1)
        if "\\Noselect" in line.decode():
            continue
        assert m.select(box, readonly=True)[0] == "OK"
        count = int(m.response("EXISTS")[1][-1] or 0)
        told = m.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] if count else []
        found = []
        for part in told:
            if isinstance(part, tuple):
                flags = sorted(set(re.search(rb"FLAGS \((.*?)\)", part[0]).group(1).decode().split()) - {"\\Recent"})
                date = re.search(rb'INTERNALDATE "(.*?)"', part[0]).group(1).decode()
                found.append((part[1].decode().strip(), flags, date.lstrip(" 0") if "2020" in date else "now"))
        out[box] = sorted(found)
        m.unselect()
    return out


def counted(mail, but=()):
    """What maildirsize says, and what is so."""
    if not os.path.exists(f"{mail}/maildirsize"):
        return None, None
    lines = open(f"{mail}/maildirsize").read().splitlines()[1:]
    said = tuple(sum(int(line.split()[i]) for line in lines) for i in (0, 1))
    files = [f for d in ("new", "cur") for f in glob.glob(f"{mail}/{d}/*") + glob.glob(f"{mail}/.*/{d}/*") if not any(f"/.{b}/" in f for b in but)]
    return said, (sum(map(os.path.getsize, files)), len(files))


def basic(m, moves):
    put(m, "INBOX", "one", "(\\Seen kw)", '"01-Jan-2020 00:00:00 +0000"')
    for word in ("two", "three", "four", "five"):
        put(m, "INBOX", word, "(\\Flagged other)" if word == "two" else None)
    for box in ("Other", "Gone"):
        m.create(box)
    expunge(m, "INBOX", "1")
    m.select("INBOX")
    if moves:
        m._simple_command("UID", "MOVE", "2", "Other")
    m.uid("COPY", "3", "Other")
    m.uid("COPY", "3:4", "Gone")
    m.uid("STORE", "3,4", "+FLAGS", "(\\Deleted)")
    m.uid("EXPUNGE", "3")
    m.close()
    m.delete("Gone")
    m.select("EXPUNGED")
    m.copy("1", "INBOX")
    m.unselect()
    expunge(m, "INBOX", "2")                 # it was had back, and is expunged again
    expunge(m, "EXPUNGED", "1")              # in that mailbox it is final


def mailboxes(m, moves):
    for box in ("Trash", "Ext/A", "Ext", "Keep"):
        m.create(box)
    for box in ("INBOX", "Trash", "Ext/A", "Ext", "Keep"):
        put(m, box, f"of {box}")
        expunge(m, box)
    put(m, "Ext/A", "deleted")
    m.delete("Ext/A")
    put(m, "Keep", "deleted, too")
    m.delete("Keep")


def full(m, moves):
    for i in range(4):
        put(m, "INBOX", f"number {i}")
    assert m.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "NO"
    assert expunge(m, "INBOX", "1") == "OK"
    put_more = m.append("INBOX", None, None, b"Subject: more\r\n\r\nx\r\n")[0]
    m.create("Room" if put_more == "OK" else "Full")
    m.delete("EXPUNGED")


LAZY = {"lazy_expunge": "EXPUNGED"}
LAST = {**LAZY, "lazy_expunge_only_last_instance": "yes"}
CASES = [
    ("EXPUNGE, CLOSE, DELETE, and having it back", basic, LAZY, None, ()),
    ("the same where only the last copy is kept, with MOVE", basic, LAST, None, ("moves",)),
    ("mailboxes that are left out", mailboxes, {**LAZY, "lazy_expunge_exclude": "\\Trash", "lazy_expunge_exclude2": "Ext.*",
                                                "lazy_expunge_exclude3": "INBOX"}, None, ()),
    ("quota: it is counted there", basic, LAZY, ["*:messages=100"], ()),
    ("quota: it is not counted there", basic, LAZY, ["*:messages=100", "EXPUNGED:ignore"], ()),
    ("a full mailbox can be emptied", full, LAZY, ["*:messages=4"], ()),
    ("and has room then, if that mailbox is not counted", full, LAZY, ["*:messages=4", "EXPUNGED:ignore"], ()),
]


def beside():
    for n, (title, play, settings, quota, moves) in enumerate(CASES):
        got = {}
        for server in (ours, dovecot) if PLUGIN else (ours,):
            mail = mail_of(f"{server.__name__}{n}")
            m = server(mail, settings, quota)
            play(m, moves)
            got[server] = state(m)
            m.logout()
            said, true = counted(mail, ("EXPUNGED",) if quota and len(quota) > 1 else ())
            if server is ours:
                tap.ok(said == true, f"{title}: maildirsize is right", said, true)
        if PLUGIN:
            tap.ok(got[ours] == got[dovecot], f"{title}: as Dovecot does it", got[ours], got[dovecot])
            m = dovecot(f"{base}/ours{n}", settings, quota)
            after = state(m)
            m.logout()
            tap.ok(after == got[ours], f"{title}: Dovecot reads on", after, got[ours])
        else:
            tap.ok(bool(got[ours]), f"{title}: played")


def move_is_no_expunge():
    mail = mail_of("moved")
    m = ours(mail, LAZY, None)
    put(m, "INBOX", "moved")
    m.create("Other")
    m.select("INBOX")
    m._simple_command("MOVE", "1", "Other")
    m.unselect()
    have = state(m)
    tap.ok(have == {"INBOX": [], "Other": [("Subject: moved", [], "now")]}, "MOVE is no expunge", have)
    m.select("Other")
    m._simple_command("MOVE", "1", "INBOX")
    m.unselect()
    subprocess.run(f"{AS_USER} {BUILD}/t/system/imapd_stdio maildir:{mail} lazy=EXPUNGED", shell=True, timeout=60, capture_output=True,
                   input=b"a SELECT INBOX\r\nb REPLACE 1 INBOX {19+}\r\nSubject: new\r\n\r\nx\r\n\r\nc LOGOUT\r\n")
    have = state(m)
    tap.ok([s for s, _, _ in have["INBOX"]] == ["Subject: new"] and [s for s, _, _ in have["EXPUNGED"]] == ["Subject: moved"],
           "REPLACE is one", have)
    m.logout()


def refused():
    for value in ("EXPUNGED/", ".EXPUNGED", "A..B"):
        p = subprocess.run([f"{BUILD}/t/system/imapd_stdio", f"maildir:{base}/refused", f"lazy={value}"], input=b"a NOOP\r\n",
                           capture_output=True, timeout=60)
        tap.ok(b"a OK" not in p.stdout and b"lazy_expunge" in p.stderr, f"lazy_expunge = {value} is refused", p.stdout, p.stderr)


def whole():
    imap, pop3 = free_port(), free_port()
    main = f"""mail_location = maildir:%h/Maildir
auth_mechanisms = plain login
auth_passdb = static:password=secret
auth_userdb = static:uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={base}/home
first_valid_uid = 1
quota = maildir:User quota
quota_rule = *:storage=1M
quota_rule2 = EXPUNGED:ignore
lazy_expunge = EXPUNGED
"""
    master = f"127.0.0.1:{imap} inet n - n - - imap-login\n127.0.0.1:{pop3} inet n - n - - pop3-login\n"
    mail_of("home")
    with Instance(main, master) as i:
        tap.ok(i.start().returncode == 0, "a system with lazy_expunge starts")
        m = imaplib.IMAP4("127.0.0.1", imap)
        m.login("ann", "secret")
        put(m, "INBOX", "by POP3", "(\\Flagged)")
        put(m, "INBOX", "stays")
        p = poplib.POP3("127.0.0.1", pop3)
        p.user("ann")
        p.pass_("secret")
        p.dele(1)
        p.quit()
        have = state(m)
        tap.ok([s for s, _, _ in have["INBOX"]] == ["Subject: stays"] and have["EXPUNGED"] == [("Subject: by POP3", ["\\Flagged"], "now")],
               "POP3: what was DELE'd is there after QUIT", have)
        said, true = counted(f"{base}/home/Maildir", ("EXPUNGED",))
        tap.ok(said == true and said[1] == 1, "POP3 counts by the rules, too", said, true)
        m.logout()


if ROOT and not shutil.which("setpriv"):
    print("1..0 # SKIP no setpriv")
    sys.exit(0)
beside()
move_is_no_expunge()
refused()
whole()
if tap.failed and os.path.exists(f"{base}/log"):
    print("# " + open(f"{base}/log").read()[-3000:].replace("\n", "\n# "))
shutil.rmtree(base, ignore_errors=True)
tap.end()
