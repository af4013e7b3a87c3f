#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""dns_rules.py - smtpd's restrictions that ask DNS, with a name server of the test's own: DNS lists and their replies,
check_*_{a,mx,ns}_access, unknown domains, permit_mx_backup, smtpd_dns_reply_filter"""
import os, shutil, smtplib, socket, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from name_server import *

NS, TXT = 2, 16
zone = {
    "7.113.0.203.list.test": {A: ["127.0.0.4"], TXT: ["because"]},
    "7.113.0.203.allow.test": {A: ["127.0.2.1"]},
    "8.113.0.203.list.test": {A: ["127.0.0.9"]},
    "bad.test.names.test": {A: ["127.0.0.2"]},
    "bad.test": {A: ["203.0.113.50"], MX: ["10 mx.bad.test"], NS: ["ns.bad.test"]},
    "mx.bad.test": {A: ["203.0.113.66"]},
    "ns.bad.test": {A: ["203.0.113.67"]},
    "good.test": {MX: ["10 mx.good.test"], A: ["203.0.113.51"]},
    "mx.good.test": {A: ["203.0.113.52"]},
    "null.test": {MX: ["0 ."]},
    "slow.test": "servfail",
    "backed.test": {MX: ["10 primary.test", "20 mail.example.net"]},
    "elsewhere.test": {MX: ["10 other.test", "20 mail.example.net"]},
    "ours.test": {MX: ["10 mail.example.net", "20 other.test"]},
    "primary.test": {A: ["198.51.100.5"]},
    "other.test": {A: ["192.0.2.200"]},
    "mail.example.net": {A: ["127.0.0.1"]},
    "nofwd.test": {},
    "77.4.8.8.in-addr.arpa": {PTR: ["10.9.9.9"]},
    "hidden.test": {A: ["203.0.113.99"]},
}
ns = NameServer(zone)
rules = {
    "rbl": "reject_rbl_client list.test=127.0.0.[2..5;8]",
    "allow": "permit_dnswl_client allow.test=127.0.[0..255].[1..3], reject_rbl_client list.test",
    "reply": "reject_rbl_client list.test=127.0.0.9",
    "rhs": "reject_rhsbl_sender names.test, reject_rhsbl_helo names.test, reject_rhsbl_recipient names.test",
    "client": "reject_rhsbl_client names.test, reject_rhsbl_reverse_client names.test",
    "old": "reject_maps_rbl",
    "mx": "check_sender_mx_access inline:{{203.0.113.66=REJECT bad exchanger}}",
    "ns": "check_sender_ns_access inline:{{203.0.113.67=REJECT bad name server}}, check_recipient_ns_access inline:{{ns.bad.test=REJECT bad name server too}}",
    "unknown": "reject_unknown_sender_domain, reject_unknown_recipient_domain, reject_unknown_helo_hostname",
    "backup": "permit_mx_backup, reject_unauth_destination",
    "narrow": "permit_mx_backup, reject_unauth_destination",
    "filter": "reject_unknown_sender_domain",
    "hard": "reject_unknown_sender_domain",
    "number": "check_reverse_client_hostname_access inline:{{10.9.9.9=REJECT a number}}",
}
options = {
    "reply": "-o { rbl_reply_maps = inline:{{list.test=$$rbl_code 5.7.9 $${rbl_what} is listed at $$rbl_domain; see the list}} }",
    "old": "-o maps_rbl_domains=list.test",
    "number": "-o smtpd_upstream_proxy_protocol=haproxy -o smtpd_peername_lookup=yes",
    "narrow": "-o permit_mx_backup_networks=198.51.100.0/24",
    "hard": "-o unknown_address_tempfail_action=defer",
}
ports = {name: free_port() for name in (*rules, "a")}
t = Tap()
work = tempfile.mkdtemp(prefix="postern-dns.")
os.chmod(work, 0o755)
with open(f"{work}/filter", "w") as f:
    f.write("/^good\\.test\\. \\d+ IN MX 10 mx\\.good\\.test\\.$/ IGNORE\n/^good\\.test\\. \\d+ IN A / IGNORE\n")
with open(f"{work}/hosts", "w") as f:
    f.write("203.0.113.50/32 REJECT bad host\n")
options["filter"] = f"-o smtpd_dns_reply_filter=pcre:{work}/filter"
rules["a"] = f"check_sender_a_access cidr:{work}/hosts, check_helo_a_access inline:{{{{203.0.113.50=REJECT bad helo}}}}"
MASTER = """cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
dialer unix - - n - - dialer
dnsd unix - - n - - dnsd
postlog unix-dgram n - n - 1 postlogd
""" + "".join(f"127.0.0.1:{ports[n]} inet n - n - - smtpd -o {{ smtpd_recipient_restrictions = {r} }} {options.get(n, '')}\n" for n, r in rules.items())
MAIN = f"""mydestination = mail.example.net
local_recipient_maps =
mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = permit_mx_backup, reject_unauth_destination
smtpd_relay_before_recipient_restrictions = yes
dnsd_servers = 127.0.0.1@{ns.port}
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_authorized_xclient_hosts = 127.0.0.1
"""


def says(name, sender="a@good.test", rcpt="u@mail.example.net", helo="good.test", client="ADDR=203.0.113.9 NAME=good.test"):
    with smtplib.SMTP("127.0.0.1", ports[name], timeout=60) as s:
        s.ehlo("x")
        s.docmd("XCLIENT", client)
        s.ehlo(helo)
        s.docmd("MAIL", f"FROM:<{sender}>")
        code, text = s.docmd("RCPT", f"TO:<{rcpt}>")
        return f"{code} {text.decode()}"


def expect(what, start, name, **how):
    got = says(name, **how)
    t.ok(got.startswith(start), f"{what}: {start[:60]}", got, i.log()[-2000:] if not got.startswith(start) else "")


with Instance(main=MAIN, master=MASTER) as i:
    t.ok(i.start().returncode == 0, "start", i.log())
    listed, strange = "ADDR=203.0.113.7 NAME=good.test", "ADDR=203.0.113.8 NAME=good.test"
    expect("reject_rbl_client by answer", "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using list.test; because", "rbl", client=listed)
    expect("another answer is none of these", "250", "rbl", client=strange)
    expect("not listed", "250", "rbl")
    expect("permit_dnswl_client before it", "250", "allow", client=listed)
    expect("and not for others", "554", "allow", client=strange)
    expect("rbl_reply_maps", "554 5.7.9 203.0.113.8 is listed at list.test; see the list", "reply", client=strange)
    expect("reject_maps_rbl", "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using list.test; because", "old", client=listed)
    expect("reject_rhsbl_sender", "554 5.7.1 Service unavailable; Sender address [x@bad.test] blocked using names.test", "rhs", sender="x@bad.test")
    expect("reject_rhsbl_helo", "554 5.7.1 Service unavailable; Helo command [bad.test] blocked using names.test", "rhs", helo="bad.test")
    expect("reject_rhsbl_client", "554 5.7.1 Service unavailable; Client host [bad.test] blocked using names.test", "client", client="ADDR=203.0.113.9 NAME=bad.test")
    expect("reject_rhsbl_reverse_client", "554 5.7.1 Service unavailable; Unverified Client host [bad.test] blocked using names.test", "client",
           client="ADDR=203.0.113.9 NAME=[UNAVAILABLE] REVERSE_NAME=bad.test")
    expect("check_sender_mx_access", "554 5.7.1 <x@bad.test>: Sender address rejected: bad exchanger", "mx", sender="x@bad.test")
    expect("check_sender_mx_access", "250", "mx")
    expect("check_sender_ns_access, of the parent", "554 5.7.1 <x@deep.bad.test>: Sender address rejected: bad name server", "ns", sender="x@deep.bad.test")
    expect("check_sender_a_access", "554 5.7.1 <x@bad.test>: Sender address rejected: bad host", "a", sender="x@bad.test")
    expect("check_helo_a_access", "554 5.7.1 <bad.test>: Helo command rejected: bad helo", "a", helo="bad.test")
    expect("reject_unknown_sender_domain", "450 4.1.8 <x@nowhere.test>: Sender address rejected: Domain not found", "unknown", sender="x@nowhere.test")
    expect("null MX", "550 5.7.27 <x@null.test>: Sender address rejected: Domain null.test does not accept mail (nullMX)", "unknown", sender="x@null.test")
    expect("reject_unknown_helo_hostname", "450 4.7.1 <nowhere.test>: Helo command rejected: Host not found", "unknown", helo="nowhere.test")
    expect("a lookup that fails: later, if all else permits", "450 4.1.8 <x@slow.test>: Sender address rejected: Domain not found", "unknown", sender="x@slow.test")
    expect("unknown_address_tempfail_action = defer", "450 4.1.8 <x@slow.test>: Sender address rejected: Domain not found", "hard", sender="x@slow.test")
    expect("permit_mx_backup: a domain that lists us behind another", "250", "backup", rcpt="u@backed.test")
    expect("one that lists us first", "554 5.7.1 <u@ours.test>: Relay access denied", "backup", rcpt="u@ours.test")
    expect("one that does not list us", "554 5.7.1 <u@good.test>: Relay access denied", "backup", rcpt="u@good.test")
    expect("user%elsewhere", "554 5.7.1 <u%25good.test@backed.test>: Relay access denied".replace("%25", "%"), "backup", rcpt="u%good.test@backed.test")
    expect("permit_mx_backup_networks: its primary is there", "250", "narrow", rcpt="u@backed.test")
    expect("permit_mx_backup_networks: it is not", "554", "narrow", rcpt="u@elsewhere.test")
    expect("smtpd_dns_reply_filter", "450 4.1.8 <x@good.test>: Sender address rejected: Domain not found", "filter", sender="x@good.test")
    t.ok(i.logged("ignoring DNS RR: good.test. "), "and logged", i.log()[-1500:])
    with socket.create_connection(("127.0.0.1", ports["number"]), 60) as s:
        s.sendall(b"PROXY TCP4 8.8.4.77 127.0.0.1 4711 25\r\n")
        f = s.makefile("rwb")
        heard = [f.readline()]
        for line in (b"HELO x", b"MAIL FROM:<a@good.test>", b"RCPT TO:<u@mail.example.net>", b"QUIT"):
            f.write(line + b"\r\n")
            f.flush()
            heard.append(f.readline())
    t.ok(heard[3].startswith(b"250") and i.logged("numeric result 10.9.9.9"), "an address is nobody's name, whatever his PTR record says", heard, i.log()[-900:])
shutil.rmtree(work, ignore_errors=True)
t.end()
