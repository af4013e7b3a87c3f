#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_trusted.py - login_trusted_networks: who may say for whom it speaks (ID of IMAP, XCLIENT of POP3 and ManageSieve), and
what goes by that; and chains of servers, ours and Dovecot's, at whose end the log names the real client

As root in a network of its own, with addresses that are not this machine's own alone (which wait for no penalty, and may send
passwords in clear anyway).  TAP.
"""
import atexit, base64, json, os, pwd, re, shutil, socket, ssl, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Talk, Tap, free_port, wait_for
from login_dovecot import DOVECOT, dovecot

ROOT = os.getuid() == 0
OWN_NETWORK = os.environ.get("LOGIN_TRUSTED_NETWORK") == "own"
if ROOT and not OWN_NETWORK and shutil.which("unshare") and shutil.which("ip"):
    commands = "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && ip addr add 192.0.2.5/32 dev lo && ip addr add 192.0.2.6/32 dev lo"
    if subprocess.run(["unshare", "-n", "sh", "-c", commands], capture_output=True).returncode == 0:
        os.environ["LOGIN_TRUSTED_NETWORK"] = "own"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", f"{commands} && exec \"$@\"", "sh", sys.executable, *sys.argv])
HOST, TRUSTED, STRANGER = ("192.0.2.1", "192.0.2.5", "192.0.2.6") if OWN_NETWORK else ("127.0.0.1", "127.0.0.5", "127.0.0.6")
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
t = Tap()
ok = t.ok
here = tempfile.mkdtemp(prefix="postern.trusted.")
atexit.register(shutil.rmtree, here, ignore_errors=True)
os.chmod(here, 0o755)
IMAP, POP, SIEVE, FEW, DIMAP, DPOP, PIMAP, PPOP, FRONT, FRONTPOP = (free_port() for _ in range(10))
CLIENT = "198.51.100.7"
anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE


class Line:
    """A client that speaks by lines."""
    def __init__(self, port, source=TRUSTED, host=HOST):
        self.s = socket.create_connection((host, port), timeout=60, source_address=(source, 0))
        self.f = self.s.makefile("rb")
        self.greeting = self.f.readline().decode()

    def send(self, line):
        self.s.sendall((line if isinstance(line, bytes) else line.encode()) + b"\r\n")

    def line(self):
        return self.f.readline().decode(errors="replace").rstrip("\r\n")

    def ask(self, line, tag=None):
        """The answer; in IMAP all lines until the tagged one, or the end."""
        tag = tag or (line.split()[0] + " " if re.match(r"[a-z]\d* [A-Z]", line) else None)
        self.send(line)
        got = self.line()
        if not tag:
            return got
        all = [got]
        while got and not got.startswith(tag):
            got = self.line()
            all.append(got)
        return "\n".join(all)

    def tls(self, command):
        got = self.ask(command)
        self.s = anybody.wrap_socket(self.s)
        self.f = self.s.makefile("rb")
        return got

    def close(self):
        self.f.close()
        self.s.close()


def ident(ip=CLIENT, **more):
    fields = {"x-originating-ip": ip, **{f"x-{k.replace('_', '-')}": v for k, v in more.items()}}
    return "i ID (" + " ".join(f'"{k}" "{v}"' for k, v in fields.items()) + ")"


def configuration(passdb, more=""):
    return f"""mail_location = maildir:{here}/mail/%u
