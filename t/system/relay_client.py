#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_client.py - what the client does to a message and around it: 7-bit servers, chunks, rules, addresses, logins, filters

A recipient's domain names the transport and the port of a fake server: p2525.example.net goes by `p` to
[127.0.0.1]:2525.  Decoded content is compared by python's email parser.
"""
import base64, email, email.policy, hashlib, hmac, os, re, smtplib, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *

t = Tap()
port = free_port()
AUTH = "-o smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=inline:{{127.0.0.1=user:secret},{s1@example.net=one:first},{s2@example.net=two:second}} -o smtp_sasl_security_options=noanonymous"
TRANSPORTS = {
    "p": "",
    "d": "-o disable_mime_output_conversion=yes",
    "n": "-o smtp_discard_ehlo_keywords=chunking,silent-discard",
    "k": "-o smtp_discard_ehlo_keyword_address_maps=inline:{{127.0.0.1=chunking,pipelining}}",
    "h": "-o smtp_header_checks=regexp:DIR/header -o smtp_mime_header_checks=regexp:DIR/mime -o smtp_nested_header_checks=regexp:DIR/nested -o smtp_body_checks=regexp:DIR/body",
    "g": "-o smtp_generic_maps=inline:{{joe@ours.example.net=joe.public@isp.example.org},{@hidden.example.net=all@isp.example.org}}",
    "f": "-o smtp_generic_maps=fail:x",
    "a": AUTH + " -o smtp_sender_dependent_authentication=yes -o smtp_sasl_mechanism_filter=plain",
    "c": AUTH + " -o smtp_sasl_mechanism_filter=cram-md5",
    "b": AUTH + " -o smtp_sasl_auth_soft_bounce=no -o smtp_sasl_auth_cache_name=proxy:btree:x",
    "o": AUTH.replace("=noanonymous", "=noanonymous,noplaintext"),
    "x": "-o smtp_send_xforward_command=yes -o smtp_send_dummy_mail_auth=yes",
    "r": "-o smtp_reply_filter=regexp:DIR/reply -o smtp_delivery_status_filter=regexp:DIR/status",
    "q": "-o smtp_per_request_deadline=yes -o smtp_min_data_rate=100000000 -o smtp_data_xfer_timeout=2s",
    "i": "-o smtp_bind_address=192.0.2.1",
    "j": "-o smtp_bind_address=192.0.2.1 -o smtp_bind_address_enforce=yes",
    "w": "-o smtp_connection_cache_on_demand=no",
}
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
l unix - - n - - lmtp
""" + "".join(f"{name} unix - - n - - smtp {options}\n" for name, options in TRANSPORTS.items())
FILES = {
    "header": "/^Subject: drop me/ IGNORE\n/^Subject: (.*)/ REPLACE Subject: [$1]\n/^X-Secret:/ STRIP leaving\n/^X-Look:/ WARN seen\n/^To:/ PREPEND X-Added: yes\n"
              "/^Message-Id:/ REJECT not here\n",
    "mime": "/^Content-Disposition:/ IGNORE\n",
    "nested": "/^X-Inner:/ REPLACE X-Inner: changed\n",
    "body": "/^secret line/ IGNORE\n/^old (.*)/ REPLACE new $1\n/^head/ PREPEND before\n",
    "reply": "/^250 2.1.5 secret.*/ 250 2.1.5 Ok\n/^550 5\\.7\\.99 (.*)/ 450 4.7.99 $1\n/^zzz.*/ 250 2.0.0 understood\n",
    "status": "/^4\\.7\\.77 (.*)/ 5.7.77 for good: $1\n/^5\\.7\\.78 .*/ 4.7.78 later\n/^2\\.0\\.0 .*/ 5.0.0 never\n",
}
servers = []


def server(script=None, **more):
    f = FakeServer(script, **more)
    servers.append(f)
    return f


