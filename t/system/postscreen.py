#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postscreen.py - clients are looked at before smtpd speaks with them: each test, each action, the log lines, the cache

Clients come from addresses of 127/8; the DNS lists are a name server of the test's own.
"""
import os, re, smtplib, socket, ssl, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from name_server import *

t = Tap()
port = free_port()
MASTER = f"""
127.0.0.1:{port} inet n - y - 1 postscreen
smtpd pass - - y - - smtpd
  -o syslog_name=postfix/behind -o smtpd_helo_required=yes -o smtpd_forbid_unauth_pipelining=no
dnsblog unix - - y - 0 dnsblog
tlsproxy unix - - y - 0 tlsproxy
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
discard unix - - n - - discard
"""
zone = {}


def listed(ip, name, *answers):
    zone[".".join(reversed(ip.split("."))) + "." + name] = {A: list(answers)}


listed("127.0.0.20", "zen.example", "127.0.0.2")
listed("127.0.0.21", "zen.example", "127.0.0.10")
listed("127.0.0.22", "zen.example", "127.0.0.2")
listed("127.0.0.22", "white.example", "127.0.0.3")
listed("127.0.0.23", "white.example", "127.0.0.3")
ns = NameServer(zone)

MAIN = f"""
mynetworks = 127.0.0.9/32
mydestination = here.example
local_recipient_maps =
local_transport = discard
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
dnsd_servers = 127.0.0.1@{ns.port}
postscreen_greet_wait = 2s
"""


class Client:
    """A client from an address of its own that reads and writes lines."""
    def __init__(self, ip, at=None):
        self.s = socket.socket()
        self.s.settimeout(30)
        self.s.bind((ip, 0))
        self.s.connect(("127.0.0.1", at or port))
        self.me = f"[{ip}]:{self.s.getsockname()[1]}"
        self.f = self.s.makefile("rb")

    def line(self):
        try:
            return self.f.readline().decode().rstrip("\r\n")
        except ConnectionResetError:
            return ""

    def reply(self):
        lines = []
        while True:
            l = self.line()
            lines.append(l)
            if len(l) < 4 or l[3] != "-":
                return "\n".join(lines)

    def ask(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def send(self, text):
        self.s.sendall(text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.f.close()
        self.s.close()


def logged(i, pattern):
    return wait_for(lambda: re.search(pattern, i.log()), 10)


def about(i, c):
    """What postscreen says of this client, in order."""
    return [re.sub(r"^.*?postscreen\[\d+\]: ", "", l).replace(c.me, "ME") for l in i.log().splitlines() if "postscreen[" in l and c.me in l]


def has(i, c, *patterns):
    return wait_for(lambda: len(about(i, c)) >= len(patterns) and all(re.fullmatch(p, l) for p, l in zip(patterns, about(i, c))), 10)


with Instance(master=MASTER) as i:
    def setup(extra="", master=MASTER):
        if i.master_pid():
            i.run("stop")
        i.configure(MAIN + extra, master)
        return i.start()

    r = setup()
    t.ok(r.returncode == 0, "it starts", r.stderr)
    CONNECT = rf"CONNECT from ME to \[127\.0\.0\.1\]:{port}"

    with Client("127.0.0.9") as c:
        t.ok(c.reply() == "220 mail.example.net ESMTP Postfix", "a client of mynetworks goes straight on")
        t.ok(has(i, c, CONNECT, "ALLOWLISTED ME"), "ALLOWLISTED", about(i, c))
        t.ok(c.ask("MAIL FROM:<a@b.example>").startswith("503 5.5.1 Error: send HELO/EHLO first"), "the pass line's -o options rule his session")
        c.ask("EHLO x.example"), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>").startswith("250"), "and mail is taken", i.log())
        c.ask("QUIT")
    t.ok(logged(i, r"postfix/behind/smtpd\[\d+\]: connect from unknown\[127\.0\.0\.9\]") and
         logged(i, r"postfix/behind/smtpd\[\d+\]: .*: client=unknown\[127\.0\.0\.9\]"), "smtpd knows who he is", i.log())

    # the tests before the greeting
    with Client("127.0.0.10") as c:
        t.ok(c.line() == "220-mail.example.net ESMTP Postfix", "a stranger gets half a greeting")
        t.ok(c.line() == "220 mail.example.net ESMTP Postfix", "and the other half from smtpd when he was silent")
        t.ok(has(i, c, CONNECT, "PASS NEW ME"), "PASS NEW", about(i, c))
        c.ask("EHLO x.example"), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>").startswith("250"), "mail is taken")
    with Client("127.0.0.10") as c:
        t.ok(c.reply() == "220 mail.example.net ESMTP Postfix", "the next time nothing is tested")
        t.ok(has(i, c, CONNECT, "PASS OLD ME"), "PASS OLD", about(i, c))
    i.run("stop"), i.start()
    with Client("127.0.0.10") as c:
        t.ok(c.reply() == "220 mail.example.net ESMTP Postfix" and has(i, c, CONNECT, "PASS OLD ME"), "nor after a restart", about(i, c))

    PREGREET = r"PREGREET 16 after [\d.]+ from ME: EHLO x\.example\\r\\n"
    with Client("127.0.0.11") as c:
        c.send("EHLO x.example\r\n")
        t.ok(c.line().startswith("220-") and c.line().startswith("220 "), "who speaks too soon goes on, with action ignore")
        t.ok(has(i, c, CONNECT, PREGREET), "but is not known afterwards", about(i, c))
    with Client("127.0.0.11") as c:
        c.line()
        t.ok(has(i, c, CONNECT) and not any("PASS" in l for l in about(i, c)), "so he is tested again")
    t.ok(has(i, c, CONNECT, r"HANGUP after [\d.]+ from ME in tests before SMTP handshake", "DISCONNECT ME"), "HANGUP", about(i, c))

    setup("postscreen_greet_action = enforce\npostscreen_reject_footer = \\c, see http://x.example/$client_address\nsmtpd_reject_footer = never\n")
    with Client("127.0.0.12") as c:
        c.send("EHLO x.example\r\n")
        e = c.reply()
        t.ok(e.startswith("220-mail.example.net ESMTP Postfix\n250-mail.example.net\n"), "enforce: he speaks with postscreen itself, and gets no second half", e)
        t.ok("PIPELINING" not in e and e.endswith("250-SMTPUTF8\n250 CHUNKING"), "which offers no pipelining", e)
        t.ok(c.ask("MAIL FROM:<a@b.example>") == "250 2.1.0 Ok", "MAIL")
        t.ok(c.ask("RCPT TO:<u@here.example>") == "550 5.5.1 Protocol error, see http://x.example/127.0.0.12", "RCPT is refused, with a footer")
        t.ok(c.ask("VRFY x").startswith("550 5.5.1 Protocol error") and c.ask("NOOP") == "250 2.0.0 Ok" and c.ask("RSET") == "250 2.0.0 Ok", "small verbs")
        t.ok(c.ask("FOO").startswith("502 5.5.2 Error: command not recognized"), "an unknown verb")
        t.ok(c.ask("DATA") == "503 5.5.1 Error: need RCPT command, see http://x.example/127.0.0.12" and c.line() == "", "DATA ends it")
    t.ok(has(i, c, CONNECT, PREGREET, r"NOQUEUE: reject: RCPT from ME: 550 5\.5\.1 Protocol error; from=<a@b\.example>, to=<u@here\.example>, "
             r"proto=ESMTP, helo=<x\.example>", "DATA without valid RCPT from ME", "DISCONNECT ME"), "who he is stands in the log", about(i, c))

    setup("postscreen_greet_action = drop\n")
    with Client("127.0.0.13") as c:
        c.send("EHLO x.example\r\n")
        t.ok(c.line().startswith("220-") and c.line() == "521 5.5.1 Protocol error" and c.line() == "", "drop")
    t.ok(has(i, c, CONNECT, PREGREET, "DISCONNECT ME"), "and the log", about(i, c))

    # lists of our own
    with open(f"{i.dir}/etc/access.cidr", "w") as f:
        f.write("127.0.0.30/32 reject\n127.0.0.31/32 permit\n127.0.0.32/32 dunno\n")
    access = f"postscreen_access_list = permit_mynetworks, cidr:{i.dir}/etc/access.cidr\n"
    setup(access + "postscreen_blacklist_action = drop\nrespectful_logging = no\n")
    with Client("127.0.0.30") as c:
        t.ok(c.line() == "521 5.3.2 Service currently unavailable" and c.line() == "", "who is on the access list is dropped")
    t.ok(has(i, c, CONNECT, "BLACKLISTED ME", "DISCONNECT ME"), "BLACKLISTED, where logging is not respectful", about(i, c))
    with Client("127.0.0.31") as c:
        t.ok(c.reply().startswith("220 ") and has(i, c, CONNECT, "WHITELISTED ME"), "WHITELISTED", about(i, c))
    setup(access + "postscreen_denylist_action = enforce\n")
    with Client("127.0.0.30") as c:
        c.line(), c.reply(), c.ask("HELO x.example"), c.ask("MAIL FROM:<>")
        t.ok(c.ask("RCPT TO:<u@here.example>") == "550 5.3.2 Service currently unavailable", "denylist enforce")
        c.ask("QUIT")
    t.ok(has(i, c, CONNECT, "DENYLISTED ME", r"NOQUEUE: reject: RCPT from ME: 550 5.3.2 Service currently unavailable; from=<>, .*proto=SMTP, .*", "DISCONNECT ME"),
         "DENYLISTED", about(i, c))

    # DNS lists
    sites = "postscreen_dnsbl_sites = zen.example=127.0.0.[2..4]*3, zen.example=127.0.0.10*1, white.example*-5, gone.example\npostscreen_dnsbl_threshold = 3\n"
    setup(sites + "postscreen_dnsbl_action = enforce\n")
    with Client("127.0.0.20") as c:
        c.line()
        t.ok(c.reply().startswith("220 "), "a listed client", about(i, c))
        c.ask("EHLO x.example"), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>") == "550 5.7.1 Service unavailable; client [127.0.0.20] blocked using zen.example", "is refused, with the list's name")
    t.ok(has(i, c, CONNECT, "DNSBL rank 3 for ME", "NOQUEUE: reject: RCPT from ME: 550 5.7.1 Service unavailable; client .*",
             r"HANGUP after [\d.]+ from ME in tests after SMTP handshake", "DISCONNECT ME"), "DNSBL rank", about(i, c))
    t.ok(logged(i, r"postfix/dnsblog\[\d+\]: addr 127\.0\.0\.20 listed by domain zen\.example as 127\.0\.0\.2"), "the answers are logged as dnsblog does")
    with Client("127.0.0.21") as c:
        c.line()
        t.ok(c.reply().startswith("220 ") and has(i, c, CONNECT, "PASS NEW ME"), "one below the threshold passes", about(i, c))
    with Client("127.0.0.22") as c:
        c.line()
        t.ok(c.reply().startswith("220 ") and has(i, c, CONNECT, "PASS NEW ME"), "so does one whom a list with a negative weight knows", about(i, c))
    with open(f"{i.dir}/etc/names", "w") as f:
        f.write("zen.example a public name\n")
    setup(sites + f"postscreen_dnsbl_action = drop\npostscreen_dnsbl_reply_map = texthash:{i.dir}/etc/names\n")
    with Client("127.0.0.20") as c:
        t.ok(c.line().startswith("220-") and c.line() == "521 5.7.1 Service unavailable; client [127.0.0.20] blocked using a public name", "drop, and the reply map")
    t.ok(has(i, c, CONNECT, "DNSBL rank 3 for ME", "DISCONNECT ME"), "the log", about(i, c))
    setup(sites + "postscreen_dnsbl_whitelist_threshold = -1\npostscreen_greet_wait = 15s\npostscreen_bare_newline_enable = yes\n")
    with Client("127.0.0.23") as c:
        start = time.monotonic()
        c.line()
        t.ok(c.reply().startswith("220 ") and time.monotonic() - start < 10 and has(i, c, CONNECT, "PASS NEW ME"),
             "who is trusted enough waits for nothing, and needs no test", about(i, c))
        c.ask("EHLO x.example"), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>").startswith("250"), "not even of those after the greeting")

    # the tests after the greeting
    deep = "postscreen_pipelining_enable = yes\npostscreen_non_smtp_command_enable = yes\npostscreen_bare_newline_enable = yes\n"
    setup(deep)
    with Client("127.0.0.40") as c:
        c.line(), c.reply(), c.ask("EHLO x.example"), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>") == "450 4.3.2 Service currently unavailable", "who behaves is to come back")
        c.ask("QUIT")
    t.ok(has(i, c, CONNECT, "NOQUEUE: reject: RCPT from ME: 450 4.3.2 Service currently unavailable; from=.*", "PASS NEW ME", "DISCONNECT ME"), "and passes", about(i, c))
    with Client("127.0.0.40") as c:
        t.ok(c.reply().startswith("220 ") and has(i, c, CONNECT, "PASS OLD ME"), "then he is let in", about(i, c))
    with Client("127.0.0.41") as c:
        c.line(), c.reply(), c.send("EHLO x.example\r\nMAIL FROM:<a@b.example>\r\n"), c.reply(), c.reply()
        t.ok(c.ask("RCPT TO:<u@here.example>") == "550 5.5.1 Protocol error", "pipelining is refused (enforce)")
        c.ask("QUIT")
    t.ok(has(i, c, CONNECT, r"COMMAND PIPELINING from ME after EHLO: MAIL FROM:<a@b\.example>\\r\\n", "NOQUEUE: reject: .*", "DISCONNECT ME"), "COMMAND PIPELINING", about(i, c))
    with Client("127.0.0.42") as c:
        c.line(), c.reply()
        t.ok(c.ask("GET / HTTP/1.1") == "521 5.7.0 Error: I can break rules, too. Goodbye.", "what is no SMTP is dropped")
    t.ok(has(i, c, CONNECT, r"NON-SMTP COMMAND from ME after CONNECT: GET / HTTP/1\.1", "DISCONNECT ME"), "NON-SMTP COMMAND", about(i, c))
    with Client("127.0.0.43") as c:
        c.line(), c.reply(), c.ask("HELO x.example")
        t.ok(c.ask("Subject: hello") == "521 5.7.0 Error: I can break rules, too. Goodbye.", "a header is none")
    with Client("127.0.0.44") as c:
        c.line(), c.reply(), c.send("HELO x.example\n"), c.reply(), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>").startswith("450 4.3.2"), "a bare newline is ignored by default")
        c.ask("QUIT")
    t.ok(has(i, c, CONNECT, r"BARE NEWLINE from ME after HELO x\.example", "NOQUEUE: .*", "DISCONNECT ME"), "BARE NEWLINE", about(i, c))
    setup(deep + "postscreen_bare_newline_action = drop\npostscreen_pipelining_action = drop\npostscreen_command_count_limit = 3\npostscreen_command_time_limit = 2s\n")
    with Client("127.0.0.45") as c:
        c.line(), c.reply(), c.send("HELO x.example\n")
        t.ok(c.reply() == "521 5.5.1 Protocol error", "or dropped")
    with Client("127.0.0.46") as c:
        c.line(), c.reply(), c.ask("NOOP"), c.ask("NOOP"), c.ask("NOOP")
        t.ok(c.ask("NOOP") == "421 mail.example.net Service unavailable - try again later", "command limit")
    t.ok(has(i, c, CONNECT, "COMMAND COUNT LIMIT from ME after NOOP", "DISCONNECT ME"), "COMMAND COUNT LIMIT", about(i, c))
    with Client("127.0.0.47") as c:
        c.line(), c.reply()
        t.ok(c.reply() == "421 4.4.2 mail.example.net Error: timeout exceeded", "time limit")
    t.ok(has(i, c, CONNECT, "COMMAND TIME LIMIT from ME after CONNECT", "DISCONNECT ME"), "COMMAND TIME LIMIT", about(i, c))

    # inside TLS
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{i.dir}/etc/key", "-out", f"{i.dir}/etc/cert",
                    "-subj", "/CN=mail.example.net", "-days", "2"], capture_output=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{i.dir}/etc/ownkey", "-out", f"{i.dir}/etc/own",
                    "-subj", "/CN=screen.example.net", "-days", "2"], capture_output=True)
    with open(f"{i.dir}/etc/filter", "w") as f:
        f.write("/^BEEP/ NOOP\n")
    setup(deep + f"smtpd_tls_cert_file = {i.dir}/etc/cert\nsmtpd_tls_key_file = {i.dir}/etc/key\npostscreen_tls_cert_file = {i.dir}/etc/own\ntlsproxy_tls_key_file = {i.dir}/etc/ownkey\nsmtpd_tls_security_level = encrypt\n"
          f"postscreen_command_filter = pcre:{i.dir}/etc/filter\npostscreen_discard_ehlo_keywords = etrn\npostscreen_starttls_timeout = 2s\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", port, timeout=30, source_address=("127.0.0.48", 0)) as c:
        code, text = c.ehlo("x.example")
        t.ok(b"STARTTLS" in text and b"ETRN" not in text, "STARTTLS is offered, and what is discarded is not", text)
        t.ok(c.mail("a@b.example")[0] == 530, "and required")
        t.ok(c.starttls(context=context)[0] == 220 and c.ehlo("x.example")[0] == 250 and c.docmd("BEEP")[0] == 250, "inside, and through the command filter")
        t.ok(ssl.DER_cert_to_PEM_cert(c.sock.getpeercert(True)).strip() == open(f"{i.dir}/etc/own").read().strip(), "with postscreen's own certificate")
        c.mail("a@b.example")
        t.ok(c.rcpt("u@here.example") == (450, b"4.3.2 Service currently unavailable"), "the same answer")
    t.ok(logged(i, r"PASS NEW \[127\.0\.0\.48\]"), "a pass", i.log()[-1500:])
    with Client("127.0.0.51") as c:
        c.line(), c.reply(), c.ask("EHLO x.example")
        began = time.monotonic()
        t.ok(c.ask("STARTTLS").startswith("220 ") and c.line() == "" and time.monotonic() - began < 20 and logged(i, "SSL_accept error from " + re.escape(c.me)),
             "postscreen_starttls_timeout: who does not begin is left", i.log()[-1500:])

    # which address of ours, how many, through a proxy
    setup("postscreen_whitelist_interfaces = !127.0.0.1, static:all\npostscreen_client_connection_count_limit = 1\n")
    with Client("127.0.0.50") as c:
        c.line(), c.reply(), c.ask("HELO x.example"), c.ask("MAIL FROM:<a@b.example>")
        t.ok(c.ask("RCPT TO:<u@here.example>") == "450 4.3.2 Service currently unavailable" and has(i, c, CONNECT, "ALLOWLIST VETO ME", "NOQUEUE: .*"),
             "on an address of ours where nobody can pass", about(i, c))
        with Client("127.0.0.50") as d:
            t.ok(d.line() == "421 4.7.0 Error: too many connections" and has(i, d, CONNECT, "NOQUEUE: reject: CONNECT from ME: too many connections", "DISCONNECT ME"),
                 "too many connections", about(i, d))
    with Client("127.0.0.10") as c:
        t.ok(c.reply().startswith("220 ") and has(i, c, CONNECT, "PASS OLD ME"), "who passed elsewhere is let in", about(i, c))
    setup("postscreen_upstream_proxy_protocol = haproxy\n")
    with Client("127.0.0.1") as c:
        c.send("PROXY TCP4 127.0.0.10 192.0.2.25 4711 25\r\n")
        t.ok(c.reply().startswith("220 ") and logged(i, r"CONNECT from \[127\.0\.0\.10\]:4711 to \[192\.0\.2\.25\]:25") and
             logged(i, r"PASS OLD \[127\.0\.0\.10\]:4711"), "a proxy tells who he is", i.log()[-1500:])
        t.ok(logged(i, r"behind/smtpd\[\d+\]: connect from unknown\[127\.0\.0\.10\]"), "smtpd too")
    with Client("127.0.0.1") as c:
        c.send("EHLO x\r\n")
        t.ok(c.line() == "", "without its header nobody gets in")

    for bad in ("postscreen_dnsbl_sites = a=127.0.0\n", "postscreen_access_list = permit_everybody\n", "postscreen_greet_action = maybe\n",
                "postscreen_dnsbl_allowlist_threshold = 4\n", "postscreen_upstream_proxy_protocol = x\n"):
        i.configure(MAIN + bad, MASTER)
        r = i.run("check")
        t.ok(r.returncode != 0 and bad.split()[0] in r.stderr + r.stdout, f"an error: {bad.strip()}", r)
t.end()
