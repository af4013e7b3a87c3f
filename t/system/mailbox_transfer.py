#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mailbox_transfer.py - postern import, export, backup and sync: from one Maildir to another.  TAP."""
import atexit, glob, gzip, imaplib, os, pwd, random, shutil, signal, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, wait_for

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
tap = Tap()
base = tempfile.mkdtemp(prefix="mailbox_transfer_")
atexit.register(shutil.rmtree, base, ignore_errors=True)
os.chmod(base, 0o755)
os.chown(base, OWNER.pw_uid, OWNER.pw_gid)
with open(f"{base}/users", "w") as f:
    for name in ("alice", "bob"):
        f.write(f"{name}:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{base}/{name}::\n")
MAIN = f"""mail_location = maildir:%h/Maildir
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
first_valid_uid = 1
imap_namespace_separator = /
"""
AS = "setpriv --reuid nobody --regid nogroup --clear-groups env USER=nobody" if ROOT else "env"


def client(place):
    return imaplib.IMAP4_stream(f"{AS} HOME={base} {BUILD}/t/system/imapd_stdio maildir:{place} separator=/ 2>>{base}/log")


def look(place):
    """All that a client can see: mailboxes, subscriptions, UIDs, flags, dates, bytes."""
    m = client(place)
    seen = {"subscribed": sorted(m.lsub()[1], key=str)}
    for line in m.list()[1]:
        name = line.split(b' "/" ')[1].decode().strip('"')
        status, _ = m.select(f'"{name}"', readonly=True)
        if status != "OK":
            continue
        validity = m.response("UIDVALIDITY")[1][0]
        got = m.uid("FETCH", "1:*", "(FLAGS INTERNALDATE EMAILID BODY.PEEK[])")[1] if m.response("EXISTS")[1] != [b"0"] else []
        messages = sorted((str(x[0]).replace("\\\\Recent", "").replace("( ", "(").replace(" )", ")"), x[1]) for x in got if isinstance(x, tuple)) if got and got != [None] else []
        tails = sorted(str(x) for x in got if isinstance(x, bytes))
        seen[name] = (validity, messages, tails)
    m.logout()
    return seen


def wait_until_after(seen):
    """A mailbox that is made from now on has another UIDVALIDITY, which is the second."""
    newest = max(int(value[0]) for name, value in seen.items() if name != "subscribed")
    wait_for(lambda: time.time() >= newest + 1)


def without_numbers(seen):
    """The same without UIDs: what two sides that were merged have in common."""
    import re
    out = {}
    for name, value in seen.items():
        if name == "subscribed":
            out[name] = value
            continue
        rows = []
        for head, body in value[1]:
            flags = sorted(re.search(r"FLAGS \((.*?)\)", head).group(1).replace("\\\\Recent", "").split())
            rows.append((flags, re.search(r'INTERNALDATE "(.*?)"', head).group(1), body))
        out[name] = sorted(rows, key=str)
    return out


def fill(place, count=20):
    m = client(place)
    for box in ("Archive/2026", "&AMQ-rger", "Empty"):
        m.create(f'"{box}"')
    m.subscribe('"Archive/2026"')
    for k in range(count):
        box = ("INBOX", '"Archive/2026"', '"&AMQ-rger"')[k % 3]
        m.append(box, ("", "(\\Seen)", "(\\Flagged $work)", "(\\Answered other $work)")[k % 4], imaplib.Time2Internaldate(1700000000 + k * 1000),
                 f"From: a@example.net\r\nSubject: {place[-6:]} {k}\r\n\r\nbody {k}\r\n".encode() + b"x" * 70 * k + b"\r\n")
    m.select("INBOX")
    m.store("2", "+FLAGS", "\\Deleted")
    m.expunge()
    m.logout()


