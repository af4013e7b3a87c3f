#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_dialogue.py - what the SMTP and LMTP client makes of every answer, silence and lie of a server

A recipient's domain names the transport and the port of a fake server: m2525.example.net goes by `m` to
[127.0.0.1]:2525.  All cases are submitted first and run side by side; then the log and the servers tell.
"""
import os, re, smtplib, socket, subprocess, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *

t = Tap()
port = free_port()
SHORT = " ".join(f"-o smtp_{n}_timeout=2s" for n in ("helo", "mail", "rcpt", "data_init", "data_xfer", "data_done", "starttls", "quit", "connect"))
PATIENT, IMPATIENT = "pme", "qnf"       # the same but for the timeouts
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
p unix - - n - - smtp
m unix - - n - - smtp -o smtp_tls_security_level=may
e unix - - n - - smtp -o smtp_tls_security_level=encrypt
q unix - - n - - smtp {SHORT}
n unix - - n - - smtp {SHORT} -o smtp_tls_security_level=may
f unix - - n - - smtp {SHORT} -o smtp_tls_security_level=encrypt
w unix - - n - - smtp -o smtp_tls_security_level=encrypt -o smtp_tls_wrappermode=yes
v unix - - n - - smtp -o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=fake.example.net -o smtp_tls_CAfile=CERT
d unix - - n - - smtp -o smtp_address_verify_target=data
h unix - - n - - smtp -o smtp_never_send_ehlo=yes
g unix - - n - - smtp -o smtp_skip_5xx_greeting=no
a unix - - n - - smtp -o smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=static:user:secret -o smtp_sasl_security_options=noanonymous
l unix - - n - - lmtp
u unix - - n - - lmtp
smtp unix - - n - - smtp
relay unix - - n - - smtp
"""
BODY = "Subject: s\r\n\r\nhello\r\n.dot\r\n..\r\n"
cases = []          # (name, recipient, server, check)
open_servers = []


def server(script=None, **more):
    f = FakeServer(script, **more)
    open_servers.append(f)
    return f


def submit(rcpts, sender="", body=BODY, options=(), rcpt_options=()):
    """Raw, so that every parameter goes out as it is."""
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    s.ehlo("client.example.net")
    s.command_encoding = "utf-8"
    for line in [f"MAIL FROM:<{sender}>{''.join(' ' + o for o in options)}"] + \
                [f"RCPT TO:<{r}>{''.join(' ' + o for o in rcpt_options)}" for r in rcpts]:
        code, text = s.docmd(line)
        assert code == 250, (line, code, text)
    code, text = s.data(body)
    assert code == 250, text
    s.quit()
    return re.search(rb"queued as (\S+)", text).group(1).decode()


def lines(rcpt):
    return [l for l in i.log().splitlines() if f"to=<{rcpt}>" in l and " status=" in l]


def case(name, transport, script, status, dsn, text, count=1, check=None, options=(), rcpt_options=(), sender="", body=BODY, **more):
    f = server(script, **more)
    if "stall" in script.values() or "stall" in name or "silence" in name:
        transport = IMPATIENT[PATIENT.index(transport)]
    rcpts = [f"r{n}@{transport}{f.port}.example.net" for n in range(count)]
    submit(rcpts, sender, body, options, rcpt_options)
    cases.append((name, rcpts, f, status, dsn, text, check))


def finish_cases():
    while cases:
        name, rcpts, f, status, dsn, text, check = cases.pop(0)
        got = wait_for(lambda: [l for r in rcpts for l in lines(r)[:1]] if all(lines(r) for r in rcpts) else None, 30) or []
        want = status if isinstance(status, list) else [status] * len(rcpts)
        dsns = dsn if isinstance(dsn, list) else [dsn] * len(rcpts)
        good = len(got) == len(rcpts) and all(
            re.search(f", dsn={d}, status={w} \\(", l) and re.search(text, l.split(" status=", 1)[1]) for l, w, d in zip(got, want, dsns))
        try:
            more = check(f) if good and check else True
        except IndexError:
            more = False
        t.ok(good and more, name, f"expected {want} {dsns} {text}", *got, f.commands())


