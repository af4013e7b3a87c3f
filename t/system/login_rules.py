#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_rules.py - passdbs in a row: deny, pass, result_*, mechanisms, username_filter, and userdbs: skip, result_*, as import-dovecot
takes them from a Dovecot's configuration; the same logins and users there, where it is installed"""
import imaplib, os, pwd, shutil, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, by_lmtp, free_port, wait_for

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
OWNER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
IMAP = free_port()
t = Tap()
ok = t.ok
here = tempfile.mkdtemp(prefix="postern.rules.")
os.chmod(here, 0o755)
FILES = {
    "banned": "bad@plain.example:{PLAIN}x\n", "two": "a@two.example:{PLAIN}x\nb@two.example:{PLAIN}x\n",
    "final": "a@final.example:{PLAIN}x\n",
    "plain": "bad@plain.example:{PLAIN}x\na@plain.example:{PLAIN}x\na@two.example:{PLAIN}other\nc@two.example:{PLAIN}x\na@final.example:{PLAIN}late\nb@final.example:{PLAIN}x\n"
             "none@plain.example:{PLAIN}x::::::allow_nets=\n",
    "cram": "a@cram.example:{PLAIN}x\n"}
BLOCKS = (("banned", "deny = yes"), ("two", "pass = yes\n  username_filter = *@two.example"), ("final", "result_failure = return-fail\n  username_filter = *@final.example"),
          ("plain", "mechanisms = plain login\n  username_filter = !*@final.example"), ("cram", "mechanisms = cram-md5"), ("final", "username_filter = !*@plain.example"))
# who, password, whether he gets in
TRIES = (("a@plain.example", "x", True), ("a@plain.example", "y", False), ("bad@plain.example", "x", False), ("none@plain.example", "x", False),
         ("a@two.example", "x", True), ("a@two.example", "other", True), ("a@two.example", "y", False), ("b@two.example", "x", False), ("c@two.example", "x", True),
         ("a@final.example", "x", True), ("a@final.example", "late", False), ("b@final.example", "x", False), ("a@cram.example", "x", False))
passdbs = "".join(f"passdb {{\n  driver = passwd-file\n  args = {here}/{name}\n  {more}\n}}\n" for name, more in BLOCKS)
CONF = f"""protocols = imap
mail_location = maildir:{here}/mail/%u
auth_mechanisms = plain login cram-md5
auth_failure_delay = 0 secs
disable_plaintext_auth = no
ssl = no
{passdbs}userdb {{
  driver = static
  args = uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={here}/mail/%u allow_all_users=yes
}}
"""


IDS = f"{OWNER.pw_uid}:{OWNER.pw_gid}"
USERS = {"extra": "a@u.example:::::::userdb_quota_rule=*:messages=7\n" f"c@u.example::{IDS}::{here}/c::userdb_quota_rule=*:messages=8\n"
                  "e@u.example:::::::userdb_quota_rule=*:messages=9\n",
         "base": f"a@u.example::{IDS}::{here}/a::\nb@u.example::{IDS}::{here}/b::\ne@u.example::{IDS}::{here}/e::userdb_quota_rule=*:messages=1\n"}
# who, home, quota: those of all that go on come together, the later before the earlier; the last is for whom none has found
USERDBS = (("extra", "result_success = continue-ok"), ("base", ""))
WHO = (("a@u.example", f"{here}/a", "*:messages=7"), ("b@u.example", f"{here}/b", ""), ("c@u.example", f"{here}/c", "*:messages=8"),
       ("d@u.example", f"{here}/static", ""), ("e@u.example", f"{here}/e", "*:messages=1"))
USER_CONF = ("protocols = imap\nauth_mechanisms = plain\nssl = no\n" f"passdb {{\n  driver = passwd-file\n  args = {here}/plain\n}}\n" +
             "".join(f"userdb {{\n  driver = passwd-file\n  args = {here}/{name}\n  {more}\n}}\n" for name, more in USERDBS) +
             f"userdb {{\n  driver = static\n  args = uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={here}/static allow_all_users=yes\n  skip = found\n}}\n")


def login(user, password, cram=False, master=None):
    m = imaplib.IMAP4("127.0.0.1", IMAP)
    try:
        m.login_cram_md5(user, password) if cram else m.authenticate("PLAIN", lambda _: f"{user if master else ''}\0{master or user}\0{password}".encode())
        return m.select()[0]
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        m.shutdown()


