#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_proxy.py - mailboxes at other servers: proxy=, host= and their like of Dovecot's passdb, IMAP and POP3

Ours is the proxy; the servers behind it are another Postern, a scripted one that misbehaves and, where it is installed, Dovecot.
Dovecot is the proxy, too, with the same passwd-file: what a client hears must be the same.  TAP.
"""
import atexit, base64, concurrent.futures, imaplib, json, os, poplib, pwd, re, shutil, socket, subprocess, sys, tempfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Talk, Tap, free_port, wait_for
from login_dovecot import DOVECOT, dovecot

ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
t = Tap()
ok = t.ok
here = tempfile.mkdtemp(prefix="postern.proxy.")
atexit.register(shutil.rmtree, here, ignore_errors=True)
os.chmod(here, 0o755)
IMAP, POP, BIMAP, BPOP, BTLS, FAKE, DIMAP, DPOP, PIMAP, PPOP, CLOSED, ROUND = (free_port() for _ in range(12))


class Line:
    """A client that speaks by lines."""
    def __init__(self, port, tls=None, host="127.0.0.1"):
        self.s = socket.create_connection((host, port), timeout=60)
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname="localhost")
        self.f = self.s.makefile("rb")
        self.greeting = self.f.readline().decode()

    def send(self, line):
        self.s.sendall(line.encode() + b"\r\n")

    def line(self):
        return self.f.readline().decode().rstrip("\r\n")

    def ask(self, line, tag=None):
        self.send(line)
        while True:
            got = self.line()
            if not tag or got.startswith(tag) or not got:
                return got

    def close(self):
        self.f.close()
        self.s.close()


def imap(user, password="x", port=None, more=()):
    c = Line(port or IMAP)
    got = [c.ask(f'a LOGIN "{user}" "{password}"', "a ")] + [c.ask(m, m.split()[0] + " ") for m in more]
    c.close()
    return got if more else got[0]


def pop(user, password="x", port=None, more=()):
    c = Line(port or POP)
    first = c.ask(f"USER {user}")
    got = [c.ask(f"PASS {password}") if first.startswith("+OK") else first] + [c.ask(m) for m in more]
    c.close()
    return got if more else got[0]


class Fake:
    """One client at a time: each answer is a function of the line, or bytes."""
    def __init__(self, port):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(("127.0.0.1", port))
        self.s.listen(5)
        self.greeting, self.answer, self.heard, self.ended = b"* OK hello\r\n", lambda l: b"", [], 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            c, _ = self.s.accept()
            self.heard = []
            try:
                c.sendall(self.greeting)
                f = c.makefile("rb")
                for line in f:
                    self.heard.append(line.decode().rstrip("\r\n"))
                    c.sendall(self.answer(self.heard[-1]))
            except OSError:
                pass
            c.close()
            self.ended += 1


class Forwarder:
    """Another address of a server, as behind NAT."""
    def __init__(self, port):
        self.s = socket.create_server(("127.0.0.1", port))
        self.to, self.count = 0, 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            c = self.s.accept()[0]
            self.count += 1
            if self.count > 50:
                c.close()
                continue
            s = socket.create_connection(("127.0.0.1", self.to))
            for a, b in ((c, s), (s, c)):
                threading.Thread(target=self.move, args=(a, b), daemon=True).start()

    def move(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for x in (a, b):
            try:
                x.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


USERS = """ann:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK
bob:{PLAIN}y::::::proxy=y host=127.0.0.1 port=BACK destuser=ann pass=x
bad:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK
mast:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK destuser=ann master=boss pass=bp
plain:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK destuser=ann proxy_mech=plain
none:{PLAIN}x::::::proxy=y host=127.0.0.1 port=CLOSED proxy_timeout=5
nohost:{PLAIN}x::::::proxy=y
maybe:{PLAIN}x::::::proxy_maybe=y host=127.0.0.1 port=SELF
away:{PLAIN}x::::::proxy_maybe=y host=127.0.0.1 port=BACK destuser=ann
loop:{PLAIN}x::::::proxy=y host=127.0.0.1 port=SELF
nolog:{PLAIN}x::::::nologin=y
nolog2:{PLAIN}x::::::nologin=y reason=goaway
ref:{PLAIN}x::::::nologin=y host=other.example
ref2:{PLAIN}x::::::nologin=y host=other.example port=1143 destuser=rr reason=hello
ref3:{PLAIN}x::::::host=other.example
notls:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK starttls=any-cert
"""
OURS = """tls:{PLAIN}x::::::proxy=y host=localhost port=TLS destuser=ann starttls=yes
anytls:{PLAIN}x::::::proxy=y host=127.0.0.1 port=TLS destuser=ann starttls=any-cert
wrong:{PLAIN}x::::::proxy=y host=wrong.example hostip=127.0.0.1 port=TLS destuser=ann starttls=yes
fake:{PLAIN}x::::::proxy=y host=127.0.0.1 port=FAKE proxy_timeout=2
fakep:{PLAIN}x::::::proxy=y host=127.0.0.1 port=FAKE proxy_timeout=2 proxy_mech=plain
faket:{PLAIN}x::::::proxy=y host=127.0.0.1 port=FAKE proxy_timeout=2 starttls=any-cert
odd:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK proxy_mech=gssapi
odd2:{PLAIN}x::::::proxy=y host=127.0.0.1 port=BACK source_ip=192.0.2.1
round:{PLAIN}x::::::proxy=y host=127.0.0.1 port=ROUND
round2:{PLAIN}x::::::proxy=y host=127.0.0.1 port=ROUND proxy_not_trusted=y
free:::::::nopassword=y proxy_maybe=y host=127.0.0.1 port=SELF
freed:::::::nopassword=y proxy_maybe=y host=127.0.0.1 port=BACK destuser=ann
"""


def users(name, imap_back, pop_back, imap_self, pop_self, more=""):
    """A file for each protocol."""
    for proto, back, own in (("imap", imap_back, imap_self), ("pop3", pop_back, pop_self)):
        with open(f"{here}/{name}.{proto}", "w") as f:
            f.write((USERS + more).replace("BACK", str(back)).replace("SELF", str(own)).replace("CLOSED", str(CLOSED)).replace("TLS", str(BTLS)).replace("FAKE", str(FAKE)).replace("ROUND", str(ROUND)))


def main_cf(name, home):
    return f"""mail_location = maildir:{here}/{home}/%u
