#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""checkpassword.py - a command of the administrator's as passdb and userdb (auth_passdb = checkpassword:PATH), beside Dovecot

The command tells what it was given; users of many kinds; one that hangs, floods, dies; many at once.  Dovecot with the same command
says the same, where it is installed.  TAP.
"""
import atexit, imaplib, json, os, pwd, shutil, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

ROOT = os.getuid() == 0
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
IMAP = free_port()
t = Tap()
ok = t.ok
here = tempfile.mkdtemp(prefix="postern.checkpw.")
atexit.register(shutil.rmtree, here, ignore_errors=True)
os.chmod(here, 0o755)
COMMAND = f"""#!/usr/bin/env python3
import json, os, sys, time
given = os.read(3, 1000).split(b"\\0")
user, password = given[0].decode(), given[1].decode()
lookup = os.environ.get("AUTHORIZED") == "1"
with open("{here}/told", "a") as f:
    f.write(json.dumps([user, password, len(given), sys.argv[1:-1], os.path.basename(sys.argv[-1]), sorted(int(x) for x in os.listdir("/proc/self/fd") if int(x) > 2)[:2], dict(os.environ)]) + "\\n")
if user == "slow":
    time.sleep(3600)
if user == "flood":
    os.write(4, b"x=y\\t" * 10000)
if user == "died":
    os.kill(os.getpid(), 9)
if user == "silent":
    sys.exit(0)
if user.startswith("code"):
    sys.exit(int(user[4:]))
if user not in ("ann", "bob", "proud", "old", "gone", "nolog") and not user.startswith("many"):
    sys.exit(3 if lookup else 1)
if not lookup and password != "x y":
    sys.exit(1)
env = dict(os.environ, USER="ann" if user == "bob" else user, HOME="{here}/mail/" + user, EXTRA="userdb_uid userdb_gid userdb_quota_rule nothing" + (" nologin" if user == "nolog" else ""),
           userdb_uid="{OWNER.pw_uid}", userdb_gid="{OWNER.pw_gid}", userdb_quota_rule="*:messages=7", nologin="y")
if lookup and user != "old":
    env["AUTHORIZED"] = "2"
if user == "gone":
    sys.exit(0)
