#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""milter.py - mail filters, by a milter of our own that says what it is told to

What milters see, what they may change, how they refuse, and what happens when they die in any place: by SMTP and by
sendmail.  What Postfix 3.7 does with the same milter was looked at, and is expected here.
"""
import glob, os, re, struct, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from milter_peer import *
from sink import Sink
from whole import *

t = Tap()
HEAD = b"From: a@example.org\r\nTo: alice@example.net\r\nSubject: test\r\nMessage-ID: <m@example.org>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"


def send(port, data=HEAD + b"\r\nhello\r\n", to=("alice@example.net",), sender="a@example.org", params=""):
    """The last reply before the client leaves: of the content, or the first that says no."""
    c = Smtp(port)
    bad = ""
    for line in [f"MAIL FROM:<{sender}> {params}".rstrip()] + [f"RCPT TO:<{r}>" for r in to]:
        a = c.say(line)
        bad = bad or ("" if a.startswith("2") else a)
        if a.startswith("421"):
            break
    if not bad or (len(to) > 1 and not bad.startswith("421")):
        bad = c.content(data)
    if not bad.startswith("421"):
        c.quit()
    return bad


class Test:
    def __init__(self, w, m):
        self.w, self.m = w, m

    def log_since(self):
        text = self.w.log()[self.mark:]
        return text

    def script(self, answers=None, **more):
        wait_for(self.w.queue_is_empty)
        self.m.reset(answers, **more)
        self.mark = len(self.w.log())
        for p in self.w.box():
            os.unlink(p)

    def logged(self, text):
        return wait_for(lambda: text in self.log_since())

    def send(self, data=HEAD + b"\r\nhello\r\n", to=("alice@example.net",), sender="a@example.org", params=""):
        return send(self.w.ports["smtp"], data, to, sender, params)

    def delivered(self, count=1):
        """Files of alice's box, with LF, when the queue is empty."""
        wait_for(lambda: len(self.w.box()) >= count and self.w.queue_is_empty(), 60)
        return [open(p, "rb").read() for p in self.w.box()]

    def held(self):
        return [os.path.basename(p) for p in glob.glob(f"{self.w.dir}/queue/hold/**", recursive=True) if os.path.isfile(p)]

    def session(self):
        return self.m.sessions[-1]


def body_of(text):
    return text.split(b"\n\n", 1)[1]


def fields_of(text):
    return re.findall(rb"^(\S[^:\n]*):((?:.*\n)(?:[ \t].*\n)*)", text.split(b"\n\n", 1)[0] + b"\n", re.M)


def names_of(text):
    return [n.decode() for n, _ in fields_of(text)]


def what_is_seen(x):
    x.script()
    a = x.send(params="BODY=8BITMIME")
    got = x.delivered()
    s = x.session()
    t.ok(a.startswith("250") and len(got) == 1, "clean mail passes", a, x.log_since())
    t.ok(wait_for(lambda: s.over) and s.commands() == "CHMRTLLLLLNBEQ", "the events in their order", s.commands())
    t.ok(s.offer == (6, 0x1ff, 0x1fffff), "version 6 and all options are offered", s.offer)
    connect = s.named("C")[0]
    t.ok(re.fullmatch(rb"localhost\x004..127\.0\.0\.1\x00", connect, re.S), "connect tells name, family, port and address", connect)
    t.ok(s.named("H") == [b"client.example.com\0"] and s.named("M") == [b"<a@example.org>\0BODY=8BITMIME\0"]
         and s.named("R") == [b"<alice@example.net>\0"] and s.named("T") == [b""], "helo, mail, rcpt, data", s.events)
    t.ok([h[0] for h in s.headers()] == [b"From", b"To", b"Subject", b"Message-ID", b"Date"], "the header without our own Received:", s.headers())
    t.ok(s.headers()[2] == (b"Subject", b"test") and s.body() == b"hello\r\n", "values without the first blank, and the body", s.body())
    ident = re.search(r"queued as (\S+)", a)[1].encode()
    m = s.macros_of("C")
    t.ok(m == {b"j": b"mail.example.net", b"{daemon_name}": b"ours", b"{daemon_addr}": b"127.0.0.1", b"{if_addr}": b"127.0.0.1", b"{if_name}": b"mail.example.net", b"v": b"Postern 1", b"_": b"localhost [127.0.0.1]",
               b"{client_addr}": b"127.0.0.1", b"{client_name}": b"localhost", b"{client_ptr}": b"localhost", b"{client_port}": m.get(b"{client_port}"),
               b"{client_resolve}": b"OK", b"{client_connections}": m.get(b"{client_connections}"), b"{site}": b"here",
               b"{daemon_port}": str(x.w.ports["smtp"]).encode()},
         "macros of connect", m)
    t.ok(s.macros_of("M") == {b"{mail_addr}": b"a@example.org", b"{mail_host}": f"[127.0.0.1]:{x.w.relay}".encode(), b"{mail_mailer}": b"smtp"}, "macros of mail", s.macros_of("M"))
    t.ok(s.macros_of("R") == {b"{rcpt_addr}": b"alice@example.net", b"{rcpt_host}": b"example.net", b"{rcpt_mailer}": b"virtual"},
         "macros of rcpt", s.macros_of("R"))
    t.ok(s.macros_of("T") == s.macros_of("N") == s.macros_of("E") == {b"i": ident}, "the queue id later", s.macros_of("E"), ident)


