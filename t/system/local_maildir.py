#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_maildir.py - local delivers to Maildirs and mbox files as the recipient"""
import glob, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
MESSAGE = b"From: a@b\r\nSubject: hi\r\n\r\nline\r\nFrom here\r\n.dot\r\n"
USERS = {"alice": 5001, "bob": 5002, "carol": 5003}

with Site("home_mailbox = Maildir/\nrecipient_delimiter = +\n", USERS) as s:
    s.start("local/local", "local")
    got = s.one("local", "alice@example.com", MESSAGE, sender="s@x.example")
    t.same(got, ("sent", "2.0.0", "delivered to maildir"), "delivered to a Maildir")
    files = glob.glob(s.home("alice", "Maildir/new/*"))
    t.same(len(files), 1, "one file in new/")
    data = open(files[0], "rb").read()
    t.same(data, b"Return-Path: <s@x.example>\nDelivered-To: alice@example.com\nFrom: a@b\nSubject: hi\n\nline\nFrom here\n.dot\n",
           "headers in front, LF line ends, no From_ quoting")
    t.same(os.stat(files[0]).st_uid, os.stat(s.home("alice")).st_uid, "it belongs to the recipient")
    t.same(oct(os.stat(files[0]).st_mode & 0o777), "0o600", "mode 0600")
    t.ok(s.logged("to=<alice@example.com>, relay=local, delay=", "status=sent (delivered to maildir)"),
         "the log line", s.logs)
    got = s.one("local", "alice@example.com", MESSAGE, sender="s@x.example")
    t.ok(got[0] == "sent" and "duplicate" in got[2], "a second try finds it", got)
    t.same(len(glob.glob(s.home("alice", "Maildir/new/*"))), 1, "and delivers nothing")
    got = s.one("local", ("alice+lists@example.com", "list@old.example"), MESSAGE, sender="", queue_id="4XyZabc0z2")
    t.same(got[0], "sent", "recipient_delimiter")
    data = open(sorted(glob.glob(s.home("alice", "Maildir/new/*")), key=os.path.getmtime)[-1], "rb").read()
    t.ok(b"Return-Path: <>\nX-Original-To: list@old.example\nDelivered-To: alice+lists@example.com\n" in data,
         "null sender, X-Original-To", data)
    t.same(s.one("local", "nobody-here@example.com")[:2], ("bounced", "5.1.1"), "unknown user")
    t.same(s.one("local", "nobody-here@example.com")[2], 'unknown user: "nobody-here"', "unknown user's text")
    got = s.deliver("local", ["alice@example.com", "bob@example.com", "x@example.com"], MESSAGE, queue_id="4XyZabc0z3")
    t.same([got[i][0] for i in range(3)], ["sent", "sent", "bounced"], "several recipients")
    got = s.one("local", "alice@example.com", b"Delivered-To: Alice@example.com\r\n" + MESSAGE, queue_id="4XyZabc0z4")
    t.same(got, ("bounced", "5.4.6", "mail forwarding loop for alice@example.com"), "a loop is found")
    with s.connect("local") as c:
        for i in range(3):
            s.send(c, ["bob@example.com"], MESSAGE, queue_id=f"4XyZabd0z{i}")
            t.same(s.answers(c)[0][0], "sent", f"request {i + 1} on one connection")
    big = b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" * 1 + (b"y" * 998 + b"\r\n") * 3000
    t.same(s.one("local", "bob@example.com", big, queue_id="4XyZabe0z1")[0], "sent", "three megabytes")
    sizes = [os.path.getsize(p) for p in glob.glob(s.home("bob", "Maildir/new/*"))]
    t.ok(max(sizes) > 2990000, "arrive whole", sizes)
    # the content is cut short: the file is smaller than its pieces say
    with s.connect("local") as c:
        s.send(c, ["carol@example.com"], MESSAGE, queue_id="4XyZabf0z1")
        t.same(s.answers(c)[0][0], "sent", "carol's first")

with Site("", USERS) as s:
    s.start("local/local", "local")
    t.same(s.one("local", "alice@example.com", MESSAGE, sender="s@x.example"), ("sent", "2.0.0", "delivered to mailbox"), "mbox")
    t.same(s.one("local", "alice@example.com", MESSAGE, sender=""), ("sent", "2.0.0", "delivered to mailbox"), "mbox again")
    data = open(f"{s.dir}/spool/alice", "rb").read()
    t.ok(re.fullmatch(rb"From s@x\.example  \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n"
                      rb"Return-Path: <s@x\.example>\nDelivered-To: alice@example\.com\nFrom: a@b\nSubject: hi\n\nline\n>From here\n\.dot\n\n"
                      rb"From MAILER-DAEMON  (.|\n)*\.dot\n\n", data), "From_ lines, quoting, a blank line behind", data)
    t.ok(not os.path.exists(f"{s.dir}/spool/alice.lock"), "no lock is left")
    evil = "x\r\nEvil: 1\n\nbody@y.example"
    t.same(s.one("local", "bob@example.com", MESSAGE, sender=evil)[0], "sent", "a sender with line ends")
    data = open(f"{s.dir}/spool/bob", "rb").read()
    t.ok(b"\nEvil" not in data and data.count(b"\n\n") == 2, "adds no header", data)
t.end()
