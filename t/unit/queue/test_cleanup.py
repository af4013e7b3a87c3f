#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_cleanup.py - cleanup, as smtpd and pickup meet it"""
import os, signal, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *

tap = Tap()
h = House()


def config(more):
    with open(h.dir + "/main.cf", "a") as f:
        f.write(more + "\n")


for name, text in (("checks", "/^Subject: refuse/ REJECT 5.7.9 not that\n/^Subject: hold/ HOLD\n/^Subject: drop/ DISCARD\n"
                    "/^X-Gone:/ IGNORE\n/^X-Old: (.*)/ REPLACE X-New: $1\n/^X-Two:/ PREPEND X-One: first\n"
                    "/^X-Filter:/ FILTER smtp:[x]\n/^Content-Type:.*evil/ REJECT\n"),
                   ("body", "/viagra/ REJECT\n/^secret/ REPLACE ------\n/^remove me/ IGNORE\n"),
                   ("virtual", "one@example.org a@example.com, b@example.com, c@example.com\ntwo@example.org c@example.com\n")):
    with open(h.dir + "/" + name, "w") as f:
        f.write(text)
config("header_checks = regexp:%s/checks\nbody_checks = regexp:%s/body\nvirtual_alias_maps = texthash:%s/virtual\n"
       "virtual_alias_domains =\nmessage_size_limit = 100000\nhopcount_limit = 5\nenable_original_recipient = no\n"
       "masquerade_domains = example.org" % (h.dir, h.dir, h.dir))
h.start("rewrite", "private/rewrite")
h.start("cleanup", "public/cleanup")
t = Talk(h.queue + "/public/cleanup")
local = (("local_client", True),)


def stored(state, ident):
    return read_message("%s/%s/%s" % (h.queue, state, ident))


# --- the plain way ---
ident, (verb, fields) = submit(t, b"Subject: hi\r\nTo: u@example.org\r\n\r\nbody\r\n.dot\r\n", ["u@example.org"])
tap.ok(verb == "committed", "a message is committed", fields)
tap.ok(h.files("incoming") == [ident], "one file, under its id", h.files("incoming"))
head, a, content, rcpts = stored("incoming", ident)
tap.ok(content == b"Subject: hi\r\nTo: u@example.org\r\n\r\nbody\r\n.dot\r\n", "remote mail is left alone", content)
tap.ok(a["sender"] == b"a@example.net" and rcpts == [(b".", "u@example.org", "u@example.org")], "envelope", (a, rcpts))
tap.ok(h.wait(lambda: any("message-id=<>" in l for l in h.log)), "message-id=<> is logged", h.log)

# --- local mail is rewritten and completed ---
ident, (verb, fields) = submit(t, b"From: \"A B\" <joe@host.example.org>, x\r\nBcc: z\r\nTo: u (U), \"q r\"@example.com\r\nSubject: hi\r\n\r\nbody\r\n",
                               ["u", "z"], sender="joe", origin=local, envelope=(("full_name", "Joe"),))
head, a, content, rcpts = stored("incoming", ident)
top, body = content.split(b"\r\n\r\n", 1)
lines = top.split(b"\r\n")
tap.ok(lines[0] == b"From: \"A B\" <joe@example.org>, x@example.org", "canonical and masqueraded From", lines)
tap.ok(b"To: u@example.org (U), \"q r\"@example.com" in lines and not any(l.startswith(b"Bcc") for l in lines), "To completed, Bcc gone", lines)
tap.ok(any(l.startswith(b"Message-Id: <") and l.endswith(ident.encode() + b"@mx.example.org>") for l in lines), "Message-Id added", lines)
tap.ok(any(l.startswith(b"Date: ") for l in lines), "Date added")
tap.ok(a["sender"] == b"joe@example.org" and [r[1] for r in rcpts] == ["u@example.org", "z@example.org"], "envelope completed", (a, rcpts))
ident, (verb, fields) = submit(t, b"X: y\r\n\r\n", ["u"], sender="joe", origin=local, envelope=(("full_name", "Joe O. User"),))
_, _, content, _ = stored("incoming", ident)
tap.ok(b"\r\nFrom: \"Joe O. User\" <joe@example.org>\r\n" in content, "From with a full name", content)
for odd in (b"", b"\r\n", b"no header\r\n", b"Subject: x\r\n", b"Subject: x", b"\r\nbody", b"Subject: x\r\nnot a header\r\nmore\r\n"):
    ident, (verb, fields) = submit(t, odd, ["u@example.org"])
    ok = verb == "committed" and (b"\r\n\r\n" in stored("incoming", ident)[2] or stored("incoming", ident)[2].startswith(b"\r\n"))
    tap.ok(ok, "odd message %r has a header's end" % odd, (verb, fields) if verb != "committed" else stored("incoming", ident)[2])