def make_files(i):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=fake.example.net",
                    "-addext", "subjectAltName=DNS:fake.example.net", "-keyout", f"{i.dir}/key.pem", "-out", f"{i.dir}/cert.pem"],
                   check=True, capture_output=True)
    with open(f"{i.dir}/transport", "w") as f:
        f.write("/@u[0-9]+\\.example\\.net$/ u:unix:" + i.dir + "/lmtp.sock\n"
                "/@([a-tv-z])([0-9]+)\\.example\\.net$/ ${1}:[127.0.0.1]:${2}\n")
    with open(f"{i.dir}/other.pem", "w") as f:
        f.write(open(f"{i.dir}/cert.pem").read())


def refusals():
    said = r"\(host 127\.0\.0\.1\[127\.0\.0\.1\] said: {} \(in reply to {}\)\)$"
    for verb, step, words in (("MAIL", "MAIL", "MAIL FROM command"), ("RCPT", "RCPT", "RCPT TO command"), ("DATA", "DATA", "DATA command"),
                              ("end of DATA", "DOT", "end of DATA command")):
        case(f"{verb}: 5xx with its own status", "p", {step: "550 5.7.1 no thanks"}, "bounced", "5.7.1", said.format("550 5\\.7\\.1 no thanks", words))
        case(f"{verb}: 5xx without", "p", {step: "554 no"}, "bounced", "5.0.0", said.format("554 no", words), keywords=())
        case(f"{verb}: 4xx", "p", {step: "451 4.3.2 later"}, "deferred", "4.3.2", said.format("451 4\\.3\\.2 later", words))
        case(f"{verb}: a reply of many lines", "p", {step: b"550-5.1.1 first\r\n550 5.1.1 second\r\n"}, "bounced", "5.1.1",
             said.format("550-5\\.1\\.1 first 550 5\\.1\\.1 second", words))
        case(f"{verb}: a class that is not the code's", "p", {step: "450 5.5.5 odd"}, "deferred", "4.0.0", said.format("450 5\\.5\\.5 odd", words))
    case("RCPT: 354 is nonsense, and for now", "p", {"RCPT": "354 go on"}, "deferred", "4.0.0", "354 go on")
    case("MAIL: 354, without PIPELINING", "p", {"MAIL": "354 go on"}, "deferred", "4.0.0", "354 go on", keywords=())
    case("DATA: 250 is no go-ahead", "p", {"DATA": "250 2.0.0 Ok"}, "deferred", "4.0.0", "250 2.0.0 Ok")
    case("end of DATA: 354 again", "p", {"DOT": "354 more"}, "deferred", "4.0.0", "354 more")
    case("RCPT: 552 is 452 (RFC 5321, 4.5.3.1.10)", "p", {"RCPT": "552 too many"}, "deferred", "4.0.0", "552 too many", keywords=())
    talk = r"\(host 127\.0\.0\.1\[127\.0\.0\.1\] refused to talk to me: {}\)$"
    case("greeting 4xx", "p", {"GREETING": "421 4.7.0 busy"}, "deferred", "4.7.0", talk.format("421 4\\.7\\.0 busy"))
    case("greeting 5xx: another time", "p", {"GREETING": "554 5.7.1 go away"}, "deferred", "4.7.1", talk.format("554 5\\.7\\.1 go away"))
    case("greeting 5xx, smtp_skip_5xx_greeting = no", "g", {"GREETING": "554 5.7.1 go away"}, "bounced", "5.7.1", talk.format("554 5\\.7\\.1 go away"))
    case("EHLO refused: HELO", "p", {"EHLO": "502 what"}, "sent", "2.0.0", "queued as FAKE",
         check=lambda f: "HELO mail.example.net" in f.commands() and "MAIL FROM:<>" in f.commands())
    case("EHLO 421", "p", {"EHLO": "421 4.3.2 closing"}, "deferred", "4.3.2", talk.format("421 4\\.3\\.2 closing"))
    case("EHLO and HELO refused", "p", {"EHLO": "500 no", "HELO": "550 no"}, "bounced", "5.0.0", talk.format("550 no"))
    case("smtp_never_send_ehlo", "h", {}, "sent", "2.0.0", "queued as FAKE", check=lambda f: f.commands()[0].startswith("HELO "))


