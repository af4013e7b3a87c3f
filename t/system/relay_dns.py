#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_dns.py - from a domain to its servers: MX in all its forms, by dnsd and a name server of the test's own

Fake mail servers stand on addresses of 127/8, all on one port (smtp_tcp_port); the name server
answers from a table, and is silent, wrong or slow where the table says so.
"""
import os, re, smtplib, socket, struct, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *
from name_server import *


t = Tap()
port, mail_port = free_port(), free_port()
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
fall unix - - n - - smtp -o smtp_fallback_relay=[127.0.0.4]
nomx unix - - n - - smtp -o disable_dns_lookups=yes
loop unix - - n - - smtp -o smtp_tcp_port=25
"""
E = ".example.net"
zone = {
    "one" + E: {MX: ["10 mx1" + E]},
    "mx1" + E: {A: ["127.0.0.2"]},
    "mx2" + E: {A: ["127.0.0.3"]},
    "mx4" + E: {A: ["127.0.0.4"]},
    "order" + E: {MX: ["30 mx1" + E, "20 mx2" + E, "10 down" + E]},
    "down" + E: {A: ["127.0.0.9"]},
    "null" + E: {MX: ["0 ."]},
    "host" + E: {A: ["127.0.0.2"]},
    "alias" + E: {CNAME: ["one" + E]},
    "mxcname" + E: {MX: ["10 cn" + E]},
    "cn" + E: {CNAME: ["mx2" + E]},
    "cnloop" + E: {CNAME: ["cnloop2" + E]},
    "cnloop2" + E: {CNAME: ["cnloop" + E]},
    "noaddress" + E: {MX: ["10 missing" + E, "20 missing2" + E]},
    "partly" + E: {MX: ["10 missing" + E, "20 mx1" + E]},
    "shaky" + E: {MX: ["10 bad" + E]},
    "bad" + E: "servfail",
    "servfail" + E: "servfail",
    "silent" + E: "silent",
    "garbage" + E: "garbage",
    "nothing" + E: {PTR: ["x"]},
    "v6" + E: {MX: ["10 mx6" + E]},
    "mx6" + E: {AAAA: ["::1"]},
    "many" + E: {MX: [f"{1000 - n} m{n}" + E for n in range(999)] + ["1 mx1" + E]},
    "limit" + E: {MX: [f"{n} sick{n}" + E for n in range(1, 4)] + ["9 mx1" + E]},
    **{f"sick{n}" + E: {A: [f"127.0.0.{10 + n}"]} for n in range(1, 4)},
    "self" + E: {MX: ["10 mail" + E, "20 mx1" + E]},
    "mail" + E: {A: ["127.0.0.1"]},
    "fallback" + E: {MX: ["10 down" + E]},
    **{f"to{n}" + E: {MX: [f"10 first{n}" + E, "20 mx1" + E]} for n in range(5)},
    **{f"first{n}" + E: {A: [f"127.0.0.{20 + n}"]} for n in range(5)},
    "nomx" + E: {A: ["127.0.0.2"], MX: ["10 mx2" + E]},
}
ns = NameServer(zone)
servers = {ip: FakeServer(address=ip, port=mail_port) for ip in ("127.0.0.2", "127.0.0.3", "127.0.0.4")}
sick = [FakeServer({"GREETING": "421 4.3.2 busy"}, address=f"127.0.0.{10 + n}", port=mail_port) for n in range(1, 4)]
firsts = [FakeServer(script, address=f"127.0.0.{20 + n}", port=mail_port) for n, script in enumerate((
    {"RCPT": "450 4.2.1 busy"}, {"RCPT": "550 5.1.1 unknown"}, {"DOT": "close"}, {"DOT": "452 4.3.1 full"}, {"MAIL": "close"}))]


def submit(domain):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as s:
        s.sendmail("", [f"u@{domain}"], "Subject: s\r\n\r\nx\r\n")


def outcome(domain):
    return next((l for l in i.log().splitlines() if f"to=<u@{domain}>" in l and " status=" in l), None)