# --- aliases, duplicates ---
ident, (verb, fields) = submit(t, b"\r\nx\r\n", ["one@example.org", "two@example.org", "C@example.com", "d@example.com"])
tap.ok([r[1] for r in stored("incoming", ident)[3]] == ["a@example.com", "b@example.com", "c@example.com", "d@example.com"],
       "aliases are expanded, duplicates dropped", stored("incoming", ident)[3])
ident, _ = submit(t, b"\r\nx\r\n", ["one@example.org"], origin=(("no_address_mapping", True),))
tap.ok([r[1] for r in stored("incoming", ident)[3]] == ["one@example.org"], "no_address_mapping", stored("incoming", ident)[3])

# --- limits ---
_, (verb, fields) = submit(t, b"x" * 100001, ["u@example.org"])
tap.ok((verb, fields.get("status")) == ("refused", b"5.3.4"), "message_size_limit", (verb, fields))
_, (verb, fields) = submit(t, b"Received: x\r\n" * 6 + b"\r\n", ["u@example.org"])
tap.ok((verb, fields.get("status")) == ("refused", b"5.4.0"), "hopcount_limit", (verb, fields))
_, (verb, fields) = submit(t, b"Received: x\r\n" * 5 + b"\r\n", ["u@example.org"])
tap.ok(verb == "committed", "and right below it", (verb, fields))
_, (verb, fields) = submit(t, b"\r\n", [])
tap.ok((verb, fields.get("status")) == ("refused", b"5.1.0"), "no recipient", (verb, fields))
tap.ok(not [f for f in h.files("incoming") if f.endswith(".part")], "a refused message leaves no file")

# --- header and body checks ---
_, (verb, fields) = submit(t, b"Subject: refuse\r\n\r\n", ["u@example.org"])
tap.ok((verb, fields.get("status"), fields.get("reason")) == ("refused", b"5.7.9", b"not that"), "REJECT with a status", fields)
ident, (verb, fields) = submit(t, b"Subject: hold\r\n\r\n", ["u@example.org"])
tap.ok(verb == "committed" and h.files("hold") == [ident], "HOLD", fields)
ident, (verb, fields) = submit(t, b"Subject: drop\r\n\r\n", ["u@example.org"])
tap.ok(verb == "committed" and ident not in h.files("incoming"), "DISCARD", fields)
ident, (verb, fields) = submit(t, b"X-Gone: 1\r\n 2\r\nX-Old: a\r\n b\r\nX-Two: 2\r\nX-Filter: 1\r\n\r\none\r\nsecret stuff\r\nremove me\r\nlast", ["u@example.org"])
_, a, content, _ = stored("incoming", ident)
tap.ok(content == b"X-New: a\n b\r\nX-One: first\r\nX-Two: 2\r\nX-Filter: 1\r\n\r\none\r\n------\r\nlast" or
       content == b"X-New: a\r\n b\r\nX-One: first\r\nX-Two: 2\r\nX-Filter: 1\r\n\r\none\r\n------\r\nlast", "IGNORE, REPLACE, PREPEND, in header and body", content)