auth_passdb = passwd-file:{here}/{name}
auth_userdb = static:uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={here}/{home}/%u allow_all_users=yes
auth_mechanisms = plain cram-md5
auth_failure_delay = 0s
auth_penalty = no
first_valid_uid = 1
first_valid_gid = 1
"""


def logged(i, pattern):
    return wait_for(lambda: re.search(pattern, i.log()))


def certificates():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{here}/key.pem", "-out", f"{here}/cert.pem",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)


class Both:
    """Our proxy, one for each protocol's passwd-file, at two ports."""
    def __init__(self, name, more=""):
        self.i = [Instance(main_cf(f"{name}.imap", "front") + more, f"127.0.0.1:{IMAP} inet n - n - - imap-login\n"),
                  Instance(main_cf(f"{name}.pop3", "front") + more, f"127.0.0.1:{POP} inet n - n - - pop3-login\n")]

    def __enter__(self):
        for i in self.i:
            i.__enter__()
            ok(i.start().returncode == 0, "our proxy starts", i.log())
        return self.i

    def __exit__(self, *what):
        for i in self.i:
            i.__exit__(*what)


SAME_IMAP = (("ann", "x"), ("ann", "wrong"), ("bob", "y"), ("bob", "x"), ("bad", "x"), ("none", "x"), ("nolog", "x"), ("nolog", "wrong"), ("nolog2", "x"),
             ("ref", "x"), ("ref2", "x"), ("ref2", "wrong"), ("mast", "x"), ("plain", "x"), ("notls", "x"))


