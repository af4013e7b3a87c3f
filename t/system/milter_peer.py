# SPDX-License-Identifier: ISC
"""milter_peer.py - a milter that says what it is told to, packet by packet

    with Milter(answers={"M": [b"r"]}) as m:
        ... smtpd_milters = {m.endpoint} ...
        m.sessions[0].events: [("C", data, macros), ...]

An answer is a list of packets (command byte and data), sent for that event; or
a function of (session, data) that gives such a list.  In a list CLOSE hangs up, HANG
says nothing for the rest of the session, and RAW(bytes) goes out as it is.
"""
import os, socket, struct, tempfile, threading, time

ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS, QUARANTINE, CHGFROM, ADDRCPT_PAR, SETSYMLIST = (1 << n for n in range(9))
NOCONNECT, NOHELO, NOMAIL, NORCPT, NOBODY, NOHDRS, NOEOH, NR_HDR, NOUNKNOWN, NODATA, SKIP, RCPT_REJ, NR_CONN, NR_HELO, \
    NR_MAIL, NR_RCPT, NR_DATA, NR_UNKN, NR_EOH, NR_BODY, HDR_LEADSPC = (1 << n for n in range(21))
QUIET = {"C": NR_CONN, "H": NR_HELO, "M": NR_MAIL, "R": NR_RCPT, "T": NR_DATA, "U": NR_UNKN, "L": NR_HDR, "N": NR_EOH, "B": NR_BODY}
CLOSE, HANG = "close", "hang"


class RAW(bytes):
    pass


def z(*strings):
    return b"".join((s if isinstance(s, bytes) else s.encode()) + b"\0" for s in strings)


def add(name, value):
    return b"h" + z(name, value)


def insert(at, name, value):
    return b"i" + struct.pack(">I", at) + z(name, value)


def change(nth, name, value):
    return b"m" + struct.pack(">I", nth) + z(name, value)


class Session:
    def __init__(self, sock):
        self.sock, self.events, self.macros, self.offer, self.over = sock, [], {}, None, False

    def named(self, command):
        return [data for c, data, _ in self.events if c == command]

    def commands(self):
        return "".join(c for c, _, _ in self.events)

    def headers(self):
        return [tuple(d.split(b"\0")[:2]) for d in self.named("L")]

    def body(self):
        return b"".join(self.named("B"))

    def macros_of(self, command, which=0):
        return [m for c, _, m in self.events if c == command][which]


class Milter:
    def __init__(self, answers=None, actions=0x1ff, steps=0, version=6, symlist=b"", unix=None, inet6=False):
        self.answers, self.actions, self.steps, self.version, self.symlist = answers or {}, actions, steps, version, symlist
        self.sessions, self.lock = [], threading.Lock()
        if unix:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.bind(unix)
            os.chmod(unix, 0o666)
            self.endpoint = "unix:" + unix
        else:
            self.s = socket.socket(socket.AF_INET6 if inet6 else socket.AF_INET)
            self.s.bind(("::1" if inet6 else "127.0.0.1", 0))
            self.port = self.s.getsockname()[1]
            self.endpoint = f"inet:{'[::1]' if inet6 else '127.0.0.1'}:{self.port}"
        self.s.listen(50)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.s.close()

    def reset(self, answers=None, **more):
        """Another script for the next sessions; what was seen is forgotten."""
        self.answers, self.sessions = answers or {}, []
        defaults = {"actions": 0x1ff, "steps": 0, "version": 6, "symlist": b""}
        for name, value in {**defaults, **more}.items():
            setattr(self, name, value)

    def run(self):
        while True:
            try:
                sock, _ = self.s.accept()
            except OSError:
                return
            session = Session(sock)
            self.sessions.append(session)
            threading.Thread(target=self.serve, args=(session,), daemon=True).start()

    @staticmethod
    def read(sock, count):
        data = b""
        while len(data) < count:
            more = sock.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def send(self, s, packets):
        for p in packets:
            if p == CLOSE:
                raise ConnectionError
            if p == HANG:
                while s.sock.recv(65536):
                    pass
                raise ConnectionError
            if isinstance(p, (int, float)):
                time.sleep(p)
            else:
                s.sock.sendall(p if isinstance(p, RAW) else struct.pack(">I", len(p)) + p)

    def negotiate(self, s, data):
        s.offer = struct.unpack(">III", data[:12])
        s.steps = self.steps & s.offer[2]
        if "O" in self.answers:
            self.send(s, self.answers["O"])
        else:
            self.send(s, [b"O" + struct.pack(">III", min(self.version, s.offer[0]), self.actions & s.offer[1], s.steps) + self.symlist])

    def serve(self, s):
        try:
            while True:
                size, = struct.unpack(">I", self.read(s.sock, 4))
                packet = self.read(s.sock, size)
                command, data = chr(packet[0]), packet[1:]
                if command == "O":
                    self.negotiate(s, data)
                    continue
                if command == "D":
                    words = data[1:].split(b"\0")[:-1]
                    s.macros[chr(data[0])] = dict(zip(words[::2], words[1::2]))
                    continue
                s.events.append((command, data, s.macros.pop(command, {})))
                if command in "AQK":
                    if command == "Q":
                        break
                    continue
                if s.steps & QUIET.get(command, 0):
                    continue
                answer = self.answers.get(command, [b"c"])
                self.send(s, answer(s, data) if callable(answer) else answer)
        except OSError:
            pass
        s.over = True
        s.sock.close()