def oddities(x):
    odd = (b"From:a@example.org\r\nSubject:  two\r\n\tfold\r\nX-T:\ttab\r\nX-E:\r\nX-N: a\0b\r\nMessage-ID: <o@x>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
           b"\r\n.dot\r\nnul\0\r\n" + b"x" * 200000 + b"\r\n")
    x.script()
    a = x.send(odd)
    s = x.session()
    t.ok(s.headers()[:5] == [(b"From", b"a@example.org"), (b"Subject", b" two\n\tfold"), (b"X-T", b"\ttab"), (b"X-E", b""), (b"X-N", b"a b")],
         "folds are LF, one blank is gone, NUL hides nothing", s.headers())
    t.ok(s.body() == odd.split(b"\r\n\r\n", 1)[1] and [len(b) for b in s.named("B")[:3]] == [65535] * 3, "a big body in full portions", a)
    x.script(steps=HDR_LEADSPC)
    x.send(odd)
    t.ok(x.session().headers()[1] == (b"Subject", b"  two\n\tfold"), "SMFIP_HDR_LEADSPC keeps the blank", x.session().headers())
    x.script({"B": [b"s"]})
    x.send(odd)
    t.ok(len(x.session().named("B")) == 1 and "BE" in x.session().commands(), "SMFIR_SKIP ends the body", x.session().commands())
    many = b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(3000))
    x.script()
    x.send(HEAD + many + b"\r\nx\r\n")
    t.ok(len(x.session().headers()) == 3005, "3,000 fields", len(x.session().headers()))
    quiet = NR_HDR | NR_CONN | NR_HELO | NR_MAIL | NR_RCPT | NR_DATA | NR_EOH | NR_BODY
    x.script(steps=quiet)
    a = x.send()
    t.ok(a.startswith("250") and wait_for(lambda: x.session().over) and x.session().commands() == "CHMRTLLLLLNBEQ", "a milter that answers only at the end", a, x.session().commands())
    x.script(steps=NOCONNECT | NOHELO | NOMAIL | NORCPT | NOBODY | NOHDRS | NOEOH | NODATA | NOUNKNOWN)
    a = x.send()
    t.ok(a.startswith("250") and wait_for(lambda: x.session().over) and x.session().commands() == "EQ", "and one that wants to see nothing", a, x.session().commands())
    x.script(symlist=struct.pack(">I", 2) + z("{client_addr} {mail_host} i") + struct.pack(">I", 5) + z("j"))
    x.send()
    s = x.session()
    t.ok(s.macros_of("M") == {b"{client_addr}": b"127.0.0.1", b"{mail_host}": f"[127.0.0.1]:{x.w.relay}".encode()} and s.macros_of("E") == {b"j": b"mail.example.net"},
         "a milter names its macros", s.macros_of("M"), s.macros_of("E"))
    x.script(steps=RCPT_REJ)
    x.send(to=("nobody@example.net", "alice@example.net"))
    t.ok(x.session().named("R") == [b"<nobody@example.net>\0", b"<alice@example.net>\0"]
         and x.session().macros_of("R") == {b"{rcpt_mailer}": b"error", b"{rcpt_host}": b"5.1.1",
                                            b"{rcpt_addr}": b"Recipient address rejected: User unknown in virtual mailbox table"},
         "SMFIP_RCPT_REJ tells of refused recipients", x.session().events)
    x.script({"E": [b"p", 0.7, b"p", 0.7, b"p", 0.7, b"p", 0.7, b"c"]})
    a = x.send()
    t.ok(a.startswith("250"), "progress keeps a milter alive beyond its time-out", a)
    for version, steps in ((2, 0x7f), (3, 0x17f), (4, 0x37f)):
        x.script()
        c = Smtp(x.w.ports[f"v{version}"])
        a = c.send("a@example.org", ["alice@example.net"], HEAD + b"\r\nx\r\n")
        c.say("FOO")
        c.quit()
        s = x.session()
        t.ok(a.startswith("250") and s.offer == (version, 0x1ff, steps) and ("T" in s.commands()) == (version > 3) and ("U" in s.commands()) == (version > 2),
             f"protocol version {version}", a, s.offer, s.commands())