def answers():
    """To each word by each protocol: ours, and Dovecot's, which is late for some."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        begun = {(name,) + w: [pool.submit(ask, *w, port) for port in ports]
                 for name, ask, ports in (("imap", imap, (IMAP, PIMAP)), ("pop3", pop, (POP, PPOP))) for w in SAME_IMAP}
        return {key: [x.result() for x in both] for key, both in begun.items()}


def through(i, what):
    """Who can be reached is, at whatever server."""
    message = b"Subject: through\r\n\r\n" + b"x" * 70 + b"\r\n"
    m = imaplib.IMAP4("127.0.0.1", IMAP)
    before = i[0].named("imapd")
    m.login("ann", "x")
    big = message + (b"y" * 76 + b"\r\n") * 40000
    got = [m.select()[0], m.append("INBOX", None, None, big)[0]]
    m.noop()
    data = m.fetch("*", "(BODY.PEEK[])")
    ok(got == ["OK", "OK"] and data[1][0][1] == big, f"{what}: three megabytes there and back", got, data[0])
    listed = json.loads(i[0].run("who", "-1", "-f", "json").stdout)
    ok([(x["username"], x["proto"]) for x in listed] == [("ann", "imap")], f"{what}: who", listed)
    ok(i[0].named("imapd") == before, f"{what}: no process of ours", before, i[0].named("imapd"))
    r = i[0].run("kick", "ann")
    try:
        end = m.readline()
    except OSError:
        end = b""
    ok(r.returncode == 0 and end == b"" and i[0].logged("Disconnected by the administrator"), f"{what}: kick", r.stderr, end)
    p = poplib.POP3("127.0.0.1", POP)
    p.user("ann")
    p.pass_("x")
    n = p.stat()[0]
    ok(n >= 1 and b"\r\n".join(p.retr(n)[1]) + b"\r\n" == big, f"{what}: the same by POP3", n)
    p.quit()
    ok(logged(i[0], r"imap-login: proxy\(ann,127\.0\.0\.1:\d+\): Started proxying to <127\.0\.0\.1> \(\d+\.\d{3} secs\): user=<ann>, method=PLAIN, rip=127\.0\.0\.1, lip=127\.0\.0\.1, secured, session=<") and
       logged(i[1], r"pop3-login: proxy\(ann,127\.0\.0\.1:\d+\): Disconnected by (client|server) \(\d+s idle, in=\d+, out=\d{7}\): user=<ann>"), f"{what}: Dovecot's lines in the log", i[0].log()[-1500:], i[1].log()[-1500:])


def unproved(i):
    """nopassword= leaves the password to the other server to look at: where that is this one, nobody would."""
    got = imap("free"), pop("free"), imap("freed"), imap("freed", "wrong")
    ok(got[0].startswith("a NO") and got[1].startswith("-ERR") and i.logged("nobody has looked at the password"), "nopassword with proxy_maybe, and it is here: refused", got)
    ok("OK" in got[2] and got[3].startswith("a NO"), "and it is there: that server looks at it", got)


def rounds(i):
    """A server that hands a login on to itself, by an address that it does not know as its own."""
    f = Forwarder(ROUND)
    for user in ("round", "round2"):
        for ask, port in ((imap, IMAP), (pop, POP)):
            f.to, f.count = port, 0
            got = ask(user)
            ok("Account is temporarily unavailable." in got and f.count == 4, f"{user}, {ask.__name__}: is handed on four times, and no more", got, f.count)
    ok(all(x.logged("TTL reached zero") for x in i), "and the log says so", i[0].log()[-800:])


def ours_behind():
    with open(f"{here}/back.users", "w") as f:
        f.write("ann:{PLAIN}x\nbad:{PLAIN}other\n")
    with open(f"{here}/boss", "w") as f:
        f.write("boss:{PLAIN}bp\n")
    tls = f"imap_tls_cert_file = {here}/cert.pem\nimap_tls_key_file = {here}/key.pem\n"
    master = "auth_master_user_separator = *\nauth_master_passdb = passwd-file:" + f"{here}/boss\n"
    users("ours", BIMAP, BPOP, IMAP, POP, OURS)
    with Instance(main_cf("back.users", "back") + master, f"127.0.0.1:{BIMAP} inet n - n - - imap-login\n127.0.0.1:{BPOP} inet n - n - - pop3-login\n"
                  f"127.0.0.1:{BTLS} inet n - n - - imap-login -o imap_tls_cert_file={here}/cert.pem -o imap_tls_key_file={here}/key.pem\n") as back:
        ok(back.start().returncode == 0, "the server behind starts", back.log())
        with Both("ours", f"ssl_client_ca_file = {here}/cert.pem\n") as i:
            through(i, "Postern behind")
            ok(" OK [CAPABILITY IMAP4rev1" in imap("ann"), "its capabilities come along", imap("ann"))
            ok("Logged in" in imap("bob", "y") and pop("bob", "y").startswith("+OK"), "destuser= and pass=")
            ok("OK" in imap("mast") and pop("mast").startswith("+OK") and back.logged("Master user logging in as ann"), "master=", imap("mast"), pop("mast"))
            ok("OK" in imap("plain") and pop("plain").startswith("+OK"), "proxy_mech=plain")
            maybe, away = (imap(u, more=("b SELECT INBOX",)) for u in ("maybe", "away"))
            ok("OK" in maybe[0] and os.path.isdir(f"{here}/front/maybe"), "proxy_maybe= and it is here", maybe)
            ok("OK" in away[0] and not os.path.isdir(f"{here}/front/away"), "proxy_maybe= and it is there", away)
            ok("OK" in pop("maybe", more=("STAT",))[1] and pop("away").startswith("+OK"), "the same by POP3")
            unproved(i[0])
            rounds(i)
            loop = imap("loop"), pop("loop")
            ok("Account is temporarily unavailable." in loop[0] and loop[1].startswith("-ERR [SYS") and i[0].logged("proxy(loop,127.0.0.1:") and
               i[0].logged("Proxying loops to itself"), "a loop is seen", loop)
            ok(imap("nohost") == "a NO [SERVERBUG] Account is temporarily unavailable." and i[0].logged("proxy(nohost): host not given"), "host= is missing", imap("nohost"))
            ok("OK" in imap("ref3"), "host= alone sends nobody away", imap("ref3"))
            got = {u: imap(u) for u in ("tls", "anytls", "wrong", "notls")}
            ok("OK" in got["tls"] and "OK" in got["anytls"], "STARTTLS with a certificate that verifies, and any", got, i[0].log()[-2000:])
            ok("UNAVAILABLE" in got["wrong"] or "SERVERBUG" in got["wrong"], "a certificate of another name is refused", got, i[0].log()[-2000:])
            ok(got["notls"] == "a NO [SERVERBUG] Account is temporarily unavailable." and i[0].logged("STARTTLS not supported"), "no STARTTLS there: nothing is said in clear", got)
            tls_bytes(i[0])
            for user in ("odd", "odd2"):
                ok(imap(user) == "a NO [AUTHENTICATIONFAILED] Authentication failed.", f"{user}: a field that is not known, or not so, lets nobody in", imap(user))
            ok(i[0].logged("proxy_mech= is not as it should be: login denied") and i[0].logged("extra field source_ip is not supported: login denied"), "and the log says so", i[0].log()[-1500:])
            cram = imaplib.IMAP4("127.0.0.1", IMAP)
            ok(cram.login_cram_md5("bob", "y")[0] == "OK", "CRAM-MD5 here, pass= there")
            cram.logout()
            tickets(i[0])
            stops(i, back)


def tickets(i):
    auth, dial = Talk(i, "authd"), Talk(i, "dialer")

    def start(user, password=b"x"):
        return auth.ask("start", service=b"imap", mechanism=b"PLAIN", peer=b"127.0.0.1", local=b"127.0.0.1", session=b"s", tls=b"no", secured=b"yes",
                        data=b"\0" + user + b"\0" + password)

    said = start(b"ann")
    ok(said["is"] == "yes" and said["proxy"] == b"yes" and "ticket" not in said, "who is elsewhere gets no ticket for a mailbox here", said)
    ok(auth.ask("redeem", ticket=said["way"])["is"] == "no", "nor is the way one")
    way = start(b"ann")["way"]
    first, second = (dial.ask("way", ticket=way, local=b"127.0.0.1", port=b"1") for _ in range(2))
    ok(first["is"] == "dialed" and first["fds"] == 1 and second["is"] == "refused" and not second["fds"], "the dialer takes it once", first, second)
    ticket = start(b"ref3")["ticket"]
    got = [dial.ask("way", ticket=x, local=b"127.0.0.1", port=b"1") for x in (ticket, b"0" * 32, b"")]
    ok(all(g["is"] == "refused" and not g["fds"] for g in got) and auth.ask("redeem", ticket=ticket)["is"] == "no", "and nothing else", got)
    got = dial.ask("dial", endpoint=f"inet:127.0.0.1:{BIMAP}".encode())
    ok(got["is"] == "refused", "a server of somebody's is no endpoint", got)
    said = start(b"nolog2"), start(b"ref2", b"wrong")
    ok(said[0]["is"] == "no" and said[0]["told"] == b"goaway" and said[1]["is"] == "no" and "host" not in said[1], "where to is told to who was right, alone", said)


def tls_bytes(i):
    """Through TLS to the server, in parts that a record does not end with."""
    m = imaplib.IMAP4("127.0.0.1", IMAP)
    m.login("tls", "x")
    m.select()
    big = b"Subject: t\r\n\r\n" + os.urandom(1 << 20).hex().encode() + b"\r\n"
    m.append("INBOX", None, None, big)
    m.noop()
    same = all(m.fetch("*", "(BODY.PEEK[])")[1][0][1] == big for _ in range(3))
    ok(same, "two megabytes through TLS, three times")
    m.logout()


def stops(i, back):
    c = Line(IMAP)
    direct = Line(BIMAP)
    ok("OK" in c.ask("a LOGIN ann x", "a ") and "OK" in direct.ask("a LOGIN ann x", "a "), "logged in")
    back.run("stop")
    heard, said = ((x.line(), x.line()) for x in (c, direct))
    ok(heard == said and heard[-1] == "", "the server behind stops: the client hears what that server says, and the end", heard, said)
    direct.close()
    c.close()
    ok(logged(i[0], r"proxy\(ann,127\.0\.0\.1:\d+\): Disconnected by server"), "and the log says who it was", i[0].log()[-800:])
    ok(imap("ann") == "a NO [UNAVAILABLE] Account is temporarily unavailable." and pop("ann") == "-ERR [SYS/TEMP] Account is temporarily unavailable.", "while it is away", imap("ann"), pop("ann"))
    ok(i[0].logged(f"connect(127.0.0.1, {BIMAP}) failed"), "its log line", i[0].log()[-800:])


def misbehaves():
    """Bounded in time and in bytes, whatever that server says."""
    fake = Fake(FAKE)
    users("ours", BIMAP, BPOP, IMAP, POP, OURS)
    with Both("ours") as i:
        fake.greeting = b""
        got = imap("fake")
        ok(got == "a NO [UNAVAILABLE] Account is temporarily unavailable." and i[0].logged("Login timed out"), "one that is silent", got)
        for name, greeting in (("no line end", b"* OK " + b"x" * 200000), ("lines without end", b"* OK hi\r\n" + b"* x\r\n" * 100000), ("a BYE", b"* BYE no\r\n"),
                               ("another protocol", b"220 smtp\r\n"), ("a preauthenticated one", b"* PREAUTH hi\r\n")):
            fake.greeting = greeting
            got = imap("fake")
            ok("Account is temporarily unavailable." in got, f"{name}", got)
        fake.greeting = b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED SASL-IR] hi\r\n"
        ok("SERVERBUG" in imap("fake") and not any("x" in h for h in fake.heard), "LOGINDISABLED: no password is said", fake.heard)
        fake.greeting = b"* OK [CAPABILITY IMAP4rev1 ID SASL-IR] hi\r\n"
        fake.answer = lambda l: l.split()[0].encode() + (b" OK done\r\n" if " ID " in l else b" NO unknown user\r\n")
        ok(imap("fake") == "a NO [AUTHENTICATIONFAILED] Authentication failed.", "words without a code are not handed on", imap("fake"))
        ident = next((h for h in fake.heard if " ID " in h), "")
        ok('"x-originating-ip" "127.0.0.1"' in ident and f'"x-connected-port" "{IMAP}"' in ident and '"x-proxy-ttl" "4"' in ident, "ID tells who the client is", fake.heard)
        fake.answer = lambda l: l.split()[0].encode() + b" NO [INUSE] wait\r\n"
        ok(imap("fakep") == "a NO [INUSE] wait" and "L AUTHENTICATE PLAIN " + base64.b64encode(b"\0fakep\0x").decode() in fake.heard, "those with one are; SASL-IR", fake.heard)
        fake.answer = lambda l: b"L OK [CAPABILITY IMAP4rev1 X-MINE] in\r\n* 3 EXISTS\r\n" if l.startswith("L ") else l.split()[0].encode() + b" OK hi\r\n"
        c = Line(IMAP)
        ok(c.ask("a LOGIN fake x") == "a OK [CAPABILITY IMAP4rev1 X-MINE] in" and c.line() == "* 3 EXISTS", "what came with the answer is not lost")
        ok(c.ask("b MINE") == "b OK hi", "and it goes on")
        c.close()
        c = Line(IMAP)
        c.ask("c CAPABILITY", "c ")
        ok([c.ask("a LOGIN fake x"), c.line()] == ["* CAPABILITY IMAP4rev1 X-MINE", "a OK in"], "who has asked for capabilities hears them untagged")
        c.close()
        fake.greeting, fake.answer = b"+OK [XCLIENT] hi\r\n", lambda l: b"+OK fine\r\n"
        ok(pop("fake") == "+OK fine" and re.match(r"XCLIENT ADDR=127\.0\.0\.1 PORT=\d+ SESSION=\S+ TTL=4$", fake.heard[0]) and fake.heard[1:] == ["USER fake", "PASS x"], "XCLIENT where it is announced", fake.heard)
        fake.greeting = b"+OK hi\r\n"
        ok(pop("fakep") != "" and fake.heard[:1] == ["AUTH PLAIN"], "not else; AUTH PLAIN", fake.heard)
        fake.answer = lambda l: b"-ERR [IN-USE] locked\r\n" if l.startswith("PASS") else b"+OK\r\n"
        ok(pop("fake") == "-ERR [IN-USE] locked", "its refusal is the client's")
        fake.greeting, fake.answer = b"* OK [CAPABILITY IMAP4rev1] hi\r\nL OK early\r\n", lambda l: b""
        before = i[0].named("imap-login")
        got = imap("fake")
        ok(wait_for(lambda: 'L LOGIN "fake" "x"' in fake.heard) and before == i[0].named("imap-login"), "answers before questions end no process: IMAP", got, fake.heard)
        fake.greeting, before = b"+OK\r\n+OK\r\n+OK\r\n", i[1].named("pop3-login")
        got = pop("fake")
        ok(wait_for(lambda: "PASS x" in fake.heard) and before == i[1].named("pop3-login"), "nor by POP3", got, fake.heard)
        fake.greeting = b"+OK hi\r\n"
        fake.answer = lambda l: b"+OK\r\n"
        c = Line(POP)
        c.ask("UTF8")
        c.ask("USER fake")
        ok(c.ask("PASS x").startswith("+OK") and fake.heard == ["UTF8", "USER fake", "PASS x"], "UTF8 that was said here is said there", fake.heard)
        c.close()
    no_authorities(fake)


def no_authorities(fake):
    """As of a configuration that was taken over: what no login needs stops none."""
    with Both("ours", f"ssl_client_ca_dir = {here}/none\n") as i:
        fake.greeting, fake.answer = b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n", lambda l: l.split()[0].encode() + b" OK fine\r\n"
        ok("OK" in imap("fake") and all(x.logged("ssl_client_ca_dir") for x in i), "ssl_client_ca_dir is not there: a server without TLS is reached", i[0].log()[-800:])
        got = imap("faket")
        ok(got == "a NO [SERVERBUG] Account is temporarily unavailable." and not any("x" in h.split() or "LOGIN" in h for h in fake.heard), "one with TLS is not, and hears no password", got, fake.heard)
        ok(logged(i[0], r"imap-login: proxy\(faket,[^)]*\): Aborting due to remote server: .*none"), "and the log says why", i[0].log()[-800:])


def outer_address():
    """One of this machine that is not its own alone; None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("198.51.100.1", 9))
            return None if s.getsockname()[0].startswith("127.") else s.getsockname()[0]
        except OSError:
            return None