tap.ok(a.get("filter") == b"smtp:[x]", "FILTER", a)
_, (verb, fields) = submit(t, b"\r\nbuy viagra\r\n", ["u@example.org"])
tap.ok((verb, fields.get("status")) == ("refused", b"5.7.1"), "body REJECT", fields)
_, (verb, fields) = submit(t, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/evil\r\n\r\nx\r\n--b--\r\n", ["u@example.org"])
tap.ok((verb, fields.get("status")) == ("refused", b"5.7.1"), "mime_header_checks see the parts", fields)
ident, (verb, fields) = submit(t, b"\r\nbuy viagra\r\n", ["u@example.org"], origin=(("no_header_body_checks", True),))
tap.ok(verb == "committed", "no_header_body_checks", fields)
tap.ok(h.wait(lambda: any("reject: header Subject: refuse from " in l and "to=<u@example.org>" in l and l.endswith(": 5.7.9 not that") for l in h.log)), "the log line of a reject",
       [l for l in h.log if "reject" in l])

# --- edits ---
def edits(fd, end):
    os.pwrite(fd, b"new body\r\n", end)
    return (edit("A", 0, "X-Top", "1") + edit("A", -1, "X-End", "2\r\n\tfold") + edit("A", 1, "X-Second", "3") +
            edit("C", 2, "X", "changed") + edit("C", 1, "Y", "") + edit("C", 1, "Z", "new") + edit("B", "%d+10" % end) +
            edit("S", "other@example.net") + edit("R", "added@example.com", "") + edit("D", "u@example.org") + edit("H"))


ident, (verb, fields) = submit(t, b"X: 1\r\nX: 2\r\nY: 1\r\n\r\nold\r\n", ["u@example.org", "v@example.org"], edits=edits)
_, a, content, rcpts = stored("hold", ident)
tap.ok(content == b"X-Top: 1\r\nX-Second: 3\r\nX: 1\r\nX: changed\r\nX-End: 2\r\n\tfold\r\nZ: new\r\n\r\nnew body\r\n", "edits of a milter", content)
tap.ok(a["sender"] == b"other@example.net" and [r[1] for r in rcpts] == ["v@example.org", "added@example.com"], "and of the envelope", (a, rcpts))
_, (verb, fields) = submit(t, b"\r\n", ["u@example.org"], edits=edit("A", 0, "X", "1\r\nInjected: 2"))
tap.ok(verb == "refused", "an edit makes one header, not two", fields)
ident, (verb, fields) = submit(t, b"X: 1\r\n" * 3000 + b"\r\nbody\r\n", ["u@example.org"],
                               edits=b"".join(edit("C", i, "X", "w") for i in range(1, 2401, 2)))
tap.ok(verb == "committed" and stored("incoming", ident)[2] == b"X: w\r\nX: 1\r\n" * 1200 + b"X: 1\r\n" * 600 + b"\r\nbody\r\n",
       "1,200 edits become few pieces", fields)

# --- many recipients ---
names = ["u%d@example.com" % i for i in range(5000)]
ident, (verb, fields) = submit(t, b"\r\nx\r\n", names)
tap.ok(verb == "committed" and [r[1] for r in stored("incoming", ident)[3]] == names, "5,000 recipients", (verb, fields))

# --- out of turn, unknown, a dead client ---
for talk in ([("commit",)], [("open", ("origin", "smtpd")), ("commit",)], [("open", ("origin", "nobody"))],
             [("open", ("origin", "smtpd"), ("odd", "1"))], [("open", ("origin", "smtpd")), ("rcpt", ("address", "x" * 3000)), ("content",)],
             [("open", ("origin", "smtpd")), ("content",), ("prepare", ("sender", ""), ("length", -1))]):
    x = Talk(h.queue + "/public/cleanup")
    for request in talk:
        try:
            x.tell(*request)
        except OSError:
            verb = None
            break
        if request[0] != "rcpt":
            verb, fields, fds = x.hear()
            [os.close(fd) for fd in fds]
    tap.ok(verb is None, "out of turn: %s" % (talk[-1][0],), (verb, fields))
    x.close()
x = Talk(h.queue + "/public/cleanup")
x.ask("open", ("origin", "smtpd"))
_, _, fds = x.ask("content")
os.close(fds[0])
tap.ok(h.wait(lambda: [f for f in h.files("incoming") if f.endswith(".part")]), "a draft")
x.close()
tap.ok(h.wait(lambda: not [f for f in h.files("incoming") if f.endswith(".part")]), "is gone with its client")

# --- rewrite away: not now ---
before = h.files("incoming")
h.stop("rewrite")
os.unlink(h.queue + "/private/rewrite")
t2 = Talk(h.queue + "/public/cleanup", 200)
if os.environ.get("LONG"):
    _, (verb, fields) = submit(t2, b"\r\nx\r\n", ["u@example.org"])
    tap.ok((verb, fields.get("status")) == ("refused", b"4.3.0"), "rewrite is away: not now", (verb, fields))
else:
    threading.Timer(0.5, lambda: h.start("rewrite", "private/rewrite")).start()
    _, (verb, fields) = submit(t2, b"\r\nx\r\n", ["u@example.org"])
    tap.ok(verb == "committed", "rewrite comes back: nothing lost", (verb, fields))

# --- kill -9 ---
h.stop("cleanup")
h.start("cleanup", "public/cleanup")
t = Talk(h.queue + "/public/cleanup")
after, (verb, _) = submit(t, b"\r\nx\r\n", ["u@example.org"])
tap.ok(verb == "committed" and after not in before and set(before) <= set(h.files("incoming")), "after a restart another id, and all is there")
# --- which bytes and which MIME: each setting in a cleanup of its own ---
MIXED = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n%s\r\n--x\r\n%s\r\n%s\r\n--x--\r\n"
EIGHT = b"caf\xc3\xa9"
rows = [  # settings, message, refused with (or None), what must stand in it
    ("strict_7bit_headers=yes", b"Subject: " + EIGHT + b"\r\n\r\nx\r\n", b"improper use of 8-bit data in message header", None),
    ("strict_7bit_headers=yes", b"Subject: x\r\n\r\n" + EIGHT + b"\r\n", None, EIGHT),
    ("strict_8bitmime_body=yes", b"Subject: x\r\n\r\n" + EIGHT + b"\r\n", b"improper use of 8-bit data in message body", None),
    ("strict_8bitmime_body=yes", b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + EIGHT + b"\r\n", None, EIGHT),
    ("strict_8bitmime_body=yes", MIXED % (b"", b"Content-Type: text/plain\r\n", EIGHT), b"improper use of 8-bit data in message body", None),
    ("strict_8bitmime=yes", b"Subject: " + EIGHT + b"\r\n\r\nx\r\n", b"improper use of 8-bit data in message header", None),
    ("strict_mime_encoding_domain=yes", MIXED % (b"Content-Transfer-Encoding: base64\r\n", b"", b"x"), b"invalid message/* or multipart/* encoding domain", None),
    ("strict_mime_encoding_domain=yes", MIXED % (b"Content-Transfer-Encoding: 8bit\r\n", b"", b"x"), None, b"--x--"),
    ("mime_nesting_limit=1", MIXED % (b"", b"Content-Type: message/rfc822\r\n", b"Subject: y\r\n\r\nz"), b"MIME nesting exceeds safety limit", None),
    ("mime_nesting_limit=1", MIXED % (b"", b"", b"x"), None, b"--x--"),
    ("message_strip_characters=\\0\\a", b"Subject: a\0b\r\n\r\nc\x07d\0\r\n" + b"y" * 70000 + b"\0\r\n", None, b"Subject: ab\r\n\r\ncd\r\n" + b"y" * 70000 + b"\r\n"),
    ("message_reject_characters=\\0", b"Subject: a\r\n\r\nc\0\r\n", b"disallowed character", None),
    ("message_reject_characters=\\0", b"Subject: a\r\n\r\nc\r\n", None, b"c\r\n"),
    ("header_size_limit=2000", b"X-Long: " + b"z" * 3000 + b"\r\nSubject: s\r\n\r\nb\r\n", None, b"X-Long: " + b"z" * 1992 + b"\r\nSubject: s\r\n\r\nb\r\n"),
    ("disable_mime_input_processing=yes", MIXED % (b"", b"Content-Type: text/evil\r\n", b"viagr"), None, b"text/evil"),
]
for setting, text, refusal, wanted in rows:
    h.stop("cleanup")
    h.start("cleanup", "public/cleanup", "-o", setting)
    t = Talk(h.queue + "/public/cleanup")
    ident, (verb, fields) = submit(t, text, ["u@example.org"])
    if refusal:
        ok = verb == "refused" and fields.get("reason") == refusal and fields.get("status")[:1] == b"5"
    else:
        ok = verb == "committed" and wanted in stored("incoming", ident)[2]
    tap.ok(ok, "%s: %s" % (setting, "refused" if refusal else "taken"), (verb, fields))
    t.close()
for setting, name, wanted in (("header_from_format=obsolete", "Joe (the) User", b"From: joe@example.org (Joe \\(the\\) User)\r\n"),
                              ("full_name_encoding_charset=iso-8859-1", b"Jos\xe9 X", b"From: =?iso-8859-1?Q?Jos=E9=20X?= <joe@example.org>\r\n")):
    h.stop("cleanup")
    h.start("cleanup", "public/cleanup", "-o", setting)
    t = Talk(h.queue + "/public/cleanup")
    ident, (verb, fields) = submit(t, b"X: y\r\n\r\n", ["u"], sender="joe", origin=local, envelope=(("full_name", name),))
    tap.ok(verb == "committed" and wanted in stored("incoming", ident)[2], setting, verb == "committed" and stored("incoming", ident)[2])
    t.close()
h.end()
tap.done()