def changes(x):
    x.script({"E": [insert(0, "X-I0", "0"), insert(1, "X-I1", "1"), insert(2, "X-I2", "2\n\tfold"), insert(99, "X-I99", "99"), add("X-A", "a"),
                    change(1, "Subject", "changed"), change(1, "Received", "rcvd"), change(5, "X-None", "n"), change(0, "X-Zero", "n"),
                    change(1, "To", ""), change(3, "X-Gone", ""), add("X-Evil", "a\nInjected: b\r\nSecond: c"), b"c"]})
    a = x.send()
    got = x.delivered()
    names = names_of(got[0]) if got else []
    t.ok([n for n in names if n not in ("Return-Path", "Delivered-To", "X-Original-To")] ==
         ["X-I0", "X-I1", "X-I2", "Received", "From", "Subject", "Message-ID", "Date", "X-I99", "X-A", "Received", "X-None", "X-Zero", "X-Evil"],
         "headers inserted, added, changed, deleted where Postfix has them", a, names)
    t.ok(b"Subject: changed\n" in got[0] and b"X-I2: 2\n\tfold\n" in got[0] and b"\nReceived: rcvd\n" in got[0] and body_of(got[0]) == b"hello\n", "with their values", got[0])
    t.ok(b"X-Evil: a\n\tInjected: b\n\tSecond: c\n" in got[0], "a value makes no second header", got[0])
    x.script({"E": [b"bone\r\n", b"btwo\r\n" * 3, b"c"]})
    x.send()
    got = x.delivered()
    t.ok(len(got) == 1 and body_of(got[0]) == b"one\ntwo\nbtwo\nbtwo\n" and b"Subject: test\n" in got[0], "a new body", got)
    x.script({"E": [b"b" + b"x" * 60000] * 40 + [b"c"]})
    a = x.send()
    got = x.delivered()
    t.ok(a.startswith("250") and len(body_of(got[0])) in (2400000, 2400001), "a big new body", a, len(got[0]) if got else 0)
    x.script({"E": [b"b" + b"x" * 60000] * 200 + [b"c"]})
    a = x.send()
    t.ok(a.startswith("552 5.3.4"), "not beyond message_size_limit", a)
    x.script({"E": [b"+" + z("<bob@example.net>"), b"-" + z("<alice@example.net>"), b"e" + z("<new@example.org>"), b"c"]})
    a = x.send()
    wait_for(lambda: x.w.box("bob"))
    t.ok(len(x.w.box("bob")) == 1 and not x.w.box() and b"Return-Path: <new@example.org>" in open(x.w.box("bob")[0], "rb").read(),
         "recipient added, recipient deleted, sender changed", a, x.log_since())
    for p in x.w.box("bob"):
        os.unlink(p)
    wishes = [b"-" + z("<alias@example.net>"), b"2" + z("<bob@example.net>", "NOTIFY=SUCCESS ORCPT=rfc822;x@y"), b"e" + z("<alice@example.net>", "ENVID=abc RET=HDRS"), b"c"]
    x.script({"E": lambda s, d: [b"c"] if s.named("M") == [b"<>\0"] else wishes})
    a = x.send(to=("alias@example.net",))
    got = x.delivered()
    t.ok(len(x.w.box("bob")) == 1 and len(got) == 1 and b"Original-Envelope-Id: abc" in got[0] and b"Original-Recipient: rfc822;x@y" in got[0]
         and b"Action: delivered" in got[0], "an alias deleted as it was typed; NOTIFY, ORCPT, ENVID of added ones", a, got, x.log_since())
    for p in x.w.box("bob"):
        os.unlink(p)
    x.script({"E": [b"2" + z("<bob@example.net>", "FOO=1"), b"c"]})
    x.send()
    t.ok(wait_for(lambda: x.w.box("bob")) and 'ignoring ESMTP argument from Milter: "FOO=1"' in x.log_since(), "an unknown argument is ignored, and said", x.log_since())
    x.script({"E": [b"-" + z("<alice@example.net>"), b"+" + z("<alice@example.net>"), b"c"]})
    a = x.send()
    got = x.delivered()
    t.ok(a.startswith("250") and len(got) == 1, "a recipient deleted and added again is one", a, got, x.log_since())
    x.script({"E": [b"-" + z("<alice@example.net>"), b"c"]})
    a = x.send()
    t.ok(a.startswith("250") and wait_for(x.w.queue_is_empty) and not x.w.box(), "no recipient left: nothing is delivered", a)
    x.script({"E": [b"q" + z("why"), add("X-Held", "1"), b"c"]})
    a = x.send()
    t.ok(a.startswith("250") and wait_for(x.held) and x.logged("milter-hold: END-OF-MESSAGE from localhost[127.0.0.1]: milter triggers HOLD action; from=<a@example.org>"), "quarantine is hold", a, x.log_since())
    x.w.command("postsuper", "-d", "ALL")
    wait_for(lambda: not x.held())