def guesses():
    """A password that nobody here has looked at forgives no failures, and the other server's no is one."""
    fake = Fake(free_port())
    fake.greeting, fake.answer = b"* OK [CAPABILITY IMAP4rev1] hi\r\n", lambda l: l.split()[0].encode() + b" NO no\r\n"
    with open(f"{here}/guessed", "w") as f:
        f.write(f"any:::::::nopassword=y proxy=y host=127.0.0.1 port={fake.s.getsockname()[1]}\nmb:{{PLAIN}}x\n")
    own = outer_address()
    with Instance(main_cf("guessed", "front").replace("auth_penalty = no", "auth_penalty = yes"), f"{own or '127.0.0.1'}:{IMAP} inet n - n - - imap-login\n") as i:
        ok(i.start().returncode == 0, "start", i.log())
        auth = Talk(i, "authd")

        def late(peer, user, password):
            said = auth.ask("start", service=b"imap", mechanism=b"PLAIN", peer=peer.encode(), local=b"127.0.0.1", session=b"s", tls=b"no", secured=b"yes",
                            data=b"\0" + user + b"\0" + password)
            return said["is"], int(said.get("wait", b"0"))

        got = [late("198.51.100.7", *w) for w in ((b"mb", b"1"), (b"any", b"z"), (b"mb", b"2"), (b"any", b"z"), (b"mb", b"3"), (b"mb", b"x"), (b"mb", b"4"))]
        ok(got == [("no", 0), ("yes", 4000), ("no", 4000), ("yes", 8000), ("no", 8000), ("yes", 15000), ("no", 0)], "who was not asked for his password here is as late as a guesser, and forgives nothing", got)
        if not own:
            return ok(True, "a no of the other server counts # SKIP no address but this machine's own")
        c = Line(IMAP, host=own)
        said = c.ask("a LOGIN any guess", "a ")
        c.close()
        got = late(own, b"mb", b"1")
        ok(said.startswith("a NO") and got == ("no", 4000), "a no of the other server counts", said, got)


