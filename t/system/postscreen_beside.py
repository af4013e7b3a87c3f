#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postscreen_beside.py - Debian's postscreen and ours, the same dialogues: replies and log lines must be the same"""
import difflib, os, re, shutil, socket, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
POSTFIX = "/usr/sbin/postfix"
if os.getuid() != 0 or not os.path.exists("/usr/lib/postfix/sbin/postscreen"):
    print("1..0 # SKIP a private Postfix needs root, and the package postfix")
    sys.exit(0)
ports = {"us": free_port(), "them": free_port()}
CONF = """mynetworks = 10.0.0.0/8
postscreen_greet_wait = 1s
postscreen_greet_action = enforce
postscreen_pipelining_enable = yes
postscreen_non_smtp_command_enable = yes
postscreen_bare_newline_enable = yes
postscreen_non_smtp_command_action = enforce
postscreen_bare_newline_action = enforce
postscreen_command_time_limit = 2s
postscreen_command_count_limit = 12
smtpd_peername_lookup = no
"""

# name, whether he speaks too soon, what he says ("again": from the address of the one before)
DIALOGUES = [
    ("a client that speaks too soon", True, ["HELO x.example", "MAIL FROM:<a@b.c>", "RCPT TO:<u@d.e>", "DATA", "QUIT"]),
    ("a good one", False, ["EHLO x.example", "MAIL FROM:<a@b.c> SIZE=100", "RCPT TO:<u@d.e>", "RCPT TO:<v@d.e>", "DATA", "QUIT"]),
    ("a good one again", False, ["QUIT"]),
    ("QUIT after EHLO", False, ["EHLO x.example", "QUIT"]),
    ("QUIT after EHLO again", False, ["EHLO x.example", "QUIT"]),
    ("QUIT after MAIL", False, ["EHLO x.example", "MAIL FROM:<a@b.c>", "QUIT"]),
    ("hanging up after RCPT", False, ["EHLO x.example", "MAIL FROM:<a@b.c>", "RCPT TO:<u@d.e>"]),
    ("pipelining", False, ["EHLO x.example\r\nMAIL FROM:<a@b.c>", "RCPT TO:<u@d.e>", "QUIT"]),
    ("HTTP", False, ["GET / HTTP/1.1", "HELO x", "MAIL FROM:<a@b.c>", "RCPT TO:<u@d.e>", "QUIT"]),
    ("a header", False, ["Subject: x", "MAIL FROM:<a@b.c>", "RCPT TO:<u@d.e>", "QUIT"]),
    ("a bare newline", False, ["HELO x\n", "MAIL FROM:<a@b.c>", "RCPT TO:<u@d.e>", "QUIT"]),
    ("commands without argument", False, ["HELO", "EHLO", "RCPT TO:<a@b>", "DATA"]),
    ("small verbs", False, ["VRFY", "VRFY x@y", "ETRN x", "HELP", "AUTH PLAIN", "STARTTLS", "NOOP x", "RSET x", "XCLIENT NAME=x", "QUIT"]),
    ("bad syntax", False, ["MAIL", "MAIL FROM:<a@b.c>", "MAIL FROM:<a@b.c>", "RCPT", "RCPT TO:u", "DATA"]),
    ("DATA after RSET", False, ["MAIL FROM:<a@b.c> BODY=8BITMIME", "RCPT TO:<u@d.e> NOTIFY=NEVER", "RSET", "DATA"]),
    ("addresses without brackets", False, ["MAIL FROM: a@b.c", "RCPT TO: <u@d.e>", "QUIT x"]),
    ("unknown commands", False, ["FOO bar", "", "QUIT"]),
    ("too many commands", False, ["NOOP"] * 14),
    ("silence", False, ["NOOP", "WAIT"]),
    ("a long line", False, ["NOOP " + "x" * 3000]),
]


def talk(port, ip, early, lines):
    """What was said, and how the log names him."""
    s = socket.socket()
    s.settimeout(8)
    s.bind((ip, 0))
    s.connect(("127.0.0.1", port))
    me, f, out = f"[{ip}]:{s.getsockname()[1]}", s.makefile("rb"), []

    def reply():
        while True:
            try:
                line = f.readline().decode().rstrip("\r\n")
            except OSError:
                line = ""
            out.append(line or "the end")
            if line[3:4] != "-":
                return line != ""

    if early:
        s.sendall(b"EHLO early\r\n")
        reply()
    reply()
    for line in lines:
        if line == "WAIT":
            reply()
            break
        out.append("> " + line[:60])
        try:
            s.sendall(line.encode() + (b"" if line.endswith("\n") else b"\r\n"))
        except OSError:
            break
        if not all([reply() for _ in range(1 + line.strip("\n").count("\r\n"))]):
            break
    s.close()
    return me, out


def lines_about(log, me):
    own = [re.sub(r"^.*?postscreen\[\d+\]: ", "", l).replace(me, "CLIENT") for l in log.splitlines() if "postscreen[" in l and me in l]
    return [re.sub(r"after [\d.]+ from", "after TIME from", re.sub(r"to \[127.0.0.1\]:\d+", "to SERVER", l)) for l in own]


def run(port, log):
    told = {}
    for n, (name, early, lines) in enumerate(DIALOGUES):
        me, out = talk(port, f"127.0.0.{100 + n - name.endswith('again')}", early, lines)
        wait_for(lambda: (lines_about(log(), me) or [""])[-1].startswith(("DISCONNECT", "PASS OLD")), 5)
        told[name] = out + ["in the log:"] + lines_about(log(), me)
    return told


with Instance() as i:
    i.configure(CONF + f"dnsd_servers = 127.0.0.1@{free_port()}\n", f"""
127.0.0.1:{ports['us']} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
""")
    r = i.start()
    t.ok(r.returncode == 0, "ours starts", r)
    us = run(ports["us"], i.log)

d = tempfile.mkdtemp(prefix="postfix.")
os.chmod(d, 0o755)
for part in ("etc", "queue", "data"):
    os.makedirs(f"{d}/{part}")
shutil.chown(f"{d}/data", "postfix")
with open(f"{d}/etc/main.cf", "w") as f:
    f.write(f"""compatibility_level = 3.6
queue_directory = {d}/queue
data_directory = {d}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {d}/mail.log
maillog_file_prefixes = {d}
myhostname = mail.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
import_environment = MAIL_CONFIG
""" + CONF)
with open(f"{d}/etc/master.cf", "w") as f:
    f.write(f"""
127.0.0.1:{ports['them']} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
""")
environment = dict(os.environ, MAIL_CONFIG=f"{d}/etc")


def log_of_postfix():
    try:
        with open(f"{d}/mail.log") as log:
            return log.read()
    except FileNotFoundError:
        return ""


def answers():
    try:
        socket.create_connection(("127.0.0.1", ports["them"]), timeout=5).close()
        return True
    except OSError:
        return False


try:
    r = subprocess.run([POSTFIX, "-c", f"{d}/etc", "start"], capture_output=True, text=True, env=environment)
    t.ok(r.returncode == 0 and wait_for(answers), "Postfix starts", r)
    them = run(ports["them"], log_of_postfix)
finally:
    subprocess.run([POSTFIX, "-c", f"{d}/etc", "stop"], capture_output=True, env=environment)
    shutil.rmtree(d, ignore_errors=True)

for name, _, _ in DIALOGUES:
    t.ok(us[name] == them[name], name, "\n".join(difflib.unified_diff(them[name], us[name], "Postfix", "Postern", lineterm="", n=1)))
t.end()