def partial():
    def by_number(session, argument):
        n = int(re.search(r"r(\d+)@", argument).group(1))
        return ("250 2.1.5 Ok", "550 5.1.1 unknown", "450 4.2.1 busy")[n % 3]
    want = ["sent", "bounced", "deferred"]
    for keywords, how in ((("PIPELINING",), "pipelined"), ((), "one by one")):
        case(f"three recipients, three fates, {how}", "p", {"RCPT": by_number}, want, ["2.0.0", "5.1.1", "4.2.1"], ".", count=3,
             keywords=keywords, check=lambda f: f.messages == [b"Received" + f.messages[0][8:]] and f.messages[0].endswith(b"\r\nhello\r\n.dot\r\n..\r\n"))
        case(f"all refused, but DATA is welcome, {how}", "p", {"RCPT": "550 5.1.1 unknown"}, "bounced", "5.1.1", "unknown", count=3,
             keywords=keywords, check=lambda f: f.messages == [])
        case(f"all refused, and DATA too, {how}", "p", {"RCPT": "550 5.1.1 unknown", "DATA": "554 5.5.1 no recipients"}, "bounced", "5.1.1",
             "RCPT TO", count=3, keywords=keywords)
        case(f"200 recipients in one message, {how}", "p", {}, "sent", "2.0.0", "queued as FAKE", count=200, keywords=keywords)

    def refuse_and_close(session, argument):
        session.send("550 5.7.1 not you")
        return "close"
    case("MAIL refused and the connection closed: the refusal counts", "p", {"MAIL": refuse_and_close}, "bounced", "5.7.1", "550 5.7.1 not you")
    case("RCPT refused and the connection closed: it counts too", "p", {"RCPT": refuse_and_close}, "bounced", "5.7.1", "550 5.7.1 not you")

    def flood(session, argument):
        session.send(b"250-spam spam spam\r\n" * 100000)
        return "250 end"
    case("an endless reply", "p", {"MAIL": flood}, "deferred", "4.5.0", "protocol error from .* while sending MAIL FROM: endless reply")
    case("an endless line", "p", {"MAIL": b"250 " + b"x" * 1000000 + b"\r\n"}, "deferred", "4.5.0", "protocol error")
    case("a reply with controls and bad UTF-8 is shown as one clean line", "p", {"RCPT": b"550 5.1.1 \x1b[31m\xff\x00 no\r\n"}, "bounced", "5.1.1",
         r"^bounced \(host [^\x00-\x1f]* no \(in reply to RCPT TO command\)\)$")


STEPS = [("GREETING", "receiving the initial server greeting"), ("EHLO", "performing the EHLO handshake"), ("MAIL", "sending MAIL FROM"),
         ("RCPT", "sending RCPT TO"), ("DATA", "sending DATA command"), ("DOT", "sending end of data -- message may be sent more than once")]


