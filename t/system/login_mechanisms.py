#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_mechanisms.py - logins that prove a password without telling it: SCRAM-SHA-1, SCRAM-SHA-256, CRAM-MD5 by IMAP and POP3"""
import base64, hashlib, hmac, imaplib, os, poplib, pwd, secrets, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

PORT, POP = free_port(), free_port()
MASTER = f"""
127.0.0.1:{PORT}   inet n - n - - imap-login
127.0.0.1:{POP}    inet n - n - - pop3-login
"""
SCRAM256 = ("{SCRAM-SHA-256}4096,pFvVGjvCxlqU0PbPj7cTAg==,pEmcbhyZeuui10dPhGb+wMzI42HYe1TlIXE5hNT7lIE=,"
            "vKmKK7f/hRvAGK178nHqAzGyaIBJCesGUiMp4nqRWCw=")     # of doveadm pw: "pencil"
SLOW = "{SHA512-CRYPT}$6$rounds=400000$saltsalt$7XJcB.GYAzu2gLNWeHY9JIEdzVJdakaYoFmh6hW1wiPJb2oNeudgkeQTVuk39xvkIMziGNeADj0MDB3OJBvlV."     # "pencil", 80 times as dear as usual
t = Tap()
ok = t.ok


def spent(i):
    """CPU seconds of authd's crypt helpers, and of all that authd is made of."""
    ticks = 0
    for pid in i.named("authd") + [c for p in i.named("authd") for c in i.children(p)]:
        with open(f"/proc/{pid}/stat") as f:
            ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def cost(i, user):
    """What a wrong password of that user costs, by the least of three."""
    def once():
        before = spent(i)
        assert not imap("PLAIN", lambda _: b"\0" + user.encode() + b"\0wrong")
        return spent(i) - before
    return min(once() for _ in range(3))


class Scram:
    """RFC 5802, the client's side; `verified`: the server has proved that it knows the password too."""
    def __init__(self, digest, user, password):
        self.digest, self.user, self.password, self.verified = digest, user, password.encode(), False
        self.nonce, self.step = base64.b64encode(secrets.token_bytes(12)).decode(), 0

    def __call__(self, challenge):
        self.step += 1
        if self.step == 1:
            self.bare = f"n={self.user},r={self.nonce}"
            return ("n,," + self.bare).encode()
        parts = dict(p.split("=", 1) for p in challenge.decode().split(","))
        if self.step == 2:
            h = lambda k, m: hmac.new(k, m, self.digest).digest()
            salted = hashlib.pbkdf2_hmac(self.digest, self.password, base64.b64decode(parts["s"]), int(parts["i"]))
            final = f"c=biws,r={parts['r']}"
            message = f"{self.bare},{challenge.decode()},{final}".encode()
            key = h(salted, b"Client Key")
            proof = bytes(a ^ b for a, b in zip(key, h(hashlib.new(self.digest, key).digest(), message)))
            self.expected = base64.b64encode(h(h(salted, b"Server Key"), message)).decode()
            return f"{final},p={base64.b64encode(proof).decode()}".encode()
        self.verified = parts.get("v") == self.expected
        return b""


