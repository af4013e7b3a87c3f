#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""tls_required.py - "TLS-Required: no" (RFC 8689, 5), tls= in the log line of a delivery, and known_tcp_ports

A recipient's domain names the transport and the port of a server: e2525.example.net goes by `e` to
[127.0.0.1]:2525, or by a name of that port that known_tcp_ports alone knows.
"""
import os, re, shutil, smtplib, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from certificates import *
from fake_smtp import *
from instance import *

t = Tap()
port = free_port()
top = tempfile.mkdtemp(prefix="postern-required.")
os.chmod(top, 0o755)
ca = Authority(f"{top}/ca")
good = ca.server("fake.example.net")
clear, secret = FakeServer(keywords=()), FakeServer(keywords=("STARTTLS",), certificate=good)
REQUIRED = "-o tls_required_enable=yes -o smtp_log_tls_feature_status=yes"
TRANSPORTS = {
    "e": f"-o smtp_tls_security_level=encrypt {REQUIRED}",
    "s": f"-o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=mx.other.example.net -o smtp_tls_CAfile={ca.pem} {REQUIRED}",
    "p": f"-o smtp_tls_security_level=may -o smtp_tls_policy_maps=regexp:{top}/policy {REQUIRED}",
    "w": f"-o smtp_tls_security_level=encrypt -o smtp_tls_wrappermode=yes {REQUIRED}",
    "a": f"-o smtp_tls_security_level=encrypt -o smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=static:user:secret -o smtp_sasl_security_options=noanonymous {REQUIRED}",
    "o": f"-o smtp_tls_security_level=may -o smtp_tls_loglevel=1 -o smtp_tls_policy_maps=static:{{encrypt protocols=TLSv1.2}} {REQUIRED}",
    "n": "-o smtp_tls_security_level=encrypt -o smtp_log_tls_feature_status=yes",
    "q": "-o smtp_tls_security_level=may",
    "m": "-o smtp_tls_security_level=may -o smtp_log_tls_feature_status=yes",
}
MASTER = """
127.0.0.1:front inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
""" + "".join(f"{name} unix - - n - - smtp {options}\n" for name, options in TRANSPORTS.items())
MAIN = f"""mydestination =
transport_maps = regexp:{top}/transport
local_recipient_maps =
notify_classes =
dnsd_servers = 127.0.0.1@{free_port()}
bounce_queue_lifetime = 0
known_tcp_ports = smtp=25, front={port}, in-clear=also-in-clear={clear.port}
"""
count = 0


def send(transport, to, header=""):
    global count
    count += 1
    rcpt = f"r{count}@{transport}{to}.example.net"
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as s:
        s.sendmail("", [rcpt], f"{header}Subject: s\r\n\r\nhello\r\n")
    got = wait_for(lambda: [l for l in i.log().splitlines() if f"to=<{rcpt}>" in l and " status=" in l], 60)
    return got[0] if got else ""


def told(line):
    return tuple(m.group(1) if (m := re.search(p, line)) else None for p in (r"dsn=([0-9.]+)", r", tls=([^,]*), dsn="))


def cases():
    global i
    with open(f"{top}/transport", "w") as f:
        f.write("/@([a-z])([0-9]+|also-in-clear)\\.example\\.net$/ ${1}:[127.0.0.1]:${2}\n")
    with open(f"{top}/policy", "w") as f:
        f.write(f"/:{clear.port}$/ encrypt\n/:{secret.port}$/ secure match=mx.other.example.net mx_host_pattern=mx.other.example.net\n")
    with Instance() as i:
        i.configure(MAIN, MASTER)
        if t.ok(i.start().returncode == 0, "start, with a port by its name in known_tcp_ports", i.log()):
            NO = "TLS-Required: No\r\n"
            for name, server, header, want, what in (
                    ("m", clear.port, "", ("2.0.0", "may:none"), "tls=: level may, in clear"),
                    ("m", secret.port, "", ("2.0.0", "may"), "level may"),
                    ("q", clear.port, "", ("2.0.0", None), "and nothing unless smtp_log_tls_feature_status says so"),
                    ("q", "also-in-clear", "", ("2.0.0", None), "a next hop's port by its name in known_tcp_ports"),
                    ("e", clear.port, "", ("4.7.4", None), "level encrypt, not offered"),
                    ("e", clear.port, NO, ("2.0.0", "may:none"), "TLS-Required: no goes in clear"),
                    ("e", clear.port, "", ("4.7.4", None), "what comes after it does not go over its connection"),
                    ("e", clear.port, "TLS-Required: yes\r\n", ("4.7.4", None), "another value says nothing"),
                    ("e", clear.port, "X: y\r\n\r\n" + NO, ("4.7.4", None), "nor does the body"),
                    ("s", secret.port, "", ("4.7.5", None), "level secure, another name"),
                    ("s", secret.port, NO, ("2.0.0", "may"), "TLS-Required: no is sent, still by TLS"),
                    ("p", secret.port, "", ("4.7.5", None), "a policy with MX patterns"),
                    ("p", secret.port, NO, ("2.0.0", "may"), "gives way"),
                    ("w", clear.port, NO, ("4.7.5", None), "wrapper mode has no clear text"),
                    ("a", clear.port, NO, ("4.7.4", None), "where we log in TLS stays what it is"),
                    ("n", clear.port, NO, ("4.7.4", None), "without tls_required_enable it has no effect")):
                line = send(name, server, header)
                t.ok(told(line) == want, what, line or i.log()[-1000:], told(line), want)
            t.ok(secret.sessions[-1].tls, "and that was TLS")
            lines = [send("o", secret.port, header) for header in ("", NO)]
            t.ok([told(line) for line in lines] == [("2.0.0", "encrypt"), ("2.0.0", "may")], "a policy with protocols", lines)
            used = re.findall(r"TLS connection established to .*: (TLSv1\.\d) with", i.log())
            t.ok(used == ["TLSv1.2"] * 2, "which hold for TLS-Required: no, too", used)
    with Instance() as i:
        i.configure(MAIN + "tls_required_enable = yes\nlmtp_tls_security_level = encrypt\n", MASTER + "l unix - - n - - lmtp\n")
        if t.ok(i.start().returncode == 0, "start, with lmtp", i.log()):
            line = send("l", clear.port, NO)
            t.ok(told(line)[0] == "4.7.4", "by lmtp TLS stays what it is", line)
    with Instance() as i:
        i.configure(MAIN.replace("front=", "front=x"), MASTER)
        r = i.start()
        t.ok(r.returncode != 0 and "known_tcp_ports" in r.stdout + r.stderr + i.log(), "a bad known_tcp_ports is an error at start", r, i.log())


try:
    cases()
finally:
    for server in (clear, secret):
        server.close()
    shutil.rmtree(top, ignore_errors=True)
t.end()
