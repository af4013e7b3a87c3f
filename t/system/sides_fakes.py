# SPDX-License-Identifier: ISC
"""sides_fakes.py - small neighbours of a mail system, so that two systems meet the same ones

A name server (UDP), an SMTP or LMTP sink that writes down what it got (and may hand it on, as a content filter
does), a milter that adds one field, a policy server, Dovecot's auth protocol and a socketmap.  Each serves its
connections in threads of this process; `Fake` closes them all.
"""
import base64, os, re, socket, ssl, struct, threading

PASSWORD = "secret"
MAIL_HOST_OF_TEST = "192.0.2.10"


class Fake:
    """Listens at "host:port" or at an absolute path, and serves each connection in a thread of its own."""
    def __init__(self, where, serve):
        self.where, self.serve = where, serve
        if where.startswith("/"):
            if os.path.lexists(where):
                os.unlink(where)
            self.s = socket.socket(socket.AF_UNIX)
            self.s.bind(where)
            os.chmod(where, 0o666)
        else:
            host, port = where.rsplit(":", 1)
            self.s = socket.socket()
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.s.bind((host, int(port)))
        self.s.listen(100)
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        try:
            c.settimeout(120)
            self.serve(c)
        except (OSError, ValueError, ssl.SSLError, struct.error):
            pass
        finally:
            c.close()

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()


# ---- DNS

def dns_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += packet[at] + 1
    return labels, at + 1


def dns_encode(name):
    return b"".join(bytes([len(l)]) + l.encode("latin-1") for l in name.split(".") if l) + b"\0"


LISTS = re.compile(r"spamhaus|spamcop|barracuda|gbudb|fabel|junkemail|rfc-clueless|dbl|zen|hostkarma|rbl|bl\.")


def dns_answer(labels, kind, mail_address, client_address):
    """None: no such name; else a list of (type, data)."""
    name = ".".join(labels)
    if name.endswith("in-addr.arpa"):
        address = ".".join(reversed(labels[:4]))
        known = {"127.0.0.1": "localhost", client_address: "client.sides.test", mail_address: "sink.sides.test"}
        if address not in known:
            return None
        return [(12, dns_encode(known[address]))] if kind == 12 else []
    if not labels or "nx" in labels or labels[-1] == "invalid" or LISTS.search(name) or labels[0].startswith("_") \
            or all(l.isdigit() for l in labels[:4]) and len(labels) > 4 or len(labels) < 2:
        return [] if name == "localhost" else None
    if name == "localhost.localdomain":
        return [(1, socket.inet_aton("127.0.0.1"))] if kind == 1 else []
    address = client_address if name == "client.sides.test" else mail_address
    if kind == 1:
        return [(1, socket.inet_aton(address))]
    if kind == 15 and name != "noroute.sides.test":
        return [(15, struct.pack("!H", 10) + dns_encode(name))]
    return []


class NameServer:
    def __init__(self, where, mail_address, client_address):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(where)
        self.addresses, self.own = (mail_address, client_address), set()      # own: names of the system under test
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                q, who = self.s.recvfrom(4096)
                labels, at = dns_name(q, 12)
                kind = struct.unpack("!H", q[at:at + 2])[0]
                mail = MAIL_HOST_OF_TEST if ".".join(labels) in self.own else self.addresses[0]
                found = dns_answer(labels, kind, mail, self.addresses[1])
                answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", t, 1, 60, len(d)) + d for t, d in found or [])
                authority = b"" if answers else b"\0" + struct.pack("!HHIH", 6, 1, 60, 26) + b"\x01a\0" + b"\x01b\0" + struct.pack("!IIIII", 1, 60, 60, 60, 60)
                head = q[:2] + struct.pack("!HHHHH", 0x8580 | (3 if found is None else 0), 1, len(found or []), 1 if authority else 0, 0)
                self.s.sendto(head + q[12:at + 4] + answers + authority, who)
            except (OSError, IndexError, struct.error):
                if self.s.fileno() < 0:
                    return


# ---- SMTP and LMTP

