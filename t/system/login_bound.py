#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_bound.py - logins that are tied to the TLS session (SCRAM-..-PLUS; RFC 5929, 9266), and by a client certificate (EXTERNAL),
by IMAP, POP3 and SMTP; each mechanism broken off, and another after it"""
import base64, hashlib, hmac, imaplib, os, poplib, pwd, secrets, shutil, smtplib, ssl, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from certificates import Authority, run as openssl
from instance import Instance, Tap, free_port, wait_for

IMAP, IMAPS, POP, SMTP = (free_port() for _ in range(4))
t = Tap()
ok = t.ok
NAMES = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")


class Scram:
    """RFC 5802, the client's side. `flag`: "n", "y" or "p=type"; `data`: of the TLS session."""
    def __init__(self, mechanism, user, password, flag="n", data=b""):
        self.digest = "sha256" if "256" in mechanism else "sha1"
        self.user, self.password, self.gs2, self.data, self.verified, self.step = user, password.encode(), flag + ",,", data, False, 0
        self.nonce = base64.b64encode(secrets.token_bytes(12)).decode()

    def __call__(self, challenge=b""):
        self.step += 1
        if self.step == 1:
            self.bare = f"n={self.user},r={self.nonce}"
            return (self.gs2 + self.bare).encode()
        parts = dict(p.split("=", 1) for p in challenge.decode().split(","))
        if self.step == 2:
            h = lambda k, m: hmac.new(k, m, self.digest).digest()
            salted = hashlib.pbkdf2_hmac(self.digest, self.password, base64.b64decode(parts["s"]), int(parts["i"]))
            final = f"c={base64.b64encode(self.gs2.encode() + self.data).decode()},r={parts['r']}"
            message = f"{self.bare},{challenge.decode()},{final}".encode()
            key = h(salted, b"Client Key")
            proof = bytes(a ^ b for a, b in zip(key, h(hashlib.new(self.digest, key).digest(), message)))
            self.expected = base64.b64encode(h(h(salted, b"Server Key"), message)).decode()
            return f"{final},p={base64.b64encode(proof).decode()}".encode()
        self.verified = parts.get("v") == self.expected
        return b""


def context(ca, version=None, chain=None, key=None):
    c = ssl.create_default_context(cafile=ca)
    c.check_hostname = False
    if version:
        c.maximum_version = version
    if chain:
        c.load_cert_chain(chain, key)
    return c


def imap(c=None, port=None):
    m = imaplib.IMAP4_SSL("127.0.0.1", port or IMAPS, ssl_context=c) if port != IMAP else imaplib.IMAP4("127.0.0.1", IMAP)
    if port == IMAP and c:
        m.starttls(c)
    return m


def authenticate(m, mechanism, client):
    try:
        return m.authenticate(mechanism, client)[0] == "OK" and m.select()[0] == "OK"
    except imaplib.IMAP4.error:
        return False
    finally:
        m.shutdown()


def smtp(c):
    s = smtplib.SMTP("127.0.0.1", SMTP)
    s.ehlo()
    if c:
        s.starttls(context=c)
        s.ehlo()
    return s


def smtp_auth(s, mechanism, client, initial=True):
    """The final code."""
    first = client() if initial else None
    code, text = s.docmd("AUTH", mechanism + (" " + (base64.b64encode(first).decode() or "=") if initial else ""))
    while code == 334:
        code, text = s.docmd(base64.b64encode(client(base64.b64decode(text))).decode())
    return code


def master():
    return f"""
127.0.0.1:{IMAP}   inet n - n - - imap-login
127.0.0.1:{IMAPS}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
127.0.0.1:{POP}    inet n - n - - pop3-login
127.0.0.1:{SMTP}   inet n - n - - smtpd
"""


def start(i, certificate, ca, owner, more=""):
    chain, key = certificate
    with open(f"{i.dir}/users", "w") as f:
        for user, stored in (("anna", "{PLAIN}pencil"), ("bert@example.net", "{PLAIN}brush"), ("off", "{PLAIN}x")):
            home = f"{i.dir}/home/{user}"
            os.makedirs(home, exist_ok=True)
            os.chown(home, owner.pw_uid, owner.pw_gid)
            f.write(f"{user}:{stored}:{owner.pw_uid}:{owner.pw_gid}::{home}::{'nologin' if user == 'off' else ''}\n")
    i.configure(f"""auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 scram-sha-1-plus scram-sha-256-plus external
auth_ssl_username_from_cert = yes
auth_passdb = passwd-file:{i.dir}/users
auth_userdb = passwd-file:{i.dir}/users
auth_failure_delay = 0s
auth_penalty = no
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_ask_ccert = yes
smtpd_tls_CAfile = {ca}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_mechanism_filter = static:all
smtpd_relay_restrictions = reject_unauth_destination
imap_tls_ask_ccert = yes
imap_tls_CAfile = {ca}
pop3_tls_ask_ccert = yes
pop3_tls_CAfile = {ca}
{more}
""", master())
    return ok(i.start().returncode == 0, "the system starts") or print(i.log())