auth_passdb = passwd-file:{passdb}
auth_userdb = static:uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={here}/mail/%u allow_all_users=yes
auth_failure_delay = 0s
first_valid_uid = 1
first_valid_gid = 1
imap_tls_cert_file = {here}/cert.pem
imap_tls_key_file = {here}/key.pem
pop3_tls_cert_file = {here}/cert.pem
pop3_tls_key_file = {here}/key.pem
managesieve_tls_cert_file = {here}/cert.pem
managesieve_tls_key_file = {here}/key.pem
{more}"""


def logged(i, pattern):
    return bool(wait_for(lambda: re.search(pattern, i.log())))


def imap(i):
    c = Line(IMAP)
    ok("AUTH=PLAIN" in c.greeting and "LOGINDISABLED" not in c.greeting, "IMAP: a trusted one may send passwords in clear", c.greeting)
    said = c.ask(ident(originating_port="4711", connected_ip="203.0.113.9", connected_port="143", session_id="told/1", proxy_ttl="4"))
    got = c.ask("a LOGIN net x")
    ok(said == '* ID ("name" "Postern")\ni OK ID completed.' and "a OK" in got, "is believed: allow_nets goes by the told address", said, got)
    ok(logged(i, rf"imap-login: Login: user=<net>, method=PLAIN, rip={CLIENT}, lip=203\.0\.113\.9, mpid=\d+, .*session=<told/1>"), "so does the log", i.log()[-700:])
    who = json.loads(i.run("who", "-1", "-f", "json").stdout)
    ok([x["ip"] for x in who] == [CLIENT], "and who", who)
    r = i.run("kick", "net", CLIENT)
    ok(r.returncode == 0 and "net" in r.stdout and wait_for(lambda: not json.loads(i.run("who", "-1", "-f", "json").stdout)), "and kick", r.stdout, r.stderr)
    c.close()

    c = Line(IMAP, STRANGER)
    ok(not OWN_NETWORK or "LOGINDISABLED" in c.greeting, "a stranger may not send them", c.greeting)
    said = c.ask(ident(session_id="forged/1"))
    c.tls("s STARTTLS")
    again = c.ask(ident(session_id="forged/2"))
    got = c.ask("a LOGIN net x")
    ok(said == again == '* ID ("name" "Postern")\ni OK ID completed.' and "a NO" in got, "a stranger is answered, and not believed", said, again, got)
    got = c.ask("b LOGIN ann x")
    c.close()
    ok("b OK" in got and logged(i, rf"Login: user=<ann>, method=PLAIN, rip={STRANGER}, lip={HOST},") and "forged" not in i.log(), "the log names the socket's", i.log()[-700:])

    c = Line(IMAP)
    got = [c.ask(ident()), c.ask(ident()), c.ask("i ID NIL"), c.ask(ident("198.51.100.8"))]
    ok(got[0] == got[1] == got[2] and "OK" in got[0] and got[3].startswith("* BYE A connection is one client's"), "told of another one: it ends", got)
    ok(logged(i, rf"Disconnected: Another client was told of \(no auth attempts .*rip={CLIENT}"), "and the log says so", i.log()[-500:])
    c = Line(IMAP)
    got = c.ask("a LOGIN net wrong"), c.ask(ident())
    ok("a NO" in got[0] and "BYE" in got[1], "nor behind a try to log in", got)
    c = Line(IMAP)
    got = c.ask(ident()), c.ask("a LOGIN net wrong"), c.ask("b LOGIN net x")
    ok("a NO" in got[1] and "b OK" in got[2], "which a client may do twice", got)
    c.close()


def imap_states(i):
    c = Line(IMAP)
    c.ask(ident(session_id="clear/1"))
    c.tls("s STARTTLS")
    got = c.ask("a LOGIN net x")
    ok("a OK" in got, "what was said in clear holds inside TLS, as Dovecot's proxies need it", got)
    c.close()
    c = Line(IMAP)
    c.ask(ident(session_id="clear/2"))
    c.tls("s STARTTLS")
    got = c.ask(ident("198.51.100.8")), c.ask("a LOGIN net x"), c.ask(ident())
    ok("i OK" in got[0] and "a NO" in got[1], "until something is said inside", got)
    ok("BYE" in got[2] and logged(i, r"Disconnected: Another client was told of.*rip=198\.51\.100\.8, .*TLS") and "clear/2" not in i.log(), "of which nothing is left, and which is said once", i.log()[-500:])
    c = Line(IMAP)
    c.ask(ident("198.51.100.8"))
    c.tls("s STARTTLS")
    got = c.ask(ident()), c.ask("a LOGIN net x")
    ok("a OK" in got[1], "inside TLS it is said anew", got)
    got = c.ask("u UNAUTHENTICATE"), c.ask("b LOGIN net x")
    ok("u OK" in got[0] and "b OK" in got[1], "UNAUTHENTICATE: the next user has the same address", got)
    got = c.ask("v UNAUTHENTICATE"), c.ask(ident("198.51.100.8"))
    ok("v OK" in got[0] and "BYE A connection" in got[1], "and names no other", got)
    c = Line(IMAP)
    got = c.ask(ident()), c.ask("a LOGIN net x"), c.ask("u UNAUTHENTICATE"), c.tls("s STARTTLS"), c.ask("b LOGIN net x")
    ok("u OK" in got[2] and "s OK" in got[3] and "b OK" in got[4], "nor is it forgotten by STARTTLS then: who speaks is behind the proxy", got)
    c.close()
    c = Line(IMAP)
    got = c.ask("a LOGIN ann x"), c.ask("u UNAUTHENTICATE"), c.ask(ident())
    ok("u OK" in got[1] and "BYE A connection" in got[2], "nor does one name his own whose proxy said nothing", got)


def imap_hostile(i):
    rows = {"a name": ident("client.example"), "no address": ident("300.1.1.1"), "a zone": ident("fe80::1%lo"), "two": ident(f"{CLIENT}, 198.51.100.8"), "nothing": ident(""),
            "a long one": ident(CLIENT + " " * 1000), "twice": ident()[:-1] + f' "x-originating-ip" "{CLIENT}")', "no port": ident(originating_port="65536"),
            "another's": ident(connected_ip="x"), "NIL": 'i ID ("x-originating-ip" NIL)', "a list": f'i ID ("x-originating-ip" ("{CLIENT}"))', "no pair": 'i ID ("x-originating-ip")',
            "the other's word": f'i ID ("ADDR" "{CLIENT}")', "no loop": ident(proxy_ttl="-1")}
    for what, line in rows.items():
        c = Line(IMAP)
        got = c.ask(line), c.ask("a LOGIN net x")
        ok("a NO" in got[1], f"not believed: {what}", got)
        c.close()
    c = Line(IMAP)
    c.send(b'i ID ("x-originating-ip" {12+}\r\n198.51.100.7\0)')
    got = c.line(), c.ask("a LOGIN net x")
    ok("BAD" in got[0] and "a NO" in got[1], "a NUL", got)
    c.close()
    c = Line(IMAP)
    got = c.ask(ident(f"::ffff:{CLIENT}", session_id="a> rip=203.0.113.1, x=<")), c.ask("a LOGIN net x")
    ok("a OK" in got[1] and "203.0.113.1" not in i.log(), "a session's name that would forge a log line is not taken, the rest is", got)
    c.close()
    c = Line(IMAP)
    got = c.ask(ident(session_id="s" * 300)), c.ask("a LOGIN net x")
    ok("a OK" in got[1] and "sss" not in i.log(), "nor one that is too long", got)
    c.close()
    ok(logged(i, f"warning: imap-login: ID of {TRUSTED} is not believed: x-originating-ip is said twice"), "the log says what was wrong", i.log()[-500:])


def limits(i):
    """Those for whom a proxy speaks are counted, not the proxy."""
    held = []
    for ip in [CLIENT] * 2 + ["198.51.100.8"] * 2 + ["198.51.100.9"]:
        c = Line(FEW)
        held.append((c, c.ask(ident(ip))))
    ok(all("OK" in x for _, x in held), "login_max_connections_per_address: each client of a proxy has its own", [x for _, x in held])
    c = Line(FEW)
    got = c.ask(ident())
    ok(got.startswith("* BYE Too many connections from this address"), "and no more", got)
    held[0][0].close()

    def again():
        c = Line(FEW)
        held.append((c, c.ask(ident())))
        return "OK" in held[-1][1]
    ok(wait_for(again), "who goes makes room")
    held[2][0].tls("s STARTTLS")
    held[2][0].ask(ident("198.51.100.77"))
    ok(wait_for(lambda: (held.append((c := Line(FEW), c.ask(ident("198.51.100.8")))), "OK" in held[-1][1])[1]), "so does who is another one inside TLS")
    for c, _ in held:
        c.close()


def penalties():
    if not OWN_NETWORK:
        return ok(True, "penalties # SKIP no network of its own")
    with Instance(configuration(f"{here}/users", f"login_trusted_networks = {TRUSTED}\n"), f"{HOST}:{IMAP} inet n - n - - imap-login\n") as i:
        ok(i.start().returncode == 0, "start", i.log())
        guess(i)


def guess(i):
    for ip in ("203.0.113.20", "203.0.113.21"):
        c = Line(IMAP)
        c.ask(ident(ip))
        c.ask("a LOGIN net wrong")
        c.close()
    auth = Talk(i, "authd")

    def late(peer):
        return int(auth.ask("start", service=b"imap", mechanism=b"PLAIN", peer=peer.encode(), local=b"192.0.2.1", session=b"s", tls=b"no", secured=b"yes", data=b"\0ann\0bad")["wait"])
    got = late("203.0.113.20"), late("203.0.113.22"), late(TRUSTED)
    ok(got[0] == 4000 and got[1] == 0 and got[2] == 0, "a guesser behind a proxy waits; who else is behind it does not, nor does the proxy", got)


def pop(i):
    c = Line(POP)
    got = c.greeting, c.ask(f"XCLIENT ADDR={CLIENT} PORT=4711 SESSION=told/pop TTL=4 FORWARD=Zm9v"), c.ask("USER net"), c.ask("PASS x")
    ok(got[0].startswith("+OK [XCLIENT] ") and got[1].startswith("+OK") and got[3].startswith("+OK") and
       logged(i, rf"pop3-login: Login: user=<net>, method=PLAIN, rip={CLIENT}, lip={HOST}, mpid=\d+, .*session=<told/pop>"), "POP3: a trusted one is believed", got, i.log()[-500:])
    c.close()
    c = Line(POP, STRANGER)
    got = c.greeting, c.ask(f"XCLIENT ADDR={CLIENT}"), c.ask("XCLIENT ADDR=x"), c.tls("STLS"), c.ask(f"XCLIENT ADDR={CLIENT}"), c.ask("USER net"), c.ask("PASS x")
    ok("XCLIENT" not in got[0] and "not from a trusted" in got[1] and "not from a trusted" in got[2] and "not from a trusted" in got[4] and got[6].startswith("-ERR"),
       "a stranger is not asked, and not believed", got)
    c.close()
    c = Line(POP)
    got = [c.ask(f"XCLIENT {w}") for w in ("ADDR=x", "ADDR=", f"ADDR={CLIENT} ADDR={CLIENT}", f"PORT=0 ADDR={CLIENT}", f"ADDR={CLIENT},198.51.100.8", f"ADDR=\t{CLIENT}")]
    ok(all(x.startswith("-ERR Invalid") for x in got), "words that are none are refused", got)
    c.send(b"XCLIENT ADDR=198.51.100.7\0")
    got = c.line(), c.ask("USER net"), c.ask("PASS x")
    ok(not got[0].startswith("+OK") and got[2].startswith("-ERR"), "a NUL, too, and nothing of them holds", got)
    c.close()
    c = Line(POP)
    got = c.ask(f"XCLIENT ADDR={CLIENT}"), c.ask("USER net"), c.ask(f"XCLIENT ADDR={CLIENT}"), c.ask("PASS x"), c.ask("XCLIENT ADDR=198.51.100.8"), c.line()
    ok(got[3] == "-ERR No username given." and got[4].startswith("-ERR A connection is one") and got[5] == "", "a name does not outlive it; another client ends it", got)
    c = Line(POP)
    got = c.ask(f"XCLIENT ADDR={CLIENT}"), c.tls("STLS"), c.ask("USER net"), c.ask("PASS x")
    ok(got[1].startswith("+OK") and got[3].startswith("-ERR"), "STLS forgets it", got)
    c.close()
    c = Line(POP)
    got = c.ask(f"XCLIENT ADDR={CLIENT}"), c.ask("USER net"), c.ask("PASS x"), c.ask(f"XCLIENT ADDR={CLIENT}")
    ok(got[2].startswith("+OK") and got[3].startswith("-ERR"), "who is logged in says no such thing", got)
    c.close()


def sieve(i):
    def greeting(c):
        lines = [c.greeting.strip()]
        while not lines[-1].startswith(("OK", "NO", "BYE")):
            lines.append(c.line())
        return lines
    login = 'AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\0net\0x").decode() + '"'
    c = Line(SIEVE)
    got = greeting(c), c.ask(f"XCLIENT ADDR={CLIENT} PORT=4711 SESSION=told/sieve TTL=4"), c.ask(login)
    ok('"XCLIENT"' in got[0] and got[1].startswith("OK") and got[2].startswith("OK") and logged(i, rf"managesieve-login: Login: user=<net>.*rip={CLIENT}, .*session=<told/sieve>"),
       "ManageSieve: a trusted one is believed", got)
    c.close()
    c = Line(SIEVE, STRANGER)
    got = greeting(c), c.ask(f"XCLIENT ADDR={CLIENT}")
    ok('"XCLIENT"' not in got[0] and got[1].startswith('NO "You are not'), "a stranger is refused", got)
    c.close()
    c = Line(SIEVE)
    greeting(c)
    got = c.ask("XCLIENT ADDR=x"), c.ask(f"XCLIENT ADDR={CLIENT}"), c.ask("XCLIENT ADDR=198.51.100.8"), c.line()
    ok(got[0].startswith("NO") and got[1].startswith("OK") and got[2].startswith("BYE") and got[3] == "", "words that are none, and another client", got)


def refused_configuration():
    with Instance(configuration(f"{here}/users", "login_trusted_networks = 192.0.2.1/24\n"), f"{HOST}:{IMAP} inet n - n - - imap-login\n") as i:
        i.start()
        try:
            greeting = Line(IMAP).greeting
        except OSError:
            greeting = ""
        ok(greeting == "" and logged(i, r"login_trusted_networks: non-zero host bits"), "a network that is none: nobody is served by guesses", greeting, i.log()[-400:])


def direct():
    with open(f"{here}/users", "w") as f:
        f.write("ann:{PLAIN}x\nnet:{PLAIN}x::::::allow_nets=198.51.100.7\n")
    services = "".join(f"{HOST}:{p} inet n - n - - {s}\n" for p, s in ((IMAP, "imap-login"), (POP, "pop3-login"), (SIEVE, "managesieve-login"), (FEW, "imap-login -o login_max_connections_per_address=2")))
    with Instance(configuration(f"{here}/users", f"auth_penalty = no\nlogin_trusted_networks = {TRUSTED}/32, 2001:db8::/32\n"), services) as i:
        ok(i.start().returncode == 0, "start", i.log())
        for part in (imap, imap_states, pop, sieve, limits, imap_hostile):
            part(i)


# ---------------------------------------------------------------- chains

USERS = """ann:{PLAIN}x::::::proxy=y host=HOST port=BACK
loud:{PLAIN}x::::::proxy=y host=HOST port=BACK starttls=any-cert destuser=ann
shy:{PLAIN}x::::::proxy=y host=HOST port=BACK proxy_not_trusted=y destuser=ann
"""


def passwd(name, imap_back, pop_back):
    for proto, back in (("imap", imap_back), ("pop3", pop_back)):
        with open(f"{here}/{name}.{proto}", "w") as f:
            f.write(USERS.replace("HOST", HOST).replace("BACK", str(back)))


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def through(what, front_imap, front_pop, front_log, back_log):
    """A client of the front: what both say of it."""
    for proto, user in (("imap", "ann"), ("imap", "loud"), ("imap", "shy"), ("pop3", "ann"), ("pop3", "loud"), ("pop3", "shy")):
        before = len(back_log())
        c = Line(front_imap if proto == "imap" else front_pop, STRANGER)
        if proto == "imap":
            c.ask(ident("203.0.113.99", session_id="forged/chain"))
            got = c.ask(f"a LOGIN {user} x")
        else:
            c.ask("XCLIENT ADDR=203.0.113.99 SESSION=forged/chain")
            c.ask(f"USER {user}")
            got = c.ask("PASS x")
        good = "a OK" in got or got.startswith("+OK")
        line = wait_for(lambda: re.search(rf"{proto}-login: (?:Info: )?Login: user=<ann>,.*", back_log()[before:]))
        line = line[0] if line else back_log()[before:]
        rip = HOST if user == "shy" else STRANGER
        ok(good and f"rip={rip}," in line, f"{what}, {proto}, {user}: the log behind names " + ("the proxy" if user == "shy" else "the client"), got, line)
        session = re.search(r"session=<([^>]*)>", line)
        same = session and (user == "shy" or wait_for(lambda: f"session=<{session[1]}>" in front_log()))
        ok(same and "forged" not in line and (user != "shy" or f"session=<{session[1]}>" not in front_log()), f"{what}, {proto}, {user}: " + ("a session of its own" if user == "shy" else "and the same session"), line)
        c.close()


def chains():
    with open(f"{here}/back", "w") as f:
        f.write("ann:{PLAIN}x\n")
    plain = "disable_plaintext_auth = no\nauth_penalty = no\n"
    with Instance(configuration(f"{here}/back", f"{plain}login_trusted_networks = {HOST}\n"), f"{HOST}:{IMAP} inet n - n - - imap-login\n{HOST}:{POP} inet n - n - - pop3-login\n") as back:
        passwd("ours", IMAP, POP)
        ok(back.start().returncode == 0, "the server behind starts", back.log())
        fronts(back.log, "Postern before Postern", "ours", plain)
        if ROOT and DOVECOT:
            more = f"ssl = yes\nssl_cert = <{here}/cert.pem\nssl_key = <{here}/key.pem\nssl_client_ca_file = {here}/cert.pem\nlogin_trusted_networks = "
            p = dovecot(f"{here}/front", OWNER, f"{here}/ours.%s", {"imap": PIMAP, "pop3": PPOP}, HOST, more + "203.0.113.1/32\n")
            q = dovecot(f"{here}/behind", OWNER, f"{here}/back", {"imap": DIMAP, "pop3": DPOP}, HOST, more + f"{HOST}\n")
            try:
                through("Dovecot before Postern", PIMAP, PPOP, lambda: read(f"{here}/front.log"), back.log)
                passwd("dove", DIMAP, DPOP)
                fronts(lambda: read(f"{here}/behind.log"), "Postern before Dovecot", "dove", plain)
            finally:
                for x in (p, q):
                    x.terminate()
                for x in (p, q):
                    x.wait(20)
        else:
            ok(True, "Dovecot before and behind Postern # SKIP it is not installed, or this is not root")


def fronts(back_log, what, name, plain):
    """Our proxy, which has a passwd-file for each protocol."""
    with Instance(configuration(f"{here}/{name}.imap", plain), f"{HOST}:{FRONT} inet n - n - - imap-login\n") as i, \
         Instance(configuration(f"{here}/{name}.pop3", plain), f"{HOST}:{FRONTPOP} inet n - n - - pop3-login\n") as p:
        ok(i.start().returncode == 0 and p.start().returncode == 0, f"{what}: start", i.log(), p.log())
        through(what, FRONT, FRONTPOP, lambda: i.log() + p.log(), back_log)


os.mkdir(f"{here}/mail")
os.chown(f"{here}/mail", OWNER.pw_uid, OWNER.pw_gid)
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{here}/key.pem", "-out", f"{here}/cert.pem",
                "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
direct()
penalties()
refused_configuration()
chains()
t.end()
