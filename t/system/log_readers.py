#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""log_readers.py - fail2ban's filters, pflogsumm, logwatch, grok and crowdsec read our log, and count right

A run with known numbers of everything: sent, bounced, deferred, refused mail and failed
logins; then the programs that watch mail servers are asked what they saw.  The directory
that POSTERN_LOG_PARSERS names holds postfix.grok and crowdsec-postfix-logs.yaml.
"""
import imaplib, os, poplib, re, shutil, smtplib, socket, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *
from grok import *

SENT, BOUNCED, DEFERRED, RELAY_DENIED, UNKNOWN, AUTH_FAILED, LOGINS_FAILED = 7, 3, 2, 4, 5, 3, 2
LOST, NOT_SMTP, PIPELINED, HELD, REDIRECTED, UNREACHABLE, HEADER = 3, 2, 1, 2, 1, 1, 2
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


def raw(*lines, end=b"QUIT\r\n", source="127.0.0.1"):
    """Says lines, one after the other, and goes: with `end`, or without a word."""
    with socket.create_connection(("127.0.0.1", ports["smtp"]), 20, (source, 0)) as s:
        f = s.makefile("rwb")
        f.readline()
        for line in lines:
            f.write(line)
            f.flush()
            while f.readline()[3:4] == b"-":
                pass
        if end:
            f.write(end)
            f.flush()
            f.readline()


def odd_traffic():
    hello = b"EHLO client.example.net\r\n"
    for n in range(LOST):
        raw(hello, b"MAIL FROM:<a@client.example.net>\r\n", end=None)
    for n in range(NOT_SMTP):
        raw(hello, b"GET / HTTP/1.1\r\n", end=None)
    for n in range(PIPELINED):
        raw(b"EHLO client.example.net\r\nNOOP\r\n", end=None)
    for n in range(HELD):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            s.sendmail("hold@client.example.net", ["ok@there.example.net"], "Subject: s\r\n\r\nx\r\n")
    for n in range(REDIRECTED):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            s.sendmail("redirect@client.example.net", ["ok@there.example.net"], "Subject: s\r\n\r\nx\r\n")
    for n in range(HEADER):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            refused(lambda: s.sendmail("a@client.example.net", ["ok@there.example.net"], "Subject: spam\r\n\r\nx\r\n"), smtplib.SMTPDataError)
    for n in range(UNREACHABLE):
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=30) as s:
            s.sendmail("", ["x@dead.example.net"], "Subject: s\r\n\r\nx\r\n")


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


def logwatch(log):
    script = "/usr/share/logwatch/scripts/services/postfix"
    if not os.path.exists(script):
        return t.ok(True, "logwatch # SKIP package logwatch is not installed")
    with open(log) as f:
        r = subprocess.run(["perl", "-I/usr/share/logwatch/lib", script, "--long_queue_ids"], stdin=f, capture_output=True, text=True, timeout=60,
                           env=dict(os.environ, LOGWATCH_DETAIL_LEVEL="10", LOGWATCH_DATE_RANGE="all", LOGWATCH_DEBUG="0", HOSTNAME="x"))
    for what, count in (("Sent via SMTP", SENT + REDIRECTED), ("Bounced (local)", BOUNCED), ("Deferrals", DEFERRED + UNREACHABLE),
                        ("Placed on hold", HELD), ("SASL authentication failed", AUTH_FAILED), ("5xx Reject unknown user", UNKNOWN),
                        ("5xx Reject header", HEADER), ("4xx Reject relay denied", RELAY_DENIED), ("Connections lost (inbound)", LOST),
                        ("Redirected", REDIRECTED), ("SMTP dialog errors", NOT_SMTP), ("SMTP protocol violations", PIPELINED),
                        ("Connection failures (outbound)", UNREACHABLE)):
        got = re.search(r"^\s+(\d+)\s{3}" + re.escape(what) + r"\s", r.stdout, re.M)
        t.ok(got and int(got.group(1)) == count, f"logwatch: {what}: {count}", got and got.group(1), r.stdout[:3000], r.stderr[:500])
    unmatched = r.stdout.split("**Unmatched Entries**")[1].strip().splitlines() if "**Unmatched Entries**" in r.stdout else []
    t.ok(not unmatched, "logwatch knows every line", *unmatched[:20])


# By class: how often a pattern of the grok file is met by lines of its program
CLASSES = (("smtpd", "POSTFIX_SMTPD_NOQUEUE", UNKNOWN + RELAY_DENIED), ("smtpd", "POSTFIX_SMTPD_LOSTCONN", LOST),
           ("smtpd", "POSTFIX_SMTPD_PIPELINING", PIPELINED), ("qmgr", "POSTFIX_QMGR_ACTIVE", None),
           ("smtp", "POSTFIX_SMTP_DELIVERY", SENT + BOUNCED + DEFERRED + REDIRECTED + UNREACHABLE), ("smtp", "POSTFIX_SMTP_CONNERR", UNREACHABLE))


# Postfix's own shapes that the grok file does not have
NOT_IN_GROK = re.compile(r"^NOQUEUE: (hold|redirect): RCPT from .* triggers (HOLD|REDIRECT) action;|: reject: header .*: 5\.7\.1 no spam$")


def patterns(log):
    directory = os.environ.get("POSTERN_LOG_PARSERS", "")
    if not os.path.exists(directory + "/postfix.grok"):
        return t.ok(True, "grok # SKIP POSTERN_LOG_PARSERS names no directory with postfix.grok")
    names = grok_patterns(open(directory + "/postfix.grok").read())
    lines = [m.groups() for m in (re.match(r"\S+ +\d+ \S+ \S+ postfix/(?:in/)?([\w-]+)\[\d+\]: (.*)", l) for l in open(log)) if m]
    strange, tried = [], {}
    for program, text in lines:
        name = "POSTFIX_" + program.upper().replace("-", "_")
        if name in names:
            tried[name] = tried.get(name) or grok_compile(f"^%{{{name}}}$", names)
            if not tried[name].search(text) and not NOT_IN_GROK.search(text):
                strange.append(f"{program}: {text}")
    t.ok(not strange, f"grok: every line of {len(tried)} programs is understood", *strange[:20])
    for program, name, count in CLASSES:
        compiled = grok_compile(f"^%{{{name}}}$", names)
        got = sum(1 for p, text in lines if p == program and compiled.search(text))
        t.ok(got == count if count is not None else got, f"grok: {name} {count or ''}", got, *[x for p, x in lines if p == program and compiled.search(x)][:20])
    crowdsec(directory + "/crowdsec-postfix-logs.yaml", lines)


def crowdsec(path, lines):
    try:
        import yaml
        with open(path) as f:
            rules = yaml.safe_load(f.read().split("\n---")[0])
    except (ImportError, OSError) as e:
        return t.ok(True, f"crowdsec # SKIP {e}")
    names = {k: v for k, v in rules["pattern_syntax"].items()}
    expected = {"lost connection": LOST, "SASL": AUTH_FAILED, "non-SMTP": NOT_SMTP, "NOQUEUE": UNKNOWN + RELAY_DENIED}
    for node in rules["nodes"]:
        pattern = node["grok"]["pattern"]
        compiled = grok_compile(pattern, names)
        found = [x for p, x in lines if p == "smtpd" and compiled.search(x)]
        for word, count in expected.items():
            if word in pattern:
                t.ok(len(found) == count, f"crowdsec: {word}: {count}", len(found), *found[:20])


with FakeServer({"RCPT": lambda s, a: "550 5.1.1 unknown" if "<no" in a else "450 4.2.1 busy" if "<busy" in a else "250 2.1.5 ok"}) as server, \
        Instance(master=MASTER) as i:
    with open(f"{i.dir}/users", "w") as f:
        f.write(f"alice:{{PLAIN}}right:{os.getuid() or 5000}:{os.getgid() or 5000}::{i.dir}/home::\n")
    os.chmod(f"{i.dir}/users", 0o644)
    with open(f"{i.dir}/header_checks", "w") as f:
        f.write("/^Subject: spam/ REJECT no spam\n")
    os.chmod(f"{i.dir}/header_checks", 0o644)
    # 127.0.0.1 may relay; 127.0.0.5 is a stranger
    i.configure(f"""mydestination =
