# SPDX-License-Identifier: ISC
"""name_server.py - a name server of a test's own: answers from a table, and is silent, wrong or slow where the table says so"""
import os, socket, struct, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import free_port

A, CNAME, PTR, MX, AAAA = 1, 5, 12, 15, 28


def wire(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.split(".") if l) + b"\0"


def data(kind, value):
    if kind == A:
        return socket.inet_aton(value)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == MX:
        preference, name = value.split()
        return struct.pack(">H", int(preference)) + wire(name)
    return wire(value)


class NameServer:
    """zone: name -> {type: [values]}, or "servfail", "silent", "garbage"; what is missing is NXDOMAIN."""
    def __init__(self, zone):
        self.zone, self.asked, self.port = zone, [], free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind(("127.0.0.1", self.port))
        self.tcp.listen(20)
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, = struct.unpack(">H", query[at + 1:at + 3])
        question, name = query[12:at + 5], ".".join(labels).lower()
        self.asked.append((name, kind))
        entry = self.zone.get(name)
        if entry == "silent":
            return None
        if entry == "garbage":
            return query[:2] + b"\x84\x00" + os.urandom(60)
        rcode = 2 if entry == "servfail" else 3 if entry is None else 0
        records, owner = [], name
        if isinstance(entry, dict):
            while CNAME in self.zone.get(owner, {}) and len(records) < 10:
                target = self.zone[owner][CNAME][0]
                records.append((owner, CNAME, target))
                owner = target
            records += [(owner, kind, v) for v in self.zone.get(owner, {}).get(kind, [])]
        out = query[:2] + struct.pack(">HHHHH", 0x8580 | rcode, 1, len(records), 0, 0) + question
        for n, k, v in records:
            d = data(k, v)
            out += wire(n) + struct.pack(">HHIH", k, 1, 60, len(d)) + d
        return out

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            out = self.answer(query)
            if out:
                if len(out) > 1200:        # truncated: by TCP, please
                    out = out[:2] + struct.pack(">HHHHH", 0x8780, 1, 0, 0, 0) + query[12:query.index(b"\0", 12) + 5]
                self.udp.sendto(out, peer)

    def serve_tcp(self):
        while True:
            s, _ = self.tcp.accept()
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        with s, s.makefile("rb") as f:
            head = f.read(2)
            while len(head) == 2:
                out = self.answer(f.read(struct.unpack(">H", head)[0]))
                if out:
                    s.sendall(struct.pack(">H", len(out)) + out)
                head = f.read(2)