def refusals(x):
    where = {"M": "MAIL", "R": "RCPT", "T": "DATA", "L": "END-OF-MESSAGE", "N": "END-OF-MESSAGE", "B": "END-OF-MESSAGE", "E": "END-OF-MESSAGE"}
    cases = (("reject", b"r", "550 5.7.1 Command rejected"), ("tempfail", b"t", "451 4.7.1 Service unavailable - try again later"),
             ("reply", b"y" + z("550 5.1.1 100%% not"), "550 5.1.1 100% not"), ("421", b"y" + z("421 4.7.0 go away"), "421 4.7.0 go away"),
             ("shutdown", b"4", "421 4.7.0 Server closing connection"))
    for event, place in where.items():
        for name, answer, reply in cases:
            x.script({event: [answer]})
            a = x.send()
            shown = reply[4:] if place == "END-OF-MESSAGE" else reply
            to = "" if event == "M" else " to=<alice@example.net>"
            good = a.startswith(reply) and x.logged(f"milter-reject: {place} from localhost[127.0.0.1]: {shown}; from=<a@example.org>{to} proto=ESMTP helo=<client.example.com>")
            t.ok(good and wait_for(x.w.queue_is_empty) and not x.w.box(), f"{name} at {event}", a, x.log_since())
        x.script({event: [b"d"]})
        a = x.send()
        t.ok(a.startswith("250 2.0.0 Ok: queued as") and wait_for(x.w.queue_is_empty) and not x.w.box()
             and x.logged(f"milter-discard: {place} from localhost[127.0.0.1]: milter triggers DISCARD action; from=<a@example.org>"), f"discard at {event}", a, x.log_since())
        x.script({event: [b"a"], "E": [b"r"] if event != "E" else [b"a"]})
        a = x.send()
        t.ok(a.startswith("250") and len(x.delivered()) == 1 and ("E" in x.session().commands()) == (event == "E"), f"accept at {event}", a)
    x.script({"E": [b"y" + z("550-5.7.1 one\r\n550 5.7.1 two")]})
    a = x.send()
    t.ok(a == "550-5.7.1 one\n550 5.7.1 two" or a.split("\n")[-1].startswith("550 5.7.1 two") and "one" in a, "a reply of two lines", repr(a))
    c = Smtp(x.w.ports["smtp"])
    x.script({"C": [b"r"]})
    c = Smtp(x.w.ports["smtp"])
    t.ok(c.greeting == "554 mail.example.net ESMTP not accepting connections" and "PIPELINING" not in c.offers, "a client that is refused", c.greeting, c.offers)
    t.ok(c.say("MAIL FROM:<a@example.org>") == "550 5.7.1 Command rejected", "hears it again at MAIL")
    t.ok(x.logged("NOQUEUE: milter-reject: CONNECT from localhost[127.0.0.1]: 550 5.7.1 Command rejected; proto=SMTP"), "and the log says so", x.log_since())
    x.script({"C": [b"t"]})
    c = Smtp(x.w.ports["smtp"])
    t.ok(c.greeting.startswith("220") and c.say("MAIL FROM:<a@example.org>") == "451 4.7.1 Service unavailable - try again later", "refused for now")
    x.script({"C": [b"y" + z("421 4.7.0 go away")]})
    s = socket.create_connection(("127.0.0.1", x.w.ports["smtp"]), timeout=20)
    data = b"".join(iter(lambda: s.recv(1000), b""))
    t.ok(data == b"421 mail.example.net Service unavailable - try again later\r\n", "421 at connect hangs up", data)
    x.script({"H": [b"r"]})
    c = Smtp(x.w.ports["smtp"])
    t.ok(c.offers.endswith("250 ENHANCEDSTATUSCODES") and c.say("MAIL FROM:<a@example.org>") == "550 5.7.1 Command rejected", "refused at EHLO", c.offers)
    x.script({"H": [b"d"]})
    a = x.send()
    t.ok(a.startswith("250") and x.logged("DISCARD action is not allowed for connect or helo"), "no discard at EHLO", a)
    x.script({"U": [b"y" + z("500 5.5.1 what?")]})
    c = Smtp(x.w.ports["smtp"])
    t.ok(c.say("FOO bar") == "500 5.5.1 what?" and x.session().named("U") == [b"FOO\0"], "an unknown command", x.session().events)
    x.script({"C": [b"a"], "M": [b"r"]})
    a = x.send()
    t.ok(a.startswith("250") and x.session().commands().rstrip("Q") == "C", "a client that is accepted is not looked at again", x.session().commands())
    x.script()
    c = Smtp(x.w.ports["smtp"])
    c.envelope("a@example.org", ["alice@example.net"])
    c.say("RSET")
    c.send("b@example.org", ["alice@example.net"], HEAD + b"\r\n2\r\n")
    c.quit()
    t.ok(wait_for(lambda: x.session().over) and x.session().commands() == "CHMRAMRTLLLLLNBEQ", "RSET aborts, and a second message follows", x.session().commands())
    x.delivered()