def stuck():
    """A server that answers nobody holds no task that mail needs."""
    import select
    hole, fake = socket.create_server(("127.0.0.1", 0), backlog=0), Fake(free_port())
    held = []
    while True:             # until its queue is full, and the next one hears nothing
        s = socket.socket()
        s.settimeout(1)
        held.append(s)
        try:
            s.connect(hole.getsockname())
        except TimeoutError:
            break
    endpoint = f"inet:127.0.0.1:{fake.s.getsockname()[1]}"
    with open(f"{here}/holes", "w") as f:
        f.write(f"hole:{{PLAIN}}x::::::proxy=y host=127.0.0.1 port={hole.getsockname()[1]} proxy_timeout=40\n")
    with Instance(main_cf("holes", "front") + f"dialer_proxy_connections = 4\ndialer_endpoints = {endpoint}\n", f"127.0.0.1:{IMAP} inet n - n - - imap-login\n") as i:
        ok(i.start().returncode == 0, "start", i.log())
        clients = [Line(IMAP) for _ in range(8)]
        for c in clients:
            c.send("a LOGIN hole x")
        heard = []
        while len(heard) < 4:
            ready = select.select([c.s for c in clients if c not in heard], [], [], 20)[0]
            heard += [c for c in clients if c.s in ready]
            if not ready:
                break
        said = [c.line() for c in heard]
        ok(said == ["a NO [UNAVAILABLE] Account is temporarily unavailable."] * 4 and i.logged("so many are in the making already"), "four wait for it, and who comes then hears so at once", said)
        got = Talk(i, "dialer").ask("dial", endpoint=endpoint.encode())
        ok(got["is"] == "dialed", "and a milter is dialed", got)
        hole.close()
        for c in clients:
            c.close()
    for s in held:
        s.close()


