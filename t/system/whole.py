# SPDX-License-Identifier: ISC
"""whole.py - a private mail system with everything turned on, for tests of the whole

    with Whole(sink.port, main="more = ...", master="more ...") as w:
        w.start_or_end(t); w.ports["smtp"] ...; w.box("alice") ...

alice@example.net and others have Maildirs of virtual and log in by IMAP and
POP3; `user`@local.example is a local user, who has an mbox; all else is relayed
to the port that was named.
"""
import glob, os, pwd, socket, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

PASSWORD = "wonderland"
NAMES = ("smtp", "submission", "smtps", "imap", "imaps", "pop3", "pop3s")


class Whole(Instance):
    def __init__(self, relay_port, main="", master="", users=("alice",)):
        super().__init__()
        self.ports = {name: free_port() for name in NAMES}
        self.owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self.user = self.owner.pw_name
        for d in ("mail", "spool", "out"):
            os.mkdir(f"{self.dir}/{d}")
            os.chmod(f"{self.dir}/{d}", 0o1777)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{self.dir}/key.pem",
                        "-out", f"{self.dir}/cert.pem"], check=True, capture_output=True)
        with open(f"{self.dir}/users", "w") as f:
            for u in users:
                f.write(f"{u}:{{PLAIN}}{PASSWORD}:{self.owner.pw_uid}:{self.owner.pw_gid}::{self.dir}/mail/{u}::\n")
        boxes = ", ".join(f"{u}@example.net={u}/Maildir/" for u in users)
        p = self.ports
        self.main_text = f"""
mydestination = local.example
virtual_mailbox_domains = example.net
virtual_mailbox_base = {self.dir}/mail
virtual_mailbox_maps = inline:{{{boxes}}}
virtual_uid_maps = static:{self.owner.pw_uid}
virtual_gid_maps = static:{self.owner.pw_gid}
virtual_minimum_uid = 1
mail_spool_directory = {self.dir}/spool
relayhost = [127.0.0.1]:{relay_port}
smtpd_tls_cert_file = {self.dir}/cert.pem
smtpd_tls_key_file = {self.dir}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
mail_location = maildir:%h/Maildir
auth_mechanisms = plain login
auth_passdb = passwd-file:{self.dir}/users
auth_userdb = passwd-file:{self.dir}/users
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
smtpd_client_connection_count_limit = 0
""" + main.replace("$DIR", self.dir)
        self.master_text = f"""
127.0.0.1:{p['smtp']}        inet n - n - - smtpd
127.0.0.1:{p['submission']}  inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{p['smtps']}       inet n - n - - smtpd
    -o smtpd_tls_wrappermode=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{p['imap']}   inet n - n - - imap-login
127.0.0.1:{p['imaps']}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
127.0.0.1:{p['pop3']}   inet n - n - - pop3-login
127.0.0.1:{p['pop3s']}  inet n - n - - pop3-login -o pop3_tls_wrappermode=yes
pickup   unix n - n 60  1 pickup
cleanup  unix n - n -   0 cleanup
qmgr     unix n - n 300 1 qmgr
bounce   unix - - n -   0 bounce
defer    unix - - n -   0 bounce
trace    unix - - n -   0 bounce
local    unix - n n -   - local
virtual  unix - n n -   - virtual
smtp     unix - - n -   - smtp
relay    unix - - n -   - smtp
lmtp     unix - - n -   - lmtp
""" + master.replace("$DIR", self.dir)
        self.configure(self.main_text, self.master_text)

    def start_or_end(self, t):
        if not t.ok(self.start().returncode == 0, "start", self.log()):
            self.__exit__()
            t.end()

    def command(self, name, *words, **more):
        more.setdefault("capture_output", True)
        return subprocess.run([f"{self.dir}/sbin/{name}", "-C" if name in ("sendmail", "mailq") else "-c", f"{self.dir}/etc", *words],
                              timeout=60, **more)

    def box(self, user="alice"):
        """The files of a Maildir."""
        box = f"{self.dir}/mail/{user}/Maildir"
        return [p for d in ("new", "cur") for p in glob.glob(f"{box}/{d}/*")]

    def queue_is_empty(self):
        return not [p for d in ("maildrop", "incoming", "active", "deferred")
                    for p in glob.glob(f"{self.dir}/queue/{d}/**", recursive=True) if os.path.isfile(p)]


class Smtp:
    """A client that says what it is told to, byte for byte."""
    def __init__(self, port, hello="client.example.com"):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.f = self.s.makefile("rb")
        self.greeting = self.answer()
        self.offers = self.say(f"EHLO {hello}")

    def answer(self):
        lines = []
        while True:
            line = self.f.readline()
            if not line:
                raise ConnectionError("closed: " + repr(lines))
            lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, line):
        self.s.sendall((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.answer()

    def envelope(self, sender, rcpts, parameters="", rcpt_parameters=""):
        answers = [self.say(f"MAIL FROM:<{sender}>{' ' + parameters if parameters else ''}")]
        return answers + [self.say(f"RCPT TO:<{r}>{' ' + rcpt_parameters if rcpt_parameters else ''}") for r in rcpts]

    def content(self, data):
        """Dots are doubled here; line ends are the caller's."""
        a = self.say("DATA")
        if not a.startswith("354"):
            return a
        self.s.sendall((b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:])
        return self.say(b"." if data.endswith(b"\r\n") or not data else b"\r\n.")

    def send(self, sender, rcpts, data, parameters="", rcpt_parameters=""):
        bad = [a for a in self.envelope(sender, rcpts, parameters, rcpt_parameters) if a[0] != "2"]
        if bad:
            self.say("RSET")
            return bad[0]
        return self.content(data)

    def quit(self):
        self.say("QUIT")
        self.f.close()
        self.s.close()
