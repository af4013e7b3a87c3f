#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""before_queue.py - a filter before the queue (SMTPD_PROXY_README): one of ours that hands mail back, refuses, dies;
with and without speed_adjust; Debian's spampd; content_filter behind the queue beside it; a load balancer's header"""
import glob, os, re, shutil, smtplib, socket, subprocess, sys, tempfile, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *


class Filter(threading.Thread):
    """SMTP in, SMTP out on the way back; what it hears of envelope and content says what it does."""

    def __init__(self, back):
        super().__init__(daemon=True)
        self.back, self.seen = back, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.session, args=(conn,), daemon=True).start()

    def session(self, conn):
        f = conn.makefile("rwb")

        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()
        heard, rcpts = [], []
        say("220 filter ready")
        while True:
            line = f.readline().decode().rstrip("\r\n")
            if not line:
                break
            heard.append(line)
            verb = line.split()[0].upper()
            if verb == "EHLO":
                say("250-filter\r\n250-XFORWARD NAME ADDR PROTO HELO PORT SOURCE\r\n250 8BITMIME")
            elif verb == "RCPT" and "unwanted@" in line:
                say("550-5.7.1 not him\r\n550 5.7.1 <unwanted@example.net> not here")
            elif verb in ("XFORWARD", "MAIL", "RCPT", "RSET"):
                if verb == "RCPT":
                    rcpts.append(re.search("<(.*?)>", line).group(1))
                say("250 2.1.0 Ok")
            elif verb == "DATA":
                say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n") and data != b".\r\n":
                    more = f.readline()
                    if not more:
                        heard.append("CUT")
                        self.seen.append((heard, data))
                        return
                    data += more
                    if b"drop dead" in more:
                        self.seen.append((heard, data))
                        conn.shutdown(socket.SHUT_RDWR)
                        return
                self.seen.append((list(heard), data))
                body = data[:-3].replace(b"\r\n..", b"\r\n.")
                if b"viagra" in body:
                    say("554 5.7.0 Reject, id=4711 - spam")
                else:
                    with smtplib.SMTP("127.0.0.1", self.back, timeout=30) as s:
                        sender = re.search("MAIL FROM:<(.*?)>", "\n".join(heard)).group(1)
                        s.ehlo("filter.example.net")
                        told = [h[9:] for h in heard if h.startswith("XFORWARD")]
                        if told:
                            s.docmd("XFORWARD", told[0])
                        s.sendmail(sender, rcpts, b"X-Filtered: yes\r\n" + body)
                    say("250 2.0.0 from MTA: 250 2.0.0 Ok: queued as 4XYZ")
            elif verb == "QUIT":
                say("221 bye")
                break
            else:
                say("502 what?")
        if "DATA" not in heard:
            self.seen.append((heard, b""))
        conn.close()


t = Tap()
front, fast, direct, back, balanced = (free_port() for _ in range(5))
work = tempfile.mkdtemp(prefix="postern-filter.")
os.chmod(work, 0o755)
uid, gid = (5000, 5000) if os.getuid() == 0 else (os.getuid(), os.getgid())
filter_ = Filter(back)
spampd = shutil.which("spampd", path=os.environ.get("PATH", "") + ":/usr/sbin")
spampd_port, spampd_front = free_port(), free_port()
BASE = """cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
dialer unix - - n - - dialer
dnsd unix - - n - - dnsd
postlog unix-dgram n - n - 1 postlogd
"""
MASTER = BASE + f"""127.0.0.1:{front} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{filter_.port} -o smtpd_proxy_ehlo=front.example.net
127.0.0.1:{fast} inet n - n - - smtpd
    -o {{ smtpd_proxy_filter = inet:localhost:{filter_.port} }} -o smtpd_proxy_options=speed_adjust
127.0.0.1:{spampd_front} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{spampd_port}
127.0.0.1:{direct} inet n - n - - smtpd -o content_filter=smtp:[127.0.0.1]:{filter_.port}
127.0.0.1:{balanced} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_upstream_proxy_timeout=1s
    -o smtpd_client_restrictions=check_client_access,inline:{{198.51.100.66=REJECT}}
127.0.0.1:{back} inet n - n - - smtpd -o content_filter= -o smtpd_proxy_filter=
    -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks
    -o smtpd_authorized_xforward_hosts=127.0.0.0/8 -o mynetworks=127.0.0.0/8
    -o smtpd_recipient_restrictions=permit_mynetworks,reject