def failures(x):
    tempfail = "451 4.7.1 Service unavailable - try again later"
    garbage = {"close": [CLOSE], "an unknown reply": [b"Zgarbage"], "a wrong length": [RAW(b"\xff\xff\xff\xff")], "half a packet": [RAW(b"\0\0\0\5c"), CLOSE],
               "no length": [RAW(b"\0\0\0\0")], "connection failed": [b"f"], "a malformed reply text": [b"y" + z("hello")], "options again": [b"O" + b"\0" * 12],
               "silence": [HANG]}
    for name, answer in garbage.items():
        for event in "OCMRTLBE" if name == "close" else "OME" if name == "silence" else "ME":
            x.script({event: answer})
            a = x.send()
            t.ok(a.startswith(tempfail) and x.logged(f"warning: milter {x.m.endpoint}") and wait_for(x.w.queue_is_empty) and not x.w.box(),
                 f"{name} at {event}: tempfail", a, x.log_since())
    t.ok("can't read SMFIC_BODYEOB reply packet header" in x.w.log() and "can't read SMFIC_MAIL reply packet header" in x.w.log()
         and "read error in initial handshake" in x.w.log(), "the log lines are Postfix's")
    x.script({"E": [add("X-Half", "1"), b"bhalf a body", CLOSE]})
    a = send(x.w.ports["accept"])
    got = x.delivered()
    t.ok(a.startswith("250") and len(got) == 1 and b"X-Half" not in got[0] and body_of(got[0]) == b"hello\n", "accept: dead in the middle of its changes, they are forgotten", a, got)
    for event in "OCMLE":
        x.script({event: [CLOSE]})
        a = send(x.w.ports["accept"])
        t.ok(a.startswith("250") and len(x.delivered()) == 1, f"accept: dead at {event}", a)
        x.script({event: [CLOSE]})
        a = send(x.w.ports["reject"])
        t.ok(a.startswith("550 5.5.0 Service unavailable"), f"reject: dead at {event}", a)
        x.script({event: [CLOSE]})
        a = send(x.w.ports["quarantine"])
        t.ok(a.startswith("250") and wait_for(x.held) and not x.w.box(), f"quarantine: dead at {event}", a, x.log_since())
        x.w.command("postsuper", "-d", "ALL")
        wait_for(lambda: not x.held())
    x.script({"M": [CLOSE]})
    a = send(x.w.ports["shutdown"])
    t.ok(a.startswith("421 4.7.0 Server closing connection"), "shutdown: dead at M", a)
    a = send(x.w.ports["nobody"])
    t.ok(a.startswith(tempfail) and x.logged("warning: connect to Milter service inet:127.0.0.1:"), "nobody is there: tempfail", a, x.log_since())
    a = send(x.w.ports["none"])
    t.ok(a.startswith("250") and len(x.delivered()) == 1, "no_milters", a)
    a = send(x.w.ports["map"])
    t.ok(a.startswith("250") and len(x.delivered(2)) == 2, "smtpd_milter_maps: DISABLE", a)
    x.script({"M": [b"r"]})
    a = send(x.w.ports["map2"])
    t.ok(a.startswith("550 5.7.1"), "smtpd_milter_maps: another milter for this client", a)


