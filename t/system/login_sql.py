#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_sql.py - users in a database: Dovecot's dovecot-sql.conf.ext by IMAP and SMTP, with SQLite; who may ask proxymap for them;
master users; names"""
import base64, imaplib, os, pwd, smtplib, socket, sqlite3, struct, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

IMAP, SMTP = free_port(), free_port()
MASTER = f"127.0.0.1:{IMAP} inet n - n - - imap-login\n127.0.0.1:{SMTP} inet n - n - - smtpd\n"
t = Tap()
ok = t.ok


def login(user, password, plain=None):
    """The reply, or "OK" when INBOX opens."""
    m = imaplib.IMAP4("127.0.0.1", IMAP)
    try:
        if plain is not None:
            m.authenticate("PLAIN", lambda _: plain)
        else:
            m.login(user, password)
        return m.select()[0]
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        m.shutdown()


def smtp(user, password):
    s = smtplib.SMTP("127.0.0.1", SMTP)
    s.ehlo()
    code = s.docmd("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())[0]
    s.quit()
    return code


def stranger(i, f=b"identify\0", fields=None):
    """The question of authd's, from somebody else."""
    for name, value in fields or (("database", f"sql:{i.dir}/sql.conf"), ("kind", "passdb"), ("user", "anna@example.net"), ("service", "imap"), ("remote", ""), ("local", "")):
        f += name.encode() + b"\0" + struct.pack(">I", len(value)) + value.encode()
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(20)
    s.connect(next(p for p in (f"{i.dir}/queue/private/proxymap", f"{i.dir}/queue/public/proxymap") if os.path.exists(p)))
    s.send(f)
    try:
        return s.recv(65536)
    except ConnectionError:
        return b""


def as_mail_owner(i, what):
    """From a process of the user whose the sockets are."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            st = os.stat(f"{i.dir}/queue/private")
            os.setgroups([])
            os.setgid(st.st_gid)
            os.setuid(st.st_uid)
            os.write(write, what())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as f:
        answer = f.read()
    os.waitpid(pid, 0)
    return answer


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i:
        if "sqlite" not in subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split():
            return ok(True, "sqlite # SKIP this build has no client library for it")
        db = sqlite3.connect(f"{i.dir}/users.db")
        db.execute("CREATE TABLE users (name, pw, nets, off, home, real, nopw)")
        people = (("anna@example.net", "{PLAIN}pencil", None, None, "anna", None, None), ("bert@example.net", "brush", None, None, "bert", None, None),
                  ("away@example.net", "{PLAIN}x", "192.0.2.0/24", None, "away", None, None), ("off@example.net", "{PLAIN}x", None, 1, "off", None, None),
                  ("alias@example.net", "{PLAIN}x", None, None, "no", "anna@example.net", None), ("o'brien@example.net", "{PLAIN}x", None, None, "ob", None, None),
                  ("twice@example.net", "{PLAIN}x", None, None, "a", None, None), ("twice@example.net", "{PLAIN}x", None, None, "b", None, None),
                  ("null@example.net", None, None, None, "null", None, None), ("open@example.net", None, None, None, "open", None, "y"),
                  ("half@example.net", "{PLAIN}x", None, None, "half", None, "N"),
                  ("evil@example.net", "{PLAIN}x", None, None, "evil", "../../evil", None))
        db.executemany("INSERT INTO users VALUES (?,?,?,?,?,?,?)", people)
        db.commit()
        os.makedirs(f"{i.dir}/home")
        os.chown(f"{i.dir}/home", owner.pw_uid, owner.pw_gid)
        with open(f"{i.dir}/sql.conf", "w") as f:
            f.write(f"""# as a site has it
driver = sqlite
connect = {i.dir}/users.db
default_pass_scheme = PLAIN
password_query = SELECT coalesce(real, name) AS user, pw AS password, nets AS allow_nets, nopw AS nopassword, \\
  '{i.dir}/home/' || home AS userdb_home, {owner.pw_uid} AS userdb_uid, {owner.pw_gid} AS userdb_gid \\
  FROM users WHERE name = '%u' AND '%s' IN ('imap', 'smtp') AND off IS NULL AND '%r' <> '' AND '%d' = 'example.net'