def static():
    """passdb static and pam, as proxies are made most often: override_fields of one for all."""
    conf = (f"protocols = imap\nauth_mechanisms = plain\ndisable_plaintext_auth = no\nssl = no\nlogin_proxy_timeout = 7 secs\nssl_client_ca_file = {here}/cert.pem\n"
            f"passdb {{\n  driver = static\n  args = nopassword=y proxy=y host=127.0.0.1 port={FAKE}\n  override_fields = destuser=%n@in.example\n}}\n")
    r = subprocess.run([f"{os.environ.get('top_builddir', '.')}/cmd/import-dovecot"], input=conf, capture_output=True, text=True)
    ok("NO EQUAL" not in r.stdout and "override_fields={destuser=%n@in.example}" in r.stdout and "login_proxy_timeout = 7s" in r.stdout, "import-dovecot takes it", r.stdout)
    fake = Fake(free_port())
    with Instance(r.stdout.replace(str(FAKE), str(fake.s.getsockname()[1])) + "auth_penalty = no\nfirst_valid_uid = 1\n", f"127.0.0.1:{IMAP} inet n - n - - imap-login\n") as i:
        ok(i.start().returncode == 0, "start", i.log())
        fake.greeting = b"* OK [CAPABILITY IMAP4rev1] hi\r\n"
        fake.answer = lambda l: b"L OK in\r\n" if l.startswith("L ") else b""
        ok("OK" in imap("ann@x.example", 'a\\"b') and fake.heard[0] == 'L LOGIN "ann@in.example" "a\\"b"', "the server there is asked for the password", fake.heard)
        r = i.run("auth", "test", "-x", "service=smtp", "ann@x.example", "anything")
        ok(r.returncode != 0, "but nobody may send mail with a password that nobody has looked at", r.stdout, r.stderr)