def logged_in(x):
    """TLS and AUTH are told."""
    import base64, ssl
    x.script()
    raw = socket.create_connection(("127.0.0.1", x.w.ports["submission"]), timeout=20)
    c = Smtp.__new__(Smtp)
    c.s, c.f = raw, raw.makefile("rb")
    c.answer(), c.say("EHLO client.example.com"), c.say("STARTTLS")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c.s = context.wrap_socket(raw)
    c.f = c.s.makefile("rb")
    c.say("EHLO client.example.com")
    a = c.say("AUTH PLAIN " + base64.b64encode(b"\0alice\0" + PASSWORD.encode()).decode())
    b = c.send("alice@example.net", ["alice@example.net"], HEAD + b"\r\nx\r\n", "AUTH=<>")
    s = x.session()
    helo, mail = s.macros_of("H", 1), s.macros_of("M")
    t.ok(a.startswith("235") and b.startswith("250") and len(s.named("H")) == 2 and helo.get(b"{tls_version}", b"").startswith(b"TLSv1.") and helo.get(b"{cipher}")
         and helo.get(b"{cipher_bits}") in (b"128", b"256") and b"{cert_subject}" not in helo and s.macros_of("H", 0) == {}, "TLS is told at the second EHLO", a, b, s.events)
    t.ok(mail.get(b"{auth_type}") == b"PLAIN" and mail.get(b"{auth_authen}") == b"alice" and mail.get(b"{auth_author}") == b"<>" and mail.get(b"{auth_ssf}") in (b"128", b"256"), "AUTH is told at MAIL", mail)
    c.s.close()
    x.delivered()


def endpoints(x, six):
    for name in ("unix", "chroot"):
        x.script()
        path = f"{x.w.dir}/a.sock" if name == "unix" else f"{x.w.dir}/queue/b.sock"
        with Milter(unix=path) as u:
            a = send(x.w.ports[name])
            t.ok(a.startswith("250") and u.sessions and "E" in u.sessions[0].commands(), f"a Unix socket: {name}", a, x.log_since())
    if six:
        a = send(x.w.ports["six"])
        t.ok(a.startswith("250") and six.sessions and "E" in six.sessions[0].commands(), "an IPv6 address", a, x.log_since())
    else:
        t.ok(True, "an IPv6 address # SKIP no ::1 here")
    x.delivered(0)


def two(x, second):
    """Each sees what the one before it has made."""
    x.script({"E": [add("X-First", "1"), b"bfirst body, longer than the second\r\n", insert(1, "X-Top", "t"), b"c"]})
    second.reset({"E": [change(1, "X-First", "2"), b"bsecond\r\n", add("X-Second", "s"), b"c"]})
    a = send(x.w.ports["two"])
    got = x.delivered()
    s = second.sessions[-1]
    t.ok(a.startswith("250") and (b"X-First", b"1") in s.headers() and s.headers()[0] == (b"X-Top", b"t") and s.body() == b"first body, longer than the second\r\n",
         "the second milter sees the changes of the first", a, s.headers(), s.body())
    t.ok(len(got) == 1 and b"X-First: 2\n" in got[0] and b"X-Second: s\n" in got[0] and body_of(got[0]) == b"second\n", "and both count", got)
    x.script({"E": [add("X-First", "1"), b"c"]})
    second.reset({"E": [b"r"]})
    a = send(x.w.ports["two"])
    t.ok(a.startswith("550 5.7.1"), "the second refuses", a)
    x.script({"E": [CLOSE]})
    second.reset({"E": [add("X-Second", "s"), b"c"]})
    a = send(x.w.ports["two"])
    t.ok(a.startswith("451"), "the first dies: the second does not make up for it", a)


