#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""tls_server.py - smtpd's side of TLS: certificates by SNI, client certificates by chain and by fingerprint,
cipher lists, options, rate limits, what is logged and written into Received:"""
import glob, os, re, shutil, smtplib, socket, ssl, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
work = tempfile.mkdtemp(prefix="postern-tls.")
os.chmod(work, 0o755)


def openssl(*words):
    return subprocess.run(["openssl", *words], cwd=work, check=True, capture_output=True, text=True).stdout


def certificate(name, *more):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", *more)
    with open(f"{work}/{name}.pem", "w") as f:
        f.write(open(f"{work}/{name}.key").read() + open(f"{work}/{name}.crt").read())
    return f"{work}/{name}.pem"


server, other, deep = certificate("mail.example.net"), certificate("mx.example.org"), certificate("wild.example.com")
known, stranger = certificate("known.example.com"), certificate("stranger.example.com")
openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.crt")
openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=signed.example.com\" (x", "-keyout", "signed.key", "-out", "signed.csr")
openssl("x509", "-req", "-in", "signed.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "signed.crt")
for name in ("forservers", "formail"):        # extended key usage: TLS server alone, e-mail alone
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.example.com", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(f"{work}/{name}.ext", "w") as f:
        f.write(f"extendedKeyUsage={'serverAuth' if name == 'forservers' else 'emailProtection'}\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
unknown = certificate("unknown.example.com", "-addext", "extendedKeyUsage=serverAuth")


def fingerprint(path, digest):
    return openssl("x509", "-in", path, "-noout", "-fingerprint", "-" + digest).strip().split("=")[1]


def key_fingerprint(path):
    der = subprocess.run(f"openssl x509 -in {path} -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -c",
                         shell=True, capture_output=True, text=True, check=True).stdout
    return der.strip().split("= ")[1].upper()


with open(f"{work}/sni", "w") as f:
    f.write(f"mx.example.org {other}\n.example.com {work}/wild.example.com.key, {work}/wild.example.com.crt\n")
with open(f"{work}/openssl.cnf", "w") as f:
    f.write("openssl_conf = one\n[one]\n")
ports = {name: free_port() for name in ("plain", "cert", "require", "md5", "few", "rate", "wrapper", "access", "servers", "clients", "requireservers")}
uid, gid = (5000, 5000) if os.getuid() == 0 else (os.getuid(), os.getgid())
MASTER = f"""cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
dialer unix - - n - - dialer
dnsd unix - - n - - dnsd
postlog unix-dgram n - n - 1 postlogd
127.0.0.1:{ports['plain']} inet n - n - - smtpd
127.0.0.1:{ports['cert']} inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes -o smtpd_tls_CAfile={work}/ca.crt -o smtpd_tls_received_header=yes
    -o {{ smtpd_relay_restrictions = permit_tls_clientcerts, permit_tls_all_clientcerts, reject_unauth_destination }}
    -o relay_clientcerts=inline:{{{{{fingerprint(known, 'sha256')}=known}},{{{key_fingerprint(stranger)}=stranger}}}}
127.0.0.1:{ports['require']} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_tls_CAfile={work}/ca.crt
127.0.0.1:{ports['requireservers']} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_tls_CAfile={work}/ca.crt -o tls_trust_server_ccerts=yes
127.0.0.1:{ports['servers']} inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes -o smtpd_tls_CAfile={work}/ca.crt -o tls_trust_server_ccerts=yes
    -o {{ smtpd_relay_restrictions = permit_tls_all_clientcerts, reject_unauth_destination }}
127.0.0.1:{ports['clients']} inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes -o smtpd_tls_CAfile={work}/ca.crt
    -o {{ smtpd_relay_restrictions = permit_tls_all_clientcerts, reject_unauth_destination }}
127.0.0.1:{ports['md5']} inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes -o smtpd_tls_fingerprint_digest=sha1
    -o {{ smtpd_client_restrictions = check_ccert_access inline:{{{{{fingerprint(known, 'sha1')}=REJECT by sha1}}}} }}
127.0.0.1:{ports['few']} inet n - n - - smtpd -o tls_medium_cipherlist=ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256
    -o smtpd_tls_protocols=TLSv1.2 -o tls_preempt_cipherlist=yes -o tls_ssl_options=NO_TICKET,NO_COMPRESSION
    -o tls_eecdh_auto_curves=secp384r1 -o tls_config_file={work}/openssl.cnf