class Sink:
    """What arrived: dicts of where, sender, rcpts, content.  With hand_on each message goes on to that address."""
    def __init__(self, where, name, certificate=None, hand_on=None, lmtp=False):
        self.name, self.certificate, self.hand_on, self.lmtp = name, certificate, hand_on, lmtp
        self.got, self.lock = [], threading.Lock()
        self.fake = Fake(where, self.serve)

    def close(self):
        self.fake.close()

    def serve(self, c):
        f = c.makefile("rwb")
        lmtp, tls, sender, rcpts = self.lmtp, False, None, []

        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()
        say("220 sink.sides.test ESMTP sink")
        while True:
            line = f.readline()
            if not line:
                return
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb = text[:4].upper()
            if verb in ("EHLO", "LHLO"):
                lmtp = verb == "LHLO"
                words = ["sink.sides.test", "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 0", "ENHANCEDSTATUSCODES", "DSN", "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"]
                words += ["AUTH PLAIN LOGIN"] + (["STARTTLS"] if self.certificate and not tls else [])
                for w in words[:-1]:
                    f.write(f"250-{w}\r\n".encode())
                say(f"250 {words[-1]}")
            elif verb == "STAR" and self.certificate:
                say("220 2.0.0 go")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.certificate)
                f.close()
                c = context.wrap_socket(c, server_side=True)
                f, tls = c.makefile("rwb"), True
            elif verb == "AUTH":
                if text.upper().startswith("AUTH LOGIN"):
                    for _ in range(2):
                        say("334 VXNlcm5hbWU6")
                        f.readline()
                say("235 2.7.0 ok")
            elif verb == "MAIL":
                sender, rcpts = text[10:], []
                say("250 2.1.0 ok")
            elif verb == "RCPT":
                if "refused@" in text:
                    say("550 5.1.1 no such user here")
                elif "later@" in text:
                    say("450 4.2.1 mailbox busy")
                else:
                    rcpts.append(text[8:])
                    say("250 2.1.5 ok")
            elif verb == "DATA":
                if not rcpts:
                    say("554 5.5.1 no recipients")
                    continue
                say("354 go")
                content = b""
                while True:
                    line = f.readline()
                    if not line:
                        return
                    if line == b".\r\n":
                        break
                    content += line[1:] if line.startswith(b".") else line
                if self.hand_on:
                    self.pass_on(sender, rcpts, content)
                with self.lock:
                    self.got.append({"where": self.name, "sender": sender, "rcpts": sorted(rcpts), "content": content})
                for _ in rcpts if lmtp else [1]:
                    say("250 2.0.0 ok")
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 2.0.0 ok")

    def pass_on(self, sender, rcpts, content):
        with socket.create_connection(self.hand_on, 30) as s:
            f = s.makefile("rwb")

            def ask(line):
                if line is not None:
                    f.write(line + b"\r\n")
                    f.flush()
                while True:
                    got = f.readline()
                    if got[3:4] != b"-":
                        return got
            ask(None)
            ask(b"EHLO filter.sides.test")
            ask(b"MAIL FROM:" + re.sub(r" SIZE=\d+| RET=\w+| ENVID=\S+", "", sender).encode())
            for r in rcpts:
                ask(b"RCPT TO:" + r.split(" ")[0].encode())
            ask(b"DATA")
            stuffed = re.sub(rb"(?m)^\.", b"..", content)
            ask(b"X-Filtered: yes\r\n" + stuffed + b".")
            ask(b"QUIT")


# ---- the others

def milter(port):
    """Says yes to all and adds a field at the end (milter protocol 6)."""
    def serve(c):
        f = c.makefile("rwb")

        def say(code, data=b""):
            f.write(struct.pack("!I", len(data) + 1) + code + data)
            f.flush()
        while True:
            head = f.read(4)
            if len(head) < 4:
                return
            body = f.read(struct.unpack("!I", head)[0])
            code = body[:1]
            if code == b"O":
                say(b"O", struct.pack("!III", 6, 1, 0))
            elif code == b"E":
                say(b"h", f"X-Milter-{port}\0seen\0".encode())
                say(b"c")
            elif code in (b"D", b"A", b"K"):
                pass
            elif code == b"Q":
                return
            else:
                say(b"c")
    return serve


def policy(c):
    f = c.makefile("rwb")
    attributes = {}
    while True:
        line = f.readline()
        if not line:
            return
        text = line.decode("utf-8", "replace").rstrip("\n")
        if text:
            k, _, v = text.partition("=")
            attributes[k] = v
            continue
        action = "DEFER_IF_PERMIT greylisted by the test" if attributes.get("recipient", "").startswith("grey") else "DUNNO"
        f.write(f"action={action}\n\n".encode())
        f.flush()
        attributes = {}


def dovecot_auth(c):
    """Dovecot's auth protocol 1.1: PLAIN and LOGIN; every user has the password of the test."""
    f = c.makefile("rw")
    f.write("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n")
    f.flush()
    waiting = {}

    def end(number, user, password):
        f.write(f"OK\t{number}\tuser={user}\n" if password == PASSWORD else f"FAIL\t{number}\tuser={user}\n")

    def go_on(number, mechanism, data):
        if mechanism == "PLAIN":
            parts = data.split("\0")
            return end(number, *parts[1:3]) if len(parts) == 3 else f.write(f"FAIL\t{number}\n")
        if "user" not in waiting[number]:
            waiting[number]["user"] = data
            return f.write(f"CONT\t{number}\t{base64.b64encode(b'Password:').decode()}\n")
        end(number, waiting[number]["user"], data)

    for line in f:
        words = line.rstrip("\n").split("\t")
        if words[0] == "AUTH":
            number, mechanism = words[1:3]
            waiting[number] = {"mechanism": mechanism}
            given = [w for w in words if w.startswith("resp=")]
            if given:
                go_on(number, mechanism, base64.b64decode(given[0][5:]).decode("utf-8", "replace"))
            else:
                f.write(f"CONT\t{number}\t{'' if mechanism == 'PLAIN' else base64.b64encode(b'Username:').decode()}\n")
        elif words[0] == "CONT":
            go_on(words[1], waiting[words[1]]["mechanism"], base64.b64decode(words[2]).decode("utf-8", "replace"))
        f.flush()


def socketmap(c):
    f = c.makefile("rwb")
    while True:
        number = b""
        while not number.endswith(b":"):
            byte = f.read(1)
            if not byte:
                return
            number += byte
        f.read(int(number[:-1]) + 1)
        f.write(b"9:NOTFOUND ,")
        f.flush()