def submit(rcpt, body, sender="", options=()):
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    s.ehlo("client.example.net")
    s.command_encoding = "utf-8"
    for line in (f"MAIL FROM:<{sender}>{''.join(' ' + o for o in options)}", f"RCPT TO:<{rcpt}>"):
        code, text = s.docmd(line)
        assert code == 250, (line, text)
    code, text = s.data(body)
    assert code == 250, text
    s.quit()


def status_of(rcpt):
    return [l for l in i.log().splitlines() if f"to=<{rcpt}>" in l and " status=" in l]


count = 0


def send(transport, f, body="Subject: s\r\n\r\nhello\r\n", sender="", options=(), user="r"):
    """The log line of the delivery."""
    global count
    count += 1
    rcpt = f"{user}{count}@{transport}{f.port}.example.net"
    submit(rcpt, body, sender, options)
    got = wait_for(lambda: status_of(rcpt), 30)
    return got[0] if got else ""


def without_trace(message):
    return message[message.index(b"\r\nSubject:") + 2:] if b"\r\nSubject:" in message else message


# ---------------------------------------------------------------- 8 bits

UTF = "gr\u00fc\u00dfe = \u20ac \r\n.dot\r\n..\r\nFrom here \r\n".encode() + b"x" * 990 + b"\r\n" + "\u00e4".encode() * 300 + b"\r\n"
MULTI = (b"Subject: m\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_out\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n"
         b"--=_out\r\nContent-Type: multipart/alternative;\r\n boundary=in\r\n\r\n"
         b"--in\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + UTF +
         b"--in\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xc3\xa4</p>\r\n--in--\r\n"
         b"--=_out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inside\r\nMIME-Version: 1.0\r\n"
         b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xf6\xfc\r\n\r\n"
         b"--=_out\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(bytes(range(256))) + b"\r\n"
         b"--=_out\r\n\r\nplain = part\r\n--=_out--\r\nepilogue\r\n")


def decoded(raw):
    """(type, content) of each leaf; the tree comes out as the list of all types."""
    m = email.message_from_bytes(raw, policy=email.policy.compat32)
    return [(p.get_content_type(), None if p.is_multipart() else p.get_payload(decode=True)) for p in m.walk()]


