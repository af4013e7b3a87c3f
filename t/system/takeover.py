#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""takeover.py - a Maildir changes hands: Dovecot, Postern, Dovecot, Postern without its index

    takeover.py [MESSAGES]         1000 in `make check`, 20000 in `make takeover`

Dovecot serves a Maildir with 30 keywords, odd mailbox names, subscriptions and
many messages, by IMAP and POP3.  mbsync holds a full copy; a client of our own
holds what one with QRESYNC (RFC 7162) keeps; a third keeps POP3 UIDLs.  Then
the servers take turns, the first time with a uidlist whose tail is broken.  At
each turn the mailbox changes a little, and everything that a client may have
cached must still be true: UIDs, UIDVALIDITY, flags, keywords, sizes, dates,
subscriptions, UIDLs; and no message is fetched twice or lost.  TAP.
"""
import glob, imaplib, os, poplib, pwd, re, shutil, signal, socket, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

MESSAGES = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else 1000
DOVECOT = "/usr/sbin/dovecot"
IMAP, POP3 = free_port(), free_port()
MASTER = f"127.0.0.1:{IMAP} inet n - n - - imap-login\n127.0.0.1:{POP3} inet n - n - - pop3-login\n"
KEYWORDS = [f"$Label{k}" if k % 3 else f"kw.{k}" for k in range(30)]
# mUTF-7, blanks, '&', quotes, levels without a parent
NAMES = ["Archive/2026", "&ZeVnLIqe-", "R&-D", "two words", "Deep/a/b/c", "&ANw-bung/Gr&APYA3w-e", "100% off", "apostrophe's", "[x] ~#"]
tap = Tap()
base = tempfile.mkdtemp(prefix="takeover_")
os.chmod(base, 0o755)
HOME, MAIL = f"{base}/alice", f"{base}/alice/Maildir"
ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
figures = []


def own(path):
    if ROOT:
        os.chown(path, OWNER.pw_uid, OWNER.pw_gid)


def body(n):
    return f"From: a{n % 50}@example.net\nTo: alice@example.net\nSubject: message {n}\nMessage-ID: <m{n}@example.net>\n\n" \
           f"Ident: m{n}\n" + "All work and no play.\n" * (n % 7)


class Dovecot:
    name = "Dovecot"

    def __init__(self):
        self.dir = f"{base}/dovecot"
        os.mkdir(self.dir)
        own(self.dir)
        login = "root" if ROOT else OWNER.pw_name
        with open(f"{self.dir}/conf", "w") as f:
            f.write(f"""base_dir = {self.dir}/run
