#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""shared_dovecot.py - Dovecot and Postern by turns on mailboxes that users share

Dovecot with shared and public namespaces, acl, acl_shared_dict and INDEXPVT; Postern with what import-dovecot makes of its
configuration.  Who sees what, with which rights, UIDs and flags, is the same at each turn, whoever of the two gave them.
(A \\Seen of one's own is kept by each in a file of its own.)  Needs root, as Dovecot does; skipped without either.  TAP.
"""
import grp, os, pwd, re, shutil, signal, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import BUILD, Instance, Tap, free_port, wait_for
import imaplib

DOVECOT, DOVECONF = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin"), shutil.which("doveconf")
if os.getuid() != 0 or not DOVECOT or not DOVECONF:
    print("1..0 # SKIP needs root and Dovecot")
    sys.exit(0)
try:
    pwd.getpwnam("dovenull")
except KeyError:
    print("1..0 # SKIP Dovecot's users are missing")
    sys.exit(0)

OURS, THEIRS = free_port(), free_port()
MASTER = f"127.0.0.1:{OURS} inet n - n - - imap-login\n"
USERS = ("alice@x.example", "bob@x.example", "carol@x.example")
owner = pwd.getpwnam("nobody")
t = Tap()


class Session:
    def __init__(self, port, user):
        self.m = imaplib.IMAP4("127.0.0.1", port)
        self.m.login(user + "@x.example", "x")

    def __call__(self, command):
        tag = self.m._new_tag()
        self.m.send(tag + b" " + command.encode() + b"\r\n")
        lines = []
        while True:
            line = self.m.readline().rstrip(b"\r\n").decode()
            if line.startswith(tag.decode() + " ") or not line:
                return lines + [line[len(tag) + 1:]]
            lines.append(line)

    def good(self, command):
        got = self(command)
        t.ok(got[-1].startswith("OK"), command.split("\r")[0], *got)

    def append(self, box):
        self.good(f'APPEND "{box}" {{17+}}\r\nSubject: x\r\n\r\nx\r\n')

    def end(self):
        self.m.logout()


def configuration(d):
    return f"""base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/dovecot.log
ssl = no
protocols = imap
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
mail_plugins = acl
passdb {{
  driver = passwd-file
  args = {d}/users
}}
userdb {{
  driver = passwd-file
  args = {d}/users
}}
protocol imap {{
  mail_plugins = acl imap_acl
}}
plugin {{
  acl = vfile:{d}/global
  acl_shared_dict = file:{d}/dict/shared
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
namespace {{
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:%%h/Maildir:INDEXPVT=~/Maildir/shared/%%u
  subscriptions = no
  list = children
}}
namespace {{
  type = public
  separator = /
  prefix = Public/
  location = maildir:{d}/public:INDEXPVT=~/Maildir/public
  subscriptions = no
  list = children
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {THEIRS}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


def prepare(d):
    for sub in ("run", "state", "home", "dict", "public/.News/cur", "public/.News/new", "public/.News/tmp"):
        os.makedirs(f"{d}/{sub}")
    for user in USERS:
        os.mkdir(f"{d}/home/{user}")
    with open(f"{d}/users", "w") as f:
        for user in USERS:
            f.write(f"{user}:{{PLAIN}}x:{owner.pw_uid}:{owner.pw_gid}::{d}/home/{user}::userdb_acl_groups={'staff,sales' if 'bob' in user else 'none'}\n")
    with open(f"{d}/global", "w") as f:
        f.write("*/Capped user=bob@x.example l\n")
    with open(f"{d}/public/dovecot-acl", "w") as f:
        f.write("group=staff lrk\n")
    for sub in ("home", "dict", "public"):
        for top, _, files in os.walk(f"{d}/{sub}"):
            for x in [top] + [f"{top}/{f}" for f in files]:
                os.chown(x, owner.pw_uid, owner.pw_gid)
    with open(f"{d}/conf", "w") as f:
        f.write(configuration(d))


def letters(text):
    return "".join(sorted(set(text.strip('"')) - set("cd")))


def picture(port):
    """What each user can tell of whose mailboxes."""
    out = {}
    for user in ("bob", "carol"):
        s = Session(port, user)
        see = out[user] = {"namespace": s("NAMESPACE")[0]}
        listed = [re.match(r'\* LIST \((.*?)\) "/" (.*)', x).groups() for x in s('LIST "" *')[:-1]]
        see["list"] = sorted((n.strip('"'), tuple(sorted(set(f.replace("\\Noselect", "\\NonExistent").split()) - {"\\Marked", "\\UnMarked"}))) for f, n in listed)
        # Dovecot goes on telling what may not be looked up any more (RFC 4314, 4: not to be told)
        subscribed = {x.split('"/" ')[1].strip('"') for x in s('LSUB "" *')[:-1]}
        see["lsub"] = sorted(subscribed & {n for n, f in see["list"] if "\\NonExistent" not in f})
        for name, f in see["list"]:
            if "\\NonExistent" in f or name == "INBOX":
                continue
            rights = letters(s(f'MYRIGHTS "{name}"')[0].split(" ")[-1])
            status = s(f'STATUS "{name}" (MESSAGES UIDNEXT UIDVALIDITY)')
            rows = []
            if s(f'EXAMINE "{name}"')[-1].startswith("OK"):
                for x in s("FETCH 1:* (UID FLAGS)")[:-1]:
                    rows.append((re.search(r"UID (\d+)", x).group(1), tuple(sorted(set(re.search(r"FLAGS \((.*?)\)", x).group(1).split()) - {"\\Recent", "\\Seen"}))))
            see[name] = (rights, sorted(re.findall(r"[A-Z]+ \d+", status[0].split("(")[-1])) if len(status) > 1 else "none", rows)
        for name in ("shared/alice@x.example/Secret", "shared/alice@x.example/Nowhere", "shared/carol@x.example", "Public/Nowhere"):
            see["no " + name] = s(f'SELECT "{name}"')[-1].startswith("NO")
        s.end()
    s = Session(port, "alice")
    out["acl"] = {}
    for box in ("INBOX", "Work", "Work/Sub", "Capped", "Secret"):
        words = s(f'GETACL "{box}"')[0].split(" ")[3:]
        out["acl"][box] = sorted((words[k].strip('"'), letters(words[k + 1])) for k in range(0, len(words), 2))
    s.end()
    return out


def give(port, n):
    """alice shares by one of the two; what the other will have to find."""
    a = Session(port, "alice")
    if n == 0:
        for box in ("Work", "Work/Sub", "Secret", "Capped"):
            a.good(f"CREATE {box}")
        a.good("SETACL Work bob@x.example lrwst")
        a.good("SETACL Capped bob@x.example lrw")
        a.append("Work")
        a.append("Work")
    elif n == 1:
        a.good("SETACL Work carol@x.example lr")
        a.good("SETACL Work/Sub $staff lrwi")
        a.good("SETACL INBOX bob@x.example lr")
        a.append("INBOX")
    elif n == 2:
        a.good("DELETEACL Work carol@x.example")
        a.good("SETACL Work -bob@x.example t")
        a.good("SETACL Secret !$sales lrs")
    else:
        a.good("DELETEACL Secret !$sales")
        a.good("DELETEACL INBOX bob@x.example")
    a.end()
    b = Session(port, "bob")
    b.good('SELECT "shared/alice@x.example/Work"')
    b.good(f"STORE 1 +FLAGS (key{n} \\Flagged)")
    b.good("STORE 2 +FLAGS (\\Seen)")
    if n == 0:
        b.good('SUBSCRIBE "shared/alice@x.example/Work"')
        b.good("CREATE Public/Made")
    elif n == 1:
        b.good('SUBSCRIBE "shared/alice@x.example"')
        b.append("shared/alice@x.example/Work/Sub")
        b.good('COPY 1 "shared/alice@x.example/Work/Sub"')
    b.end()


with Instance(master=MASTER) as i:
    d = i.dir
    prepare(d)
    told = subprocess.run([DOVECONF, "-n", "-c", f"{d}/conf"], capture_output=True, text=True).stdout
    r = subprocess.run([f"{BUILD}/cmd/import-dovecot"], input=told, capture_output=True, text=True)
    t.ok(r.returncode == 0 and "NO EQUAL" not in r.stdout, "import-dovecot has an equal for all of it", r.stdout)
    i.configure(r.stdout + "auth_failure_delay = 0s\n", MASTER)
    started = i.start()
    t.ok(started.returncode == 0, "Postern starts with what it says", i.log())
    peer = subprocess.Popen([DOVECOT, "-F", "-c", f"{d}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def answers():
            try:
                imaplib.IMAP4("127.0.0.1", THEIRS).logout()
                return True
            except (OSError, imaplib.IMAP4.error):
                return False
        t.ok(wait_for(answers), "Dovecot starts")
        for n, (first, second) in enumerate(((THEIRS, OURS), (OURS, THEIRS), (THEIRS, OURS), (OURS, THEIRS))):
            give(first, n)
            who = ["Dovecot", "Postern"]
            before, after = picture(first), picture(second)
            same = before == after
            t.ok(same, f"turn {n + 1}: what {who[first == OURS]} gave is what {who[second == OURS]} tells",
                 *[f"{u} {k}:\n {before[u].get(k)}\n {after[u].get(k)}" for u in before for k in {*before[u], *after[u]} if before[u].get(k) != after[u].get(k)])
    finally:
        peer.send_signal(signal.SIGTERM)
        peer.wait(20)
    if t.failed:
        print("# " + i.log()[-3000:].replace("\n", "\n# "))
        print("# " + open(f"{d}/dovecot.log").read()[-2000:].replace("\n", "\n# "))
t.end()