os.execve(sys.argv[-1], sys.argv[-1:], env)
"""
CONF = f"""protocols = imap
mail_location = maildir:~/Maildir
auth_mechanisms = plain cram-md5
auth_failure_delay = 0 secs
disable_plaintext_auth = no
first_valid_uid = 1
ssl = no
passdb {{
  driver = checkpassword
  args = {here}/command --flag
}}
userdb {{
  driver = checkpassword
  args = {here}/command --flag
}}
"""


def login(user, password="x y"):
    m = imaplib.IMAP4("127.0.0.1", IMAP)
    try:
        m.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        return m.select()[0]
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        m.shutdown()


def told(user):
    with open(f"{here}/told") as f:
        return [x for x in map(json.loads, f) if x[0] == user]


def beside_dovecot(expected):
    if not ROOT or not shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin"):
        return ok(True, "beside Dovecot # SKIP it is not installed, or this is not root")
    os.mkdir(f"{here}/dovecot")
    with open(f"{here}/dovecot.conf", "w") as f:
        f.write(CONF.replace("protocols = imap\n", f"protocols =\nbase_dir = {here}/dovecot\nlog_path = {here}/dovecot.log\n") +
                # else each wrong one is later than the one before
                "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n")
    os.chmod(f"{here}/told", 0o666)
    p = subprocess.Popen([shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin"), "-F", "-c", f"{here}/dovecot.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(f"{here}/dovecot/auth-userdb"))
        for user, password, good in expected[:5] + [("code3", "x y", False), ("code111", "x y", False)]:
            r = subprocess.run(["doveadm", "-c", f"{here}/dovecot.conf", "auth", "test", user, password], capture_output=True, text=True, timeout=60)
            ok((r.returncode == 0) == good, f"Dovecot says the same of {user}", r.stdout, r.stderr)
        r = subprocess.run(["doveadm", "-c", f"{here}/dovecot.conf", "user", "ann"], capture_output=True, text=True, timeout=60)
        ok(f"home\t{here}/mail/ann" in r.stdout and "quota_rule\t*:messages=7" in r.stdout, "and of who ann is", r.stdout, r.stderr)
        theirs = told("ann")[-2][6]
        ok({"PROTO", "SERVICE", "ORIG_UID"} <= set(theirs), "whose environment has these, too", theirs)
    finally:
        p.terminate()
        p.wait(20)


def misfits(i):
    begun = time.monotonic()
    threads = [threading.Thread(target=lambda: login("slow")) for _ in range(2)]
    for x in threads:
        x.start()
    ok(wait_for(lambda: len(told("slow")) == 2) and login("ann") == "OK" and time.monotonic() - begun < 20, "two that hang keep nobody else")
    crowd = []
    others = [threading.Thread(target=lambda n=n: crowd.append(login(f"many{n}"))) for n in range(20)]
    for x in others:
        x.start()
    for x in others:
        x.join()
    ok(crowd == ["OK"] * 20, "twenty at once", crowd)
    for x in threads:
        x.join()
    ok(i.logged("checkpassword(slow,127.0.0.1): it took too long"), "and end after their time", i.log()[-500:])
    left = subprocess.run(["pgrep", "-f", f"{here}/command"], capture_output=True, text=True).stdout
    ok(not left, "nothing of them is left", left)


def main():
    for d in ("mail",):
        os.mkdir(f"{here}/{d}")
        os.chown(f"{here}/{d}", OWNER.pw_uid, OWNER.pw_gid)
    with open(f"{here}/command", "w") as f:
        f.write(COMMAND)
    os.chmod(f"{here}/command", 0o755)
    r = subprocess.run([f"{BUILD}/cmd/import-dovecot"], input=CONF, capture_output=True, text=True)
    ok("NO EQUAL" not in r.stdout and f"auth_passdb = checkpassword:{{{here}/command --flag}}" in r.stdout, "import-dovecot takes it", r.stdout)
    expected = [("ann", "x y", True), ("ann", "wrong", False), ("ann", "", False), ("nobody-such", "x y", False), ("old", "x y", True)]
    expected += [(f"code{n}", "x y", False) for n in (1, 2, 3, 12, 111, 77)] + [("silent", "x y", False), ("died", "x y", False), ("gone", "x y", False)]
    with Instance(master=f"127.0.0.1:{IMAP} inet n - n - - imap-login\n") as i:
        i.configure(r.stdout + "auth_penalty = no\nauth_checkpassword_timeout = 4s\n", f"127.0.0.1:{IMAP} inet n - n - - imap-login\n")
        if not ok(i.start().returncode == 0, "start", i.log()):
            return
        got = login("ann")
        ok(got == "OK" and os.path.isdir(f"{here}/mail/ann/Maildir"), "login, and the userdb by AUTHORIZED", got, i.log()[-1500:])
        first = told("ann")[:2]
        ok([x[1:4] for x in first] == [["x y", 4, ["--flag"]], ["", 4, ["--flag"]]] and first[0][4] == "checkpassword-reply", "what it is told: name, password, and the program to run", first)
        ok(first[0][6].get("SERVICE") == "imap" and first[0][6].get("TCPREMOTEIP") == "127.0.0.1" and "AUTHORIZED" not in first[0][6] and first[1][6].get("AUTHORIZED") == "1" and
           not any("POSTERN" in k or "LISTEN" in k for k in first[0][6]), "its environment", first[0][6])
        ok(first[0][5] == [3, 4], "it has no other descriptors", first[0][5])
        for user, password, good in expected:
            if user != "old":
                got = login(user, password)
                temporary = user in ("code2", "code111", "code77", "silent", "died", "gone")
                ok((got == "OK") == good and ("UNAVAILABLE" in got) == temporary, f"{user}, {password!r}", got)
        got = login("flood")
        ok("UNAVAILABLE" in got and i.logged("it said more than 8192 bytes"), "one that says too much", got)
        got = login("old")
        ok("UNAVAILABLE" in got and i.logged("does it know of AUTHORIZED?"), "a command that does not know of AUTHORIZED is not believed without a password", got, i.log()[-600:])
        ok("CONTACTADMIN" in login("nolog"), "its fields are those of any passdb", login("nolog"))
        ok(login("bob") == "OK" and not os.path.exists(f"{here}/mail/bob"), "USER= is who he becomes", os.listdir(f"{here}/mail"))
        ok(i.run("user", "-f", "quota", "ann").stdout.strip() == "quota_rule=*:messages=7" and i.run("user", "nobody-such").returncode == 67, "postern user")
        misfits(i)
        for what, words in (("no such command", f"checkpassword:{here}/none"), ("no path", "checkpassword:relative")):
            i.configure(f"auth_passdb = {words}\n", f"127.0.0.1:{IMAP} inet n - n - - imap-login\n")
            c = subprocess.run([f"{i.dir}/libexec/authd", "--check", "-n", "authd", "-c", f"{i.dir}/etc", "--"], capture_output=True, text=True, timeout=60)
            ok(c.returncode != 0 and "checkpassword" in c.stderr, f"{what}: refused at start", c.stderr)
    beside_dovecot(expected)


main()
t.end()