state_dir = {self.dir}/state
log_path = {self.dir}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
default_vsz_limit = 1G
mail_max_userip_connections = 100
pop3_uidl_format = %08Xu%08Xv
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = passwd-file
  args = {base}/users
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {IMAP}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {POP3}
  }}
}}
""" + ("" if ROOT else f"default_internal_user = {login}\ndefault_login_user = {login}\ndefault_internal_group = {login}\n"
       f"service anvil {{\n chroot =\n}}\nservice imap-login {{\n chroot =\n}}\nservice pop3-login {{\n chroot =\n}}\n"))

    def __enter__(self):
        self.p = subprocess.Popen([DOVECOT, "-F", "-c", f"{self.dir}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: listening(IMAP) and listening(POP3))
        return self

    def __exit__(self, *unused):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait()


class Postern:
    name = "Postern"

    def __init__(self, main=""):
        self.i = Instance(master=MASTER)
        self.i.configure(main + f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{base}/users\nauth_userdb = passwd-file:{base}/users\n"
                         f"auth_failure_delay = 0s\nfirst_valid_uid = 1\nmail_max_userip_connections = 100\n", MASTER)

    def __enter__(self):
        self.i.start()
        wait_for(lambda: listening(IMAP) and listening(POP3))
        return self

    def __exit__(self, *unused):
        self.i.run("stop")
        wait_for(lambda: not listening(IMAP) and not self.i.master_pid() or not os.path.exists(f"/proc/{self.i.master_pid()}"))


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


# ------------------------------------------------------------ clients

def imap():
    m = imaplib.IMAP4("127.0.0.1", IMAP, timeout=120)
    m.login("alice", "secret")
    return m


def rows(m, name):
    """{uid: (flags, size, date)} of a mailbox, and its UIDVALIDITY."""
    m.untagged_responses.clear()
    m.select(f'"{name}"', readonly=True)
    validity = m.untagged_responses["UIDVALIDITY"][0].decode()
    out = {}
    for x in m.fetch("1:*", "(UID FLAGS RFC822.SIZE INTERNALDATE)")[1]:
        if x:
            x = x.decode()
            out[int(re.search(r"UID (\d+)", x).group(1))] = (
                frozenset(re.search(r"FLAGS \((.*?)\)", x).group(1).split()) - {"\\Recent"},
                int(re.search(r"SIZE (\d+)", x).group(1)), re.search(r'INTERNALDATE "(.*?)"', x).group(1).lstrip(" 0"))
    return validity, out


def picture():
    m = imap()
    names = sorted(re.search(r'"[./]" "?(.*?)"?$', x.decode()).group(1) for x in m.list()[1] if b"\\NonExistent" not in x and b"\\Noselect" not in x)
    out = {name: rows(m, name) for name in names}
    out["subscribed"] = sorted(re.search(r'"[./]" "?(.*?)"?$', x.decode()).group(1) for x in m.lsub()[1] if x)
    m.logout()
    return out


def uidls():
    p = poplib.POP3("127.0.0.1", POP3, timeout=120)
    p.user("alice")
    p.pass_("secret")
    ids, sizes = p.uidl()[1], p.list()[1]
    p.quit()
    return ids, sizes


def differences(a, b):
    out = []
    for name in sorted(set(a) | set(b)):
        x, y = a.get(name), b.get(name)
        if x == y:
            continue
        if name == "subscribed" or not x or not y:
            out.append(f"{name}: {x if name == 'subscribed' else bool(x)} / {y if name == 'subscribed' else bool(y)}")
            continue
        if x[0] != y[0]:
            out.append(f"{name}: UIDVALIDITY {x[0]} / {y[0]}")
        wrong = [u for u in sorted(set(x[1]) | set(y[1])) if x[1].get(u) != y[1].get(u)]
        out.append(f"{name}: {len(wrong)} UIDs differ: " + "; ".join(f"{u}: {x[1].get(u)} / {y[1].get(u)}" for u in wrong[:3]))
    return out


class Returning:
    """Keeps UIDs, flags and the mod-sequence of INBOX and comes back with QRESYNC.

    A server whose HIGHESTMODSEQ is below what was told has lost its history (Dovecot counts
    from anew, and so it does after Postern): such a client asks for all flags, never for bodies."""

    def __init__(self):
        self.validity = self.modseq = 0
        self.flags, self.bodies, self.twice = {}, {}, []

    def visit(self):
        s = socket.create_connection(("127.0.0.1", IMAP), timeout=120)
        f = s.makefile("rb")

        def ask(command):
            s.sendall(b"x " + command.encode() + b"\r\n")
            lines = []
            while not lines or not lines[-1].startswith(b"x "):
                line = f.readline()
                if not line:
                    raise EOFError(command)
                lines.append(line)
            assert lines[-1].startswith(b"x OK"), (command, lines[-1])
            return lines

        f.readline()
        ask("LOGIN alice secret")
        ask("ENABLE QRESYNC")
        lines = ask("SELECT INBOX" + (f" (QRESYNC ({self.validity} {self.modseq}))" if self.flags else ""))
        text = b"".join(lines)
        validity, modseq = (int(re.search(rb"\[%s (\d+)\]" % k, text).group(1)) for k in (b"UIDVALIDITY", b"HIGHESTMODSEQ"))
        exists = int(re.search(rb"(\d+) EXISTS", text).group(1))
        if validity != self.validity:
            self.flags = {}                      # and every body would be fetched anew
            if self.validity:
                self.twice.append(f"UIDVALIDITY {self.validity} became {validity}")
        for first, last in re.findall(rb"(\d+)(?::(\d+))?", b"".join(re.findall(rb"VANISHED \(EARLIER\) (\S+)", text))):
            for uid in [u for u in self.flags if int(first) <= u <= int(last or first)]:
                del self.flags[uid]
        if not self.flags or modseq < self.modseq:
            lines = ask("UID FETCH 1:* (FLAGS)")
            self.flags = {}
        told = {int(u): frozenset(x.decode().split()) - {"\\Recent"}
                for u, x in re.findall(rb"UID (\d+) FLAGS \(([^)]*)\)", b"".join(lines))}
        self.flags.update(told)
        self.validity, self.modseq, self.told = validity, modseq, len(told)
        new = sorted(set(self.flags) - set(self.bodies))
        for at in range(0, len(new), 500):
            part = ",".join(map(str, new[at:at + 500]))
            text = b"".join(ask(f"UID FETCH {part} (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
            for uid, ident in re.findall(rb"UID (\d+) BODY.*?\r\nMessage-ID: <(\S+)>", text, re.S):
                if ident in self.bodies.values():
                    self.twice.append(f"{ident} is UID {uid.decode()} now")
                self.bodies[int(uid)] = ident
        ask("LOGOUT")
        s.close()
        self.fetched = len(new)
        return exists


RC = """IMAPAccount a
Host 127.0.0.1
Port {port}
User alice
Pass secret
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path {base}/local/
Inbox {base}/local/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
"""


def local_copy():
    """What mbsync keeps: {file without flags: (inode, flags)} and every Message-ID in it."""
    files, idents = {}, []
    for path in glob.glob(f"{base}/local/**/*", recursive=True) + glob.glob(f"{base}/local/**/.*", recursive=True):
        if os.path.isfile(path) and os.path.basename(os.path.dirname(path)) in ("new", "cur"):
            where = os.path.dirname(os.path.dirname(path))
            name, _, flags = os.path.basename(path).partition(":2,")
            files[where + "/" + name] = (os.stat(path).st_ino, flags)
    return files


def mbsync(title, added, removed):
    """Runs it; as many files may have come and gone as messages did."""
    before = local_copy()
    started = time.monotonic()
    r = subprocess.run(["mbsync", "-c", f"{base}/mbsyncrc", "-a"], capture_output=True, text=True, timeout=1200,
                       env=dict(os.environ, HOME=base), start_new_session=True)
    took = time.monotonic() - started
    after = local_copy()
    came, went = len(set(after) - set(before)), len(set(before) - set(after))
    anew = [n for n in after if n in before and before[n][0] != after[n][0]]
    tap.ok(r.returncode == 0 and (came, went) == (added, removed) and not anew,
           f"{title}: mbsync fetches {added}, removes {removed}, nothing twice", r.stderr[-600:], f"fetched {came}, removed {went}, anew {len(anew)}")
    figures.append(f"{title}: mbsync {took:.1f} s")


# ------------------------------------------------------------ the mailbox

def fill():
    """Files as an MTA and Dovecot would have left them, before any index is there."""
    for d in ("cur", "new", "tmp"):
        os.makedirs(f"{MAIL}/{d}")
        own(f"{MAIL}/{d}")
    own(HOME)
    own(MAIL)
    for n in range(MESSAGES):
        text = body(n).encode()
        name = f"{1700000000 + n}.M{n}P1.host" + (f",S={len(text)},W={len(text) + text.count(10)}" if n % 3 else "")
        where = "new/" + name if n % 10 == 9 else "cur/" + name + ":2," + ("S" if n % 2 else "") + ("" if n % 5 else "F")
        where = where.replace("SF", "FS")
        with open(f"{MAIL}/{where}", "wb") as f:
            f.write(text)
        os.utime(f"{MAIL}/{where}", (1700000000 + n, 1700000000 + n))
        own(f"{MAIL}/{where}")


def begin():
    """Under Dovecot: mailboxes, subscriptions, keywords."""
    m = imap()
    for name in NAMES:
        tap.ok(m.create(f'"{name}"')[0] == "OK", f"Dovecot makes {name}")
    for name in NAMES[::2] + ["INBOX"]:
        m.subscribe(f'"{name}"')
    m.select("INBOX")
    for k, word in enumerate(KEYWORDS):
        some = ",".join(str(n) for n in range(k + 1, MESSAGES + 1, 31))
        assert m.store(some, "+FLAGS.SILENT", f"({word})")[0] == "OK"
    m.store("1", "+FLAGS.SILENT", "(" + " ".join(KEYWORDS[:28]) + ")")
    for k, name in enumerate(NAMES):
        m.copy(f"{k + 1}:{k + 40}", f'"{name}"')
    m.logout()


made = [MESSAGES]


def change():
    """One of everything that can happen in a turn: 4 messages come to INBOX and 1 to a mailbox, 4 go."""
    m = imap()
    m.select("INBOX")
    for flags in ("(\\Seen $Label1)", "(\\Draft kw.0)", None):
        made[0] += 1
        assert m.append("INBOX", flags, None, body(made[0]).replace("\n", "\r\n").encode())[0] == "OK"
    made[0] += 1
    name = f"{int(time.time())}.M{made[0]}P2.deliverer"
    with open(f"{MAIL}/tmp/{name}", "w") as f:
        f.write(body(made[0]))
    own(f"{MAIL}/tmp/{name}")
    os.rename(f"{MAIL}/tmp/{name}", f"{MAIL}/new/{name}")
    m.noop()
    m.store("5:9", "+FLAGS.SILENT", "(\\Answered)")
    m.store("6", "-FLAGS.SILENT", "(\\Seen)")
    m.store("7", "+FLAGS.SILENT", f"({KEYWORDS[4]} {KEYWORDS[5]})")
    m.store("28:30", "+FLAGS.SILENT" if made[0] % 8 else "-FLAGS.SILENT", "(\\Flagged)")   # with keywords that have no letter
    m.store("11,13,17", "+FLAGS.SILENT", "(\\Deleted)")
    m.expunge()
    m.copy("20", '"R&-D"')
    m.store("20", "+FLAGS.SILENT", "(\\Deleted)")
    m.expunge()
    m.logout()


def break_tail(k):
    """A crash in the middle of an append, and a page of zeros as some file systems leave."""
    with open(f"{MAIL}/dovecot-uidlist", "ab") as f:
        f.write((b"\0" * 64 + b"\n", b"999999")[k % 2])


def lose_index():
    for path in glob.glob(f"{MAIL}/postern.index*") + glob.glob(f"{MAIL}/postern-index*"):
        os.unlink(path) if os.path.isfile(path) else shutil.rmtree(path)


def turn(title, client, before, ids):
    """The server is another one: nothing may have changed for anybody."""
    after = picture()
    tap.ok(before == after, f"{title}: UIDVALIDITY, UIDs, flags, keywords, sizes, dates, subscriptions are the same", *differences(before, after))
    now = uidls()
    tap.ok(ids == now, f"{title}: POP3's order, UIDLs and sizes are the same", *[x for x in zip(ids[0] + ids[1], now[0] + now[1]) if x[0] != x[1]][:5])
    mbsync(title, 0, 0)
    known = dict(client.flags)
    exists = client.visit()
    truth = after["INBOX"][1]
    tap.ok(client.fetched == 0 and not client.twice, f"{title}: the QRESYNC client fetches no message", client.fetched, client.twice[:3])
    tap.ok(exists == len(truth) and client.flags == {u: r[0] for u, r in truth.items()} == known,
           f"{title}: and believes what is true ({client.told} flags told)", exists, len(truth),
           [(u, known.get(u), client.flags.get(u), truth.get(u)) for u in set(known) | set(truth) if client.flags.get(u) != truth.get(u, [None])[0]][:3])


def live(title, client):
    """A turn's work, after which every client knows exactly the changes."""
    change()
    mbsync(title + ", after its changes", 5, 4)
    client.visit()
    tap.ok(client.fetched == 4 and not client.twice, f"{title}: the QRESYNC client fetches the 4 new messages", client.fetched, client.twice)
    truth = {u: r[0] for u, r in picture()["INBOX"][1].items()}
    tap.ok(client.flags == truth, f"{title}: and believes what is true",
           [(u, client.flags.get(u), truth.get(u)) for u in set(client.flags) | set(truth) if client.flags.get(u) != truth.get(u)][:3])


