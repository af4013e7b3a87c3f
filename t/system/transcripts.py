#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""transcripts.py - notify_classes, error_notice_recipient and smtputf8_autodetect_classes

Sessions of smtpd and smtp with known trouble; what the postmaster is told is compared with what was said.
"""
import base64, email, os, re, smtplib, socket, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *

t = Tap()
port = free_port()
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd -o syslog_name=postfix/in
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - rewrite
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
smtp unix - - n - - smtp
"""
MAIN = """mydestination =
relay_domains = ours.example.net
relay_recipient_maps = inline:{user@ours.example.net=ok}
mynetworks = 127.0.0.2/32
smtpd_peername_lookup = no
myorigin = ours.example.net
smtpd_sender_restrictions = check_sender_access inline:{bad@client.example.net=REJECT, soft@client.example.net={451 4.3.5 Server configuration error}}
smtpd_error_sleep_time = 0
smtp_connection_cache_on_demand = no
error_notice_recipient = errors
bounce_notice_recipient = bounces
"""


def talk(*lines, close=False):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        f = s.makefile("rwb")
        f.readline()
        for l in lines:
            f.write(l.encode() + b"\r\n")
            f.flush()
            while not close or l != lines[-1]:
                if f.readline()[3:4] != b"-":
                    break
        if not close:
            f.write(b"QUIT\r\n")
            f.flush()
            f.readline()


def notices(server, to, count):
    """Messages for that name; waits until there are so many."""
    def look():
        got = [s for s in list(server.sessions) if s.content is not None and any(c.startswith('RCPT') and to in c for c in s.commands)]
        return got if len(got) >= count else None
    got = wait_for(look, 20 if count else 0.1) or [s for s in list(server.sessions) if s.content is not None and any(c.startswith('RCPT') and to in c for c in s.commands)]
    return [(s, email.message_from_bytes(s.content)) for s in got]


def run(classes, *, more=""):
    i = Instance(master=MASTER)
    server = FakeServer({"RCPT": lambda s, a: "503 5.5.1 not now, says the test" if "<odd" in a else "250 2.1.5 Ok"})
    server.__enter__()
    i.configure(MAIN + f"notify_classes = {classes}\ntransport_maps = inline:{{ours.example.net=smtp:[127.0.0.1]:{server.port}, "
                f"there.example.net=smtp:[127.0.0.1]:{server.port}}}\n" + more, MASTER)
    assert i.start().returncode == 0
    return i, server