def trouble():
    for step, state in STEPS:
        for how in ("close", "reset"):
            case(f"{how} at {step}", "p", {step: how}, "deferred", r"4.4.[12]", rf"\(lost connection with 127\.0\.0\.1\[127\.0\.0\.1\] while {state}\)$"
                 if how == "close" else "lost connection|reset by peer")   # a reset may overtake what came before it
        case(f"garbage at {step}", "p", {step: "garbage"}, "deferred", "4.5.0", f"protocol error from .* while {state}: malformed reply")
        case(f"silence at {step}", "p", {step: "stall"}, "deferred", "4.4.2",
             rf"\(conversation with 127\.0\.0\.1\[127\.0\.0\.1\] timed out while {state}\)$")
    for how in ("close", "reset", "garbage", "stall"):
        case(f"{how} at HELO", "p", {"EHLO": "500 no", "HELO": how}, "deferred", "4.5.0" if how == "garbage" else "4.4.2", "performing the HELO handshake")
        case(f"{how} at QUIT: it was sent", "p", {"QUIT": how}, "sent", "2.0.0", "queued as FAKE")
        case(f"{how} at STARTTLS, level may: in clear", "m", {"STARTTLS": how}, "sent", "2.0.0", "queued as FAKE", keywords=("STARTTLS",),
             check=lambda f: len(f.sessions) == 2 and not f.sessions[1].tls)
        case(f"{how} at STARTTLS, level encrypt: never in clear", "e", {"STARTTLS": how}, "deferred", "4.5.0" if how == "garbage" else "4.4.2",
             "sending STARTTLS", keywords=("STARTTLS",), check=lambda f: not f.messages and "MAIL" not in " ".join(f.commands()))
        case(f"{how} at AUTH", "a", {"AUTH": how}, "deferred", "4.5.0" if how == "garbage" else "4.4.2", "performing the SASL handshake",
             keywords=("AUTH PLAIN",)) if how != "stall" else None

        def at_handshake(session, argument, how=how):
            session.send("220 2.0.0 go on")
            session.file.readline(20)              # the hello of TLS has begun
            return how
        case(f"{how} amid the TLS handshake, level may: in clear", "m", {"STARTTLS": at_handshake}, "sent", "2.0.0", "queued as FAKE", keywords=("STARTTLS",),
             check=lambda f: len(f.sessions) == 2 and not f.sessions[1].tls)
        case(f"{how} amid the TLS handshake, level encrypt: never in clear", "e", {"STARTTLS": at_handshake}, "deferred", "4.7.5", "Cannot start TLS: handshake failure",
             keywords=("STARTTLS",), check=lambda f: not f.messages and "MAIL" not in " ".join(f.commands()))
    pieces = 9000000

    def cut(how):
        def act(session, argument):
            session.send("354 go on")
            session.file.read(20000)
            return how
        return act
    big = "Subject: big\r\n\r\n" + "0123456789\r\n" * (pieces // 12)
    for how, words in (("close", "lost connection"), ("reset", "lost connection"), ("stall", "timed out")):
        case(f"{how} amid the content", "p", {"DATA": cut(how)}, "deferred", "4.4.2", f"{words}.* while sending message body", body=big)
    finish_cases()
    t.ok(len(re.findall(r"warning: \S+: possible duplicate: ", i.log())) == 4, "what was lost after the dot may be a duplicate, and is logged as one")
    refused = free_port()
    rcpt = f"r@p{refused}.example.net"
    submit([rcpt])
    got = wait_for(lambda: lines(rcpt))
    t.ok(got and f", relay=none, " in got[0] and f"dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]:{refused}: Connection refused)" in got[0],
         "connection refused", got)
    t.ok(i.logged(f"]: connect to 127.0.0.1[127.0.0.1]:{refused}: Connection refused\n"), "and a line of its own")


def extensions(i):
    case("SIZE told, SMTPUTF8 and DSN not offered: not told", "p", {}, "sent", "2.0.0", "queued", keywords=("SIZE 100000",), options=("BODY=8BITMIME", "RET=HDRS", "ENVID=e+2B1"),
         rcpt_options=("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;o@example.net"), sender="",
         check=lambda f: re.match(r"MAIL FROM:<> SIZE=\d+$", f.commands()[1]) and " " not in f.commands()[2][8:])
    case("DSN, SIZE and 8BITMIME passed on", "p", {}, "sent", "2.0.0", "queued", keywords=("SIZE", "DSN", "8BITMIME"), options=("BODY=8BITMIME", "RET=HDRS", "ENVID=e+2B1"),
         rcpt_options=("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;o+2Bx@example.net"),
         check=lambda f: re.match(r"MAIL FROM:<> SIZE=\d+ BODY=8BITMIME ENVID=e\+2B1 RET=HDRS$", f.commands()[1]) and
         f.commands()[2].endswith("> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Bx@example.net"))
    case("SIZE that is too small", "p", {}, "bounced", "5.3.4", r"message size \d+ exceeds size limit 20 of server 127\.0\.0\.1\[127\.0\.0\.1\]", keywords=("SIZE 20",),
         check=lambda f: "MAIL" not in " ".join(f.commands()))
    case("SMTPUTF8 passed on", "p", {}, "sent", "2.0.0", "queued", keywords=("SMTPUTF8", "8BITMIME"), options=("SMTPUTF8",), sender="j\u00f6rg@example.net",
         check=lambda f: "MAIL FROM:<j\u00f6rg@example.net> SMTPUTF8" == f.commands()[1])
    case("SMTPUTF8 needed, not offered", "p", {}, "bounced", "5.6.7", "SMTPUTF8 is required, but was not offered by host 127", options=("SMTPUTF8",),
         sender="", body="Subject: gr\u00fc\u00dfe\r\n\r\nx\r\n".encode())
    long = "x" * 3000
    case("a line of 3,000 bytes is broken at 998", "p", {}, "sent", "2.0.0", "queued", body=f"Subject: s\r\n\r\n{long}\r\n",
         check=lambda f: max(map(len, f.messages[0].split(b"\r\n"))) == 998)
    case("an empty body", "p", {}, "sent", "2.0.0", "queued", body="Subject: s\r\n\r\n", check=lambda f: f.messages[0].endswith(b"\r\n\r\n"))
    cert = (f"{i.dir}/cert.pem", f"{i.dir}/key.pem")
    case("STARTTLS, level may", "m", {}, "sent", "2.0.0", "queued", keywords=("STARTTLS",), certificate=cert, check=lambda f: f.sessions[0].tls and
         [c.split()[0] for c in f.commands()[:4]] == ["EHLO", "STARTTLS", "EHLO", "MAIL"])
    case("STARTTLS refused, level may", "m", {"STARTTLS": "454 4.7.0 not now"}, "sent", "2.0.0", "queued", keywords=("STARTTLS",))
    case("STARTTLS refused, level encrypt", "e", {"STARTTLS": "454 4.7.0 not now"}, "deferred", "4.7.4",
         "TLS is required, but host .* refused to start TLS: 454 4.7.0 not now", keywords=("STARTTLS",), check=lambda f: "MAIL" not in " ".join(f.commands()))
    case("STARTTLS not offered, level encrypt", "e", {}, "deferred", "4.7.4", "TLS is required, but was not offered by host 127",
         check=lambda f: "MAIL" not in " ".join(f.commands()))
    case("replies injected behind STARTTLS, level encrypt (SECURITY.md 2)", "e", {"STARTTLS": b"220 go on\r\n250-SIZE 1\r\n250 AUTH PLAIN\r\n"}, "deferred", "4.7.5",
         "data before the TLS handshake", keywords=("STARTTLS",))
    case("replies injected behind STARTTLS, level may: in clear, anew", "m", {"STARTTLS": b"220 go on\r\n250 SIZE 1\r\n"}, "sent", "2.0.0", "queued",
         keywords=("STARTTLS",), check=lambda f: len(f.sessions) == 2)
    case("secure: an untrusted certificate", "v", {}, "deferred", "4.7.5", "Cannot start TLS|not trusted|not verified", keywords=("STARTTLS",), certificate=(f"{i.dir}/bad.pem", f"{i.dir}/bad.key"),
         check=lambda f: "MAIL" not in " ".join(f.commands()))
    case("secure: the right certificate", "v", {}, "sent", "2.0.0", "queued", keywords=("STARTTLS",), certificate=cert, check=lambda f: f.sessions[0].tls)
    case("TLS from the first byte", "w", {}, "sent", "2.0.0", "queued", certificate=cert, wrapper=True)
    case("AUTH PLAIN", "a", {}, "sent", "2.0.0", "queued", keywords=("AUTH LOGIN PLAIN",), check=lambda f: "AUTH PLAIN AHVzZXIAc2VjcmV0" in f.commands())
    case("AUTH refused: for now", "a", {"AUTH": "535 5.7.8 wrong"}, "deferred", "4.7.8", "SASL authentication failed; server .* said: 535 5.7.8 wrong", keywords=("AUTH PLAIN",))


def lmtp(i):
    case("LMTP: LHLO, a status for each", "l", {"DOT": ["250 2.0.0 saved", "552 5.2.2 full", "451 4.2.0 later"]}, ["sent", "bounced", "deferred"],
         ["2.0.0", "5.2.2", "4.2.0"], "saved|full .in reply to end of DATA|later", count=3, lmtp=True,
         check=lambda f: f.commands()[0].startswith("LHLO ") and len(f.messages) == 1)
    case("LMTP: lost amid the verdicts", "l", {"DOT": ["250 2.0.0 saved", "close"]}, ["sent", "deferred", "deferred"],
         ["2.0.0", "4.4.2", "4.4.2"], "saved|lost connection", count=3, lmtp=True)
    case("LMTP: RCPT refusals get no verdict", "l", {"RCPT": ["550 5.1.1 no", "250 2.1.5 Ok"], "DOT": "250 2.0.0 saved"}, ["bounced", "sent"], ["5.1.1", "2.0.0"],
         ".", count=2, lmtp=True)
    case("LMTP: LHLO refused", "l", {"LHLO": "550 5.5.0 no"}, "bounced", "5.5.0", "refused to talk to me: 550 5.5.0 no", lmtp=True)
    f = server({}, lmtp=True, path=f"{i.dir}/lmtp.sock")
    rcpt = "r0@u1.example.net"
    submit([rcpt])
    got = wait_for(lambda: lines(rcpt))
    t.ok(got and f"relay=mail.example.net[{i.dir}/lmtp.sock], " in got[0] and "status=sent" in got[0] and f.messages, "LMTP by Unix socket", got)


def reuse():
    f = server()
    rcpts = [f"s{n}@p{f.port}.example.net" for n in range(3)]
    for r in rcpts:
        submit([r])
        wait_for(lambda: lines(r))
    t.ok(len(f.sessions) == 1 and ", conn_use=3, " in lines(rcpts[2])[0], "three messages over one connection", f.commands(), lines(rcpts[2]))

    def once_then(what):
        def act(session, argument):
            session.count = getattr(session, "count", 0) + 1
            return "250 2.1.0 Ok" if session.count == 1 else what
        return act
    for what in ("close", "reset", "421 4.4.2 idle too long"):
        f = server({"MAIL": once_then(what)})
        for n in range(2):
            submit([f"d{n}@p{f.port}.example.net"])
            wait_for(lambda: lines(f"d{n}@p{f.port}.example.net"))
        got = lines(f"d1@p{f.port}.example.net")
        t.ok(got and "status=sent" in got[0] and len(f.sessions) == 2, f"a kept connection that died ({what}): a new one", got, f.commands())
    f = server({"RCPT": "550 5.1.1 no"})
    for n in range(2):
        submit([f"n{n}@p{f.port}.example.net"])
        wait_for(lambda: lines(f"n{n}@p{f.port}.example.net"))
    t.ok(f.messages == [] and all("status=bounced" in lines(f"n{n}@p{f.port}.example.net")[0] for n in range(2)), "after a refused transaction the next one is fresh",
         f.commands())


def success_notices():
    """RFC 3461, 5.2: who passes mail to a server without DSN says "relayed"; one with DSN will say itself."""
    for keywords, action in (((), b"Action: relayed"), (("DSN",), None)):
        f, sink = server(keywords=keywords), server()
        rcpt = f"r0@p{f.port}.example.net"
        submit([rcpt], f"s@p{sink.port}.example.net", rcpt_options=("NOTIFY=SUCCESS",))
        queue_id = re.search(r"(\S+): to=", (wait_for(lambda: lines(rcpt)) or [""])[0])
        wait_for(lambda: queue_id and f"{queue_id.group(1)}: removed" in i.log())
        if action:
            t.ok(wait_for(lambda: sink.messages) and action in sink.messages[0], "a success notice for a server without DSN", i.log()[-1500:])
        else:
            t.ok(not sink.messages and " NOTIFY=SUCCESS" in " ".join(f.commands()) and "sender delivery status notification" not in
                 "".join(l for l in i.log().splitlines() if queue_id.group(1) in l), "none for one with DSN", f.commands())


def probes(i):
    f = server({"RCPT": lambda s, a: "550 5.1.1 nobody" if "nobody" in a else "250 2.1.5 fine"})
    p = f.port
    r = subprocess.run([f"{i.dir}/sbin/sendmail", "-C", f"{i.dir}/etc", "-bv", f"somebody@p{p}.example.net", f"nobody@p{p}.example.net"],
                       capture_output=True, text=True, env=dict(os.environ, MAIL_CONFIG=f"{i.dir}/etc"), timeout=60)
    return f, r


def probes_to_data(i):
    f = server({"RCPT": lambda s, a: "550 5.1.1 nobody" if "nobody" in a else "250 2.1.5 fine"})
    g = server({"DATA": "554 5.7.1 not you"})
    rcpts = [f"somebody@d{f.port}.example.net", f"nobody@d{f.port}.example.net", f"somebody@d{g.port}.example.net"]
    subprocess.run([f"{i.dir}/sbin/sendmail", "-C", f"{i.dir}/etc", "-bv", *rcpts], capture_output=True, text=True,
                   env=dict(os.environ, MAIL_CONFIG=f"{i.dir}/etc"), timeout=60)
    got = wait_for(lambda: all(lines(r) for r in rcpts) and [lines(r)[0] for r in rcpts]) or []
    t.ok(len(got) == 3 and "status=deliverable (354 go on)" in got[0] and "dsn=5.1.1, status=undeliverable" in got[1] and "dsn=5.7.1, status=undeliverable" in got[2] and
         not f.messages and "DATA" in f.commands(), "smtp_address_verify_target = data: a probe goes to DATA, and no further", *got, f.commands())


with Instance(master=MASTER) as i:
    make_files(i)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=fake.example.net", "-keyout",
                    f"{i.dir}/bad.key", "-out", f"{i.dir}/bad.pem"], check=True, capture_output=True)
    i.configure(f"mydestination =\ntransport_maps = regexp:{i.dir}/transport\nlocal_recipient_maps =\nsmtputf8_enable = yes\n"
                f"notify_classes =\ndnsd_servers = 127.0.0.1@{free_port()}\ndefault_process_limit = 200\n"
                f"dialer_endpoints = unix:{i.dir}/lmtp.sock\nsmtpd_client_connection_count_limit = 0\n",
                MASTER.replace("CERT", f"{i.dir}/cert.pem"))
    if t.ok(i.start().returncode == 0, "start", i.log()):
        for part in (refusals, partial, trouble):
            part()
            finish_cases()
        for part in (extensions, lmtp):
            part(i)
            finish_cases()
        reuse()
        success_notices()
        f, r = probes(i)
        t.ok(wait_for(lambda: len(re.findall(r"status=(?:un)?deliverable", i.log())) == 2) and not f.messages and "DATA" not in f.commands(),
             "sendmail -bv asks, and sends nothing", r, f.commands(), i.log()[-1500:])
        probes_to_data(i)
    bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|terminated|exit status", l)]
    t.ok(not bad, "no program died", *bad[:10])
    for f in open_servers:
        f.close()
t.end()