mynetworks = 127.0.0.1/32
virtual_mailbox_domains = ours.example.net
virtual_mailbox_maps = inline:{{u@ours.example.net=u/}}
virtual_mailbox_base = {i.dir}/home
transport_maps = inline:{{there.example.net=smtp:[127.0.0.1]:{server.port}, dead.example.net=smtp:[127.0.0.1]:{free_port()}}}
smtpd_sender_restrictions = check_sender_access inline:{{hold@client.example.net=HOLD, {{redirect@client.example.net = REDIRECT other@there.example.net}}}}
header_checks = regexp:{i.dir}/header_checks
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
        odd_traffic()
        relay_denied()
        done = wait_for(lambda: len(re.findall(r" status=", i.log())) >= SENT + BOUNCED + DEFERRED + REDIRECTED + UNREACHABLE and
                        len(re.findall(r"smtpd\[\d+\]: disconnect from", i.log())) >= SENT + 1 + UNKNOWN + AUTH_FAILED + RELAY_DENIED, 30)
        t.ok(done, "the traffic is in the log", i.log()[-4000:])
        i.run("stop")
        log = f"{i.dir}/mail.log"
        if shutil.which("fail2ban-regex"):
            for name, mode, count, what in (("postfix", "auth", AUTH_FAILED, "failed AUTH"),
                                            ("postfix", "normal", UNKNOWN + RELAY_DENIED + PIPELINED, "relaying, unknown recipients, pipelining"),
                                            ("dovecot", "", 2 * LOGINS_FAILED, "failed logins of IMAP and POP3")):
                got, text = matched(log, name, mode, i.dir)
                t.ok(got >= count if name == "dovecot" else got == count, f"fail2ban {name} {mode}: {what}", f"{got} of {count}", text)
        else:
            t.ok(True, "fail2ban-regex # SKIP package fail2ban is not installed")
        if shutil.which("pflogsumm"):
            numbers, text = summary(log)
            for word, count in (("delivered", SENT + REDIRECTED), ("bounced", BOUNCED), ("deferred", 1 + UNREACHABLE),
                                ("rejected", UNKNOWN + RELAY_DENIED + HEADER), ("held", HELD)):
                t.ok(numbers.get(word) == count, f"pflogsumm counts {count} {word}", numbers, text[:1500])
            t.ok(f"({DEFERRED + UNREACHABLE}  deferrals)" in text, f"pflogsumm counts {DEFERRED} deferrals of one message", text[:1000])
        else:
            t.ok(True, "pflogsumm # SKIP package pflogsumm is not installed")
        logwatch(log)
        patterns(log)
t.end()
