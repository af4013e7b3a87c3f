#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""neighbours_dovecot.py - Dovecot beside us, unmodified: its auth server for SASL by unix: and inet:, dovecot-lda by pipe and by
mailbox_command with a Sieve script, and LMTP"""
import glob, os, pwd, re, signal, smtplib, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
lda = next((p for p in ("/usr/lib/dovecot/dovecot-lda", "/usr/libexec/dovecot/dovecot-lda") if os.path.exists(p)), None)
dovecot = next((p for p in ("/usr/sbin/dovecot",) if os.path.exists(p)), None)
sieve = bool(glob.glob("/usr/lib/dovecot/modules/lib90_sieve_plugin.so"))
if not lda or not dovecot:
    print("1..0 # SKIP Dovecot is not installed")
    sys.exit(0)
root = os.getuid() == 0
user = "nobody" if root else pwd.getpwuid(os.getuid()).pw_name
who = pwd.getpwnam(user)
port, inet, auth_port = free_port(), free_port(), free_port()
PASSWORD = "s3cret pass"


def dovecot_conf(i):
    d = i.dir + "/dovecot"
    for sub in ("", "/run", "/mail", "/state"):
        os.mkdir(d + sub)
    os.chown(d + "/mail", who.pw_uid, who.pw_gid)
    internal = "dovecot" if root else user
    logins = "dovenull" if root else user
    with open(d + "/users", "w") as f:
        f.write(f"anna:{{PLAIN}}{PASSWORD}:{who.pw_uid}:{who.pw_gid}::{d}/mail/anna::\n{user}:{{PLAIN}}x:{who.pw_uid}:{who.pw_gid}::{d}/mail/{user}::\n"
                f"bob:{{PLAIN}}x:{who.pw_uid}:{who.pw_gid}::{d}/mail/bob::\n")
    with open(d + "/sieve", "w") as f:
        f.write('require ["fileinto", "mailbox"];\nif header :contains "Subject" "report" { fileinto :create "Reports"; }\n')
    os.chown(d + "/sieve", who.pw_uid, who.pw_gid)
    with open(d + "/conf", "w") as f:
        f.write(f"""base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log