def eight_bit():
    for what, body in (("one part", b"Subject: u\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + UTF),
                       ("parts within parts", MULTI), ("no MIME header at all", b"Subject: raw\r\n\r\n\xe4\xf6 raw\r\n")):
        old, new = server(keywords=("SIZE",)), server(keywords=("8BITMIME",))
        for options in ((), ("BODY=8BITMIME",)):
            del old.messages[:], new.messages[:]
            send("p", old, body, options=options)
            send("p", new, body, options=options)
            a, b = (old.messages or [b""])[0], (new.messages or [b""])[0]
            good = a and max(a) < 128 and max(map(len, a.split(b"\r\n"))) <= 998 and decoded(a) == decoded(b)
            t.ok(good, f"8BITMIME not offered: {what}, {options or 'not declared'}: quoted-printable, and decoded the same", a, decoded(a), decoded(b))
            t.ok(without_trace(b).split(b"\r\n\r\n", 1)[1] == body.split(b"\r\n\r\n", 1)[1] and " BODY=8BITMIME" in " ".join(new.commands()),
                 "8BITMIME offered: as it was, and said so", new.commands())
        t.ok("BODY=" not in " ".join(old.commands()), "and no BODY= where it was not offered", old.commands())
    f = server(keywords=())
    send("d", f, MULTI)
    t.ok(f.messages and b"\xc3\xbc" in f.messages[0], "disable_mime_output_conversion", f.messages)
    f = server(keywords=(), lmtp=True)
    send("l", f, MULTI)
    t.ok(f.messages and max(f.messages[0]) < 128 and decoded(f.messages[0])[1:] == decoded(MULTI)[1:], "LMTP does so too", f.messages)
    f = server(keywords=())
    big = b"Subject: big\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + "\u00e4\u00f6\u00fc 0123456789\r\n".encode() * 300000
    send("p", f, big)
    t.ok(f.messages and decoded(f.messages[0]) == decoded(big), "5 MB are converted")
    peak = [int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{p}/status").read()).group(1)) for p in i.named("smtp")]
    t.ok(peak and max(peak) < 60000, f"and not held in memory: {peak} kB at most")


def chunks():
    body = b"Subject: s\r\n\r\nhello\r\n.dot\r\n..\r\n"
    f = server(keywords=("CHUNKING", "8BITMIME", "PIPELINING", "SIZE"))
    got = send("p", f, body)
    t.ok("status=sent (250 2.0.0 Ok: queued as FAKE)" in got and f.messages[0].endswith(b"\r\nhello\r\n.dot\r\n..\r\n") and "DATA" not in f.commands() and
         re.fullmatch(r"BDAT \d+ LAST", f.commands()[3]), "BDAT where the server takes chunks: dots as they are", got, f.commands())
    big = b"Subject: big\r\n\r\n" + b"0123456789" * 7 + b"\r\n"
    big += (b"0123456789" * 7 + b"\r\n") * 40000
    got = send("p", f, big)
    t.ok(len(f.messages) == 2 and without_trace(f.messages[1]).split(b"\r\n\r\n", 1)[1] == big.split(b"\r\n\r\n", 1)[1], "3 MB as one chunk, from the file", got)
    long = b"Subject: long\r\n\r\n" + b"y" * 3000 + b"\r\n" + b"z\r\n" * 300000
    got = send("p", f, long)
    t.ok(len(f.messages) == 3 and max(map(len, f.messages[2].split(b"\r\n"))) == 998 and f.messages[2].count(b"z\r\n") == 300000 and
         len([c for c in f.commands() if c.startswith("BDAT 262144")]) >= 2, "what must be changed goes in several chunks", got, [c for c in f.commands() if "BDAT" in c])
    f = server({"BDAT": "552 5.2.2 full", "DOT": "552 5.2.2 full"}, keywords=("CHUNKING",))
    got = send("p", f, long)
    t.ok("dsn=5.2.2, status=bounced" in got and "(in reply to BDAT command)" in got, "a chunk that is refused", got)
    got = send("p", f, body)
    t.ok("dsn=5.2.2, status=bounced" in got and "(in reply to end of DATA command)" in got, "the last chunk is refused", got)
    for name in ("n", "k"):
        f = server(keywords=("CHUNKING", "PIPELINING", "SIZE"))
        got = send(name, f, body)
        t.ok("status=sent" in got and "DATA" in f.commands(), f"{TRANSPORTS[name]}: DATA", f.commands())
    f = server({"RCPT": "550 5.1.1 no"}, keywords=("CHUNKING", "PIPELINING"))
    got = send("p", f, body)
    t.ok("dsn=5.1.1, status=bounced" in got and not f.messages and "BDAT" not in " ".join(f.commands()), "nobody is left: no chunk", f.commands())
    f = server({"DOT": ["250 2.0.0 saved"]}, keywords=("CHUNKING", "PIPELINING"), lmtp=True)
    got = send("l", f, body)
    t.ok("status=sent (250 2.0.0 saved)" in got and f.messages, "LMTP by chunks", got, f.commands())


# ---------------------------------------------------------------- rules and addresses

def rules():
    f = server()
    body = (b"Subject: one\r\nSubject: drop me\r\nTo: x@example.org\r\nX-Secret: 1\r\nX-Look: 2\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Disposition: inline\r\n\r\nsecret line\r\nold thing\r\nhead\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nX-Inner: 1\r\nSubject: two\r\n\r\nin\r\n--b--\r\n")
    got = send("h", f, body)
    m = (f.messages or [b""])[0]
    t.ok(b"\r\nSubject: [one]\r\nX-Added: yes\r\nTo: x@example.org\r\nX-Look: 2\r\nMIME-Version: 1.0\r\nContent-Type: multipart" in m and b"drop me" not in m and b"X-Secret" not in m,
         "header checks: REPLACE IGNORE PREPEND STRIP WARN", m)
    t.ok(b"--b\r\n\r\nnew thing\r\nbefore\r\nhead\r\n--b\r\n" in m, "MIME header and body checks", m)
    t.ok(b"X-Inner: changed\r\nSubject: two\r\n\r\nin\r\n--b--\r\n" in m, "nested header checks", m)
    t.ok(i.logged(": warning: header X-Look: 2: seen") and i.logged(": strip: header X-Secret: 1: leaving") and i.logged("cannot be done here"), "and the log tells", i.log()[-800:])
    f = server()
    body = b"Subject: s\r\nFrom: Joe <joe@ours.example.net>, \"x\" <a@hidden.example.net>\r\nTo: other@example.org,\r\n joe@ours.example.net\r\n\r\njoe@ours.example.net\r\n"
    got = send("g", f, body, sender="joe@ours.example.net")
    m = (f.messages or [b""])[0]
    t.ok(f.messages and f.commands()[1].startswith("MAIL FROM:<joe.public@isp.example.org>"), "smtp_generic_maps: the sender", f.commands())
    t.ok(b"From: Joe <joe.public@isp.example.org>, \"x\" <all@isp.example.org>\r\n" in m and b"To: other@example.org,\r\n joe.public@isp.example.org\r\n" in m and
         m.endswith(b"\r\n\r\njoe@ours.example.net\r\n"), "the header's addresses, not the body's", m)
    t.ok(i.logged("from=<joe@ours.example.net>"), "and the log has our own")
    f = server()
    got = send("f", f, body, sender="joe@ours.example.net")
    t.ok(not f.messages and i.logged("dsn=4.3.0, status=deferred (address mapping failure)"), "while they cannot be asked, nothing leaves", f.messages, i.log()[-800:])


# ---------------------------------------------------------------- around it

def plain(user, password):
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def logins():
    f = server(keywords=("AUTH PLAIN LOGIN", "8BITMIME"))
    for sender, user, password in (("s1@example.net", "one", "first"), ("s2@example.net", "two", "second"), ("s3@example.net", "user", "secret")):
        got = send("a", f, sender=sender)
        t.ok("status=sent" in got and plain(user, password) in f.sessions[-1].commands, f"smtp_sender_dependent_authentication: {sender} is {user}", f.commands())
    t.ok(len(f.sessions) == 3, "no connection is shared by two logins", len(f.sessions))

    def cram(session, argument):
        session.send("334 " + base64.b64encode(b"<1.2@fake>").decode())
        answer = base64.b64decode(session.file.readline()).decode()
        good = answer == "user " + hmac.new(b"secret", b"<1.2@fake>", hashlib.md5).hexdigest()
        return "235 2.7.0 ok" if good else "535 5.7.8 wrong"
    f = server({"AUTH": cram}, keywords=("AUTH PLAIN CRAM-MD5",))
    got = send("c", f)
    t.ok("status=sent" in got, "CRAM-MD5, chosen by smtp_sasl_mechanism_filter", got, f.commands())
    f = server({"AUTH": cram}, keywords=("AUTH PLAIN CRAM-MD5",))
    t.ok("status=sent" in send("o", f) and "AUTH CRAM-MD5" in f.commands(), "noplaintext leaves it", f.commands())
    f = server(keywords=("AUTH PLAIN LOGIN",))
    t.ok("dsn=4.7.0, status=deferred (SASL authentication failed; cannot authenticate to server 127.0.0.1[127.0.0.1]: no mechanism available)" in send("o", f) and
         "AUTH" not in " ".join(f.commands()), "noplaintext: nothing in clear", f.commands())
    f = server({"AUTH": "535 5.7.8 wrong"}, keywords=("AUTH PLAIN",))
    got = send("b", f)
    t.ok("dsn=5.7.8, status=bounced (SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong)" in got, "smtp_sasl_auth_soft_bounce = no", got)
    got = send("b", f)
    t.ok("dsn=5.7.8, status=bounced" in got and len([c for c in f.commands() if c.startswith("AUTH")]) == 1, "a failed login is not tried again (auth cache)", got, f.commands())


def around():
    f = server(keywords=("XFORWARD NAME ADDR PROTO HELO SOURCE IDENT", "AUTH PLAIN"))
    got = send("x", f)
    line = [c for c in f.commands() if c.startswith("XFORWARD")]
    t.ok(line and " ADDR=127.0.0.1" in " ".join(line) and " HELO=client.example.net" in " ".join(line) and " SOURCE=REMOTE" in " ".join(line) and
         re.search(r" IDENT=\w{12,}", " ".join(line)), "XFORWARD", f.commands())
    t.ok("MAIL FROM:<> AUTH=<>" in f.commands(), "smtp_send_dummy_mail_auth", f.commands())
    f = server({"RCPT": "550 5.7.99 really"})
    t.ok("dsn=4.7.99, status=deferred" in send("r", f), "smtp_reply_filter makes 4xx of 5xx")
    f = server({"DOT": "zzz nonsense"})
    t.ok("status=sent (250 2.0.0 understood)" in send("r", f), "and a reply of nonsense")
    f = server({"RCPT": "450 4.7.77 soft"})
    t.ok("dsn=5.7.77, status=bounced (for good: host" in send("r", f), "smtp_delivery_status_filter: for good")
    f = server({"RCPT": "550 5.7.78 hard"})
    t.ok("dsn=4.7.78, status=deferred (later)" in send("r", f), "and for now")
    f = server()
    t.ok("dsn=2.0.0, status=sent" in send("r", f) and i.logged("bad result"), "success stays success")

    def slowly(session, argument):
        session.send("354 go on")
        session.sock.settimeout(None)
        while session.file.read(1000) and not session.server.stop.wait(0.05):
            pass
        return "close"
    f = server({"DATA": slowly})
    got = send("q", f, b"Subject: s\r\n\r\n" + b"0123456789\r\n" * 800000)
    t.ok("dsn=4.4.2, status=deferred (conversation with" in got and "timed out while sending message body" in got,
         "smtp_per_request_deadline: who reads by the drop is given up", got)
    t.ok("status=sent" in send("i", server()) and i.logged("any source address will do"), "smtp_bind_address that is not ours: a warning")
    got = send("j", server())
    t.ok("dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]" in got and "bind" in got, "smtp_bind_address_enforce: not now", got)
    f = server()
    send("w", f), send("w", f)
    t.ok(len(f.sessions) == 2, "smtp_connection_cache_on_demand = no: a connection each")


with Instance() as i:
    for name, text in FILES.items():
        with open(f"{i.dir}/{name}", "w") as f:
            f.write(text)
    with open(f"{i.dir}/transport", "w") as f:
        f.write("/@([a-z])([0-9]+)\\.example\\.net$/ ${1}:[127.0.0.1]:${2}\n")
    i.configure(f"mydestination = ours.example.net\ntransport_maps = regexp:{i.dir}/transport\nlocal_recipient_maps =\nnotify_classes =\n"
                f"dnsd_servers = 127.0.0.1@{free_port()}\nmessage_size_limit = 50000000\nbounce_queue_lifetime = 0\n", MASTER.replace("DIR", i.dir))
    if t.ok(i.start().returncode == 0, "start", i.log()):
        for part in (eight_bit, chunks, rules, logins, around):
            part()
    bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|terminated|exit status", l)]
    t.ok(not bad, "no program died", *bad[:10])
    for f in servers:
        f.close()
t.end()
