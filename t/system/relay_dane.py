#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_dane.py - DANE (RFC 7672) and SRV (RFC 2782): a signed zone on nsd, validated by dnsd, and servers with the right and wrong keys

secure.example.net is signed and dnsd has its trust anchor; insecure.example.net is not signed.  Each server has an
address of its own in 127/8; all listen on one port (smtp_tcp_port).
"""
import glob, hashlib, os, re, shutil, signal, smtplib, socket, struct, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from certificates import *
from fake_smtp import *
from instance import *

t = Tap()
for tool in ("nsd", "ldns-keygen", "ldns-signzone"):
    if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin"):
        t.ok(True, f"DANE # SKIP no {tool} here")
        t.end()
port, mail_port, dns_port = free_port(), free_port(), free_port()
top = tempfile.mkdtemp(prefix="postern-dane.")
os.chmod(top, 0o755)
ca = Authority(f"{top}/ca")
S, U = "secure.example.net", "insecure.example.net"
sha256 = lambda data: hashlib.sha256(data).hexdigest()
certificates = {}


def certificate(name):
    if name not in certificates:
        certificates[name] = ca.server(name)
    return certificates[name]


self_made = certificate("self.example.org")
SPKI, CERT, CA, CA_SPKI = sha256(key_der(self_made[0])), sha256(der(self_made[0])), sha256(der(ca.pem)), sha256(key_der(ca.pem))
WRONG = "00" * 32
# name, TLSA records (None: none), certificate (None: no STARTTLS), dane goes, dane-only goes, trust with dane, words of a failure
CASES = [
    ("ee", [f"3 1 1 {SPKI}"], "self.example.org", True, True, "Verified", ""),
    ("eecert", [f"3 0 1 {CERT}"], "self.example.org", True, True, "Verified", ""),
    ("ee512", [f"3 1 2 {hashlib.sha512(key_der(self_made[0])).hexdigest()}"], "self.example.org", True, True, "Verified", ""),
    ("eefull", [f"3 1 0 {key_der(self_made[0]).hex()}"], "self.example.org", True, True, "Verified", ""),
    ("two", [f"3 1 1 {WRONG}", f"3 1 1 {SPKI}"], "self.example.org", True, True, "Verified", ""),
    ("bad", [f"3 1 1 {WRONG}"], "self.example.org", False, False, "Untrusted", "Server certificate not trusted"),
    ("ta", [f"2 0 1 {CA}"], f"mx-ta.{S}", True, True, "Verified", ""),
    ("takey", [f"2 1 1 {CA_SPKI}"], f"mx-takey.{S}", True, True, "Verified", ""),
    ("taname", [f"2 0 1 {CA}"], "self.example.org", False, False, "Untrusted", "Server certificate not trusted"),
    ("pkix", [f"1 1 1 {WRONG}"], "self.example.org", True, False, "Untrusted", "TLSA records unusable"),
    ("none", None, "self.example.org", True, False, "Untrusted", "no TLSA records found"),
    ("clear", None, None, True, False, None, "no TLSA records found"),
    ("strip", [f"3 1 1 {SPKI}"], None, False, False, None, "TLS is required, but was not offered"),
    ("unusableclear", [f"0 0 1 {WRONG}"], None, False, False, None, "TLS is required, but was not offered|TLSA records unusable"),
    ("bogus", [f"3 1 1 {SPKI}"], "self.example.org", False, False, None, "TLSA lookup error"),
]
address = {name: f"127.0.1.{n + 1}" for n, (name, *rest) in enumerate(CASES)}


def zones():
    head = "$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n"
    signed, plain = head, head
    for name, records, *rest in CASES:
        signed += f"{name} MX 10 mx-{name}\nmx-{name} A {address[name]}\n"
        signed += "".join(f"_{mail_port}._tcp.mx-{name} TLSA {r}\n" for r in records or [])
    signed += f"alias MX 10 mx-alias\nmx-alias CNAME mx-ee\n"
    signed += f"_submission._tcp.srv SRV 20 0 {mail_port} mx-none\n_submission._tcp.srv SRV 10 5 1 mx-down\nmx-down A 127.0.1.200\n_submission._tcp.nosrv SRV 0 0 0 .\nonlymx MX 10 mx-none\n"
    plain += f"tosecure MX 10 mx-ee.{S}.\nown MX 10 mx-own\nmx-own A {address['bad']}\n_{mail_port}._tcp.mx-own TLSA 3 1 1 {WRONG}\n"
    for zone, text in ((S, signed), (U, plain)):
        with open(f"{top}/{zone}", "w") as f:
            f.write(f"$ORIGIN {zone}.\n{text}")
    make = lambda *more: subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", *more, S], cwd=top, check=True, capture_output=True, text=True).stdout.strip()
    ksk, zsk = make("-k"), make()
    subprocess.run(["ldns-signzone", "-f", f"{top}/{S}.signed", f"{top}/{S}", zsk, ksk], cwd=top, check=True, capture_output=True)
    text = open(f"{top}/{S}.signed").read()
    owner = f"_{mail_port}._tcp.mx-bogus.{S}."
    lines = [l.replace(SPKI, WRONG) if l.startswith(owner) and "TLSA" in l.split()[:4] else l for l in text.splitlines()]
    with open(f"{top}/{S}.signed", "w") as f:
        f.write("\n".join(lines) + "\n")
    shutil.copy(f"{top}/{ksk}.ds", f"{top}/anchor")


def name_server():
    with open(f"{top}/nsd.conf", "w") as f:
        f.write(f"server:\n ip-address: 127.0.0.1@{dns_port}\n username: \"\"\n zonesdir: \"{top}\"\n database: \"\"\n pidfile: \"{top}/nsd.pid\"\n xfrdfile: \"{top}/xfrd\"\n"
                f" zonelistfile: \"{top}/zonelist\"\n xfrdir: \"{top}\"\n cookie-secret-file: \"{top}/cookies\"\n server-count: 1\nremote-control:\n control-enable: no\n"
                f"zone:\n name: {S}\n zonefile: {S}.signed\nzone:\n name: {U}\n zonefile: {U}\n")
    nsd = subprocess.Popen([shutil.which("nsd", path="/usr/sbin:" + os.environ["PATH"]), "-d", "-c", f"{top}/nsd.conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def answers():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.3)
            s.sendto(struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in S.split(".")) + b"\0\0\6\0\1", ("127.0.0.1", dns_port))
            try:
                return s.recv(2000)[3] & 15 == 0
            except OSError:
                return False
    return nsd, wait_for(answers, 10)


MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
dane unix - - n - - smtp -o smtp_tls_security_level=dane
only unix - - n - - smtp -o smtp_tls_security_level=dane-only
may unix - - n - - smtp -o smtp_tls_security_level=dane -o smtp_tls_dane_insecure_mx_policy=may
off unix - - n - - smtp -o smtp_tls_security_level=dane -o smtp_dns_support_level=enabled
srv unix - - n - - smtp -o use_srv_lookup=submission -o smtp_connect_timeout=2s
back unix - - n - - smtp -o use_srv_lookup=submission -o allow_srv_lookup_fallback=yes
hide unix - - n - - smtp -o smtp_dns_reply_filter=regexp:{top}/hide
"""
count = 0


