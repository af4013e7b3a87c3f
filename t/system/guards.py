#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""guards.py - anvil counts, dialer connects only to what the configuration names"""
import array, os, socket, struct, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()


def frame(verb, **fields):
    out = verb.encode() + b"\0"
    for name, value in fields.items():
        value = str(value).encode()
        out += name.encode() + b"\0" + struct.pack(">I", len(value)) + value
    return out


def parse(data):
    verb, rest = data.split(b"\0", 1)
    fields = {"verb": verb.decode()}
    while rest:
        name, rest = rest.split(b"\0", 1)
        n = struct.unpack(">I", rest[:4])[0]
        fields[name.decode()], rest = rest[4:4 + n].decode(), rest[4 + n:]
    return fields


class Peer:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(20)
        self.s.connect(path)

    def ask(self, verb, **fields):
        self.s.send(frame(verb, **fields))
        data, control, _, _ = self.s.recvmsg(70000, socket.CMSG_SPACE(16))
        got = parse(data) if data else {"verb": ""}
        for level, kind, payload in control:
            if kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
                got["fds"] = list(fds)
        return got


port = free_port()
with Instance(f"dialer_endpoints = inet:localhost:{port}\n", only=("postlogd", "anvil", "dialer"),
              programs={"smtpd": "t/system/echo"},
              master=f"127.0.0.1:{port} inet n - n - - smtpd\n    -o {{ smtpd_sasl_path = private/policy }}\n") as i:
    t.ok(i.start().returncode == 0, "start")
    a, b = Peer(f"{i.dir}/queue/private/anvil"), Peer(f"{i.dir}/queue/private/anvil")
    count = lambda p, what, asker, client="192.0.2.1": p.ask("count", what=what, service="smtp", client=client, asker=asker)
    t.ok(count(a, "connect", 1) == {"verb": "counted", "concurrency": "1", "rate": "1"}, "first connection")
    t.ok(count(b, "connect", 2)["concurrency"] == "2", "second, of another process")
    t.ok(count(a, "connect", 1)["rate"] == "3", "third")
    t.ok(count(a, "disconnect", 1)["verb"] == "counted" and count(a, "mail", 1) == {"verb": "counted", "concurrency": "2", "rate": "1"},
         "disconnect, and messages have their own rate")
    t.ok(count(a, "connect", 1, "2001:db8::1")["concurrency"] == "1", "another client")
    b.s.close()
    t.ok(wait_for(lambda: count(a, "mail", 1)["concurrency"] == "1"), "a process that went away holds nothing")
    t.ok(a.ask("count", what="mail", service="smtp", client="x", asker=77)["verb"] == "", "who changes his name is hung up on")

    d = Peer(f"{i.dir}/queue/private/dialer")
    got = d.ask("dial", endpoint=f"inet:localhost:{port}")
    t.ok(got["verb"] == "dialed" and len(got.get("fds", [])) == 1, "an endpoint of dialer_endpoints is dialed", got)
    s = socket.socket(fileno=got["fds"][0])
    s.settimeout(20)
    s.send(b"hello\n")
    t.ok(s.recv(10) == b"hello\n", "and is what it should be")
    s.close()
    got = d.ask("dial", endpoint=f"inet:127.0.0.2:{port}")
    t.ok(got["verb"] == "refused" and "not named" in got["reason"], "another is refused", got)
    t.ok("refusing to dial inet:127.0.0.2" in (wait_for(lambda: "refusing" in i.log() and i.log()) or ""), "and logged", i.log())
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    cwd = os.getcwd()
    os.chdir(f"{i.dir}/queue/private")
    listener.bind("policy")
    os.chmod("policy", 0o666)
    os.chdir(cwd)
    listener.listen()
    for path in ("private/policy",):
        got = d.ask("dial", endpoint=f"unix:{path}")
        t.ok(got["verb"] == "dialed", f"a socket below queue_directory: {path}", got)
    got = d.ask("dial", endpoint="unix:private/nothing")
    t.ok(got["verb"] == "refused", "a socket that is not named", got)
    t.ok(i.run("stop").returncode == 0, "stop")
    t.ok(i.logged("statistics: max connection rate 3/60s for (smtp:192.0.2.1) at "), "anvil tells its peaks", i.log())
    t.ok(i.logged("statistics: max connection count 3 for (smtp:192.0.2.1) at "), "and counts", i.log())
t.end()
