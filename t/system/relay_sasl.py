#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_sasl.py - the client proves its password: SCRAM with and without the TLS session, DIGEST-MD5, tokens, by our own smtpd and by played
servers, among them liars"""
import base64, hashlib, hmac, os, pwd, re, secrets, smtplib, ssl, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from certificates import Authority
from fake_smtp import *
from instance import *

t = Tap()
ok = t.ok
IN, THERE = free_port(), free_port()
PASSWORDS = "-o smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=inline:{{127.0.0.1=user:pencil}}"
ANY = PASSWORDS + " -o smtp_sasl_security_options=noanonymous"
TRANSPORTS = {
    "a": ANY, "d": PASSWORDS, "x": PASSWORDS + " -o smtp_sasl_security_options=noanonymous,mutual_auth",
    "k": PASSWORDS + " -o smtp_sasl_security_options=noanonymous,nodictionary", "v": PASSWORDS + " -o smtp_sasl_security_options=noanonymous,noactive",
    "s": ANY + " -o smtp_sasl_mechanism_filter=!scram-sha-256-plus,!scram-sha-1-plus,!scram-sha-256,static:all",
    "n": ANY + " -o smtp_sasl_mechanism_filter=scram-sha-256", "o": ANY + " -o smtp_sasl_mechanism_filter=oauthbearer", "w": ANY + " -o smtp_sasl_mechanism_filter=digest-md5",
    "z": PASSWORDS.replace("pencil", "brush") + " -o smtp_sasl_security_options=noanonymous",
}
TLS = ("p", "b", "c")       # with STARTTLS
TRANSPORTS.update(p=ANY, b=ANY + " -o smtp_tls_protocols=TLSv1.2", c=ANY + " -o smtp_sasl_mechanism_filter=scram-sha-1-plus")
MASTER = f"""
127.0.0.1:{IN} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
""" + "".join(f"{n} unix - - n - - smtp {'-o smtp_tls_security_level=' + ('may' if n in TLS else 'none')} {o}\n" for n, o in TRANSPORTS.items())
SERVER = f"""
127.0.0.1:{THERE} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
"""
count = 0


def send(i, transport, port):
    """The log line of the delivery."""
    global count
    count += 1
    to = f"r{count}@{transport}{port}.example.net"
    with smtplib.SMTP("127.0.0.1", IN, timeout=60) as s:
        s.sendmail("s@example.net", [to], "Subject: x\r\n\r\nx\r\n")
    lines = []
    wait_for(lambda: lines or lines.extend(l for l in i.log().split("\n") if f"to=<{to}>" in l and "status=" in l), 40)
    return lines[0] if lines else ""


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def line(session):
    got = session.file.readline().strip()
    return None if got == b"*" else base64.b64decode(got)


def scram(lie):
    """A server that is asked for SCRAM-SHA-256 and lies about its proof, or leaves it out."""
    def serve(session, argument):
        first = base64.b64decode(argument.split()[-1]).decode()
        bare = first.split(",", 2)[2]
        nonce, salt = dict(p.split("=", 1) for p in bare.split(","))["r"] + "server", b"saltsaltsalt"
        challenge = f"r={nonce},s={b64(salt)},i=4096"
        session.send("334 " + b64(challenge))
        final = line(session)
        if final is None:
            return "501 5.7.0 given up"
        without = final.decode().rsplit(",p=", 1)[0]
        salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
        good = hmac.new(hmac.new(salted, b"Server Key", "sha256").digest(), f"{bare},{challenge},{without}".encode(), "sha256").digest()
        if lie == "silent":
            return "235 2.7.0 fine"
        session.send("334 " + b64("v=" + b64(good if not lie else bytes(32))))
        return "501 5.7.0 given up" if line(session) is None else "235 2.7.0 fine"
    return serve


def digest(lie):
    def serve(session, argument):
        nonce = secrets.token_hex(8)
        session.send("334 " + b64(f'realm="here",nonce="{nonce}",qop="auth",charset=utf-8,algorithm=md5-sess'))
        got = dict(re.findall(r'([a-z-]+)="?([^",]*)"?', line(session).decode()))
        h = lambda x: hashlib.md5(x).digest()
        a1 = h(f"user:{got.get('realm', '')}:pencil".encode()) + f":{nonce}:{got['cnonce']}".encode()
        kd = lambda a2: h(f"{h(a1).hex()}:{nonce}:{got['nc']}:{got['cnonce']}:{got['qop']}:{h(a2.encode()).hex()}".encode()).hex()
        if got["response"] != kd("AUTHENTICATE:" + got["digest-uri"]):
            return "535 5.7.8 wrong"
        session.send("334 " + b64("rspauth=" + (kd(":" + got["digest-uri"]) if not lie else "0" * 32)))
        return "501 5.7.0 given up" if line(session) is None else "235 2.7.0 fine"
    return serve


def against_ours(i, j):
    for name, method in (("p", "SCRAM-SHA-256-PLUS"), ("b", "SCRAM-SHA-256-PLUS"), ("c", "SCRAM-SHA-1-PLUS"), ("a", "SCRAM-SHA-256"), ("d", "SCRAM-SHA-256"), ("s", "SCRAM-SHA-1")):
        before = len(j.log())
        got = send(i, name, THERE)
        ok("status=sent" in got and wait_for(lambda: f"sasl_method={method}, sasl_username=user" in j.log()[before:], 10), f"{name}: {method}, the best that both have and may", got, j.log()[before:][-1500:])
    got = send(i, "z", THERE)
    ok("status=deferred" in got and "SASL authentication failed" in got, "a wrong password", got)
    got = send(i, "k", THERE)
    ok("no mechanism available" in got, "nodictionary leaves none", got)


def against_played(i):
    for lie, good in ((None, True), ("wrong", False), ("silent", False)):
        with FakeServer({"AUTH": scram(lie)}, keywords=("AUTH SCRAM-SHA-256 PLAIN",)) as f:
            got = send(i, "x", f.port)
            ok(("status=sent" in got) == good and not any("PLAIN" in c for c in f.commands()), f"SCRAM: the server's proof is {lie or 'right'}", got, f.commands())
    for lie in (False, True):
        with FakeServer({"AUTH": digest(lie)}, keywords=("AUTH DIGEST-MD5 PLAIN LOGIN",)) as f:
            got = send(i, "d", f.port)
            ok(("status=sent" in got) == (not lie) and f.commands().count("AUTH DIGEST-MD5") == 1, f"DIGEST-MD5: the server's proof is {'false' if lie else 'right'}", got, f.commands())
    with FakeServer({"AUTH": lambda s, a: (s.send("334 !!!not base64"), "501 5.7.0 given up" if line(s) is None else "235 what")[1]}, keywords=("AUTH SCRAM-SHA-256",)) as f:
        got = send(i, "n", f.port)
        ok("status=deferred" in got and "given up" in got, "a challenge that makes no sense is given up", got, f.commands())
    with FakeServer(keywords=("AUTH DIGEST-MD5 CRAM-MD5 PLAIN",)) as f:
        got = send(i, "v", f.port)
        ok("no mechanism available" in got and not [c for c in f.commands() if c.startswith("AUTH")], "noactive leaves none of these", got, f.commands())
    with FakeServer(keywords=("AUTH SCRAM-SHA-256-PLUS",)) as f:
        ok("no mechanism available" in send(i, "a", f.port), "-PLUS needs TLS")
    with FakeServer(keywords=("AUTH OAUTHBEARER XOAUTH2 PLAIN",)) as f:
        got = send(i, "o", f.port)
        sent = next((c for c in f.commands() if c.startswith("AUTH")), "")
        ok("status=sent" in got and sent == "AUTH OAUTHBEARER " + b64(f"n,a=user,\1host=127.0.0.1\1port={f.port}\1auth=Bearer pencil\1\1"), "OAUTHBEARER, where the filter names it", got, sent)
    with FakeServer({"AUTH": lambda s, a: (s.send("334 " + b64('{"status":"invalid_token"}')), "535 5.7.8 no" if line(s) == b"\1" else "500 what")[1]}, keywords=("AUTH OAUTHBEARER",)) as f:
        ok("535 5.7.8 no" in send(i, "o", f.port), "a refused token is acknowledged")


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i, Instance(master=SERVER) as j:
        chain, key = Authority(f"{j.dir}/ca").server("localhost")
        with open(f"{j.dir}/users", "w") as f:
            f.write(f"user:{{PLAIN}}pencil:{owner.pw_uid}:{owner.pw_gid}::/nonexistent::\n")
        j.configure(f"""auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 scram-sha-1-plus scram-sha-256-plus
auth_passdb = passwd-file:{j.dir}/users
auth_failure_delay = 0s
auth_penalty = no
mynetworks =
mydestination =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_security_options = noanonymous
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_sasl_authenticated, reject
default_transport = later:[127.0.0.1]:1
""", SERVER)
        i.configure("mydestination =\nsmtpd_relay_restrictions = permit_mynetworks, reject\nsmtpd_peername_lookup = no\nsmtp_dns_support_level = disabled\n"
                    "smtp_connection_cache_on_demand = no\nminimal_backoff_time = 1000s\n"
                    "transport_maps = pcre:{{/^.*@([a-z])([0-9]+)\\.example\\.net$$/ $${1}:[127.0.0.1]:$$2}}\n", MASTER)
        if not ok(i.start().returncode == 0 and j.start().returncode == 0, "two systems start"):
            return print(i.log(), j.log())
        against_ours(i, j)
        against_played(i)
        ok("signal 31" not in i.log(), "the client keeps to its promises", i.log()[-500:])


main()
t.end()