def send(transport, domain):
    global count
    count += 1
    rcpt = f"{transport}{count}@{domain}"
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    s.sendmail("", [rcpt], "Subject: s\r\n\r\nhello\r\n")
    s.quit()
    got = wait_for(lambda: [l for l in i.log().splitlines() if f"to=<{rcpt}>" in l and " status=" in l], 15)
    return got[0] if got else i.log()[-1500:]


def cases(servers):
    for name, records, cert, dane, only, trust, words in CASES:
        for transport, well in (("dane", dane), ("only", only)):
            before, f = len(i.log()), servers[name]
            sent = len(f.messages)
            got = send(transport, f"{name}.{S}")
            line = re.search(rf"(\w+) TLS connection established to mx-{name}", i.log()[before:])
            good = ("status=sent" in got and len(f.messages) == sent + 1) if well else re.search(rf"dsn=4\.7\.[45], status=deferred \(.*({words})", got) and len(f.messages) == sent
            if trust and (transport == "dane" or well):
                good = good and line and line.group(1) == trust
            t.ok(good, f"{transport}: {name}: {'goes' if well else 'does not go'}", got, i.log()[before:])


def others():
    got = send("dane", f"tosecure.{U}")
    t.ok("status=sent" in got and re.search(r"Verified TLS connection established to mx-ee", i.log()), "an MX that is not validated to a host that is: TLSA counts", got)
    got = send("only", f"tosecure.{U}")
    t.ok("dsn=4.7.5, status=deferred" in got and "non DNSSEC destination" in got, "but not for dane-only", got)
    before = len(i.log())
    got = send("may", f"tosecure.{U}")
    t.ok("status=sent" in got, "smtp_tls_dane_insecure_mx_policy = may", got)
    got = send("dane", f"own.{U}")
    t.ok("status=sent" in got, "a TLSA record that is not validated does not count", got)
    got = send("dane", f"alias.{S}")
    t.ok("status=sent" in got and i.logged("Verified TLS connection established to mx-alias"), "an MX that is an alias: the canonical name's TLSA", got, i.log()[-800:])
    got = send("off", f"bad.{S}")
    t.ok("status=sent" in got and i.logged("dane configured with dnssec lookups disabled"), "without smtp_dns_support_level = dnssec: a warning, and may", got)
    got = send("srv", f"srv.{S}")
    t.ok("status=sent" in got and f"relay=mx-none.{S}[{address['none']}]:{mail_port}" in got and i.logged("connect to mx-down"), "SRV: priority first, then the next, with its port", got)
    got = send("srv", f"nosrv.{S}")
    t.ok("dsn=5.1.0, status=bounced (Service submission is not available at" in got, "SRV that says no", got)
    got = send("srv", f"onlymx.{S}")
    t.ok("dsn=5.4.4, status=bounced" in got and "type=SRV" in got, "no SRV", got)
    got = send("back", f"onlymx.{S}")
    t.ok(f"connect to mx-none.{S}[{address['none']}]:587" in got, "allow_srv_lookup_fallback: the MX, at that port", got)
    got = send("hide", f"none.{S}")
    t.ok("status=" in got and "status=sent" not in got and i.logged("ignoring DNS RR: mx-none"), "smtp_dns_reply_filter", got)


