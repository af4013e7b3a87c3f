#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""setquota.py - an administrator sets limits by IMAP (RFC 9208, QUOTASET) or at the command line

They bind at once: his session, the user's own, deliveries, the policy service, postern quota; they
outlive authd, killed or replaced; nobody else can set any.  TAP.
"""
import glob, imaplib, os, pwd, re, shutil, signal, socket, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, by_lmtp, by_policy, free_port, wait_for

ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
tap = Tap()


def said(m, name, *arguments):
    """Tagged answer and the QUOTA that was told."""
    imaplib.Commands.setdefault("SETQUOTA", ("AUTH", "SELECTED"))
    typ, data = m._simple_command(name, *arguments)
    told = m.response("QUOTA")[1]
    return typ, data[-1].decode(), told[-1].decode() if told and told[-1] else ""


def log_in(port, user, password="secret"):
    m = imaplib.IMAP4("127.0.0.1", port)
    m.login(user, password)
    return m


def can(m):
    return m.capability()[1][0].decode().split()


def content(size):
    return "Subject: x\r\n\r\n" + "y" * size + "\r\n"


def main(base):
    imap, status, lmtp, pop = free_port(), free_port(), free_port(), free_port()
    os.chmod(base, 0o755)
    os.chown(base, OWNER.pw_uid, OWNER.pw_gid)
    ids = f"{OWNER.pw_uid}:{OWNER.pw_gid}"
    with open(f"{base}/users", "w") as f:
        f.write("".join(f"{user}@v.example:{{PLAIN}}secret:{ids}::{base}/{user}::{extra}\n" for user, extra in
                        (("anna", "userdb_quota_rule=*:storage=1M"), ("bert", ""), ("chef", "userdb_admin=y"))))
    with open(f"{base}/masters", "w") as f:
        f.write("boss:{PLAIN}top::::::userdb_admin=yes\nhelp:{PLAIN}desk::::::\n")
    conf = f"""mydestination =
mail_location = maildir:%h/Maildir
auth_mechanisms = plain login
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
auth_master_passdb = passwd-file:{base}/masters
auth_master_user_separator = *
auth_failure_delay = 0s
first_valid_uid = 1
imap_hibernate_timeout = 1s
quota = maildir:User quota
quota_rule = *:messages=100
quota_rule2 = Spam:ignore
quota_grace = 0
quota_set = file:{base}/set/limits
"""
    master = f"""127.0.0.1:{imap} inet n - n - - imap-login