def header_checks(x):
    for name, reply in (("X-Bad", "550 5.7.1"), ("X-Drop", "250"), ("X-Plain", "250")):
        x.script({"E": [add(name, "v"), add("X-More", "m"), change(1, "X-More", "n"), b"c"]})
        a = x.send()
        got = x.delivered() if reply == "250" else []
        t.ok(a.startswith(reply), f"milter_header_checks: {name}", a, x.log_since())
        if got:
            t.ok((b"X-Drop" in got[0]) is False and b"X-More: n\n" in got[0], f"{name}: what it leaves", got)
    for name, alices in (("X-Elsewhere", 0), ("X-Copy", 1)):
        x.script({"E": [add(name, "1"), b"c"]})
        for box in x.w.box("bob"):
            os.unlink(box)
        a = x.send()
        wait_for(lambda: x.w.box("bob") and x.w.queue_is_empty())
        t.ok(len(x.w.box("bob")) == 1 and len(x.w.box()) == alices, f"milter_header_checks: {name}: an alias, too", a, x.w.box("bob"), x.w.box(), x.log_since())


def local_mail(x):
    def sendmail(data=b"Subject: local\n\nbody\n", to=("alice@example.net",)):
        return x.w.command("sendmail", "-f", "root@example.org", *to, input=data).returncode
    x.script({"E": [add("X-Local", "1"), b"c"]})
    sendmail()
    got = x.delivered()
    s = x.session()
    t.ok(len(got) == 1 and b"X-Local: 1\n" in got[0], "sendmail's mail is seen, and changed", got, x.log_since())
    t.ok(wait_for(lambda: s.over) and s.named("C")[0] == b"localhost\x004\0\x00127.0.0.1\0" and s.named("H") == [b"localhost\0"] and s.named("M") == [b"<root@example.org>\0"]
         and s.named("R") == [b"<alice@example.net>\0"] and s.macros_of("M").get(b"{mail_addr}") == b"root@example.org" and b"i" in s.macros_of("M"), "the session is played", s.events)
    t.ok([h[0] for h in s.headers()] == [b"Subject", b"Message-Id", b"Date", b"From"] or {h[0] for h in s.headers()} >= {b"Subject", b"Message-Id", b"Date", b"From"}
         and b"Received" not in [h[0] for h in s.headers()], "missing headers were added before, Received: is hidden", s.headers())
    for event, place in (("C", "CONNECT"), ("M", "MAIL"), ("T", "DATA"), ("E", "END-OF-MESSAGE")):
        x.script({event: [b"r"]}) if event != "C" else x.script({"C": [b"r"]})
        x.m.answers = {event: lambda s, d, e=event: [b"r"]}
        sendmail(to=("alice@example.net",))
        t.ok(wait_for(lambda: "status=bounced (Command rejected)" in x.log_since()) and f"milter-reject: {place} from localhost[127.0.0.1]: 5.7.1 Command rejected; from=<root@example.org>" in x.log_since(),
             f"refused at {place}: its sender is told", x.log_since())
        wait_for(x.w.queue_is_empty)
    x.script({"E": [b"t"]})
    sendmail()
    t.ok(wait_for(lambda: "milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.1" in x.log_since()) and not x.w.queue_is_empty(), "not now: it waits in maildrop")
    x.m.answers = {}
    t.ok(len(x.delivered()) == 1, "and comes later")
    x.script({"R": [b"r"]})
    sendmail()
    t.ok(wait_for(lambda: "milter configuration error: can't reject recipient in non-smtpd(8) submission" in x.log_since()), "a refused recipient is an error of the configuration")
    x.m.answers = {}
    x.delivered()
    x.script({"E": [b"d"]})
    sendmail()
    t.ok(wait_for(lambda: "milter-discard" in x.log_since()) and wait_for(x.w.queue_is_empty) and not x.w.box(), "discarded", x.log_since())
    x.script({"E": [b"q" + z("x"), b"c"]})
    sendmail()
    t.ok(wait_for(x.held) and x.logged("milter-hold: END-OF-MESSAGE from localhost[127.0.0.1]: milter triggers HOLD action; from=<root@example.org>"), "held")
    x.w.command("postsuper", "-d", "ALL")
    x.script({"M": [CLOSE]})
    sendmail()
    t.ok(wait_for(lambda: "can't read SMFIC_MAIL" in x.log_since()) and not x.w.box(), "a dead milter: it waits", x.log_since())
    x.m.answers = {}
    t.ok(len(x.delivered()) == 1, "until it is back", x.log_since())


