#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""log_readers.py - fail2ban's filters and pflogsumm read our log, and count right

A run with known numbers of everything: sent, bounced, deferred, refused mail and failed
logins; then the programs that watch mail servers are asked what they saw.
"""
import imaplib, os, poplib, re, shutil, smtplib, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *

SENT, BOUNCED, DEFERRED, RELAY_DENIED, UNKNOWN, AUTH_FAILED, LOGINS_FAILED = 7, 3, 2, 4, 5, 3, 2
t = Tap()
ports = {n: free_port() for n in ("smtp", "imap", "pop3")}
MASTER = f"""
127.0.0.1:{ports['smtp']} inet n - n - - smtpd
127.0.0.1:{ports['imap']} inet n - n - - imap-login
127.0.0.1:{ports['pop3']} inet n - n - - pop3-login
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
virtual unix - n n - - virtual
smtp unix - - n - - smtp
"""


def refused(call, *errors):
    try:
        call()
    except errors:
        return True
    return False


def traffic(server):
    for n in range(SENT):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            s.sendmail("sender@client.example.net", [f"ok{n}@there.example.net"], "Subject: s\r\n\r\nx\r\n")
    with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
        s.sendmail("", [f"no{n}@there.example.net" for n in range(BOUNCED)], "Subject: s\r\n\r\nx\r\n")
        s.sendmail("", [f"busy{n}@there.example.net" for n in range(DEFERRED)], "Subject: s\r\n\r\nx\r\n")
    for n in range(UNKNOWN):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            refused(lambda: s.sendmail("a@client.example.net", [f"nobody{n}@ours.example.net"], "x"), smtplib.SMTPRecipientsRefused)
    for n in range(AUTH_FAILED):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            s.ehlo("client.example.net")
            s.user, s.password = "alice", "wrong"
            refused(lambda: s.auth("PLAIN", s.auth_plain), smtplib.SMTPAuthenticationError)
    for n in range(LOGINS_FAILED):
        m = imaplib.IMAP4("127.0.0.1", ports["imap"])
        refused(lambda: m.login("alice", "wrong"), imaplib.IMAP4.error)
        m.logout()
        p = poplib.POP3("127.0.0.1", ports["pop3"])
        p.user("alice")
        refused(lambda: p.pass_("wrong"), poplib.error_proto)
        p.quit()


def relay_denied():
    for n in range(RELAY_DENIED):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30, source_address=("127.0.0.5", 0)) as s:
            refused(lambda: s.sendmail("a@client.example.net", [f"x{n}@elsewhere.example.net"], "x"), smtplib.SMTPRecipientsRefused)


def matched(log, name, mode, directory):
    """The lines that a filter of fail2ban takes, as it counts them."""
    wanted = f"{name}[mode={mode}]" if mode else name
    r = subprocess.run(["fail2ban-regex", "--print-all-matched", log, wanted], capture_output=True, text=True, timeout=60, cwd=directory)
    m = re.search(r"Lines: \d+ lines, \d+ ignored, (\d+) matched", r.stdout)
    return int(m.group(1)) if m else -1, r.stdout[-3000:] + r.stderr[-1000:]


def summary(log):
    r = subprocess.run(["pflogsumm", log], capture_output=True, text=True, timeout=60)
    return {w: int(n) for n, w in re.findall(r"^\s*(\d+)\s{3}(\w+)", r.stdout.split("Per-Day")[0].split("Per-Hour")[0], re.M)}, r.stdout


with FakeServer({"RCPT": lambda s, a: "550 5.1.1 unknown" if "<no" in a else "450 4.2.1 busy" if "<busy" in a else "250 2.1.5 ok"}) as server, \
        Instance(master=MASTER) as i:
    with open(f"{i.dir}/users", "w") as f:
        f.write(f"alice:{{PLAIN}}right:{os.getuid() or 5000}:{os.getgid() or 5000}::{i.dir}/home::\n")
    os.chmod(f"{i.dir}/users", 0o644)
    # 127.0.0.1 may relay; 127.0.0.5 is a stranger
    i.configure(f"""mydestination =
mynetworks = 127.0.0.1/32
virtual_mailbox_domains = ours.example.net
virtual_mailbox_maps = inline:{{u@ours.example.net=u/}}
virtual_mailbox_base = {i.dir}/home
transport_maps = inline:{{there.example.net=smtp:[127.0.0.1]:{server.port}}}
dnsd_servers = 127.0.0.1@{free_port()}
dnsd_timeout = 1s
smtpd_client_restrictions =
smtpd_sasl_auth_enable = yes
smtpd_peername_lookup = no
mail_location = maildir:%h
auth_mechanisms = plain login
auth_passdb = passwd-file:{i.dir}/users
auth_userdb = passwd-file:{i.dir}/users
auth_failure_delay = 0s
""", MASTER)
    if t.ok(i.start().returncode == 0, "start", i.log()):
        traffic(server)
        relay_denied()
        done = wait_for(lambda: len(re.findall(r" status=", i.log())) >= SENT + BOUNCED + DEFERRED and
                        len(re.findall(r"smtpd\[\d+\]: disconnect from", i.log())) >= SENT + 1 + UNKNOWN + AUTH_FAILED + RELAY_DENIED, 30)
        t.ok(done, "the traffic is in the log", i.log()[-4000:])
        i.run("stop")
        log = f"{i.dir}/mail.log"
        if shutil.which("fail2ban-regex"):
            for name, mode, count, what in (("postfix", "auth", AUTH_FAILED, "failed AUTH"),
                                            ("postfix", "normal", UNKNOWN + RELAY_DENIED, "relaying and unknown recipients refused"),
                                            ("dovecot", "", 2 * LOGINS_FAILED, "failed logins of IMAP and POP3")):
                got, text = matched(log, name, mode, i.dir)
                t.ok(got >= count if name == "dovecot" else got == count, f"fail2ban {name} {mode}: {what}", f"{got} of {count}", text)
        else:
            t.ok(True, "fail2ban-regex # SKIP package fail2ban is not installed")
        if shutil.which("pflogsumm"):
            numbers, text = summary(log)
            for word, count in (("delivered", SENT), ("bounced", BOUNCED), ("deferred", 1), ("rejected", UNKNOWN + RELAY_DENIED)):
                t.ok(numbers.get(word) == count, f"pflogsumm counts {count} {word}", numbers, text[:1500])
            t.ok(f"({DEFERRED}  deferrals)" in text, f"pflogsumm counts {DEFERRED} deferrals of one message", text[:1000])
        else:
            t.ok(True, "pflogsumm # SKIP package pflogsumm is not installed")
t.end()
