#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""unauthenticate.py - one connection for many users (RFC 8437)

What is behind the dialogue (t/talk/imap/unauthenticate.talk): the user's process is gone, the limits and the list of
who is logged in follow, COMPRESS ends where the RFC says (4.1), also when its bytes come one by one, and inside TLS;
nothing stays open after many rounds; a program that serves one session at a time still ends when it is told.
"""
import base64, os, pwd, socket, ssl, subprocess, sys, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

PORT, PORTS, ONE = free_port(), free_port(), free_port()
MASTER = f"""
127.0.0.1:{PORT}   inet n - n - - imap-login
127.0.0.1:{PORTS}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
127.0.0.1:{ONE}    inet n - n - 5 imap-login -o imap-login_tasks=1
"""
ROUNDS = 60
t = Tap()
ok = t.ok


class Client:
    def __init__(self, port=PORT, tls=None):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=30)
        if tls:
            self.s = tls.wrap_socket(self.s)
        self.buf, self.z, self.n = b"", None, 0
        self.line()

    def line(self):
        while b"\n" not in self.buf:
            got = self.s.recv(65536)
            if not got:
                raise EOFError(self.buf)
            self.buf += self.inflate(got)
        line, self.buf = self.buf.split(b"\n", 1)
        return line.rstrip(b"\r").decode()

    def inflate(self, got):
        """One block after another: what comes after the answer to UNAUTHENTICATE is plain."""
        if not self.z:
            return got
        plain = self.z[1].decompress(got)
        if plain.startswith(b"bye OK") and self.z[1].unused_data == b"":
            self.z = None
        return plain

    def send(self, text, mark=True):
        data = text.encode()
        if self.z:
            data = self.z[0].compress(data) + self.z[0].flush(zlib.Z_SYNC_FLUSH)
        self.s.sendall(data)

    def until(self, start):
        lines = []
        while True:
            lines.append(self.line())
            if lines[-1].startswith(start):
                return lines

    def ask(self, command, tag=None):
        self.n += 1
        tag = tag or f"t{self.n}"
        self.send(f"{tag} {command}\r\n")
        return self.until(f"{tag} ")[-1].partition(" ")[2]

    def login(self, user="alice"):
        return self.ask(f"LOGIN {user} secret")

    def deflate(self):
        self.ask("COMPRESS DEFLATE")
        self.z = (zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15))

    def leave(self):
        return self.ask("UNAUTHENTICATE", "bye")


def one_connection(i):
    c = Client()
    c.login()
    c.ask("SELECT INBOX")
    ok(i.sessions() == 1 and c.leave().startswith("OK"), "a client lets its user go")
    ok(wait_for(lambda: i.sessions() == 0), "and the user's process is gone")
    got = [c.login("alice") for _ in range(1)] + [x for _ in range(4) for x in (c.leave(), c.login("alice"))]
    ok(all(g.startswith("OK") for g in got), "a user who may be here once comes back four times on one connection", got)
    ok("LIMIT" in Client().login("alice"), "he is counted: a second connection is refused")
    c.leave()
    d = Client()
    ok(wait_for(lambda: d.login("alice").startswith("OK")), "and is let in once the first has let him go")
    ok("LIMIT" in c.login("alice"), "now the first is refused")
    ok(c.login("bob").startswith("OK"), "and may be somebody else")
    ok(wait_for(lambda: listed(i) == ["alice", "bob"]), "postern who lists both", listed(i))
    d.ask("LOGOUT")
    c.leave()
    ok(wait_for(lambda: listed(i) == []), "and nobody, when both are gone", listed(i))
    c.s.close()


def listed(i):
    return sorted(l.split()[0] for l in i.run("who").stdout.splitlines()[1:])


def compressed(i, what, port, tls, how):
    c = Client(port, tls)
    c.login("carol")
    c.deflate()
    ok(c.ask("NOOP").startswith("OK"), f"{what}: COMPRESS")
    data = c.z[0].compress(b"bye UNAUTHENTICATE\r\n") + c.z[0].flush(zlib.Z_SYNC_FLUSH)
    auth = base64.b64encode(b"\0bob\0secret").decode()
    data += f"x AUTHENTICATE PLAIN {auth}\r\ny COMPRESS DEFLATE\r\n".encode()
    for at in range(0, len(data), how or len(data)):
        c.s.sendall(data[at:at + (how or len(data))])
    raw = c.s.recv(65536)
    plain = b""
    while not plain.startswith(b"bye OK") or b"\r\n" not in plain:   # deflated up to its end, and then plain
        if not raw:
            raw = c.s.recv(65536)
        plain += c.z[1].decompress(raw[:1])
        raw = raw[1:]
    c.z, c.buf = None, raw[raw.find(b"x OK"):] if b"x OK" in raw else b""
    got = c.until("y ")
    ok(len(got) == 2 and got[0].startswith("x OK") and "COMPRESS=DEFLATE" in got[0] and got[1].startswith("y OK"),
       f"{what}: it ends with UNAUTHENTICATE, and the next user may begin it anew", got)
    c.z = (zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15))
    ok("Namespace" in c.ask("NAMESPACE"), f"{what}: which works")
    c.s.close()


def more_compressed():
    c = Client()
    c.login("carol")
    c.deflate()
    c.send("bye UNAUTHENTICATE\r\nx NOOP\r\n")
    try:
        got = c.until("* BYE")
        ok(got[-1].startswith("* BYE"), "what follows it and is compressed is not taken for anything", got)
    except EOFError as e:
        ok(False, "what follows it and is compressed is not taken for anything", e)


def much(tls):
    """More than a pipe holds comes behind it: nothing is lost, nothing is heard twice."""
    c = Client(PORTS if tls else PORT, tls)
    c.login("carol")
    c.send("bye UNAUTHENTICATE\r\n" + "".join(f"n{n} NOOP\r\n" for n in range(800)) + "z LOGIN bob secret\r\n")
    got = c.until("z ")
    ok([g.split()[0] for g in got] == ["bye"] + [f"n{n}" for n in range(800)] + ["z"] and "OK" in got[-1],
       f"800 commands behind it{' inside TLS' if tls else ''} are heard once, in order", got[:3], len(got))
    c.ask("LOGOUT")


def many_rounds(i, port):
    c = Client(port)
    login = i.named("imap-login")
    good = True
    for n in range(ROUNDS):
        good &= c.login(("alice", "bob", "carol")[n % 3]).startswith("OK") and c.leave().startswith("OK")
        if n == 9:
            before = {p: len(os.listdir(f"/proc/{p}/fd")) for p in login}
    after = {p: len(os.listdir(f"/proc/{p}/fd")) for p in login}
    ok(good and all(after[p] <= before[p] + 2 for p in login), f"{ROUNDS} users on one connection leave nothing open", before, after)
    ok(wait_for(lambda: i.sessions() == 0), "nor a process")
    c.ask("LOGOUT")


def sleeps(i):
    c = Client()
    c.login("carol")
    c.leave()
    c.login("bob")
    c.ask("SELECT INBOX")
    c.send("idle IDLE\r\n")
    c.until("+")
    ok(wait_for(lambda: i.sessions() == 0), "who came second hibernates like everybody")
    c.send("DONE\r\n")
    ok(c.until("idle ")[-1].startswith("idle OK") and c.leave().startswith("OK") and c.login("carol").startswith("OK"),
       "and wakes, and lets go")
    c.ask("LOGOUT")


def main():
    root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with Instance(master=MASTER) as i:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", f"{i.dir}/key.pem", "-out", f"{i.dir}/cert.pem"], check=True, capture_output=True)
        os.mkdir(f"{i.dir}/home")
        os.chown(f"{i.dir}/home", owner.pw_uid, owner.pw_gid)
        with open(f"{i.dir}/users", "w") as f:
            for user in ("alice", "bob", "carol"):
                f.write(f"{user}:{{PLAIN}}secret:{owner.pw_uid}:{owner.pw_gid}::{i.dir}/home/{user}::\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nmail_max_userip_connections = 1\n"
                    f"auth_userdb = passwd-file:{i.dir}/users\nauth_failure_delay = 0s\nimap_hibernate_timeout = 1s\n"
                    f"smtpd_tls_cert_file = {i.dir}/cert.pem\nsmtpd_tls_key_file = {i.dir}/key.pem\n", MASTER)
        if not ok(i.start().returncode == 0, "the system starts"):
            print(i.log())
            return
        one_connection(i)
        for what, port, context, how in (("plain", PORT, None, 0), ("byte by byte", PORT, None, 1), ("TLS", PORTS, tls, 0), ("TLS, in pieces", PORTS, tls, 7)):
            compressed(i, what, port, context, how)
        more_compressed()
        much(None)
        much(tls)
        many_rounds(i, PORT)
        many_rounds(i, ONE)
        sleeps(i)
        before = i.named("imap-login")
        i.run("reload")
        ok(wait_for(lambda: not set(before) & set(i.named("imap-login"))), "all that served end at a reload", before, i.named("imap-login"))
        bad = [l for l in i.log().splitlines() if "panic" in l or "killed by signal" in l or "error" in l.lower() and "imap" in l]
        ok(not bad, "nothing went wrong on the way", *bad[:5])


main()
t.end()
