#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mailbox_tool.py - postern user | mailbox | quota | search | fetch | expunge | move | copy | flags | save.  TAP."""
import atexit, json, os, pwd, re, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, children_of

OWNER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
tap = Tap()
base = tempfile.mkdtemp(prefix="mailbox_tool_")
atexit.register(shutil.rmtree, base, ignore_errors=True)
os.chmod(base, 0o755)
os.chown(base, OWNER.pw_uid, OWNER.pw_gid)
with open(f"{base}/users", "w") as f:
    for name in ("alice", "bob"):
        f.write(f"{name}:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{base}/{name}::userdb_quota_rule=*:storage=100k\n")
MAIN = f"""mail_location = maildir:%h/Maildir
auth_mechanisms = plain login
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
first_valid_uid = 1
imap_namespace_separator = /
quota = maildir:User quota
"""

with Instance(MAIN, "authd unix - n n - - authd\n") as i:
    def run(*words, text=None):
        r = subprocess.run([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", *words], input=text, capture_output=True, text=True, timeout=60)
        run.err, run.status = r.stderr, r.returncode
        return r.stdout

    r = run("user", "alice")
    tap.ok(run.status != 0 and "does the mail system run" in run.err, "without a running system it says so", run.err)
    i.start()
    tap.ok(f"home            {base}/alice" in run("user", "alice") and run("user", "-f", "uid", "alice") == f"{OWNER.pw_uid}\n", "user", run("user", "alice"))
    tap.ok(run("user", "*") == "alice\nbob\n", "user '*'")
    run("user", "nobody-such")
    tap.ok(run.status == 67 and "doesn't exist" in run.err, "a user who is not there: status 67", run.status, run.err)
    run("mailbox", "create", "-u", "alice", "Trash", "Ärger/2026")
    tap.ok(run.status == 0 and sorted(run("mailbox", "list", "-u", "alice").split("\n")) == ["", "INBOX", "Trash", "Ärger/2026"],
           "mailbox create and list, names in UTF-8", run("mailbox", "list", "-u", "alice"), run.err)
    for k in range(3):
        run("save", "-u", "alice", text=f"From: a@example.net\nSubject: number {k}\nDate: Fri, 20 Nov 2026 12:00:00 +0000\n\nbody {k}\n")

    # root's connection to authd is not for the process that reads a user's mail
    def sockets(pid):
        links = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:
                pass
        return {x for x in links if x.startswith("socket:")}

    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        p = subprocess.Popen([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", "save", "-u", "alice"], stdin=subprocess.PIPE)
        until = time.monotonic() + 30
        chain = []
        while len(chain) < 3 and time.monotonic() < until:      # root, the user's client, his session
            chain = [p.pid]
            while kids := children_of(chain[-1]):
                chain.append(kids[0])
            time.sleep(0.05)
        first = sockets(chain[0])
        tap.ok(len(chain) >= 3 and first and not any(first & sockets(pid) for pid in chain[1:]),
               "what runs as the user has no connection of root's", chain, [sockets(pid) for pid in chain])
        p.stdin.close()
        p.wait(30)
    run("save", "-u", "alice", "Trash", text="Subject: old\n\nx\n")
    tap.ok(run("mailbox", "status", "-u", "alice", "messages unseen", "*").startswith("mailbox=INBOX messages=3 unseen=3\n"), "save, mailbox status",
           run("mailbox", "status", "-u", "alice", "messages unseen", "*"))
    tap.ok(len(re.findall(r"^[0-9a-f]{32} [12]$", run("search", "-u", "alice", "mailbox", "INBOX", "or", "subject", "number 0", "subject", "number 1"), re.M)) == 2,
           "search: mailbox GUID and UID", run("search", "-u", "alice", "mailbox", "INBOX", "or", "subject", "number 0", "subject", "number 1"))
    tap.ok(len(run("search", "-A", "since", "1h").splitlines()) == 4 and run("search", "-u", "alice", "before", "1h") == "", "ages in a query; all users")
    got = run("fetch", "-u", "alice", "uid hdr.subject flags text", "mailbox", "INBOX", "uid", "2")
    tap.ok("uid: 2\n" in got and "hdr.subject: number 1\n" in got and "body 1" in got, "fetch", got)
    got = json.loads(run("fetch", "-u", "alice", "-f", "json", "mailbox uid hdr.subject", "all"))
    tap.ok(len(got) == 4 and got[0] == {"mailbox": "INBOX", "uid": "1", "hdr.subject": "number 0"}, "fetch as JSON", got)
    for k in range(30):
        run("save", "-u", "bob", "Words", text=f"Subject: word {k}\n\nneedle{k}\n") if k else run("mailbox", "create", "-u", "bob", "Words")
    run("index", "-u", "bob", "*")
    made = [x for x in os.listdir(f"{base}/bob/Maildir/.Words") if re.fullmatch(r"postern\.search\.[0-9a-f]{8}-[0-9a-f]{8}", x)]
    tap.ok(run.status == 0 and len(made) == 1, "index makes the files that SEARCH asks", made, run.err)
    tap.ok(os.stat(f"{base}/bob/Maildir/.Words/{made[0]}").st_uid == OWNER.pw_uid, "as the user")
    tap.ok(len(run("search", "-u", "bob", "body", "EEDLE29").splitlines()) == 1, "and it is found", run.err)
    run("index", "-u", "bob", "Nosuch")
    tap.ok(run.status == 68, "index of no mailbox", run.status, run.err)
    run("mailbox", "delete", "-u", "bob", "Words")
    tap.ok(run.status == 0 and not os.path.exists(f"{base}/bob/Maildir/.Words"), "the index goes with its mailbox", run.err)
    run("flags", "add", "-u", "alice", "\\Seen Label", "mailbox", "INBOX", "uid", "1:2")
    tap.ok("unseen=1" in run("mailbox", "status", "-u", "alice", "unseen", "INBOX"), "flags add", run.err)
    run("copy", "-u", "alice", "Ärger/2026", "mailbox", "INBOX", "keyword", "Label")
    run("move", "-u", "alice", "Trash", "mailbox", "INBOX", "uid", "3")
    tap.ok(run("mailbox", "status", "-u", "alice", "messages", "INBOX", "Trash", "Ärger/2026") ==
           "mailbox=INBOX messages=2\nmailbox=Trash messages=2\nmailbox=Ärger/2026 messages=2\n", "copy and move",
           run("mailbox", "status", "-u", "alice", "messages", "INBOX", "Trash", "Ärger/2026"), run.err)
    run("expunge", "-u", "alice", "all")
    tap.ok(run.status != 0 and "messages=2" in run("mailbox", "status", "-u", "alice", "messages", "INBOX"), "expunge without a mailbox is refused")
    run("expunge", "-u", "alice", "mailbox", "Trash", "savedbefore", "30d")
    tap.ok(run.status == 0 and "messages=2" in run("mailbox", "status", "-u", "alice", "messages", "Trash"), "expunge spares what is young", run.err)
    run("expunge", "-A", "mailbox", "Trash", "all")
    tap.ok("messages=0" in run("mailbox", "status", "-u", "alice", "messages", "Trash"), "expunge", run.err)
    got = run("quota", "-u", "alice", "-f", "tab", "get").splitlines()
    tap.ok(got[0] == "Quota name\tType\tValue\tLimit\t%" and got[1] == "User quota\tSTORAGE\t1\t100\t1" and got[2] == "User quota\tMESSAGE\t4\t-\t0", "quota get", got)
    with open(f"{base}/alice/Maildir/maildirsize", "w") as f:
        f.write("102400S\n99999 77\n")
    os.utime(f"{base}/alice/Maildir/maildirsize")
    run("quota", "-A", "recalc")
    tap.ok(re.fullmatch(r"102400S\n\d+ 4  \n", open(f"{base}/alice/Maildir/maildirsize").read()), "quota recalc -A", run.err)
    tap.ok(len(json.loads(run("quota", "-A", "-f", "json", "get"))) == 4, "one JSON array for all users")
    run("mailbox", "-u", "alice", "rename", "Trash", "Bin")
    tap.ok("Bin" in run("mailbox", "-u", "alice", "list") and run("mailbox", "-u", "alice", "path", "Bin") == f"{base}/alice/Maildir/.Bin\n", "mailbox rename, path")
    run("mailbox", "-u", "alice", "delete", "Nosuch")
    tap.ok(run.status == 68 and "Mailbox doesn't exist" in run.err, "what fails says why, with status 68", run.status, run.err)

# rights, metadata, what is there twice
with Instance(MAIN + "acl = vfile\n", "authd unix - n n - - authd\n") as i:
    def run(*words, text=None):
        r = subprocess.run([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", *words], input=text, capture_output=True, text=True, timeout=60)
        run.err, run.status = r.stderr, r.returncode
        return r.stdout

    i.start()
    run("mailbox", "create", "-u", "bob", "Team")
    tap.ok(run("acl", "set", "-u", "bob", "Team", "user=alice", "lookup", "read", "write-seen") == "" and run.status == 0 and
           json.loads(run("acl", "get", "-u", "bob", "-f", "json", "Team"))[-1] == {"ID": "user=alice", "Rights": "lookup read write-seen"}, "acl set and get", run("acl", "get", "-u", "bob", "Team"), run.err)
    run("acl", "add", "-u", "bob", "Team", "user=alice", "insert")
    run("acl", "remove", "-u", "bob", "Team", "user=alice", "read")
    run("acl", "set", "-u", "bob", "Team", "group=staff", "lr")
    tap.ok([x for x in json.loads(run("acl", "get", "-u", "bob", "-f", "json", "Team")) if x["ID"] != "user=bob"] ==
           [{"ID": "user=alice", "Rights": "lookup write-seen insert"}, {"ID": "group=staff", "Rights": "lookup read"}], "acl add, remove, a group, letters", run("acl", "get", "-u", "bob", "Team"))
    run("acl", "delete", "-u", "bob", "Team", "user=alice")
    tap.ok("alice" not in run("acl", "get", "-u", "bob", "Team") and run("acl", "rights", "-u", "bob", "Team").startswith("lookup read write"), "acl delete, rights")
    run("acl", "set", "-u", "bob", "Team", "user=alice", "everything")
    tap.ok(run.status == 64 and "no such right" in run.err, "a right that is none", run.err)
    run("mailbox", "metadata", "-u", "bob", "set", "Team", "private/comment", "ours, \"quoted\"")
    tap.ok(run.status == 0 and run("mailbox", "metadata", "-u", "bob", "get", "Team", "/private/comment") == "ours, \"quoted\"\n", "metadata set and get", run.err)
    tap.ok(run("mailbox", "metadata", "-u", "bob", "list", "Team") == "/private/comment\n", "metadata list", run("mailbox", "metadata", "-u", "bob", "list", "Team"), run.err)
    run("mailbox", "metadata", "-u", "bob", "unset", "Team", "/private/comment")
    run("mailbox", "metadata", "-u", "bob", "get", "Team", "/private/comment")
    tap.ok(run.status == 68, "metadata unset", run.status)
    for k in (1, 2, 1, 3, 1):
        run("save", "-u", "bob", "Team", text=f"Message-ID: <{k}@x>\nSubject: {k}\n\nx\n")
    run("deduplicate", "-u", "bob", "mailbox", "Team", "all")
    tap.ok(len(run("search", "-u", "bob", "mailbox", "Team", "all").split("\n")) == 6, "deduplicate: each was saved for itself")
    run("deduplicate", "-u", "bob", "-m", "mailbox", "Team", "all")
    tap.ok(len(run("search", "-u", "bob", "mailbox", "Team", "all").split("\n")) == 4 and run.status == 0, "deduplicate -m: of one Message-ID the first stays", run.err)

# whom a stranger writes to is asked of authd too (quota-status): a name is never a way out of its directory
STATIC = MAIN.replace(f"auth_userdb = passwd-file:{base}/users", f"auth_userdb = static:uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={base}/%d/%n allow_all_users=yes")
with Instance(STATIC, "authd unix - n n - - authd\n") as i:
    def user(name):
        return subprocess.run([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", "user", name], capture_output=True, text=True, timeout=60)

    i.start()
    tap.ok(f"{base}/v.example/ann" in user("ann@v.example").stdout, "a static userdb with allow_all_users knows everybody")
    for name in ("x/../../v.example/ann@v.example", "..@v.example", "ann@..", "ann@v.example/../w.example", "a\nb@v.example"):
        r = user(name)
        tap.ok(r.returncode == 67 and not r.stdout, f"but not {name!r}", r)
tap.end()