127.0.0.1:{ports['rate']} inet n - n - - smtpd -o smtpd_client_new_tls_session_rate_limit=1 -o smtpd_client_event_limit_exceptions=
127.0.0.1:{ports['wrapper']} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_upstream_proxy_protocol=haproxy
"""
MAIN = f"""mydestination =
mynetworks = 192.0.2.0/24
virtual_mailbox_domains = example.net
virtual_mailbox_maps = inline:{{u@example.net=u/}}
virtual_mailbox_base = {work}/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = may
smtpd_tls_chain_files = {server}
smtpd_tls_loglevel = 1
tls_server_sni_maps = texthash:{work}/sni
default_transport = virtual
"""


def context(pem=None, key=None, **limits):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if pem:
        c.load_cert_chain(pem, key)
    for name, value in limits.items():
        if name == "ciphers":
            c.set_ciphers(value)
        else:
            setattr(c, name, value)
    return c


def talk(port, c, sni=None):
    """An SMTP session in TLS."""
    s = smtplib.SMTP("127.0.0.1", port, timeout=30, local_hostname="client.example.com")
    s._host = sni or "nobody.invalid"
    s.starttls(context=c)
    s.ehlo()
    return s


def shown(sock):
    der = sock.getpeercert(True)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=der, capture_output=True).stdout.decode()
    return text.strip().split("CN = ")[-1]


with Instance(main=MAIN, master=MASTER) as i:
    os.mkdir(work + "/boxes")
    os.chmod(work + "/boxes", 0o777)
    t.ok(i.start().returncode == 0, "start", i.log())
    for sni, expected in (("mx.example.org", "mx.example.org"), ("MX.Example.ORG", "mx.example.org"), ("a.b.example.com", "wild.example.com"),
                          ("example.com", "mail.example.net"), ("nobody.invalid", "mail.example.net")):
        with talk(ports["plain"], context(), sni) as s:
            t.ok(shown(s.sock) == expected, f"SNI {sni}: the certificate of {expected}", shown(s.sock))
    t.ok(re.search(r"Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.3 with cipher \S+ \(\d+/\d+ bits\)", i.log()),
         "smtpd_tls_loglevel = 1", i.log())

    def relays(pem, key=None):
        with talk(ports["cert"], context(pem, key)) as s:
            s.docmd("MAIL", "FROM:<a@example.com>")
            return s.docmd("RCPT", "TO:<b@example.org>")
    t.ok(relays(known)[0] == 250, "a fingerprint in relay_clientcerts may relay")
    t.ok(relays(stranger)[0] == 250, "so may that of a public key")
    t.ok(relays(f"{work}/signed.crt", f"{work}/signed.key")[0] == 250, "so may one that the authority signed")
    t.ok(relays(None)[0] == 554, "without a certificate: no")
    t.ok(relays(other)[0] == 554, "with one that nobody knows: no")
    log = i.log()
    t.ok("Untrusted TLS connection established from" in log and "Trusted TLS connection established from" in log, "trust is logged", log)
    with talk(ports["cert"], context(f"{work}/signed.crt", f"{work}/signed.key")) as s:
        s.sendmail("a@example.com", ["u@example.net"], b"Subject: x\r\n\r\nx\r\n")
    got = wait_for(lambda: glob.glob(f"{work}/boxes/u/new/*"))
    text = open(got[0]).read() if got else ""
    t.ok('(Client CN "signed.example.com\\" \\(x", Issuer "Test CA" (verified OK))' in text and "(using TLSv1.3 with cipher" in text, "Received: tells it", text)

    try:
        with talk(ports["require"], context()) as s:
            t.ok(False, "smtpd_tls_req_ccert: none", s.noop())
    except (OSError, smtplib.SMTPException, ssl.SSLError):
        t.ok(True, "smtpd_tls_req_ccert: none")
    try:
        with talk(ports["require"], context(known)) as s:
            t.ok(False, "smtpd_tls_req_ccert: one that nobody signed", s.noop())
    except (OSError, smtplib.SMTPException, ssl.SSLError):
        t.ok(True, "smtpd_tls_req_ccert: one that nobody signed")
    with talk(ports["require"], context(f"{work}/signed.crt", f"{work}/signed.key")) as s:
        t.ok(s.noop()[0] == 250, "smtpd_tls_req_ccert: a signed one")

    for name, pair, clients, servers in (("signed for anything", ("signed",), 250, 250), ("signed for servers", ("forservers",), 554, 250),
                                         ("signed for e-mail", ("formail",), 554, 554), ("for servers, that nobody signed", ("unknown.example.com",), 554, 554)):
        for service, want in (("clients", clients), ("servers", servers)):
            with talk(ports[service], context(f"{work}/{pair[0]}.crt", f"{work}/{pair[0]}.key")) as s:
                s.docmd("MAIL", "FROM:<a@example.com>")
                got = s.docmd("RCPT", "TO:<x@elsewhere.example>")
                t.ok(got[0] == want, f"tls_trust_server_ccerts = {'yes' if service == 'servers' else 'no'}: a certificate {name}", got)
    for name, port, well in (("no", "require", False), ("yes", "requireservers", True)):
        try:
            with talk(ports[port], context(f"{work}/forservers.crt", f"{work}/forservers.key")) as s:
                t.ok((s.noop()[0] == 250) == well, f"smtpd_tls_req_ccert, tls_trust_server_ccerts = {name}: one for servers")
        except (OSError, smtplib.SMTPException, ssl.SSLError):
            t.ok(not well, f"smtpd_tls_req_ccert, tls_trust_server_ccerts = {name}: one for servers")

    with talk(ports["md5"], context(known)) as s:
        s.docmd("MAIL", "FROM:<a@example.com>")
        code, text = s.docmd("RCPT", "TO:<u@example.net>")
        t.ok(code == 554 and b"by sha1" in text, "check_ccert_access by smtpd_tls_fingerprint_digest", code, text)

    with talk(ports["few"], context(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")) as s:
        t.ok(s.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384", "tls_medium_cipherlist and tls_preempt_cipherlist", s.sock.cipher())
        t.ok(s.sock.session is None or not s.sock.session.has_ticket, "tls_ssl_options = NO_TICKET")
    try:
        with talk(ports["few"], context(ciphers="ECDHE-ECDSA-CHACHA20-POLY1305", maximum_version=ssl.TLSVersion.TLSv1_2)) as s:
            t.ok(False, "another cipher is refused", s.sock.cipher())
    except (OSError, ssl.SSLError, smtplib.SMTPException):
        t.ok(True, "another cipher is refused")
    groups = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{ports['few']}", "-starttls", "smtp", "-groups", "X25519"],
                            input="QUIT\n", capture_output=True, text=True)
    t.ok("handshake failure" in groups.stderr + groups.stdout or groups.returncode != 0, "tls_eecdh_auto_curves", groups.stderr)

    with talk(ports["rate"], context()) as s:
        t.ok(s.noop()[0] == 250, "smtpd_client_new_tls_session_rate_limit: the first")
    with smtplib.SMTP("127.0.0.1", ports["rate"], timeout=30) as s:
        s.ehlo()
        code, text = s.docmd("STARTTLS")
        t.ok(code == 421 and b"too many new TLS sessions from 127.0.0.1" in text, "the second is told why", code, text)
    t.ok(i.logged("New TLS session rate limit exceeded: 2 from unknown[127.0.0.1] for service"), "and logged", i.log())

    raw = socket.create_connection(("127.0.0.1", ports["wrapper"]), timeout=20)
    raw.sendall(b"PROXY TCP4 198.51.100.66 192.0.2.1 5000 465\r\n")
    with context().wrap_socket(raw, server_hostname="mx.example.org") as s:
        t.ok(s.recv(100).startswith(b"220 "), "a PROXY header, and TLS right behind it")
        s.sendall(b"QUIT\r\n")
    t.ok(wait_for(lambda: "connect from unknown[198.51.100.66]" in i.log()), "is that client's session", i.log())

    i.configure(MAIN.replace("texthash:", "pcre:"), MASTER)
    r = i.run("check")
    t.ok(r.returncode != 0 and "tls_server_sni_maps" in r.stderr + r.stdout, "a table that cannot be read whole is refused", r.stderr)
shutil.rmtree(work, ignore_errors=True)
t.end()
