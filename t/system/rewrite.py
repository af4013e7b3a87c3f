#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""rewrite.py - the program rewrite in its sandbox: answers, hostile peers, changed tables"""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
MAIN = """virtual_alias_maps = texthash:$DIR/virtual
virtual_alias_domains = al.example
transport_maps = texthash:$DIR/transport
local_recipient_maps = proxy:unix:passwd.byname $alias_maps
alias_maps = hash:$DIR/missing
recipient_delimiter = +
relayhost = [relay.example]
"""
with Site(MAIN, {}, {"virtual": "a@al.example b@x.example, c@y.example\nloop1@al.example loop2@al.example\nloop2@al.example loop1@al.example\n",
                     "transport": "t.example slow:[h]:26\n"}) as s:
    program = s.start("guard/rewrite", "rewrite")
    status = s.programs["rewrite"][1]

    def ask(verb, *fields, sock=None):
        c = sock or s.connect("rewrite")
        c.send(pack(verb, fields))
        data = c.recv(70000)
        if not sock:
            c.close()
        return unpack(data) if data else None

    t.same(ask("rewrite", ("context", "local"), ("address", "user"), ("address", "x@y")), ("rewritten", [("address", b"user@example.com"), ("address", b"x@y")]), "rewrite")
    verb, fields = ask("resolve", ("sender", ""), ("address", "u@t.example"), ("address", "u@z.example"), ("address", "n@al.example"))
    t.same([v for n, v in fields if n == "transport"], [b"slow", b"smtp", b"error"], "resolve: transports")
    t.same([v for n, v in fields if n == "nexthop"], [b"[h]:26", b"[relay.example]", b"User unknown in virtual alias table"], "resolve: next hops")
    t.same(ask("expand", ("address", "a@al.example"), ("from", 0)), ("expanded", [("total", b"2"), ("address", b"b@x.example"), ("address", b"c@y.example")]), "expand")
    t.same(ask("expand", ("address", "loop1@al.example"), ("from", 0))[0], "refused", "expand without end")
    t.same(ask("map", ("kind", "sender"), ("address", "a@b.example"))[1], [("address", b"a@b.example")], "map")
    known = lambda a: dict(ask("known", ("sender", ""), ("address", a))[1])
    t.same(known("root@example.com").get("known"), b"yes", "known: a user of the password file, in the sandbox")
    t.same(ask("known", ("sender", ""), ("address", "no-such-user-x@example.com"))[0], "refused", "unknown, with an alias table missing: not now")
    t.same(known("no-such@al.example")["table"], b"virtual alias table", "unknown in the virtual alias table")
    t.same(known("who@elsewhere.example")["known"], b"yes", "elsewhere is not for us to know")
    # hostile peers lose their connection, nothing else
    for name, data in (("an unknown verb", pack("rm", [])), ("no verb", b"\xff" * 100), ("an unknown field", pack("resolve", [("x", "y")])),
                       ("a missing field", pack("known", [("sender", "")])), ("a bad context", pack("rewrite", [("context", "root"), ("address", "x")])),
                       ("200 addresses", pack("resolve", [("sender", "")] + [("address", "a@b")] * 200)), ("a negative start", pack("expand", [("address", "a"), ("from", -1)]))):
        with s.connect("rewrite") as c:
            c.send(data)
            t.same(c.recv(100), b"", name)
    t.same(ask("rewrite", ("context", "local"), ("address", "user"))[0], "rewritten", "and it goes on")
    with s.connect("rewrite") as c:
        t.same([ask("resolve", ("sender", ""), ("address", "\0" * 900 + "@" + "x" * 5000), sock=c)[0] for _ in range(3)], ["resolved"] * 3, "addresses of nonsense")
    # sixty at once
    results = []
    def many():
        with s.connect("rewrite") as c:
            results.append(all(ask("resolve", ("sender", ""), ("address", f"u{i}@d{i}.example"), sock=c)[0] == "resolved" for i in range(100)))
    threads = [threading.Thread(target=many) for _ in range(15)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    t.same(results, [True] * 15, "fifteen peers at once")
    # a changed table: this process drains, another takes over
    time.sleep(0.01)
    with open(f"{s.dir}/transport", "a") as f:
        f.write("more.example slow:x\n")
    status.settimeout(30)
    said = status.recv(100)
    while not said.startswith(b"leaving") and said:
        said = status.recv(100)
    t.same(said, b"leaving table", "a changed table")
    t.same(program.wait(20), 0, "ends it in order")
t.end()