def imap(mechanism, client):
    m = imaplib.IMAP4("127.0.0.1", PORT)
    try:
        good = m.authenticate(mechanism, client)[0] == "OK"
        good = good and m.select()[0] == "OK"
        m.logout()
        return good
    except imaplib.IMAP4.error:
        return False


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i:
        with open(f"{i.dir}/users", "w") as f:
            for user, stored, extra in (("clear", "{PLAIN}pencil", ""), ("scram", SCRAM256, ""), ("hash", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ""),
                                        ("off", "{PLAIN}pencil", "nologin"), ("away", "{PLAIN}pencil", "allow_nets=192.0.2.0/24"),
                                        ("slow", SLOW, ""), ("slowaway", SLOW, "allow_nets=192.0.2.0/24"), ("slowoff", SLOW, "nologin"),
                                        ("openaway", "", "nopassword allow_nets=192.0.2.0/24")):
                home = f"{i.dir}/home/{user}"
                os.makedirs(home)
                os.chown(home, owner.pw_uid, owner.pw_gid)
                f.write(f"{user}:{stored}:{owner.pw_uid}:{owner.pw_gid}::{home}::{extra}\n")
        i.configure(f"auth_mechanisms = plain scram-sha-1 scram-sha-256 cram-md5\nauth_passdb = passwd-file:{i.dir}/users\n"
                    f"auth_userdb = passwd-file:{i.dir}/users\nauth_failure_delay = 0s\n", MASTER)
        if not ok(i.start().returncode == 0, "the system starts"):
            print(i.log())
            return
        m = imaplib.IMAP4("127.0.0.1", PORT)
        ok({"AUTH=SCRAM-SHA-1", "AUTH=SCRAM-SHA-256", "AUTH=CRAM-MD5", "AUTH=PLAIN"} <= set(m.capabilities), "they are offered", m.capabilities)
        m.logout()
        for mechanism, digest in (("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")):
            c = Scram(digest, "clear", "pencil")
            ok(imap(mechanism, c) and c.verified, f"{mechanism} of a password in clear; the server proves itself")
            ok(not imap(mechanism, Scram(digest, "clear", "pen")), f"{mechanism}: a wrong password")
            c = Scram(digest, "noone", "pencil")
            ok(not imap(mechanism, c) and c.step == 2, f"{mechanism}: a name that does not exist fails as a wrong password does")
        c = Scram("sha256", "scram", "pencil")
        ok(imap("SCRAM-SHA-256", c) and c.verified, "SCRAM-SHA-256 of Dovecot's stored keys")
        ok(imap("PLAIN", lambda _: b"\0scram\0pencil") and not imap("PLAIN", lambda _: b"\0scram\0pen"), "which PLAIN can use too")
        ok(not imap("SCRAM-SHA-256", Scram("sha256", "hash", "secret")), "not of a hash")
        ok(not imap("SCRAM-SHA-256", Scram("sha256", "off", "pencil")), "nologin")
        ok(not imap("SCRAM-SHA-256", Scram("sha256", "away", "pencil")), "allow_nets")
        ok(imap("PLAIN", lambda _: b"\0slow\0pencil"), "a dear hash")
        wrong = cost(i, "slow")
        for user, what in (("slowaway", "another net"), ("slowoff", "nologin"), ("openaway", "another net, nopassword"), ("nobodyatall", "an unknown name")):
            c = cost(i, user)
            ok(wrong > 0.05 and c > wrong / 2, f"{what} costs as much as a wrong password", c, wrong)
        m = imaplib.IMAP4("127.0.0.1", PORT)
        ok(m.login_cram_md5("clear", "pencil")[0] == "OK", "CRAM-MD5")
        m.logout()
        p = poplib.POP3("127.0.0.1", POP)
        ok("SCRAM-SHA-256" in p.capa()["SASL"], "POP3 offers them")
        c = Scram("sha256", "clear", "pencil")
        answer = p._shortcmd("AUTH SCRAM-SHA-256 " + base64.b64encode(c(b"")).decode())
        while answer.startswith(b"+ "):
            answer = p._shortcmd(base64.b64encode(c(base64.b64decode(answer[2:]))).decode())
        ok(answer.startswith(b"+OK") and c.verified and p.stat()[0] == 0, "POP3 with SCRAM-SHA-256 and an initial response", answer)
        p.quit()
        ok(wait_for(lambda: "imap-login: Login: user=<scram>, method=SCRAM-SHA-256, rip=127.0.0.1" in i.log(), 5), "the method is logged")
        ok(wait_for(lambda: "auth: passwd-file(clear,127.0.0.1): Password mismatch" in i.log(), 5), "and a wrong proof at once")


main()
t.end()