127.0.0.1:{pop} inet n - n - - pop3-login
127.0.0.1:{status} inet n n n - - quota-status
127.0.0.1:{lmtp} inet n - n - - lmtpd
"""
    os.mkdir(f"{base}/set", 0o700)
    limits = f"{base}/set/limits"
    with Instance(conf, master) as i:
        tap.ok(i.start().returncode == 0, "a system with quota_set starts")
        plain = log_in(imap, "anna@v.example")
        tap.ok("QUOTA" in can(plain) and "QUOTASET" not in can(plain) and said(plain, "SETQUOTA", '"User quota"', "(STORAGE 9)")[:2] ==
               ("NO", "[NOPERM] Permission denied."), "a user may set none, and is not told that he could")
        helper = log_in(imap, "anna@v.example*help", "desk")
        tap.ok("QUOTASET" not in can(helper) and said(helper, "SETQUOTA", '"User quota"', "(STORAGE 9)")[0] == "NO",
               "nor may a master user who is no administrator")
        boss = log_in(imap, "anna@v.example*boss", "top")
        tap.ok("QUOTASET" in can(boss), "one who is may", can(boss))
        before = said(boss, "GETQUOTA", '"User quota"')[2]
        tap.ok(before == '"User quota" (STORAGE 0 1024)', "before, what the userdb says holds", before)
        got = said(boss, "SETQUOTA", '"User quota"', "(STORAGE 2 MAILBOX 3)")
        tap.ok(got[0] == "OK" and got[2] == '"User quota" (STORAGE 0 2 MAILBOX 1 3)', "SETQUOTA: what it names holds, and nothing else", got)
        for bad, answer in (("(STORAGE)", "BAD"), ("(STORAGE x)", "BAD"), ("STORAGE", "BAD"), ("(STORAGE (1))", "BAD"), ("(STORAGE -1)", "BAD"),
                            ("(STORAGE 0)", "NO"), ("(ANNOTATION-STORAGE 5)", "NO"), ("(STORAGE 1 STORAGE 2)", "NO"),
                            ("(STORAGE 99999999999999999)", "NO")):
            try:
                got = said(boss, "SETQUOTA", '"User quota"', bad)
            except imaplib.IMAP4.error:
                got = ("BAD", "", "")
            tap.ok(got[0] == answer, f"{bad}: {answer}", got)
        tap.ok(said(boss, "SETQUOTA", '"x"', "(STORAGE 9)")[0] == "NO" and
               said(boss, "GETQUOTA", '"User quota"')[2] == '"User quota" (STORAGE 0 2 MAILBOX 1 3)', "of which nothing changed it")
        tap.ok(boss.append("INBOX", None, None, b"y" * 3000)[0] == "NO" and boss.append("Spam", None, None, b"y" * 3000)[0] != "OK" and
               boss.create("Spam")[0] == "OK" and boss.append("Spam", None, None, b"y" * 3000)[0] == "OK",
               "they bind this session at once; rules of single mailboxes stay")
        fresh = log_in(imap, "anna@v.example")
        tap.ok(said(fresh, "GETQUOTA", '"User quota"')[2] == '"User quota" (STORAGE 0 2 MAILBOX 1 3)', "and the user's next",
               said(fresh, "GETQUOTA", '"User quota"'))
        tap.ok(by_policy(status, "anna@v.example", 3000).startswith("action=552") and by_policy(status, "anna@v.example", 1000) == "action=DUNNO" and
               by_policy(status, "bert@v.example", 3000) == "action=DUNNO", "the policy service, for her alone")
        tap.ok(by_lmtp(lmtp, "anna@v.example", content(3000)).startswith("552 5.2.2") and by_lmtp(lmtp, "bert@v.example", content(3000)).startswith("250"),
               "and deliveries", by_lmtp(lmtp, "anna@v.example", content(3000)))
        tap.ok(open(f"{base}/anna/Maildir/maildirsize").read().startswith("2048S\n"), "maildirsize has them, for other programs")
        tool = i.run("quota", "get", "-u", "anna@v.example", "-f", "tab").stdout
        tap.ok(re.search(r"STORAGE\t\d+\t2\t", tool) and re.search(r"MESSAGE\t\d+\t-\t", tool) and re.search(r"MAILBOX\t\d+\t3\t", tool),
               "postern quota tells them", tool)

        chef = log_in(imap, "chef@v.example")
        got = said(chef, "SETQUOTA", '"User quota"', "()")
        tap.ok("QUOTASET" in can(chef) and got[0] == "OK" and got[2] == '"User quota" ()', "userdb's admin=y: his own; an empty list is no limit", got)
        lines = open(limits).read()
        tap.ok(lines == "anna@v.example *:bytes=2048:mailboxes=3\nchef@v.example *:bytes=0\n", "the file has a line for each", lines)
        tap.ok(os.stat(limits).st_mode & 0o777 == 0o600, "that is nobody else's to read")

        awake = i.sessions()
        chef.send(b"i IDLE\r\n")
        chef.readline()
        plain.send(b"i IDLE\r\n")
        plain.readline()
        tap.ok(wait_for(lambda: i.sessions() < awake) and i.sessions() == awake - 1, "who idled later hibernates, he does not", awake, i.sessions())
        chef.send(b"DONE\r\n")
        chef.readline()
        got = said(chef, "SETQUOTA", '"User quota"', "(MESSAGE 7)")
        tap.ok(got[0] == "OK", "an administrator's session stays awake", got)

        for pid in i.named("authd"):
            os.kill(pid, signal.SIGKILL)
        with open(limits, "a") as f:
            f.write("bert@v.example *:bytes=1")           # what a crash leaves of a change that was not answered
        got = said(chef, "SETQUOTA", '"User quota"', "(MESSAGE 8)")
        tap.ok(got[0] == "NO" and got[1].startswith("[UNAVAILABLE] Setquota failed: authd: "), "while authd is gone: NO [UNAVAILABLE]", got)
        tap.ok(wait_for(lambda: by_policy(status, "anna@v.example", 3000).startswith("action=552")) and
               by_policy(status, "bert@v.example", 3000) == "action=DUNNO", "killed and started again it has all that was answered, and no half of what was not")
        chef = log_in(imap, "chef@v.example")
        tap.ok(said(chef, "GETQUOTA", '"User quota"')[2] == '"User quota" (MESSAGE 0 7)', "each user's last", said(chef, "GETQUOTA", '"User quota"'))
        tap.ok(i.run("reload").returncode == 0, "reload")
        boss = log_in(imap, "bert@v.example*boss", "top")
        got = said(boss, "SETQUOTA", '"User quota"', "(MESSAGE 1)")
        tap.ok(got[0] == "OK" and got[2] == '"User quota" (MESSAGE 1 1)', "and on it goes", got)
        tap.ok(wait_for(lambda: said(chef, "SETQUOTA", '"User quota"', "(MESSAGE 9)")[0] == "NO"), "a session of before must log in again")

        boss = log_in(imap, "bert@v.example*boss", "top")     # whose authd has started
        with open(limits, "a") as f:                          # what a start would tidy
            f.write("".join(f"zoe@v.example *:bytes={n}:messages={n}\n" for n in range(40000)))
        inode = os.stat(limits).st_ino
        r = i.run("check")
        got = said(boss, "SETQUOTA", '"User quota"', "(MESSAGE 2)")
        tap.ok(r.returncode == 0 and got[0] == "OK" and os.stat(limits).st_ino == inode, "postern check leaves a running authd its file", r, got, inode, os.stat(limits))
        r = i.run("quota", "set", "-u", "anna@v.example", "STORAGE", "4", "MESSAGE", "9")
        tap.ok(r.returncode == 0 and said(log_in(imap, "anna@v.example"), "GETQUOTA", '"User quota"')[2] == '"User quota" (STORAGE 0 4 MESSAGE 0 9)',
               "postern quota set", r.stderr)
        r = i.run("quota", "unset", "-u", "anna@v.example")
        tap.ok(r.returncode == 0 and said(log_in(imap, "anna@v.example"), "GETQUOTA", '"User quota"')[2] == before, "and unset: as configured", r.stderr)
        r = [i.run("quota", *words).returncode for words in (("set", "-u", "anna@v.example"), ("set", "-u", "anna@v.example", "STORAGE", "0"), ("set", "-u", "anna@v.example", "STORAGE", "4", "STORAGE", "5"),
                                                             ("unset", "-u", "anna@v.example", "x"), ("set", "-u", "nobody@v.example", "STORAGE", "1"))]
        tap.ok(r == [64, 64, 64, 64, 67], "what makes no sense is refused", r)
        with socket.create_connection(("127.0.0.1", pop), timeout=30) as s:
            f = s.makefile("rwb")
            f.readline()
            f.write(b"USER chef@v.example\r\nPASS secret\r\nQUIT\r\n")
            f.flush()
            answers = [f.readline()[:3] for n in range(3)]
        tap.ok(answers == [b"+OK"] * 3, "an administrator's POP3 session is as any", answers)
        shutil.copy2(limits, f"{limits}.new")
        os.replace(f"{limits}.new", limits)
        r = i.run("quota", "set", "-u", "anna@v.example", "STORAGE", "4")
        tap.ok(r.returncode == 75 and "log in again" in r.stderr, "what authd cannot keep now is no user that is not there", r)
        conf = conf.replace("quota_rule", "#quota_rule")
        i.configure(conf, master)
        i.run("reload")
        tap.ok(wait_for(lambda: i.run("quota", "set", "-u", "bert@v.example", "STORAGE", "2").returncode == 0) and
               wait_for(lambda: by_policy(status, "bert@v.example", 9000).startswith("action=552")) and
               wait_for(lambda: by_lmtp(lmtp, "bert@v.example", content(9000)).startswith("552 5.2.2")), "where no rule limits anybody, set does")
        r = i.run("quota", "unset", "-u", "bert@v.example")
        tap.ok(r.returncode == 0 and by_policy(status, "bert@v.example", 9000) == "action=DUNNO" and
               by_lmtp(lmtp, "bert@v.example", content(9000)).startswith("250"), "and unset takes it back", r.stderr,
               open(f"{base}/bert/Maildir/maildirsize").read())
        tap.ok(i.run("quota", "set", "-u", "bert@v.example", "STORAGE", "2").returncode == 0 and
               by_policy(status, "bert@v.example", 9000).startswith("action=552"), "limits again, for when quota_set is no more")
        i.configure(conf.replace("quota_set", "#quota_set"), master)
        i.run("reload")

        def has_none():
            try:
                return "QUOTASET" not in can(log_in(imap, "chef@v.example"))
            except imaplib.IMAP4.error:          # between two authds: the ticket is the other's
                print("# " + "\n# ".join(i.log().splitlines()[-8:]))
                return False

        tap.ok(wait_for(has_none) and
               i.logged("the field admin of the userdb has no effect here"), "without quota_set nobody is an administrator, which is told")
        tap.ok(wait_for(lambda: by_policy(status, "bert@v.example", 9000) == "action=DUNNO") and
               by_lmtp(lmtp, "bert@v.example", content(9000)).startswith("250"), "and its limits are gone with it")
        r = i.run("quota", "set", "-u", "anna@v.example", "STORAGE", "4")
        tap.ok(r.returncode != 0 and "quota_set is not configured" in r.stderr, "nor root", r.stderr)
        if tap.failed:
            print("# " + i.log()[-4000:].replace("\n", "\n# "))


base = tempfile.mkdtemp(prefix="setquota_")
try:
    main(base)
finally:
    shutil.rmtree(base, ignore_errors=True)
tap.end()