BAD = ["EHLO client.example.net", "MAIL FROM:<bad@client.example.net>", "RCPT TO:<user@ours.example.net>"]
if True:
    i, server = run("policy, protocol, software, bounce")
    with i:
        talk(*BAD)
        got = notices(server, "errors@", 1)
        s, m = got[0]
        body = m.get_payload().replace("\r\n", "\n")
        t.ok(len(got) == 1 and re.match(r"^Postfix SMTP server: errors from unknown\[127\.0\.0\.1\]$", m["Subject"]), "policy: subject", m["Subject"])
        t.ok("MAILER-DAEMON" in m["From"] and "Postmaster" in m["To"] and m["Message-Id"] and m["Date"], "header", str(m))
        t.ok(" In:  MAIL FROM:<bad@client.example.net>" in body and " Out: 250 2.1.0 Ok" in body and " Out: 554 5.7.1 <bad@" in body
             and body.startswith("Transcript of session follows.\n\n Out: 220 ") and "For other details, see the local mail logfile" in body, "both sides of the session", body)
        t.ok("Session aborted" not in body, "a session that quits was not aborted", body)
        t.ok(any(c.startswith("MAIL FROM:<double-bounce@") for c in s.commands), "from double-bounce", s.commands)
        talk("EHLO client.example.net", "NONSENSE", "MAIL FROM: no")
        got = notices(server, "errors@", 2)
        t.ok(" In:  NONSENSE" in got[-1][1].get_payload(), "protocol", len(got))
        talk("EHLO c.example.net", "MAIL FROM:<soft@client.example.net>", "RCPT TO:<user@ours.example.net>")
        t.ok(len(notices(server, "errors@", 3)) == 3, "software")
        talk("EHLO c.example.net", "MAIL FROM:<a@client.example.net>", "RCPT TO:<nobody@ours.example.net>")
        got = notices(server, "errors@", 4)
        t.ok(len(got) == 4 and "User unknown in relay recipient table" in got[-1][1].get_payload(), "bounce: mail that is refused", len(got))
        talk("EHLO c.example.net", "AUTH PLAIN " + base64.b64encode(b"\0a\0secretword").decode())
        got = notices(server, "errors@", 5)
        t.ok(" In:  AUTH PLAIN ..." in got[-1][1].get_payload() and "c2VjcmV0" not in str(got[-1][1]) and base64.b64encode(b"\0a\0secretword").decode() not in str(got[-1][1]),
             "no passwords", got[-1][1].get_payload())
        # the client's side
        with smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=("127.0.0.2", 0)) as c:
            c.sendmail("", ["odd@there.example.net"], "Subject: x\r\n\r\nx\r\n")
        got = [m for s, m in notices(server, "errors@", 6) if "SMTP client" in m["Subject"]]
        t.ok(len(got) == 1 and re.match(r"Postfix SMTP client: errors from 127\.0\.0\.1\[127\.0\.0\.1\]", got[0]["Subject"]) and
             " In:  503 5.5.1 not now" in got[0].get_payload() and " Out: RCPT TO:<odd@" in got[0].get_payload(), "smtp: protocol trouble of a server",
             *[m["Subject"] for m in got], *[m.get_payload() for m in got])
    server.__exit__(None, None, None)

    # a notice that meets trouble makes no other: the server says 503 to whatever it is asked
    i, server = run("protocol")
    server.script["RCPT"] = "503 5.5.1 no"
    with i:
        talk("EHLO c.example.net", "NONSENSE")
        wait_for(lambda: "status=bounced" in i.log())
        talk("EHLO c.example.net")
        told = re.findall(r"from=<double-bounce@", i.log())
        t.ok(i.logged("status=bounced") and len(told) == 1, "a transcript about a transcript is not sent", i.log()[-3000:])
    server.__exit__(None, None, None)

    i, server = run("resource, software", more="queue_minfree = 1\n")
    with i:
        talk(*BAD)
        talk("EHLO c.example.net", "MAIL FROM:<soft@client.example.net>", "RCPT TO:<user@ours.example.net>")
        got = notices(server, "errors@", 1)
        t.ok(len(got) == 1 and "soft@" in got[0][1].get_payload(), "by default policy is not told, software is", [m.get_payload() for _, m in got])
    server.__exit__(None, None, None)

    i, server = run("data")
    with i:
        talk("EHLO c.example.net", "MAIL FROM:<a@client.example.net>", "RCPT TO:<user@ours.example.net>", "DATA", "Subject: cut", close=True)
        got = notices(server, "errors@", 1)
        t.ok(len(got) == 1 and "Session aborted, reason: lost connection" in got[0][1].get_payload(), "data: a client that goes within its message",
             [m.get_payload() for _, m in got])
    server.__exit__(None, None, None)

    # SMTPUTF8: of mail that the sendmail command brings, by default
    for classes, expect in (("sendmail, verify", True), ("verify", False), ("all", True)):
        i, server = run("", more=f"smtputf8_autodetect_classes = {classes}\nauthorized_submit_users = static:anyone\n")
        server.keywords = ["SMTPUTF8", "8BITMIME"]
        with i:
            r = subprocess.run([i.dir + "/sbin/sendmail", "-C", i.dir + "/etc", "-f", "a@ours.example.net", "b@there.example.net"],
                               input="Subject: grüße\n\nx\n".encode(), capture_output=True, timeout=30)
            got = notices(server, "b@there", 1)
            said = [c for s, _ in got for c in s.commands if c.startswith("MAIL")]
            t.ok(len(said) == 1 and ("SMTPUTF8" in said[0]) == expect, f"smtputf8_autodetect_classes = {classes}: {'SMTPUTF8' if expect else 'none'}", r.stderr, said, i.log()[-1500:])
            subprocess.run([i.dir + "/sbin/sendmail", "-C", i.dir + "/etc", "-f", "a@ours.example.net", "c@there.example.net"],
                           input=b"Subject: plain\n\nx\n", capture_output=True, timeout=30)
            said = [c for s, _ in notices(server, "c@there", 1) for c in s.commands if c.startswith("MAIL")]
            t.ok(len(said) == 1 and "SMTPUTF8" not in said[0], "an ASCII message needs none", said)
        server.__exit__(None, None, None)
t.end()