zones()
nsd, ready = name_server()
if not t.ok(ready, "nsd answers", nsd.stdout.read1(4000) if nsd.poll() is not None else ""):
    nsd.terminate()
    t.end()
servers = {name: FakeServer(keywords=("STARTTLS",) if cert else (), certificate=certificate(cert) if cert else None, address=address[name], port=mail_port)
           for name, records, cert, *rest in CASES}
with open(f"{top}/transport", "w") as f:
    f.write("/^(srv|back)[0-9]+@(.*)$/ ${1}:${2}:submission\n/^([a-z]+)[0-9]+@(.*)$/ ${1}:${2}\n")
with open(f"{top}/hide", "w") as f:
    f.write("/^mx-none.* IN A / IGNORE\n")
with Instance() as i:
    i.configure(f"mydestination =\ntransport_maps = regexp:{top}/transport\nlocal_recipient_maps =\nnotify_classes =\nsmtp_tls_loglevel = 1\nsmtp_tcp_port = {mail_port}\n"
                f"dnsd_servers = 127.0.0.1@{dns_port}\ndnsd_trust_anchor_file = {top}/anchor\nsmtp_dns_support_level = dnssec\nproxy_interfaces =\ninet_interfaces = 127.0.0.1\n"
                "bounce_queue_lifetime = 0\n", MASTER)
    if t.ok(i.start().returncode == 0, "start", i.log()):
        cases(servers)
        others()
    bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|terminated|exit status", l)]
    t.ok(not bad, "no program died", *bad[:10])
nsd.terminate()
nsd.wait(10)
shutil.rmtree(top, ignore_errors=True)
t.end()