"""
MAIN = f"""mydestination =
notify_classes =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.net
virtual_mailbox_maps = inline:{{u@example.net=u/, v@example.net=v/, unwanted@example.net=w/}}
virtual_mailbox_base = {work}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
message_size_limit = 200000
smtpd_client_connection_count_limit = 0
"""


def arrived(box, mark):
    for path in glob.glob(f"{work}/{box}/new/*"):
        with open(path, "rb") as f:
            text = f.read()
        if mark in text:
            return text
    return None


def seen(mark):
    return next((s for s in filter_.seen if mark in s[1] or mark.decode() in "\n".join(s[0])), None)


with Instance(main=MAIN, master=MASTER) as i:
    os.chmod(work, 0o777)
    t.ok(i.start().returncode == 0, "start", i.log())
    for name, port in (("before the queue", front), ("with speed_adjust", fast)):
        mark = f"mark-{port}".encode()
        with smtplib.SMTP("127.0.0.1", port, timeout=60, local_hostname="client.example.com") as s:
            s.ehlo()
            s.sendmail("a@example.com", ["u@example.net", "v@example.net"],
                       b"Subject: one\r\n\r\n" + mark + b"\r\n.dot\r\n..two\r\n" + b"x" * 3000 + b"\r\n")
            text = wait_for(lambda: arrived("u", mark))
            t.ok(text and b"X-Filtered: yes" in text and b"\n.dot\n..two\n" in text, f"{name}: through the filter, dots and all", i.log())
            t.ok(wait_for(lambda: arrived("v", mark)), f"{name}: to both recipients")
            t.ok(sum(mark in open(p, "rb").read() for p in glob.glob(f"{work}/u/new/*")) == 1, f"{name}: once", i.log())
            heard = seen(mark)[0] if seen(mark) else []
            hello = "front.example.net" if port == front else "mail.example.net"
            t.ok(heard[:1] == ["EHLO " + hello], f"{name}: smtpd_proxy_ehlo", heard)
            t.ok(len(heard) > 1 and re.match(r"XFORWARD NAME=\[UNAVAILABLE\] ADDR=127\.0\.0\.1 PORT=\d+ PROTO=ESMTP HELO=client\.example\.com SOURCE=LOCAL$",
                                             heard[1]), f"{name}: XFORWARD tells the client", heard)
            t.ok(text and text.count(b"Received: from client.example.com") == 1 and b"by mail.example.net (Postfix) with ESMTP\n\tfor" not in text,
                 f"{name}: our trace header", text)
            s.docmd("RSET")
            try:
                s.sendmail("a@example.com", ["u@example.net"], b"Subject: bad\r\n\r\nviagra " + mark + b"\r\n")
                t.ok(False, f"{name}: the filter's refusal is the client's")
            except smtplib.SMTPDataError as e:
                t.ok(e.smtp_code == 554 and b"id=4711 - spam" in e.smtp_error, f"{name}: the filter's refusal is the client's", e)
            try:
                s.sendmail("a@example.com", ["u@example.net"], b"Subject: x\r\n\r\ndrop dead\r\n" + b"y" * 50000 + b"\r\n")
                t.ok(False, f"{name}: a filter that dies is 451")
            except smtplib.SMTPDataError as e:
                t.ok(e.smtp_code == 451 and b"4.3.0" in e.smtp_error, f"{name}: a filter that dies is 451", e)
            try:
                s.sendmail("a@example.com", ["u@example.net"], b"Subject: x\r\n\r\nmuch " + b"y\r\n" * 90000)
                t.ok(False, f"{name}: too big")
            except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as e:
                t.ok(e.smtp_code == 552, f"{name}: too big", e)
            s.docmd("MAIL", "FROM:<a@example.com>")
            code, text = s.docmd("RCPT", "TO:<nobody@example.net>")
            t.ok(code == 550 and b"User unknown" in text, f"{name}: our rules come first", code, text)
            if port == front:
                code, text = s.docmd("RCPT", "TO:<unwanted@example.net>")
                t.ok(code == 550 and b"not him" in text and b"not here" in text, f"{name}: a recipient that the filter refuses", code, text)
            t.ok(s.docmd("RCPT", "TO:<u@example.net>")[0] == 250, f"{name}: and one that it takes")
            s.docmd("DATA")
            s.send(b"Subject: chopped\r\n\r\n.\r\n")
            t.ok(s.getreply()[0] == 250, f"{name}: an almost empty message")
            code, text = s.docmd("MAIL", "FROM:<a@example.com>")
            t.ok(code == 250, f"{name}: the session goes on", code, text)
    log = i.log()
    t.ok(re.search(r"NOQUEUE: client=unknown\[127\.0\.0\.1\]", log), "NOQUEUE: client=", log)
    t.ok("proxy-accept: END-OF-MESSAGE: 250 2.0.0 from MTA: 250 2.0.0 Ok: queued as 4XYZ; from=<a@example.com> to=<u@example.net> proto=ESMTP helo=<client.example.com>" in log,
         "proxy-accept", log)
    t.ok("proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=4711 - spam; from=<a@example.com> to=<u@example.net> proto=ESMTP helo=<client.example.com>" in log,
         "proxy-reject", log)
    t.ok(re.search(r": client=unknown\[127\.0\.0\.1\], orig_client=unknown\[127\.0\.0\.1\]", log), "behind the filter: orig_client", log)
    t.ok("panic" not in log and "fatal" not in log, "and no panic", log)
    t.ok(not [p for p in glob.glob(f"{i.dir}/queue/incoming/**", recursive=True) + glob.glob(f"{i.dir}/queue/deferred/**", recursive=True)
              if os.path.isfile(p)], "nothing is left in the queue", log)

    # the filter behind the queue
    with smtplib.SMTP("127.0.0.1", direct, timeout=60) as s:
        s.sendmail("a@example.com", ["u@example.net"], b"Subject: later\r\n\r\nmark-behind\r\n")
    text = wait_for(lambda: arrived("u", b"mark-behind"))
    t.ok(text and b"X-Filtered: yes" in text, "content_filter and the way back", i.log())

    # a load balancer
    def balance(header, *commands):
        with socket.create_connection(("127.0.0.1", balanced), timeout=20) as c:
            c.sendall(header)
            f, got = c.makefile("rb"), []
            for command in (None,) + commands:
                if command:
                    c.sendall(command)
                while True:
                    line = f.readline()
                    got.append(line.decode())
                    if not line or line[3:4] != b"-":
                        break
            return "".join(got)
    words = b"EHLO x\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<u@example.net>\r\n", b"QUIT\r\n"
    got = balance(b"PROXY TCP4 198.51.100.66 192.0.2.1 5000 25\r\n", *words)
    t.ok("<unknown[198.51.100.66]>: Client host rejected" in got, "PROXY, version 1: the client's rules", got)
    got = balance(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton("198.51.100.66") + socket.inet_aton("192.0.2.1") + b"\x13\x88\x00\x19", *words)
    t.ok("<unknown[198.51.100.66]>: Client host rejected" in got, "PROXY, version 2", got)
    got = balance(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", *words)
    t.ok("250 2.1.5" in got, "PROXY LOCAL: the connection's own ends", got)
    t.ok(i.logged("connect from unknown[198.51.100.66]"), "and logged", i.log())
    got = balance(b"EHLO x\r\n")
    t.ok(got.startswith("421 4.3.0 "), "no header: hung up on", got)
    got = balance(b"PROXY ")
    t.ok(got.startswith("421 4.3.0 "), "half a header: in time", got)

    # Debian's spampd, which speaks ESMTP through
    # it dies when nobody takes what it logs: so somebody listens on syslog's port
    logged = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        logged.bind(("127.0.0.1", 514))
    except OSError as e:
        spampd, why = None, f"syslog's port: {e}"
    else:
        why = "no spampd here"
    if not spampd:
        t.ok(True, f"spampd # SKIP {why}")
    else:
        home = tempfile.mkdtemp(prefix="postern-spampd.")
        os.chmod(home, 0o777)
        words = [spampd, f"--host=127.0.0.1:{spampd_port}", f"--relayhost=127.0.0.1:{back}", "--nodetach", "--local-only",
                 f"--pid={home}/pid", "--children=2", "--tagall", "--logsock=inet", "--user=nobody" if os.getuid() == 0 else f"--user={os.getuid()}",
                 "--group=nogroup" if os.getuid() == 0 else f"--group={os.getgid()}"]
        p = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=open(f"{home}/err", "w"))

        def up():
            try:
                socket.create_connection(("127.0.0.1", spampd_port), timeout=1).close()
                return True
            except OSError:
                return p.poll() is not None
        wait_for(up, 60)
        if p.poll() is not None:
            t.ok(True, "spampd # SKIP it does not start: " + open(f"{home}/err").read().replace("\n", " ")[:200])
        else:
            with smtplib.SMTP("127.0.0.1", spampd_front, timeout=120) as s:
                s.sendmail("a@example.com", ["u@example.net"], b"From: a@example.com\r\nSubject: hello\r\n\r\nmark-spampd\r\n")
            text = wait_for(lambda: arrived("u", b"mark-spampd"), 60)
            t.ok(text and b"X-Spam-" in text, "spampd before the queue", i.log()[-3000:])
            p.terminate()
            p.wait()
        shutil.rmtree(home, ignore_errors=True)
shutil.rmtree(work, ignore_errors=True)
t.end()