ports = {n: free_port() for n in ("accept", "reject", "quarantine", "shutdown", "nobody", "none", "map", "map2", "two", "v2", "v3", "v4", "unix", "chroot", "six")}
try:
    six = Milter(inet6=True)
except OSError:
    six = None
with Sink() as sink, Milter() as m, Milter() as second:
    nobody = free_port()
    MASTER = "".join(f"127.0.0.1:{ports[a]} inet n - n - - smtpd\n    -o {{ smtpd_milters = {{ {m.endpoint}, default_action={a} }} }}\n" for a in ("accept", "reject", "quarantine", "shutdown")) + \
        "".join(f"127.0.0.1:{ports['v%d' % v]} inet n - n - - smtpd -o milter_protocol={v}\n" for v in (2, 3, 4)) + f"""
127.0.0.1:{ports['nobody']} inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:{nobody}
127.0.0.1:{ports['none']} inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:{nobody} -o receive_override_options=no_milters
127.0.0.1:{ports['map']} inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:{nobody} -o smtpd_milter_maps=cidr:$DIR/milters
127.0.0.1:{ports['map2']} inet n - n - - smtpd -o smtpd_milters= -o smtpd_milter_maps=cidr:$DIR/milters2
127.0.0.1:{ports['unix']} inet n - n - - smtpd -o smtpd_milters=unix:$DIR/a.sock
127.0.0.1:{ports['chroot']} inet n - n - - smtpd -o smtpd_milters=unix:/b.sock
127.0.0.1:{ports['six']} inet n - n - - smtpd -o {{ smtpd_milters = {six.endpoint if six else "inet:127.0.0.1:1"} }}
127.0.0.1:{ports['two']} inet n - n - - smtpd -o {{ smtpd_milters = {m.endpoint}, {second.endpoint} }}
"""
    MAIN = f"""
smtpd_milters = {m.endpoint}
non_smtpd_milters = {m.endpoint}
milter_command_timeout = 1s
milter_content_timeout = 2s
milter_connect_timeout = 2s
milter_macro_daemon_name = ours
milter_macro_v = Postern 1
milter_macro_defaults = {{site}}=here
milter_mail_macros = i {{auth_type}} {{auth_authen}} {{auth_author}} {{auth_ssf}} {{mail_addr}} {{mail_host}} {{mail_mailer}}
milter_connect_macros = j {{daemon_name}} {{daemon_addr}} {{daemon_port}} {{if_addr}} {{if_name}} v _ {{client_addr}} {{client_connections}} {{client_name}} {{client_port}} {{client_ptr}} {{client_resolve}} {{site}}
milter_header_checks = regexp:{{{{/^X-Bad:/ REJECT}} {{/^X-Drop:/ IGNORE}} {{/^X-Elsewhere:/ REDIRECT alias2@example.net}} {{/^X-Copy:/ BCC alias2@example.net}}}}
message_size_limit = 10240000
virtual_alias_maps = inline:{{alias@example.net=alice@example.net, alias2@example.net=bob@example.net}}
smtpd_error_sleep_time = 0
"""
    w = Whole(sink.port, users=("alice", "bob"), main=MAIN, master=MASTER)
    w.relay = sink.port
    w.ports.update(ports)
    open(f"{w.dir}/milters", "w").write("127.0.0.0/8 DISABLE\n")
    open(f"{w.dir}/milters2", "w").write(f"127.0.0.0/8 {m.endpoint}\n")
    with w:
        w.start_or_end(t)
        x = Test(w, m)
        what_is_seen(x)
        oddities(x)
        changes(x)
        refusals(x)
        failures(x)
        endpoints(x, six)
        logged_in(x)
        two(x, second)
        header_checks(x)
        local_mail(x)
t.end()