def dovecot_test():
    if not shutil.which("dovecot") or os.getuid():
        return ok(True, "as Dovecot # SKIP it is not installed, or this is not root")
    os.mkdir(f"{here}/dovecot")
    with open(f"{here}/dovecot.conf", "w") as f:
        f.write(CONF.replace("protocols = imap\n", f"protocols =\nbase_dir = {here}/dovecot\nlog_path = {here}/dovecot.log\n"))
    p = subprocess.Popen(["dovecot", "-F", "-c", f"{here}/dovecot.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(f"{here}/dovecot/auth-userdb"))
        got = [subprocess.run(["doveadm", "-c", f"{here}/dovecot.conf", "auth", "test", user, password], capture_output=True, timeout=60).returncode == 0 for user, password, _ in TRIES]
        ok(got == [good for _, _, good in TRIES], "Dovecot says the same of all of them", [(w, g) for w, g in zip(TRIES, got) if w[2] != g])
    finally:
        p.terminate()
        p.wait(20)


def users_as_dovecot():
    if not shutil.which("dovecot") or os.getuid():
        return ok(True, "users as Dovecot # SKIP it is not installed, or this is not root")
    os.mkdir(f"{here}/dovecot2")
    with open(f"{here}/dovecot2.conf", "w") as f:
        f.write(USER_CONF.replace("protocols = imap\n", f"protocols =\nbase_dir = {here}/dovecot2\nlog_path = {here}/dovecot.log\nfirst_valid_uid = 1\n"))
    p = subprocess.Popen(["dovecot", "-F", "-c", f"{here}/dovecot2.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(f"{here}/dovecot2/auth-userdb"))
        for user, home, quota in WHO:
            r = subprocess.run(["doveadm", "-c", f"{here}/dovecot2.conf", "user", user], capture_output=True, text=True, timeout=60)
            told = dict(line.split("\t", 1) for line in r.stdout.splitlines() if "\t" in line)
            ok((told.get("home", ""), told.get("quota_rule", "")) == (home, quota), f"Dovecot says the same of {user}", r.stdout, r.stderr)
    finally:
        p.terminate()
        p.wait(20)


def users():
    lmtp = free_port()
    for name, text in USERS.items():
        with open(f"{here}/{name}", "w") as f:
            f.write(text)
    r = subprocess.run([f"{BUILD}/cmd/import-dovecot"], input=USER_CONF, capture_output=True, text=True)
    ok(r.returncode == 0 and "NO EQUAL" not in r.stdout and "result_success=continue-ok" in r.stdout and "skip=found" in r.stdout, "import-dovecot takes rules of userdbs", r.stdout)
    with Instance(master=f"127.0.0.1:{IMAP} inet n - n - - imap-login\n") as i:
        more = "first_valid_uid = 1\n"
        i.configure(r.stdout + more, f"127.0.0.1:{IMAP} inet n - n - - imap-login\n")
        if not ok(i.start().returncode == 0, "the system starts", i.log()):
            return
        for user, home, quota in WHO:
            got = [i.run("user", "-f", field, user).stdout.strip() for field in ("home", "quota")]
            ok(got == [home, quota and f"quota_rule={quota}"], f"{user}: what the userdbs say together", got, i.log()[-500:])
        if "sqlite" not in subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split():
            return ok(True, "a userdb that is away # SKIP this build has no client library for SQLite")
        with open(f"{here}/away.conf", "w") as f:
            f.write(f"driver = sqlite\nconnect = {here}/not-there.db\nuser_query = SELECT '/x' AS home\n")
        away, base = f"sql:{here}/away.conf", f"passwd-file:{here}/base"
        for rule, userdb, codes in (("", f"{away}, {base}", (75, 75)), (" result_internalfail=continue", f"{away} result_internalfail=continue, {base}", (0, 75)),
                                    (" behind one that knows", f"{base} result_success=continue-ok, {away}", (75, 75))):
            i.configure(f"auth_passdb = passwd-file:{here}/plain\nauth_userdb = {userdb}\n{more}",
                        f"127.0.0.1:{IMAP} inet n - n - - imap-login\n127.0.0.1:{lmtp} inet n - n - - lmtpd\n")
            i.run("stop")
            wait_for(lambda: not i.master_pid())
            i.start()
            got = tuple(i.run("user", u).returncode for u in ("b@u.example", "nobody@u.example"))
            ok(got == codes, f"a userdb that is away{rule}: {codes}", got, i.log()[-800:])
            got = tuple(by_lmtp(lmtp, u)[:3] for u in ("b@u.example", "nobody@u.example"))
            ok(got == tuple("250" if c == 0 else "451" for c in codes), "and nobody's mail is refused for good", got)


def refused(i, main, what, text):
    """By authd, which is asked as `postern check` asks it; the others have nothing to say here."""
    i.configure(main, f"127.0.0.1:{IMAP} inet n - n - - imap-login\n")
    r = subprocess.run([f"{i.dir}/libexec/authd", "--check", "-n", "authd", "-c", f"{i.dir}/etc", "--"], capture_output=True, text=True, timeout=60)
    ok(r.returncode != 0 and text in r.stderr, f"{what} is refused at start", r.stderr)


def main():
    os.mkdir(f"{here}/mail")
    os.chown(f"{here}/mail", OWNER.pw_uid, OWNER.pw_gid)
    for name, text in FILES.items():
        with open(f"{here}/{name}", "w") as f:
            f.write(text)
    r = subprocess.run([f"{BUILD}/cmd/import-dovecot"], input=CONF, capture_output=True, text=True)
    ok(r.returncode == 0 and "NO EQUAL" not in r.stdout, "import-dovecot takes all of it", r.stdout)
    with Instance(master=f"127.0.0.1:{IMAP} inet n - n - - imap-login\n") as i:
        i.configure(r.stdout + "auth_penalty = no\n", f"127.0.0.1:{IMAP} inet n - n - - imap-login\n")
        if not ok(i.start().returncode == 0, "the system starts", i.log()):
            return
        for user, password, good in TRIES:
            got = login(user, password)
            ok((got == "OK") == good and (good or "FAILED" in got), f"{user} with \"{password}\" {'gets in' if good else 'does not'}", got, i.log()[-800:])
        ok(login("a@cram.example", "x", cram=True) == "OK", "a database for CRAM-MD5 alone", i.log()[-800:])
        ok("FAILED" in login("a@plain.example", "x", cram=True), "and one for plain alone")
        ok("FAILED" in login("bad@plain.example", "x", cram=True), "who is denied proves nothing")
        ok(i.logged("auth: passwd-file(bad@plain.example,127.0.0.1): User found from deny passdb"), "and the log has it")
    with open(f"{here}/boss", "w") as f:
        f.write("boss:{PLAIN}b\n")
    main = f"""auth_passdb = passwd-file:{here}/banned deny=yes, pam
auth_master_passdb = passwd-file:{here}/boss
auth_userdb = static:uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={here}/mail/%u allow_all_users=yes
auth_failure_delay = 0s
auth_penalty = no
"""
    with Instance(main=main, master=f"127.0.0.1:{IMAP} inet n - n - - imap-login\n") as i:
        i.start()
        ok(login("anna@plain.example", "b", master="boss") == "OK", "a master logs in as whom only PAM could prove", i.log()[-800:])
        ok("FAILED" in login("bad@plain.example", "b", master="boss"), "but not as who is denied", i.log()[-800:])
    with open(f"{here}/oauth2", "w") as f:
        f.write(f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={here}/keys/\n")
    os.makedirs(f"{here}/keys/shared/default/HS256")
    with open(f"{here}/keys/shared/default/HS256/default", "w") as f:
        f.write("c2VjcmV0IG9mIHRoZSB0ZXN0J3Mgb3du")
    with Instance() as i:
        refusals(i)


def refusals(i):
    i.configure(f"auth_passdb = passwd-file:{here}/plain deny=maybe\nauth_userdb = passwd\n", f"127.0.0.1:{IMAP} inet n - n - - imap-login\n")
    r = i.run("check")
    ok(r.returncode != 0 and "no such value" in r.stderr, "check says what authd does not take", r.stderr)
    for words, text in (("deny=maybe", "no such value"), ("result_success=ok", "no such value"), ("made_up=1", "made_up=1"), ("nopasswords", "nopasswords"),
                        ("home=/x", "home means nothing"), ("nopassword=y", "nopassword means nothing")):
        refused(i, f"auth_passdb = passwd-file:{here}/plain {words}\nauth_userdb = passwd\n", words, text)
    for userdb, text in (("passwd home=/x", "passwd: home means nothing"), ("passwd quota_rule=*:messages=1", "quota_rule means nothing"),
                         (f"passwd-file:{here}/plain allow_all_users=yes", "allow_all_users means nothing"), ("static:allow_all_users=perhaps", "yes or no"),
                         ("static:password=x", "password means nothing"), (f"passwd-file:{here}/plain skip=authenticated", "no such value"),
                         (f"passwd-file:{here}/plain deny=yes", "unknown kind"), ("passwd result_failure=perhaps", "no such value")):
        refused(i, f"auth_passdb = pam\nauth_userdb = {userdb}\n", userdb.replace(here, ""), text)
    refused(i, f"auth_passdb = oauth2:{here}/oauth2 pass=yes\nauth_userdb = passwd\n", "oauth2 pass=yes", "oauth2 is for tokens alone")
    refused(i, "auth_passdb = pam scheme=CRYPT\nauth_userdb = passwd\n", "pam scheme=", "pam: scheme means nothing")
    refused(i, "auth_passdb = pam deny=yes\nauth_userdb = passwd\n", "deny=yes with PAM", "deny=yes needs")


try:
    main()
    dovecot_test()
    users()
    users_as_dovecot()
finally:
    shutil.rmtree(here, ignore_errors=True)
t.end()