info_log_path = {d}/log
ssl = no
protocols = lmtp
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-256
default_internal_user = {internal}
default_internal_group = {pwd.getpwnam(internal).pw_gid if not root else 'dovecot'}
default_login_user = {logins}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
hostname = mail.example.net
postmaster_address = postmaster@example.net
lda_mailbox_autocreate = yes
passdb {{
  driver = passwd-file
  args = {d}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {d}/users
}}
service auth {{
  unix_listener {i.dir}/queue/private/auth {{
    mode = 0666
  }}
  unix_listener auth-userdb {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {auth_port}
  }}
  user = {'$default_internal_user'}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service lmtp {{
  unix_listener {i.dir}/queue/private/dovecot-lmtp {{
    mode = 0666
  }}
}}
protocol lda {{
  {'mail_plugins = sieve' if sieve else ''}
}}
plugin {{
  sieve = file:{d}/sieve
}}
""")
    for name in ("conf", "users"):
        os.chmod(f"{d}/{name}", 0o644)
    open(d + "/log", "w").close()
    os.chmod(d + "/log", 0o666)
    return d


def submit(p, mechanism, password=PASSWORD, sender="anna@example.net", to="friend@example.org"):
    with smtplib.SMTP("127.0.0.1", p, timeout=60) as c:
        c.ehlo("x")
        c.user, c.password = "anna", password
        try:
            code, _ = c.auth(mechanism, {"PLAIN": c.auth_plain, "LOGIN": c.auth_login, "CRAM-MD5": c.auth_cram_md5}[mechanism])
        except smtplib.SMTPAuthenticationError as e:
            return e.smtp_code
        c.docmd(f"MAIL FROM:<{sender}>")
        return c.docmd(f"RCPT TO:<{to}>")[0] if code == 235 else code


def mails(d, name, folder=""):
    return [open(p).read() for p in glob.glob(f"{d}/mail/{name}/Maildir/{folder}new/*")]


with Instance() as i:
    os.makedirs(i.dir + "/queue/private", exist_ok=True)
    d = dovecot_conf(i)
    MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd -o smtpd_sasl_path=private/auth
127.0.0.1:{inet} inet n - n - - smtpd -o smtpd_sasl_path=inet:127.0.0.1:{auth_port}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
local unix - n n - - local
lmtp unix - - n - - lmtp
dovecot unix - n n - - pipe
  flags=DRhu user={user} argv={lda} -c {d}/conf -f ${{sender}} -a ${{original_recipient}} -d ${{user}}
"""
    i.configure(f"""mydestination = mail.example.net
virtual_mailbox_domains = example.net lmtp.example.net
virtual_mailbox_maps = static:all
virtual_transport = dovecot
dovecot_destination_recipient_limit = 1
transport_maps = inline:{{lmtp.example.net=lmtp:unix:private/dovecot-lmtp}}
mailbox_command = {lda} -c {d}/conf -o mail_location=maildir:{d}/mail/%u/Maildir -f "$SENDER" -a "$RECIPIENT"
local_recipient_maps =
recipient_delimiter = +
smtpd_sasl_type = dovecot
smtpd_sasl_auth_enable = yes
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sender_login_maps = inline:{{anna@example.net=anna, boss@example.com=boss}}
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch
mynetworks = 192.0.2.1
default_transport = discard
smtpd_peername_lookup = no
""", MASTER)
    t.ok(i.start().returncode == 0, "start", i.log())
    p = subprocess.Popen([dovecot, "-F", "-c", d + "/conf"], stdout=open(d + "/out", "w"), stderr=subprocess.STDOUT)

    def log():
        return i.log()[-2000:] + (open(d + "/log").read()[-1500:] if os.path.exists(d + "/log") else "") + open(d + "/out").read()[-500:]
    try:
        up = wait_for(lambda: os.path.exists(i.dir + "/queue/private/auth") or p.poll() is not None)
        if not up or p.poll() is not None:
            t.n += 1
            print(f"ok {t.n} - Dovecot # SKIP it does not run privately here: " + (open(d + "/out").read()[-300:]).replace("\n", " ").replace("#", ""))
            t.end()
        for name, at in (("unix:", port), ("inet:", inet)):
            with smtplib.SMTP("127.0.0.1", at, timeout=60) as c:
                c.ehlo("x")
                offered = set(c.esmtp_features.get("auth", "").upper().split())
            t.ok({"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"} <= offered, f"{name} Dovecot's mechanisms are offered", offered, log())
            for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
                got = submit(at, mechanism)
                t.ok(got == 250, f"{name} {mechanism}: may relay", got, log())
            t.ok(submit(at, "PLAIN", "wrong") == 535, f"{name} a wrong password: 535", log())
            t.ok(submit(at, "PLAIN", sender="boss@example.com") == 553, f"{name} with a sender of somebody else: 553", log())
        t.ok(re.search(r"postfix/smtpd\[\d+\]: warning: unknown\[127.0.0.1\]: SASL PLAIN authentication failed", i.log()), "a failed login is logged as fail2ban wants it", log())
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
            c.ehlo("x")
            c.docmd("MAIL FROM:<x@example.com>")
            t.ok(c.docmd("RCPT TO:<friend@example.org>")[0] == 554, "nobody relays without a login", log())
            c.docmd("RSET")
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
            c.login("anna", PASSWORD)
            c.sendmail("anna@example.net", ["anna@example.net"], "Subject: one\r\n\r\nhello\r\n")
        t.ok(re.search(r"client=unknown\[127.0.0.1\], sasl_method=\S+, sasl_username=anna", i.log()), "and a good one with its user", log())
        got = wait_for(lambda: mails(d, "anna"))
        t.ok(got and "Return-Path: <anna@example.net>" in got[0] and "Delivered-To: anna@example.net" in got[0], "dovecot-lda by pipe", got, log())
        if sieve:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
                c.sendmail("s@example.org", ["Anna@example.net"], "Subject: a report\r\n\r\nhello\r\n")
            t.ok(wait_for(lambda: mails(d, "anna", ".Reports/")), "Sieve files it", log())
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
            c.sendmail("s@example.org", ["bob@lmtp.example.net"], "Subject: lmtp\r\n\r\nhello\r\n")
        t.ok(wait_for(lambda: mails(d, "bob")), "LMTP", log())
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
            c.sendmail("s@example.org", ["nobody-of-that-name@lmtp.example.net"], "Subject: lmtp\r\n\r\nhello\r\n")
        t.ok(wait_for(lambda: re.search(r"to=<nobody-of-that-name@lmtp.example.net>, relay=mail.example.net\[private/dovecot-lmtp\], .*dsn=5.1.1, status=bounced", i.log())), "LMTP: unknown to Dovecot", log())
        if who.pw_uid:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
                c.sendmail("s@example.org", [f"{user}+x@mail.example.net"], "Subject: local\r\n\r\nhello\r\n")
            got = wait_for(lambda: re.search(r"local\[\d+\]: .*relay=local, .*status=(\w+) \(delivered to command: " + re.escape(lda), i.log()))
            t.ok(got and got[1] == "sent", "dovecot-lda as mailbox_command", got and got[0], log())
        p.terminate()
        p.wait(20)
        got = submit(port, "PLAIN")
        t.ok(400 <= got < 500 or got == 503, "Dovecot is away: no login, and no relaying", got, log())
    except smtplib.SMTPException as e:
        t.ok(False, f"a dialogue: {e!r}", log())
    finally:
        if p.poll() is None:
            p.terminate()
            p.wait(20)
t.end()