def bound(ca):
    plain = imap(port=IMAP)
    ok("AUTH=SCRAM-SHA-256" in plain.capabilities and not any("PLUS" in c for c in plain.capabilities), "without TLS no -PLUS", plain.capabilities)
    c = Scram("SCRAM-SHA-256", "anna", "pencil", "y")
    ok(authenticate(plain, "SCRAM-SHA-256", c) and c.verified, "a client may say there that it was offered none")
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLS 1.2"), (None, "TLS 1.3")):
        m = imap(context(ca, version))
        ok(all("AUTH=" + n in m.capabilities for n in NAMES), f"{name}: -PLUS is offered", m.capabilities)
        ok(not authenticate(m, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "anna", "pencil", "y")), f"{name}: who was told that it is not is refused")
        c = Scram("SCRAM-SHA-256", "anna", "pencil")
        ok(authenticate(imap(context(ca, version)), "SCRAM-SHA-256", c), f"{name}: who cannot do it gets in without")
        for n in NAMES:
            ok(not authenticate(imap(context(ca, version)), n, Scram(n, "anna", "pencil")), f"{name}: {n} without a binding is refused")
    for port in (IMAP, IMAPS):
        for n in NAMES:
            m = imap(context(ca, ssl.TLSVersion.TLSv1_2), port)
            c = Scram(n, "anna", "pencil", "p=tls-unique", m.sock.get_channel_binding())
            ok(authenticate(m, n, c) and c.verified, f"{n} with tls-unique, port {'IMAPS' if port == IMAPS else 'IMAP with STARTTLS'}")
            m, other = imap(context(ca, ssl.TLSVersion.TLSv1_2), port), imap(context(ca, ssl.TLSVersion.TLSv1_2), port)
            ok(not authenticate(m, n, Scram(n, "anna", "pencil", "p=tls-unique", other.sock.get_channel_binding())), f"{n}: of another session: refused")
            other.shutdown()
            m = imap(context(ca), port)
            ok(not authenticate(m, n, Scram(n, "anna", "pencil", "p=tls-unique", b"x" * 12)), f"{n}: tls-unique with TLS 1.3: refused")
    s = smtp(context(ca, ssl.TLSVersion.TLSv1_2))
    ok(set(NAMES) <= set(s.esmtp_features["auth"].split()), "smtpd offers it", s.esmtp_features["auth"])
    c = Scram(NAMES[1], "anna", "pencil", "p=tls-unique", s.sock.get_channel_binding())
    ok(smtp_auth(s, NAMES[1], c) == 235 and c.verified, "and it is good")
    s.quit()
    s = smtp(None)
    ok("PLUS" not in s.esmtp_features["auth"] and "EXTERNAL" not in s.esmtp_features["auth"], "not without TLS")
    s.quit()
    if not shutil.which("gsasl"):
        return ok(True, "tls-exporter # SKIP gsasl is not installed")
    for n in NAMES:
        for kind, port in (("--imap", IMAP), ("--smtp", SMTP)):
            done = subprocess.run(["gsasl", kind, f"--connect=localhost:{port}", "--starttls", "--no-client-first", f"--mechanism={n}", "-a", "anna", "-z", "",
                                   "-p", "pencil", f"--x509-ca-file={ca}", "-d"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            ok("server trusted" in done.stderr + done.stdout and done.returncode == 0, f"gsasl {kind}: {n} with tls-exporter of TLS 1.3", done.stdout[-1500:], done.stderr[-500:])


def external(authority, i):
    ca = authority.pem
    anna, bert, off, nobody = (authority.server(n, ["x.example"]) for n in ("anna", "BERT@example.net", "off", "stranger"))
    rogue = Authority(f"{i.dir}/rogue", "Rogue CA").server("anna")
    m = imap(context(ca))
    ok("AUTH=EXTERNAL" not in m.capabilities, "without a certificate no EXTERNAL")
    ok(not authenticate(m, "EXTERNAL", lambda _: b"anna"), "nor does it open anything")
    m = imap(context(ca, None, *anna))
    ok("AUTH=EXTERNAL" in m.capabilities, "with one it is offered")
    ok(authenticate(m, "EXTERNAL", lambda _: b""), "EXTERNAL")
    ok(authenticate(imap(context(ca, None, *anna)), "EXTERNAL", lambda _: b"anna"), "for oneself by name")
    ok(not authenticate(imap(context(ca, None, *anna)), "EXTERNAL", lambda _: b"bert@example.net"), "not for somebody else")
    ok(authenticate(imap(context(ca, None, *bert)), "EXTERNAL", lambda _: b""), "the name is made uniform")
    ok(not authenticate(imap(context(ca, None, *off)), "EXTERNAL", lambda _: b""), "nologin holds")
    ok(not authenticate(imap(context(ca, None, *nobody)), "EXTERNAL", lambda _: b""), "a certificate of nobody's")
    m = imap(context(ca, None, *rogue))
    ok("AUTH=EXTERNAL" not in m.capabilities and not authenticate(m, "EXTERNAL", lambda _: b""), "of an authority that is not ours")
    m = imap(context(ca, None, *anna))
    ok(not authenticate(m, "PLAIN", lambda _: b"\0bert@example.net\0brush"), "with a certificate only its own user gets in")
    ok(authenticate(imap(context(ca, None, *anna)), "PLAIN", lambda _: b"\0whatever\0pencil"), "by his password, under any name")
    p = poplib.POP3("127.0.0.1", POP)
    p.stls(context(ca, None, *anna))
    ok("EXTERNAL" in p.capa()["SASL"] and p._shortcmd("AUTH EXTERNAL =").startswith(b"+OK"), "POP3, with an empty initial response")
    p.quit()
    for initial in (True, False):
        s = smtp(context(ca, None, *anna))
        ok("EXTERNAL" in s.esmtp_features["auth"] and smtp_auth(s, "EXTERNAL", lambda *_: b"", initial) == 235, f"SMTP, {'with' if initial else 'without'} an initial response")
        s.quit()
    s = smtp(context(ca))
    ok("EXTERNAL" not in s.esmtp_features["auth"] and smtp_auth(s, "EXTERNAL", lambda *_: b"anna") == 535, "SMTP without a certificate")
    s.quit()
    ok(wait_for(lambda: "Login: user=<bert@example.net>, method=EXTERNAL" in i.log(), 5), "the method is logged")


def broken_off(ca):
    """SECURITY.md 2, row 9: nothing of a try is left for the next."""
    names = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", *NAMES]

    def client(s, n):
        if n.startswith("SCRAM"):
            return Scram(n, "anna", "pencil", *(("p=tls-unique", s.sock.get_channel_binding()) if n in NAMES else ()))
        if n == "LOGIN":
            words = iter((b"anna", b"pencil"))
            return lambda *_: next(words)
        if n == "CRAM-MD5":
            return lambda c: b"anna " + hmac.new(b"pencil", c, "md5").hexdigest().encode()
        return lambda *_: b"\0anna\0pencil"

    bad = []
    for a in names:
        for b in names:
            s = smtp(context(ca, ssl.TLSVersion.TLSv1_2))
            c = client(s, a)
            code, text = s.docmd("AUTH", a)
            if a.startswith("SCRAM"):
                code, text = s.docmd(base64.b64encode(c()).decode())
            if code != 334 or s.docmd("*")[0] != 501 or s.docmd("NOOP")[0] != 250 or smtp_auth(s, b, client(s, b), False) != 235:
                bad.append((a, b))
            s.close()
    ok(not bad, f"{len(names) ** 2} pairs: one broken off, another good", bad)


def required(i, ca, authority):
    i.run("stop")
    wait_for(lambda: not i.master_pid(), 20)
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    start(i, authority.server("localhost"), ca, owner, "auth_ssl_require_client_cert = yes\n")
    ok(not authenticate(imap(context(ca)), "PLAIN", lambda _: b"\0anna\0pencil"), "auth_ssl_require_client_cert: no password helps without")
    ok(authenticate(imap(context(ca, None, *authority.server("anna"))), "PLAIN", lambda _: b"\0anna\0pencil"), "with one it does")
    ok(wait_for(lambda: "client didn't present valid SSL certificate" in i.log(), 5), "which is logged")


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=master()) as i:
        authority = Authority(f"{i.dir}/ca")
        if start(i, authority.server("localhost"), authority.pem, owner) is False:
            return
        bound(authority.pem)
        external(authority, i)
        broken_off(authority.pem)
        required(i, authority.pem, authority)
        i.configure("auth_mechanisms = plain external\nauth_passdb = static:nopassword=y\n", master())
        i.run("stop")
        wait_for(lambda: not i.master_pid(), 20)
        i.start()
        try:
            imaplib.IMAP4("127.0.0.1", IMAP, timeout=10)
        except (OSError, imaplib.IMAP4.error):
            pass
        ok(wait_for(lambda: "external needs auth_ssl_username_from_cert" in i.log(), 10), "EXTERNAL without auth_ssl_username_from_cert is refused")


main()
t.end()
