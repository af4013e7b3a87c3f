#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""probe.py - postern probe: what the SMTP client finds, and its exit status"""
import os, re, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from certificates import *
from fake_smtp import *

t = Tap()
MASTER = "dnsd unix - - n - - dnsd\n"
with Instance(master=MASTER) as i:
    r = i.run("probe", "example.net")
    t.ok(r.returncode == 1 and "not running" in r.stderr, "not while the system is down", r.stderr)
    authority = Authority(i.dir + "/ca")
    chain = authority.server("mx.example.net")
    with FakeServer({}) as plain, FakeServer({}, keywords=("PIPELINING", "STARTTLS", "CHUNKING"), certificate=chain) as tls, \
            FakeServer({"GREETING": "554 go away"}) as bad:
        i.configure(f"dnsd_servers = 127.0.0.1@{free_port()}\ndnsd_timeout = 1s\nsmtp_tls_CAfile = {authority.pem}\nsmtp_tls_policy_maps = "
                    f"inline:{{ {{[127.0.0.1]:{plain.port} = encrypt}}, {{[localhost]:{tls.port} = verify match=mx.example.net}} }}\n", MASTER)
        t.ok(i.start().returncode == 0, "start", i.log())
        r = i.run("probe", f"[127.0.0.1]:{tls.port}")
        t.ok(r.returncode == 0 and "policy: may" in r.stdout and re.search(r"TLS: (Untrusted|Trusted): TLSv1\.[23]", r.stdout) and
             "certificate: mx.example.net" in r.stdout and "CHUNKING" in r.stdout and "verdict: ok" in r.stdout, "STARTTLS, certificate, verdict", r.stdout, r.stderr)
        t.ok(not any(c.startswith(("MAIL", "RCPT", "AUTH")) for s in tls.sessions for c in s.commands), "nothing is sent", [s.commands for s in tls.sessions])
        r = i.run("probe", f"[127.0.0.1]:{plain.port}")
        t.ok(r.returncode == 75 and "policy: encrypt" in r.stdout and "verdict: 4.7.4 TLS is required" in r.stdout, "a policy that is not met", r.stdout, r.stderr)
        r = i.run("probe", f"[127.0.0.1]:{bad.port}")
        t.ok(r.returncode == 75 and "refused to talk to me: 554 go away" in r.stdout, "a server that refuses", r.stdout, r.stderr)
        r = i.run("probe")
        t.ok(r.returncode == 1 and "usage" in r.stderr, "usage", r.stderr)
t.end()