def main():
    if not os.path.exists(DOVECOT) or not os.path.exists("/usr/lib/dovecot/pop3") or not shutil.which("mbsync"):
        print("1..0 # SKIP dovecot-imapd, dovecot-pop3d or isync is not installed")
        return
    with open(f"{base}/users", "w") as f:
        f.write(f"alice:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{HOME}::\n")
    os.makedirs(f"{base}/local")
    with open(f"{base}/mbsyncrc", "w") as f:
        f.write(RC.format(port=IMAP, base=base))
    fill()
    dovecot, postern = Dovecot(), Postern("imap_namespace_separator = /\n")
    client = Returning()
    with dovecot:
        begin()
        mbsync("the first copy", MESSAGES + 40 * len(NAMES), 0)
        client.visit()
        tap.ok(len(client.bodies) == MESSAGES, "the QRESYNC client has all")
        live("Dovecot", client)
        ids, seen = uidls(), picture()
        tap.ok(len({k for v, r in [seen["INBOX"]] for f in r.values() for k in f[0]} & set(KEYWORDS)) == 30, "30 keywords are in use")
    for k, (server, title) in enumerate(((postern, "from Dovecot to Postern"), (dovecot, "back to Dovecot"), (postern, "to Postern without its index"))):
        if server is postern:
            break_tail(k // 2)
            lose_index()
        with server:
            turn(title, client, seen, ids)
            live(title, client)
            ids, seen = uidls(), picture()
    for line in figures:
        print("# " + line)
    if tap.failed:
        print("# " + postern.i.log()[-3000:].replace("\n", "\n# "))
    with postern.i:
        pass


def end():
    if tap.n:
        print(f"1..{tap.n}")
    if not os.environ.get("KEEP"):
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
    end()