def beside_dovecot():
    if not ROOT or not DOVECOT:
        return ok(True, "beside Dovecot # SKIP it is not installed, or this is not root")
    users("dove", DIMAP, DPOP, IMAP, POP)
    users("peer", DIMAP, DPOP, PIMAP, PPOP)
    boss = f"auth_master_user_separator = *\npassdb {{\n  driver = passwd-file\n  args = {here}/boss\n  master = yes\n  result_success = continue\n}}\n"
    started = [dovecot(f"{here}/behind", OWNER, f"{here}/back.users", {"imap": DIMAP, "pop3": DPOP}, more="login_trusted_networks = 127.0.0.0/8\n" + boss),
               dovecot(f"{here}/proxy", OWNER, f"{here}/peer.%s", {"imap": PIMAP, "pop3": PPOP})]
    try:
        with Both("dove") as i:
            through(i, "Dovecot behind")
            for key, (said, peers) in answers().items():
                ok(said and said == peers, f"{' '.join(key)}: a client hears what Dovecot tells it", said, peers)
            ok("LOGIN-REFERRALS" in Line(IMAP).greeting, "LOGIN-REFERRALS is announced")
    finally:
        for p in started:
            p.terminate()
        for p in started:
            p.wait(20)


for d in ("front", "back"):
    os.mkdir(f"{here}/{d}")
    os.chown(f"{here}/{d}", OWNER.pw_uid, OWNER.pw_gid)
certificates()
ours_behind()
misbehaves()
guesses()
stuck()
static()
beside_dovecot()
t.end()
