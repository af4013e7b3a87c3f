#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""policy_services.py - Debian's postgrey and policyd-spf judge real mail; swaks says XCLIENT; a session that takes
the last place of its service is under stress"""
import os, re, shutil, signal, smtplib, socket, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin"
postgrey, spf, swaks, nsd = (shutil.which(p, path=PATH) for p in ("postgrey", "policyd-spf", "swaks", "nsd"))
root = os.getuid() == 0
work = tempfile.mkdtemp(prefix="postern-policy.")
os.chmod(work, 0o777)
grey, grey_port, spf_port, stress_port, post_port = (free_port() for _ in range(5))
user = "nobody" if root else __import__("pwd").getpwuid(os.getuid()).pw_name
if not root:
    spf = None      # spawn refuses to run commands as who it is itself
with open(f"{work}/spf.conf", "w") as f:
    f.write("debugLevel = 1\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\nPermError_reject = False\n"
            "TempError_Defer = False\nskip_addresses = 127.0.0.0/8\n")
MASTER = f"""cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
discard unix - - n - - discard
anvil unix - - n - 1 anvil
dialer unix - - n - - dialer
dnsd unix - - n - - dnsd
postlog unix-dgram n - n - 1 postlogd
127.0.0.1:{grey_port} inet n - n - - smtpd -o {{ smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{grey} }}
127.0.0.1:{spf_port} inet n - n - - smtpd
    -o {{ smtpd_recipient_restrictions = check_policy_service {{ unix:private/policyd-spf, timeout = 60s, default_action = DUNNO }} }}
127.0.0.1:{stress_port} inet n - n - 2 smtpd
"""
if spf:
    MASTER += f"policyd-spf unix - n n - 0 spawn\n    user={user} argv={spf} {work}/spf.conf\n"
MAIN = """mydestination = mail.example.net
local_recipient_maps =
local_transport = discard
mynetworks = 192.0.2.0/24
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_authorized_xclient_hosts = 127.0.0.1
policyd-spf_time_limit = 3600
"""


def tries(port, address, sender="a@example.com", helo="mx.example.com", rcpt="u@mail.example.net"):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as s:
        s.ehlo("x")
        s.docmd("XCLIENT", f"NAME=mx.example.com ADDR={address}")
        s.ehlo(helo)
        s.docmd("MAIL", f"FROM:<{sender}>")
        code, text = s.docmd("RCPT", f"TO:<{rcpt}>")
        if code == 250:
            s.docmd("DATA")
            s.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            return s.getreply()
        return code, text


with Instance(main=MAIN, master=MASTER) as i:
    started = i.start()
    t.ok(started.returncode == 0, "start", i.log())
    if not postgrey:
        t.ok(True, "postgrey # SKIP no postgrey here")
    else:
        os.mkdir(f"{work}/grey", 0o777)
        os.chmod(f"{work}/grey", 0o777)
        words = [postgrey, f"--inet=127.0.0.1:{grey}", f"--dbdir={work}/grey", "--delay=3", f"--pidfile={work}/grey.pid",
                 f"--user={user}", f"--group={'nogroup' if root else os.getgid()}", "--hostname=mail.example.net"]
        p = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=open(f"{work}/grey.err", "w"))

        def up():
            try:
                socket.create_connection(("127.0.0.1", grey), timeout=1).close()
                return True
            except OSError:
                return p.poll() is not None
        wait_for(up, 40)
        if p.poll() is not None:
            t.ok(True, "postgrey # SKIP it does not start: " + open(f"{work}/grey.err").read().replace("\n", " ")[:200])
        else:
            code, text = tries(grey_port, "203.0.113.7")
            t.ok(code == 450 and b"Greylisted" in text, "postgrey: a stranger comes too early", code, text)
            code, text = tries(grey_port, "203.0.113.7")
            t.ok(code == 450, "and again", code, text)
            got = wait_for(lambda: tries(grey_port, "203.0.113.7")[0] == 250, 30)
            t.ok(got, "and is let in when it comes back", i.log())
            code, text = tries(grey_port, "203.0.113.99", "b@example.org")
            t.ok(code == 450, "another one is not", code, text)
            t.ok(i.logged("prepend: RCPT from mx.example.com[203.0.113.7]: <u@mail.example.net>: Recipient address triggers PREPEND action"), "what postgrey prepends is taken", i.log())
            p.kill() # a TERM in the wrong moment is lost in it
            p.wait()
    if not spf:
        t.ok(True, "policyd-spf # SKIP no policyd-spf here, or not root (spawn needs another user)")
    else:
        code, text = tries(spf_port, "203.0.113.7", "a@no-such-domain.invalid")
        t.ok(code == 250, "policyd-spf through spawn answers", code, text, i.log())
        t.ok(i.logged("prepend: RCPT from mx.example.com[203.0.113.7]"), "and its header is prepended", i.log())
        t.ok("problem talking to server" not in i.log(), "without trouble", i.log())

    if not swaks:
        t.ok(True, "swaks # SKIP no swaks here")
    else:
        r = subprocess.run([swaks, "--server", "127.0.0.1", "--port", str(stress_port), "--helo", "client.example.com", "--from", "a@example.com",
                            "--to", "u@mail.example.net", "--xclient", "NAME=spike.example.org ADDR=203.0.113.5 LOGIN=joe HELO=spike PROTO=ESMTP"],
                           capture_output=True, text=True, timeout=60)
        t.ok(r.returncode == 0 and "queued as" in r.stdout, "swaks --xclient", r.stdout)
        t.ok(re.search(r": client=spike\.example\.org\[203\.0\.113\.5\], sasl_method=XCLIENT, sasl_username=joe", i.log()), "and it is that client", i.log())

    # two places: who takes the second has smtpd_hard_error_limit = 1
    def calm():
        """A session that has the service to itself: the one before may not have left its place yet."""
        c = smtplib.SMTP("127.0.0.1", stress_port, timeout=30)
        try:
            if c.docmd("FOO")[0] in (500, 502) and c.docmd("NOOP")[0] == 250:
                return c
        except smtplib.SMTPServerDisconnected:
            pass
        c.close()
        return None
    a = wait_for(calm)
    t.ok(a, "the first of two places: calm", i.log())
    b = smtplib.SMTP("127.0.0.1", stress_port, timeout=30)
    code, text = b.docmd("FOO")
    try:
        code, text = b.docmd("NOOP")
    except smtplib.SMTPServerDisconnected:
        code = 421
    t.ok(code == 421, "the last place: one error is enough (STRESS_README)", code, text)
    a.close()
    b.close()
shutil.rmtree(work, ignore_errors=True)
t.end()