with Instance(MAIN, "authd unix - n n - - authd\n") as i:
    i.start()

    def run(*words, wait=True):
        p = subprocess.Popen([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True)
        if not wait:
            return p
        run.out, run.err = p.communicate(timeout=120)
        return p.returncode

    alice, bob, copy = f"{base}/alice/Maildir", f"{base}/bob/Maildir", f"{base}/copy"
    os.makedirs(f"{base}/alice")
    os.chown(f"{base}/alice", OWNER.pw_uid, OWNER.pw_gid)
    fill(alice)
    look(alice)
    before = look(alice)

    # export and import: by what a query finds
    tap.ok(run("export", "-u", "alice", f"maildir:{base}/out", "subject", "body") == 0 and not look(f"{base}/out").get("INBOX", (0, []))[1],
           "export: what the query does not find stays", run.err)
    tap.ok(run("export", "-u", "alice", f"maildir:{base}/out", "mailbox", "Archive/2026", "all") == 0, "export of a mailbox", run.err)
    a, b = without_numbers(before), without_numbers(look(f"{base}/out"))
    tap.ok(b["Archive/2026"] == a["Archive/2026"] and len(b["Archive/2026"]) > 3, "flags, keywords, dates and bytes come along", a["Archive/2026"], b.get("Archive/2026"))
    tap.ok(run("import", "-u", "bob", "-s", f"maildir:{base}/out", "Old", "all") == 0, "import", run.err)
    c = without_numbers(look(bob))
    tap.ok(c["Old/Archive/2026"] == a["Archive/2026"] and any(b"Old/Archive/2026" in x for x in c["subscribed"]), "below the mailbox that is named, subscribed with -s", c)
    tap.ok(run("import", "-u", "bob", f"maildir:{base}/nowhere", "Old", "all") == 75 and "No such file" in run.err and not os.path.exists(f"{base}/nowhere"),
           "a place that is not there is none: 75", run.err)
    tap.ok(run("import", "-u", "bob", "mbox:/x", "Old", "all") == 75, "another format is refused", run.err)

    # backup: all the same, UIDs too
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 0 and "messages copied" in run.out, "backup", run.out, run.err)
    tap.ok(look(copy) == before, "the same to the byte, with UIDs, UIDVALIDITY, flags and subscriptions", look(copy), before)
    m = client(alice)
    m.select("INBOX")
    m.store("1", "+FLAGS", "(\\Answered new)")
    m.store("2", "+FLAGS", "\\Deleted")
    m.expunge()
    m.delete("Empty")
    m.unsubscribe('"Archive/2026"')
    m.append("INBOX", None, None, b"Subject: later\r\n\r\nx\r\n")
    m.logout()
    before = look(alice)
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 0 and " 1 messages copied, 1 renamed, 1 removed" in run.out, "the next one brings the difference", run.out, run.err)
    tap.ok(look(copy) == before, "and all is the same again", look(copy), before)

    # a compressed message goes along as it is, with its date, and once
    name, packed = "1700000001.M1P1.host:2,S", gzip.compress(b"Subject: packed\n\n" + b"hay\n" * 400)
    with open(f"{alice}/cur/{name}", "wb") as f:
        f.write(packed)
    os.chown(f"{alice}/cur/{name}", OWNER.pw_uid, OWNER.pw_gid)
    os.utime(f"{alice}/cur/{name}", (1600000000, 1600000000))
    before = look(alice)
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 0 and " 1 messages copied" in run.out, "a compressed message is copied", run.out, run.err)
    tap.ok(open(f"{copy}/cur/{name}", "rb").read() == packed and os.stat(f"{copy}/cur/{name}").st_mtime == 1600000000 and look(copy) == before,
           "as it is, with its date", os.stat(f"{copy}/cur/{name}"))
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 0 and " 0 messages copied, 0 renamed, 0 removed" in run.out, "and not again", run.out, run.err)
    shutil.rmtree(alice)
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 75 and look(copy) == before, "a Maildir that is not there is no reason to empty its backup", run.out, run.err)
    os.mkdir(alice)
    os.chown(alice, OWNER.pw_uid, OWNER.pw_gid)
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 75 and look(copy) == before, "nor is one of which only the mount point is there", run.out, run.err)
    os.mkdir(f"{base}/empty")
    os.chown(f"{base}/empty", OWNER.pw_uid, OWNER.pw_gid)
    tap.ok(run("backup", "-u", "alice", "-R", f"maildir:{base}/empty") == 75 and not os.listdir(f"{base}/empty"), "an empty place is no backup", run.out, run.err)
    m = client(alice)
    m.append("INBOX", None, None, b"Subject: came after the loss\r\n\r\nx\r\n")
    m.logout()
    tap.ok(run("backup", "-u", "alice", f"maildir:{copy}") == 75 and "made anew" in run.err and look(copy) == before,
           "nor one that was made anew since: UIDVALIDITY tells", run.out, run.err)
    tap.ok(run("backup", "-u", "alice", "-R", f"maildir:{copy}") == 0 and look(alice) == before, "-R: what was lost comes back, with its UIDs", run.out, run.err)
    tap.ok(run("backup", "-u", "alice", f"maildir:{alice}") == 75 and look(alice) == before, "a place is no backup of itself", run.err)

    # killed at any time: the next run goes on, and the source is never touched
    good, kills = True, 0
    for k in range(12):
        m = client(alice)
        m.select("INBOX")
        for n in range(8):
            m.append("INBOX", "(\\Flagged)", None, f"Subject: {k} {n}\r\n\r\n".encode() + b"y" * 5000 + b"\r\n")
        m.store(str(1 + k), "+FLAGS", "\\Deleted")
        m.expunge()
        m.logout()
        before = look(alice)
        p = run("backup", "-u", "alice", f"maildir:{copy}", wait=False)
        time.sleep(0.005 * k)        # where it is then is chance; what must hold is not
        try:
            os.killpg(p.pid, signal.SIGKILL)
            kills += 1
        except ProcessLookupError:
            pass
        p.communicate()
        good = good and look(alice) == before and len(look(copy)["INBOX"][1]) >= 0
        good = good and run("backup", "-u", "alice", f"maildir:{copy}") == 0 and look(copy) == before
    tap.ok(good and kills, f"killed {kills} times: the source is whole, the next run completes the copy")

    # sync: what was done at either side
    other = f"{base}/other"
    tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0 and without_numbers(look(other)) == without_numbers(look(alice)), "sync to an empty place", run.out, run.err)
    tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0 and " 0 messages to " in run.out and " 0 from there, 0 removed, 0 changed" in run.out, "again: nothing to do", run.out)
    a, b = client(alice), client(other)
    for m, word in ((a, "here"), (b, "there")):
        m.append("INBOX", "(\\Seen)", None, f"Subject: new {word}\r\n\r\nx\r\n".encode())
        m.create(f"made-{word}")
        m.append(f"made-{word}", None, None, f"Subject: in it {word}\r\n\r\nx\r\n".encode())
        m.subscribe(f"made-{word}")
    a.select("INBOX")
    b.select("INBOX")
    a.store("1", "+FLAGS", "(\\Answered mine)")
    b.store("1", "+FLAGS", "(\\Draft yours)")
    b.store("1", "-FLAGS", "\\Flagged")
    a.store("3", "+FLAGS", "\\Deleted")
    b.store("5", "+FLAGS", "\\Deleted")
    third, fifth = (x.fetch(n, "(EMAILID)")[1][0].split(b"EMAILID ")[1] for x, n in ((a, "3"), (b, "5")))
    first = a.fetch("1", "(EMAILID)")[1][0].split(b"EMAILID ")[1]
    a.expunge()
    b.expunge()
    a.delete("&AMQ-rger")
    a.logout()
    b.logout()
    tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0, "sync", run.out, run.err)
    x, y = without_numbers(look(alice)), without_numbers(look(other))
    tap.ok(x == y, "both sides have the same", x.keys(), y.keys(), run.out)
    tap.ok("made-here" in x and "made-there" in x and "&AMQ-rger" not in x and sum(b"Subject: new " in r[2] for r in x["INBOX"]) == 2,
           "what was made here and there, and what was removed", x.keys())
    m = client(other)
    m.select("INBOX")
    ids = dict((r.split(b"EMAILID ")[1], r) for r in m.fetch("1:*", "(FLAGS EMAILID)")[1])
    tap.ok(all(w in ids[first] for w in (b"\\Answered", b"mine", b"\\Draft", b"yours")) and b"\\Flagged" not in ids[first] and third not in ids and fifth not in ids,
           "flags set at both, a flag taken off at one, messages removed at either", ids.get(first))
    m.append("made-here", None, None, b"Subject: came later\r\n\r\nx\r\n")
    m.logout()
    m = client(alice)
    m.delete("made-here")
    m.logout()
    tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0 and
           all([r[1][:21] for r in look(x)["made-here"][1]] == [b"Subject: came later\r\n"] for x in (alice, other)),
           "a mailbox that was removed here, and into which mail came there, is kept with that mail", run.out)
    for path in glob.glob(f"{other}/postern-sync.*"):
        title = open(path, "rb").readline()
        with open(path, "wb") as f:
            f.write(title + b".\t99\tx\ty\nM\tINBOX\n\xff\xfe\n.\t\t\t\n")
    x = without_numbers(look(alice))
    tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0 and without_numbers(look(alice)) == x, "a list that is lost removes nothing", run.out, run.err)
    for again, why in ((False, "a Maildir that is lost"), (True, "or lost and made anew")):
        run("sync", "-u", "alice", f"maildir:{other}")
        before, old = without_numbers(look(other)), look(alice)
        shutil.rmtree(alice)
        if again:
            wait_until_after(old)
            anew = look(alice)
            tap.ok(anew["INBOX"][0] != old["INBOX"][0] and not anew["INBOX"][1], "made anew, and empty", anew["INBOX"])
        tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0 and without_numbers(look(other)) == before == without_numbers(look(alice)),
               f"{why} empties nobody, and comes back", run.out, run.err)
    for side in (alice, other):
        m = client(side)
        m.create("Kept")
        m.append("Kept", "(\\Seen)", None, b"Subject: old\r\n\r\nx\r\n")
        m.logout()
        run("sync", "-u", "alice", f"maildir:{other}")
        old = look(side)
        shutil.rmtree(f"{side}/.Kept")
        wait_until_after(old)
        m = client(side)
        m.create("Kept")
        m.append("Kept", None, None, b"Subject: new\r\n\r\nx\r\n")
        m.logout()
        done = run("sync", "-u", "alice", f"maildir:{other}")
        x, y = without_numbers(look(alice))["Kept"], without_numbers(look(other))["Kept"]
        tap.ok(done == 0 and x == y and sum(b"Subject: old" in r[2] for r in x) == (1, 2)[side == other] and sum(b"Subject: new" in r[2] for r in x) == (1, 2)[side == other],
               "a mailbox that is lost and made anew by the next delivery empties nobody, and comes back", run.out, run.err, x, y)
    m = client(alice)
    m.delete("Kept")
    m.logout()
    run("sync", "-u", "alice", f"maildir:{other}")
    tap.ok("Kept" not in look(other), "one that is removed is", run.out)
    good, kills = True, 0
    rand = random.Random(4711)
    for k in range(10):
        a, b = client(alice), client(other)
        for m in (a, b):
            m.select("INBOX")
            m.append("INBOX", None, None, f"Subject: round {k}\r\n\r\n".encode() + b"z" * rand.randrange(4000) + b"\r\n")
            m.store(str(rand.randrange(1, 20)), "+FLAGS", "(\\Seen)")
        a.store(str(rand.randrange(1, 20)), "+FLAGS", "\\Deleted")
        a.expunge()
        total = len(a.search(None, "ALL")[1][0].split()) + 1
        a.logout()
        b.logout()
        p = run("sync", "-u", "alice", f"maildir:{other}", wait=False)
        time.sleep(0.006 * k)
        try:
            os.killpg(p.pid, signal.SIGKILL)
            kills += 1
        except ProcessLookupError:
            pass
        p.communicate()
        good = good and run("sync", "-u", "alice", f"maildir:{other}") == 0
        x, y = without_numbers(look(alice)), without_numbers(look(other))
        good = good and x == y and len(x["INBOX"]) == total
        if not good:
            print("#", k, total, len(x["INBOX"]), len(y["INBOX"]), run.out, run.err)
            break
    tap.ok(good and kills, f"killed {kills} times: nothing is lost, nothing comes twice")
    left = [p for p in glob.glob(f"{base}/**/tmp/*", recursive=True) + glob.glob(f"{base}/**/*.lock", recursive=True)]
    run("sync", "-u", "alice", f"maildir:{other}")
    tap.ok(run("sync", "-u", "alice", f"maildir:{other}") == 0, "locks of the dead hinder nobody", left)
    if ROOT:
        os.makedirs(f"{base}/roots", 0o700)
        tap.ok(run("backup", "-u", "alice", f"maildir:{base}/roots/x") == 75 and not os.listdir(f"{base}/roots"), "with the user's rights, never root's", run.err)
tap.end()