user_query = SELECT '{i.dir}/home/' || home AS home, {owner.pw_uid} AS uid, {owner.pw_gid} AS gid, '*:bytes=1000000' AS quota_rule, '/x' AS sieve_before, 'n' AS proxy FROM users WHERE name = '%Lu'
iterate_query = SELECT name AS user FROM users
""")
        with open(f"{i.dir}/masters", "w") as f:
            f.write("boss:{PLAIN}key\n")

        def configure(userdb, more=""):
            i.configure(f"""auth_mechanisms = plain login cram-md5
auth_passdb = sql:{i.dir}/sql.conf
auth_userdb = {userdb}
auth_failure_delay = 0s
auth_penalty = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_relay_restrictions = reject_unauth_destination
{more}""", MASTER)
        configure(f"sql:{i.dir}/sql.conf")
        if not ok(i.start().returncode == 0, "the system starts"):
            return print(i.log())
        got = login("anna@example.net", "pencil")
        ok(got == "OK", "a good password", got, i.log()[-1500:])
        ok(os.path.isdir(f"{i.dir}/home/anna/Maildir"), "the mailbox is where user_query says")
        r = i.run("user", "*")
        ok(sorted(r.stdout.split()) == sorted({p[0] for p in people}), "iterate_query: user '*' lists all, each once", r.stdout, r.stderr)
        r = i.run("mailbox", "list", "-A")
        ok("INBOX" in r.stdout and "anna@example.net" in r.stdout, "and -A goes through them", r.stdout[-500:], r.stderr[-500:])
        ok("AUTHENTICATIONFAILED" in login("anna@example.net", "pencils"), "a wrong one")
        ok(login("ANNA@example.net", "pencil") == "OK", "the name is made uniform")
        ok(login("bert@example.net", "brush") == "OK", "default_pass_scheme")
        ok(i.logged("the field proxy of the userdb has no effect here") and
           all(i.log().count(f"the field {name} of the userdb has no effect here") == 1 for name in ("sieve_before", "proxy")) and
           "the field quota_rule" not in i.log(), "what a userdb says and nobody does is told, once", i.log()[-1500:])
        ok("AUTHENTICATIONFAILED" in login("nobody@example.net", "x"), "an unknown name")
        ok("AUTHENTICATIONFAILED" in login("away@example.net", "x"), "allow_nets")
        ok("AUTHENTICATIONFAILED" in login("off@example.net", "x"), "a row that the query leaves out")
        ok("AUTHENTICATIONFAILED" in login("null@example.net", ""), "no password is no way in")
        ok(login("open@example.net", "whatever") == "OK", "nopassword is")
        got = login("half@example.net", "whatever"), login("half@example.net", "x")
        ok("AUTHENTICATIONFAILED" in got[0] and got[1] == "OK", "nopassword, whatever it says, is not beside a password", got, i.log()[-1500:])
        ok(login("o'brien@example.net", "x") == "OK", "a quote in a name")
        ok(login("alias@example.net", "x") == "OK" and i.logged("Login: user=<anna@example.net>"), "user: he becomes another")
        ok("AUTHENTICATIONFAILED" in login("evil@example.net", "x"), "but not a path")
        got = login("twice@example.net", "x")
        ok("UNAVAILABLE" in got and i.logged("finds several users"), "two rows are trouble, not a choice", got)
        for name in ("x' OR '1'='1", "x' OR 1=1 --", "x' UNION SELECT 'anna@example.net','{PLAIN}x',NULL,NULL,'/',0,0 --@example.net", "%u", "\\' OR 1=1 --", "anna@example.net'--"):
            got = login(f'"{name}"'.replace("\\", "\\\\") if " " not in name else name, "x", f"\0{name}\0x".encode())
            ok("AUTHENTICATIONFAILED" in got, f"injected: {name}", got)
        m = imaplib.IMAP4("127.0.0.1", IMAP)
        ok(m.login_cram_md5("anna@example.net", "pencil")[0] == "OK", "CRAM-MD5 of a password in the database")
        m.logout()
        m = imaplib.IMAP4("127.0.0.1", IMAP)
        try:
            m.login_cram_md5("anna@example.net", "pen")
        except imaplib.IMAP4.error:
            pass
        m.shutdown()
        ok(i.logged("auth: sql(anna@example.net,127.0.0.1): Password mismatch"), "a wrong proof is logged at once, with the database's name")
        ok(smtp("anna@example.net", "pencil") == 235 and smtp("anna@example.net", "x") == 535, "SMTP")
        ok("signal 31" not in i.log(), "all keep to their promises")
        if os.getuid() == 0:
            answer = as_mail_owner(i, lambda: stranger(i, b"list\0", (("database", f"sql:{i.dir}/sql.conf"),)))
            ok(b"anna" not in answer and i.logged("only root and authd may ask who all users are"), "nobody else is told who there is", answer)
        else:
            ok(True, "nobody else is told who there is # SKIP without root all are one user")
        answer = stranger(i)
        if os.getuid() == 0:
            ok(b"pencil" not in answer and i.logged("only authd may ask"), "nobody else is told what is stored", answer)
        else:
            ok(True, "nobody else is told what is stored # SKIP without root all are one user")
        db.execute("ALTER TABLE users RENAME TO moved")
        db.commit()
        ok("UNAVAILABLE" in login("anna@example.net", "pencil") and smtp("anna@example.net", "pencil") == 454, "a database that is broken: not now")
        db.execute("ALTER TABLE moved RENAME TO users")
        db.commit()
        ok(wait_for(lambda: login("anna@example.net", "pencil") == "OK", 10), "and it is whole again")

        configure("prefetch", f"auth_master_passdb = passwd-file:{i.dir}/masters\nauth_master_user_separator = *\nauth_default_realm = example.net\nauth_cache_size = 1M\nauth_username_chars = abcdefghijklmnopqrstuvwxyz@.\n")
        i.run("stop")
        wait_for(lambda: not i.master_pid(), 20)
        i.start()
        ok(login("bert", "brush") == "OK" and os.path.isdir(f"{i.dir}/home/bert/Maildir"), "prefetch; auth_default_realm")
        ok(login("anna*boss", "key") == "OK" and i.logged("Master user logging in as anna@example.net"), "a master user", i.log()[-800:])
        ok(login("", "", b"anna\0boss\0key") == "OK", "by an authorization identity")
        ok("AUTHENTICATIONFAILED" in login("anna*boss", "pencil"), "with his own password only")
        ok("AUTHENTICATIONFAILED" in login("anna*bert", "brush"), "a user is no master")
        ok("AUTHENTICATIONFAILED" in login("boss", "key"), "a master is no user")
        ok("AUTHENTICATIONFAILED" in login("nobody*boss", "key"), "nor may he be nobody")
        ok("AUTHENTICATIONFAILED" in login("off*boss", "key"), "nor somebody who may not log in")
        ok("AUTHENTICATIONFAILED" in login("o'brien", "x") and i.logged("disallowed character"), "auth_username_chars")
        db.execute("UPDATE users SET pw='{PLAIN}new' WHERE name LIKE 'bert%'")
        db.commit()
        ok(login("bert", "brush") == "OK" and login("bert", "new") == "OK", "auth_cache: a success is remembered, a new password is good")
        ok("AUTHENTICATIONFAILED" in login("bert", "brushes"), "a wrong one is not")


def many():
    """More than go into one answer; by username and domain; names that could be none; a file without the query."""
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i:
        if "sqlite" not in subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split():
            return ok(True, "many # SKIP this build has no client library for SQLite")
        sqlite3.connect(f"{i.dir}/users.db").execute("CREATE TABLE x (y)")
        query = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000) SELECT 'somebody' || x AS username, 'example.org' AS domain FROM c "
                 "UNION ALL SELECT 'a b', 'example.org' UNION ALL SELECT '', '' UNION ALL SELECT hex(zeroblob(35000)), NULL UNION ALL SELECT hex(zeroblob(127)), 'x' "
                 "UNION ALL SELECT 'bare', NULL")
        for name, iterate in (("many", f"iterate_query = {query}\n"), ("none", "")):
            with open(f"{i.dir}/{name}.conf", "w") as f:
                f.write(f"driver = sqlite\nconnect = {i.dir}/users.db\nuser_query = SELECT '/x' AS home, {owner.pw_uid} AS uid, {owner.pw_gid} AS gid\n{iterate}")
        i.configure(f"auth_mechanisms = plain\nauth_passdb = static:nopassword=y\nauth_userdb = sql:{i.dir}/many.conf\n", MASTER)
        if not ok(i.start().returncode == 0, "the system starts"):
            return print(i.log())
        r = i.run("user", "*")
        ok(r.stdout.split() == [f"somebody{n}@example.org" for n in range(1, 5001)] + ["bare"], "5,000 users by username and domain, and one without a domain",
           len(r.stdout.split()), r.stdout[-200:], r.stderr)
        ok(i.logged("4 of the users that iterate_* finds have no user or username"), "names that could be none are left out, which is told")
        i.configure(f"auth_mechanisms = plain\nauth_passdb = static:nopassword=y\nauth_userdb = sql:{i.dir}/none.conf\n", MASTER)
        i.run("reload")
        got = wait_for(lambda: (r := i.run("user", "*")) and r.returncode != 0 and "does not name it" not in r.stderr and r)
        ok(got and "iterate_query is missing" in got.stderr, "without the query nobody is listed, and it is said", got)


def asleep_as_another():
    """user= of a userdb names who it is; a name of his own the userdb may not know, or know as somebody else's."""
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i:
        if "sqlite" not in subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split():
            return ok(True, "asleep # SKIP this build has no client library for SQLite")
        db = sqlite3.connect(f"{i.dir}/users.db")
        db.execute("CREATE TABLE users (name, is_called)")
        db.executemany("INSERT INTO users VALUES (?,?)", (("carol@example.net", "carol"), ("first@example.net", "second@example.net"), ("second@example.net", "third@example.net")))
        db.commit()
        os.makedirs(f"{i.dir}/home")
        os.chown(f"{i.dir}/home", owner.pw_uid, owner.pw_gid)
        with open(f"{i.dir}/sql.conf", "w") as f:
            f.write(f"driver = sqlite\nconnect = {i.dir}/users.db\n"
                    "password_query = SELECT name AS user, '{PLAIN}x' AS password FROM users WHERE name = '%u'\n"
                    f"user_query = SELECT is_called AS user, '{i.dir}/home/' || is_called AS home, {owner.pw_uid} AS uid, {owner.pw_gid} AS gid FROM users WHERE name = '%u'\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = sql:{i.dir}/sql.conf\nauth_userdb = sql:{i.dir}/sql.conf\nimap_hibernate_timeout = 1s\n", MASTER)
        if not ok(i.start().returncode == 0, "the system starts"):
            return print(i.log())
        for name, is_called in (("carol@example.net", "carol"), ("first@example.net", "second@example.net")):
            m = imaplib.IMAP4("127.0.0.1", IMAP, timeout=20)
            m.login(name, "x")
            m.create(f"of-{is_called}")
            m.send(b"i IDLE\r\n")
            m.readline()
            ok(wait_for(lambda: i.sessions() == 0), f"{name} hibernates as {is_called}")
            try:
                m.send(b"DONE\r\n")
                said = m.readline()
                here = m.list()[1]
            except (OSError, imaplib.IMAP4.error) as e:
                said, here = b"", [str(e).encode()]
            ok(said.startswith(b"i OK") and any(f"of-{is_called}".encode() in line for line in here if line), "and wakes as him", said, here, i.log()[-1200:])
            m.shutdown()


main()
many()
asleep_as_another()
t.end()
