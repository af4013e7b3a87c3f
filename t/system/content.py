#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""content.py - what comes out is what went in, to the byte

In by DATA, BDAT and sendmail; out to a Maildir, an mbox and by smtp; read back
by IMAP and POP3.
"""
import imaplib, os, poplib, random, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sink import Sink, address
from whole import *

poplib._MAXLINE = imaplib._MAXLINE = 1 << 22
t = Tap()
r = random.Random(1)
OURS = re.compile(rb"(Return-Path|X-Original-To|Delivered-To|Received|Message-Id|Date|From|To|Status|X-UID)(?i::)|[ \t]")


def head(name):
    return (f"From: a@example.org\r\nTo: alice@example.net\r\nSubject: {name}\r\nMessage-ID: <{name}@example.org>\r\n"
            f"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nX-Case: {name}\r\n\r\n").encode()


def random_lines(size, low, high):
    out = bytearray()
    while len(out) < size:
        out += bytes(r.choice(range(low, high)) for _ in range(r.randrange(0, 200))) + b"\r\n"
    return bytes(out[:size - 2]) + b"\r\n"


CASES = {
    "plain": b"hello\r\n",
    "megabyte": random_lines(1 << 20, 32, 127),
    "eightbit": b"".join(bytes([c, c]) + (b"\r\n" if c % 16 == 0 else b"") for c in range(128, 256)) + b"\r\n",
    "dots": b".\r\n..\r\n.x\r\n...\r\n\r\n.\r\nend\r\n",
    "from": b"From here\r\n>From there\r\n\r\nFrom a@b Fri Nov 20 12:00:00 2026\r\nfrom\r\n",
    "long": b"a" * 998 + b"\r\n" + b"b" * 100000 + b"\r\n" + b". " * 3000 + b"\r\nend\r\n",
    "empty": b"",
    "newlines": b"\r\n\r\n\r\n",
    "blanks": b" \r\n\t\r\n  trailing  \r\n",
    "nul": b"a\0b\r\n\0\r\n",
    "controls": bytes(c for c in range(1, 32) if c not in (10, 13)) + b"\x7f\r\n",
    "utf8": "grüße, 日本語, 🙂\r\n".encode(),
}


def lf(data):
    return data.replace(b"\r\n", b"\n")


def exact(got, sent):
    """What was sent, behind header lines of ours."""
    front = got[:-len(sent)] if sent else got
    return got.endswith(sent) and all(OURS.match(x) for x in front.split(b"\n")[:-1])


def by_case(texts):
    found = {}
    for text in texts:
        m = re.search(rb"^X-Case: (\w+)", text, re.M)
        if m:
            found.setdefault(m[1].decode(), []).append(text)
    return found


def split_mbox(data):
    return [x for x in re.split(rb"(?:\A|(?<=\n\n))From (?:\S+)  \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\n", data) if x]


def in_mbox(data):
    return re.sub(rb"^From ", b">From ", lf(data), flags=re.M)


def same_by_smtp(got, sent):
    """smtp_line_length_limit: a longer line goes on behind CRLF and a blank."""
    if max(map(len, sent.split(b"\r\n"))) <= 998:
        return exact(got, sent)
    return exact(got.replace(b"\r\n ", b""), sent) and max(map(len, got.split(b"\r\n"))) <= 998


def show(got, sent):
    at = next((k for k in range(min(len(got), len(sent))) if got[-k - 1] != sent[-k - 1]), min(len(got), len(sent)))
    return f"lengths {len(got)} {len(sent)}; differ {at} bytes from the end: {got[len(got) - at - 60:][:120]!r} / {sent[len(sent) - at - 60:][:120]!r}"


def send_all(w):
    c = Smtp(w.ports["smtp"])
    to = ["alice@example.net", f"{w.user}@local.example", "far@remote.example"]
    for name, body in CASES.items():
        a = c.send("a@example.org", to, head(name) + body)
        t.ok(a.startswith("250"), f"DATA {name}", a)
    for name in ("plain", "nul", "eightbit", "dots", "long"):
        data = head("bdat" + name) + CASES[name]
        c.envelope("a@example.org", to)
        cut = sorted(r.sample(range(1, len(data)), 3))
        good = True
        for a, b in zip([0] + cut, cut + [len(data)]):
            c.s.sendall(f"BDAT {b - a}\r\n".encode() + data[a:b])
            good = c.answer().startswith("250") and good
        t.ok(good and c.say("BDAT 0 LAST").startswith("250"), f"BDAT {name} in pieces")
    a = c.send("a@example.org", to, head("barelf") + b"one\ntwo\nthree\r\n")
    t.ok(a.startswith("250"), "bare LF is taken", a)
    a = c.send("a@example.org", to[:1], b"\r\nno header at all, token noheader\r\n")
    t.ok(a.startswith("250"), "a message without header", a)
    a = c.send("a@example.org", to[:1], b"this line is no header, token nocolon\r\n")
    t.ok(a.startswith("250"), "a message that begins with its body", a)
    a = c.send("a@example.org", to[:1], b"")
    t.ok(a.startswith("250"), "a message of nothing", a)
    for name in ("plain", "megabyte", "eightbit", "dots", "from", "long", "empty", "nul"):
        p = w.command("sendmail", "-i", "-f", "a@example.org", *to, input=lf(head("sendmail" + name) + CASES[name]))
        t.ok(p.returncode == 0, f"sendmail {name}", p.stderr)
    p = w.command("sendmail", "-f", "a@example.org", to[0], input=lf(head("sendmaildot")) + b"before\n.\nafter\n")
    t.ok(p.returncode == 0, "sendmail without -i", p.stderr)
    c.quit()


def expected():
    out = {name: head(name) + body for name, body in CASES.items()}
    out.update({"bdat" + n: head("bdat" + n) + CASES[n] for n in ("plain", "nul", "eightbit", "dots", "long")})
    out.update({"sendmail" + n: head("sendmail" + n) + CASES[n]
                for n in ("plain", "megabyte", "eightbit", "dots", "from", "long", "empty", "nul")})
    out["barelf"] = head("barelf") + b"one\r\ntwo\r\nthree\r\n"
    return out


def check_delivered(w, sink, want):
    files = [open(p, "rb").read() for p in w.box()]
    got = by_case(files)
    for name, sent in want.items():
        copies = got.get(name, [])
        t.ok(len(copies) == 1 and exact(copies[0], lf(sent)), f"Maildir: {name}", len(copies), *[show(x, lf(sent)) for x in copies])
    t.ok(exact(got["sendmaildot"][0], lf(head("sendmaildot")) + b"before\n"), "sendmail without -i ends at a dot")
    odd = [x for x in files if not by_case([x])]
    t.ok(any(x.endswith(b"\n\nno header at all, token noheader\n") for x in odd), "a body without header is whole", odd)
    t.ok(any(x.endswith(b"\n\nthis line is no header, token nocolon\n") for x in odd), "what is no header line is body", odd)
    t.ok(len(odd) == 3, "and nothing else came", odd)
    boxes = by_case(split_mbox(open(f"{w.dir}/spool/{w.user}", "rb").read()))
    for name, sent in want.items():
        copies = boxes.get(name, [])
        t.ok(len(copies) == 1 and exact(copies[0], in_mbox(sent) + b"\n"), f"mbox: {name}", len(copies),
             *[show(x, in_mbox(sent) + b"\n") for x in copies])
    relayed = by_case(m.content for m in sink.messages)
    for name, sent in want.items():
        copies = relayed.get(name, [])
        t.ok(len(copies) == 1 and same_by_smtp(copies[0], sent), f"smtp: {name}", len(copies), *[show(x, sent) for x in copies])


def check_read(w, want):
    raw = {p: open(p, "rb").read() for p in w.box()}
    files = sorted(x.replace(b"\n", b"\r\n") for x in raw.values())
    m = imaplib.IMAP4("127.0.0.1", w.ports["imap"])
    m.login("alice", PASSWORD)
    n = int(m.select()[1][0])
    got, sizes = [], []
    for k in range(n):
        data = m.fetch(str(k + 1), "(RFC822.SIZE BODY.PEEK[])")[1][0]
        got.append(data[1])
        sizes.append(int(re.search(rb"RFC822.SIZE (\d+)", data[0])[1]) == len(data[1]))
    # RFC 3501, 4.3: a literal of IMAP4rev1 holds no NUL; Dovecot gives 0x80 in its place
    t.ok(sorted(got) == sorted(x.replace(b"\0", b"\x80") for x in files), f"IMAP gives all {n} to the byte",
         *[show(a, b) for a, b in zip(sorted(got), sorted(x.replace(b"\0", b"\x80") for x in files)) if a != b][:3])
    t.ok(all(sizes), "and RFC822.SIZE is the length of what it gives")
    m.logout()
    p = poplib.POP3("127.0.0.1", w.ports["pop3"])
    p.user("alice")
    p.pass_(PASSWORD)
    got, sizes = [], []
    listed = [int(x.split()[1]) for x in p.list()[1]]
    for k in range(p.stat()[0]):
        got.append(b"".join(x + b"\r\n" for x in p.retr(k + 1)[1]))
        sizes.append(listed[k] == len(got[-1]))
    t.ok(sorted(got) == files, "POP3 gives all to the byte", *[show(a, b) for a, b in zip(sorted(got), files) if a != b][:3])
    t.ok(all(sizes), "and LIST tells their lengths")
    p.quit()


def crowd(w, sink):
    c = Smtp(w.ports["smtp"])
    rcpts = [f"r{k}@remote.example" for k in range(1000)]
    before = len(sink.messages)
    a = c.send("a@example.org", rcpts, head("crowd") + b"to all\r\n")
    t.ok(a.startswith("250"), "1,000 recipients", a)
    t.ok(wait_for(w.queue_is_empty, 60), "are relayed", w.log()[-2000:])
    came = [address(x) for m in sink.messages[before:] for x in m.rcpts]
    t.ok(sorted(came) == sorted(rcpts), f"each once, in {len(sink.messages) - before} transactions", len(came))
    t.ok(all(exact(m.content, head("crowd") + b"to all\r\n") for m in sink.messages[before:]), "with the same content")
    c.quit()


def international(w, sink):
    c = Smtp(w.ports["smtp"])
    t.ok("SMTPUTF8" in c.offers, "SMTPUTF8 is offered", c.offers)
    before = len(sink.messages)
    data = "From: søren@exåmple.org\r\nSubject: grüße\r\nMessage-ID: <u@x>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\nX-Case: smtputf8\r\n\r\nå\r\n".encode()
    a = c.send("søren@example.org", ["jürgen@example.net", "дима@пример.рф"], data, "SMTPUTF8 BODY=8BITMIME")
    t.ok(a.startswith("250"), "international addresses", a)
    t.ok(wait_for(w.queue_is_empty, 30), "are delivered", w.log()[-2000:])
    files = w.box("jürgen")
    t.ok(len(files) == 1 and exact(open(files[0], "rb").read(), lf(data)), "to a mailbox with an international name", files)
    got = sink.messages[before:]
    t.ok(len(got) == 1 and "<søren@example.org>" in got[0].sender and "SMTPUTF8" in got[0].sender and "<дима@" in got[0].rcpts[0]
         and exact(got[0].content, data), "and relayed with SMTPUTF8", [(m.sender, m.rcpts, m.content) for m in got])
    c.quit()


with Sink() as sink, Whole(sink.port, users=("alice", "jürgen"), main="mailbox_size_limit = 0\n") as w:
    w.start_or_end(t)
    send_all(w)
    t.ok(wait_for(w.queue_is_empty, 60), "all is delivered", w.log()[-3000:])
    want = expected()
    check_delivered(w, sink, want)
    check_read(w, want)
    crowd(w, sink)
    international(w, sink)
t.end()