NOT_FOUND = r"\(Host or domain name not found\. Name service error for name={}\.example\.net type={}: {}\)$"
cases = [
    ("one", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "one MX"),
    ("order", "relay=mx2.example.net[127.0.0.3]:{m}", "2.0.0", "sent", "250", "the preferred is down, the next best takes it"),
    ("null", "relay=none", "5.1.0", "bounced", r"\(Domain null\.example\.net does not accept mail \(nullMX\)\)$", "null MX (RFC 7505)"),
    ("host", "relay=host.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "no MX: the host itself"),
    ("alias", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "CNAME to a domain with MX"),
    ("mxcname", "relay=cn.example.net[127.0.0.3]:{m}", "2.0.0", "sent", "250", "MX to a CNAME"),
    ("cnloop", "relay=none", "4.4.3", "deferred", "try again", "CNAMEs in a circle"),
    ("noaddress", "relay=none", "5.4.4", "bounced", NOT_FOUND.format("missing", "A", "Host not found"), "MX without address"),
    ("partly", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "one MX without address"),
    ("shaky", "relay=none", "4.4.4", "deferred", NOT_FOUND.format("bad", "A", "Host not found, try again"), "MX whose address cannot be found now"),
    ("nxdomain", "relay=none", "5.4.4", "bounced", NOT_FOUND.format("nxdomain", "MX", "Host not found"), "NXDOMAIN"),
    ("servfail", "relay=none", "4.4.3", "deferred", NOT_FOUND.format("servfail", "MX", "Host not found, try again"), "SERVFAIL"),
    ("silent", "relay=none", "4.4.3", "deferred", "Host not found, try again", "no answer, and the deadline honoured"),
    ("garbage", "relay=none", "4.4.3", "deferred", "Host not found, try again", "a malformed answer"),
    ("nothing", "relay=none", "5.4.4", "bounced", "Host found but no data record of requested type", "neither MX nor address"),
    ("v6", "relay=none", "5.4.4", "bounced", "Host", "IPv6 only, with inet_protocols = ipv4"),
    ("many", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "a thousand MX: the best"),
    ("limit", "relay=sick2.example.net[127.0.0.12]:{m}", "4.3.2", "deferred", "refused to talk to me: 421 4.3.2 busy", "smtp_mx_session_limit: two sessions"),
    ("self", "relay=none", "5.4.6", "bounced", r"\(mail for self\.example\.net loops back to myself\)$", "we are the best MX ourselves"),
    ("to0", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "RCPT 4xx at the first: the second"),
    ("to1", "relay=first1.example.net[127.0.0.21]:{m}", "5.1.1", "bounced", "550 5.1.1", "RCPT 5xx at the first: no second"),
    ("to2", "relay=first2.example.net[127.0.0.22]:{m}", "4.4.2", "deferred", "message may be sent more than once",
     "lost after the dot at the first: no second, it would be a duplicate"),
    ("to3", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "4xx after the dot at the first: the second"),
    ("to4", "relay=mx1.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "the first hangs up at MAIL: the second"),
    ("fallback", "relay=127.0.0.4[127.0.0.4]:{m}", "2.0.0", "sent", "250", "smtp_fallback_relay when nobody can be reached"),
    ("nomx", "relay=nomx.example.net[127.0.0.2]:{m}", "2.0.0", "sent", "250", "disable_dns_lookups: the host, not its MX"),
    ("[127.0.0.3]", "relay=127.0.0.3[127.0.0.3]:{m}", "2.0.0", "sent", "250", "an address literal"),
]
MAIN = f"""mydestination =
smtp_tcp_port = {mail_port}
dnsd_timeout = 4s
resolve_numeric_domain = no
smtp_randomize_addresses = yes
transport_maps = inline:{{self{E}=loop fallback{E}=fall: nomx{E}=nomx:}}
"""
with Instance(master=MASTER) as i:
    i.configure(MAIN.replace("=loop ", "=loop: ") + f"dnsd_servers = 127.0.0.1@{ns.port}\n", MASTER)
    if t.ok(i.start().returncode == 0, "start", i.log()):
        domains = [c[0] if c[0][0] == "[" else c[0] + E for c in cases]
        for d in domains:
            submit(d)
        for d, (name, relay, dsn, status, text, title) in zip(domains, cases):
            got = wait_for(lambda: outcome(d), 25)
            t.ok(got and relay.format(m=mail_port) + "," in got and f"dsn={dsn}, status={status} (" in got and re.search(text, got), title, got, i.log()[-1500:] if not got else "")
        t.ok(i.logged("warning: no MX host for noaddress.example.net has a valid address record"), "the warning of (vi) 19")
        t.ok(len({n for n, k in ns.asked if n.startswith("m") and k == A and n[1:2].isdigit()}) < 100, "a thousand MX are not a thousand questions")
        t.ok(not sick[2].sessions, "the third sick server was left alone")
        bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|exit status", l)]
        t.ok(not bad, "no program died", *bad[:10])
with Instance(master=MASTER) as i:        # native is the hosts file, and then DNS
    i.configure(MAIN.replace("=loop ", "=loop: ") + f"dnsd_servers = 127.0.0.1@{ns.port}\nsmtp_host_lookup = native\n", MASTER)
    if t.ok(i.start().returncode == 0, "start with smtp_host_lookup = native", i.log()):
        submit("one" + E)
        got = wait_for(lambda: outcome("one" + E), 25)
        t.ok(got and "status=sent" in got, "a name that is not in the hosts file is no reason to return mail", got, i.log()[-1500:])
with Instance(master=MASTER) as i:        # a forwarder that is not there at all
    i.configure(MAIN.replace("=loop ", "=loop: ") + f"dnsd_servers = 127.0.0.1@{free_port()}\n", MASTER)
    if t.ok(i.start().returncode == 0, "start with a dead forwarder", i.log()):
        submit("one" + E)
        got = wait_for(lambda: outcome("one" + E), 15)
        t.ok(got and "dsn=4.4.3, status=deferred" in got and float(re.search(r"delay=([\d.]+)", got).group(1)) < 6, "deferred within the deadline", got, i.log()[-1500:])
t.end()
