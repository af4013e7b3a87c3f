#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap.py - speed of IMAP and POP3, ours and Dovecot's, side by side (issue 4)

    top_builddir=... t/bench/imap.py [options]            (as root: the mail has an owner of its own)

Both servers run, each on its copy of the same Maildir (imap_corpus.py).  Every step is done by one and then by the other,
in an order that turns with the round.  Told are medians of wall time and of CPU (of all processes of that server, from a
control group of its own), in ms, and ratios: below 1 we are faster.  "cold" is without the index, but with the uidlist.
"""
import argparse, os, re, resource, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../system")]
import imap_corpus
from instance import Instance, free_port, wait_for

UID = 23000
ENVELOPE, STRUCTURE = "1:* ENVELOPE", "1:* BODYSTRUCTURE"
EVERYTHING = "1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
HEADERS = "1:* (UID BODY.PEEK[HEADER.FIELDS (FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES)])"
BODIES = "1:* (UID BODY.PEEK[])"


class Group:
    """CPU of all processes that a command starts: a control group (version 1 or 2)."""

    def __init__(self, name):
        for top, tell, scale in (("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e6), ("/sys/fs/cgroup", "cpu.stat", 1e3)):
            self.path = f"{top}/bench-{name}-{os.getpid()}"
            try:
                os.mkdir(self.path)
                self.tell, self.scale = f"{self.path}/{tell}", scale
                return
            except OSError:
                pass
        raise SystemExit("no control group for CPU time can be made")

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))

    def leave(self):
        with open(f"{os.path.dirname(self.path)}/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))

    def ms(self):
        text = open(self.tell).read()
        return int(re.search(r"(?:usage_usec )?(\d+)", text).group(1)) / self.scale

    def owners(self):
        """Of the processes that are there now."""
        found = set()
        for pid in open(f"{self.path}/cgroup.procs"):
            try:
                found.add(os.stat(f"/proc/{pid.strip()}").st_uid)
            except OSError:
                pass
        return found

    def end(self):
        wait_for(lambda: not open(f"{self.path}/cgroup.procs").read())
        os.rmdir(self.path)


class Session:
    """As little client as can be: a line out, bytes in until the tagged response."""

    def __init__(self, port, tls=None, login="u secret"):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=1200)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.s = tls.wrap_socket(self.s)
        self.room = memoryview(bytearray(1 << 20))
        self.s.recv(4096)
        if login:
            self.ask(f"LOGIN {login}")

    def ask(self, line, more=b""):
        """The last bytes of the answer; `got` its length."""
        self.s.sendall(b"x " + line.encode() + b"\r\n" + more)
        self.got, tail = 0, b""
        while True:
            n = self.s.recv_into(self.room)
            if n == 0:
                raise SystemExit(f"{line}: connection closed behind {tail!r}")
            self.got += n
            tail = (tail + bytes(self.room[max(0, n - 4096):n]))[-4096:]
            if tail.endswith(b"\r\n"):
                last = tail[:-2].rpartition(b"\n")[2]
                if last.startswith(b"x OK"):
                    return tail
                if last.startswith((b"x NO", b"x BAD")):
                    raise SystemExit(f"{line[:100]}: {tail!r}")

    def close(self):
        self.s.close()


class Drop:
    """A POP3 session."""

    def __init__(self, side, tls=None):
        side.drop()
        self.s = socket.create_connection(("127.0.0.1", side.pop), timeout=1200)
        self.f = self.s.makefile("rb", 1 << 18)
        self.f.readline()
        if tls:
            self.ask("STLS")
            self.s = tls.wrap_socket(self.s)
            self.f = self.s.makefile("rb", 1 << 18)
        self.ask("USER u"), self.ask("PASS secret")

    def ask(self, line):
        self.s.sendall(line.encode() + b"\r\n")
        answer = self.f.readline().split()
        if not answer or answer[0] != b"+OK":
            raise SystemExit(f"{line}: {answer}")
        if line == "STAT":
            self.count = int(answer[1])
            return self.count

    def rest(self):
        while (line := self.f.readline()) != b".\r\n":
            if not line:
                raise SystemExit("POP3: connection closed")

    def list(self, line):
        self.ask(line)
        self.rest()

    def retrieve(self, some):
        self.s.sendall(b"".join(b"RETR %d\r\n" % k for k in some))
        for _ in some:
            self.rest()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.sendall(b"QUIT\r\n")
        self.f.read()
        self.s.close()


class Side:
    """One server, its ports, and its copies of the mail."""

    def __init__(self, name, base, index):
        self.name, self.base, self.index = name, base, index
        self.home = f"{base}/home"
        self.plain, self.secure, self.pop = free_port(), free_port(), free_port()
        self.group = Group(name)
        self.session = None

    def users(self):
        os.makedirs(self.home)
        os.chmod(self.base, 0o755)
        os.chown(self.home, UID, UID)
        with open(f"{self.base}/users", "w") as f:
            f.write(f"u:{{PLAIN}}secret:{UID}:{UID}::{self.home}::\n")
        os.chmod(f"{self.base}/users", 0o644)

    def copy(self, corpus):
        """A fresh copy: of directories, not of the files' bytes."""
        self.drop()
        shutil.rmtree(f"{self.home}/Maildir", ignore_errors=True)
        subprocess.run(["cp", "-al", corpus, f"{self.home}/Maildir"], check=True)
        for top, _, _ in os.walk(f"{self.home}/Maildir"):
            os.chown(top, UID, UID)

    def forget(self):
        self.drop()
        for top, _, files in os.walk(f"{self.home}/Maildir"):
            for f in files:
                if f.startswith(self.index):
                    os.unlink(f"{top}/{f}")

    def open(self, select=True, tls=None):
        self.drop()
        self.session = Session(self.secure if tls else self.plain, tls)
        if select:
            self.session.ask("SELECT INBOX")
        return self.session

    def drop(self):
        if self.session:
            self.session.ask("LOGOUT")
            while self.session.s.recv(4096):       # until the server is done with what it keeps for the next one
                pass
            self.session.close()
            self.session = None
            wait_for(lambda: UID not in self.group.owners(), 60)     # who makes files of words goes on without its client for a while


class Ours(Side):
    def __init__(self):
        self.instance = Instance()
        super().__init__("Postern", self.instance.dir, "postern.")
        self.users()
        certificate(self.base)
        self.instance.configure(
            f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{self.base}/users\nauth_userdb = passwd-file:{self.base}/users\n"
            f"mail_max_userip_connections = 0\nsmtpd_tls_cert_file = {self.base}/cert.pem\nsmtpd_tls_key_file = {self.base}/key.pem\n",
            f"127.0.0.1:{self.plain} inet n - n - - imap-login\n127.0.0.1:{self.secure} inet n - n - - imap-login"
            f" -o imap_tls_wrappermode=yes\n127.0.0.1:{self.pop} inet n - n - - pop3-login\n")

    def start(self):
        if self.instance.start().returncode:
            raise SystemExit(self.instance.log())

    def stop(self):
        self.drop()
        self.instance.__exit__()


class Theirs(Side):
    def __init__(self, crowd):
        super().__init__("Dovecot", tempfile.mkdtemp(prefix="bench_dovecot_"), "dovecot.index")
        self.users()
        certificate(self.base)
        high = "service_count = 0\n  process_min_avail = 1\n  client_limit = 1000" if crowd else ""
        with open(f"{self.base}/dovecot.conf", "w") as f:
            f.write(f"""base_dir = {self.base}/run
state_dir = {self.base}/state
log_path = {self.base}/log
protocols = imap pop3
default_vsz_limit = 8G
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.base}/cert.pem
ssl_key = <{self.base}/key.pem
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 500
mail_max_userip_connections = 10000
passdb {{
  driver = passwd-file
  args = {self.base}/users
}}
userdb {{
  driver = passwd-file
  args = {self.base}/users
}}
service imap-login {{
  {high}
  inet_listener imap {{
    port = {self.plain}
  }}
  inet_listener imaps {{
    port = {self.secure}
    ssl = yes
  }}
}}
service pop3-login {{
  {high}
  inet_listener pop3 {{
    port = {self.pop}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
""")

    def start(self):
        subprocess.run(["dovecot", "-c", f"{self.base}/dovecot.conf"], check=True)
        wait_for(lambda: os.path.exists(f"{self.base}/run/master.pid") and open(f"{self.base}/run/master.pid").read().strip())
        self.pid = int(open(f"{self.base}/run/master.pid").read())

    def stop(self):
        self.drop()
        os.kill(self.pid, 15)
        wait_for(lambda: not os.path.exists(f"/proc/{self.pid}"))
        shutil.rmtree(self.base, ignore_errors=True)


def certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"], check=True, capture_output=True)


class Bench:
    def __init__(self, options, sides, corpus):
        self.o, self.sides, self.corpus = options, sides, corpus
        self.taken, self.turn = {}, 0
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def step(self, name, work, before=None):
        """`before` each work, not measured; work may return how often it did it."""
        if self.o.steps and not re.search(self.o.steps, name):
            return False
        sizes = []
        for side in self.sides[::-1] if self.turn % 2 else self.sides:
            if before:
                before(side)
            cpu, start = side.group.ms(), time.perf_counter()
            times = work(side) or 1
            wall = (time.perf_counter() - start) * 1000
            time.sleep(0.02)              # a process that ends counts in the end
            cpu = side.group.ms() - cpu
            self.taken.setdefault(name, {}).setdefault(side.name, []).append((wall / times, cpu / times))
            sizes.append(side.session.got if side.session else 0)
        return True

    def round(self):
        self.reading()
        self.writing()
        self.popping()
        self.logins()
        self.turn += 1

    def reading(self):
        for side in self.sides:
            side.copy(self.corpus)
        ask = lambda line, tls=None: lambda side: side.session.ask(line) and None
        fresh = lambda side: (side.forget(), side.open(select=False))
        again = lambda side: side.open(select=False)
        selected = lambda side: (side.forget(), side.open())
        warm = lambda side: side.open()
        self.step("SELECT first, no uidlist", ask("SELECT INBOX"), fresh)
        self.step("SELECT cold", ask("SELECT INBOX"), fresh)
        for side in self.sides:
            side.open()
        self.step("SELECT warm", ask("SELECT INBOX"), again)
        self.step("SELECT again in a session", ask("SELECT INBOX"), warm)
        self.step("FETCH FLAGS", ask("FETCH 1:* (UID FLAGS)"), warm)
        for name, what in (("everything", EVERYTHING), ("ENVELOPE", ENVELOPE), ("BODYSTRUCTURE", STRUCTURE),
                           ("header fields", HEADERS)):
            self.step(f"FETCH {name} cold", ask("FETCH " + what), selected)
            self.step(f"FETCH {name} warm", ask("FETCH " + what), warm)
        self.step("FETCH bodies cold", ask("FETCH " + BODIES), selected)
        self.step("FETCH bodies warm", ask("FETCH " + BODIES), warm)
        self.step("FETCH bodies TLS", ask("FETCH " + BODIES), lambda side: side.open(tls=self.tls))
        self.step("FETCH everything TLS warm", ask("FETCH " + EVERYTHING), lambda side: side.open(tls=self.tls))
        self.step("SEARCH UNSEEN", ask("SEARCH UNSEEN"), warm)
        for name, what in (("SEARCH FROM", "SEARCH FROM paula"), ("SEARCH HEADER List-Id", "SEARCH HEADER List-Id example.org"),
                           ("SEARCH SENTSINCE", "SEARCH SENTSINCE 15-Jul-2024"), ("SEARCH SINCE", "SEARCH SINCE 14-Nov-2023"),
                           ("SORT DATE", "SORT (DATE) UTF-8 ALL"), ("SORT SUBJECT", "SORT (SUBJECT) UTF-8 ALL"),
                           ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL")):
            self.step(f"{name} cold", ask(what), selected)
            self.step(f"{name} warm", ask(what), warm)
        self.step("SEARCH BODY", ask("SEARCH BODY umbrella"), warm)
        self.step("SEARCH TEXT", ask("SEARCH TEXT umbrella"), warm)
        self.step("POP3 RETR all", self.retrieve)
        self.step("POP3 RETR all again", self.retrieve)

    def retrieve(self, side):
        with Drop(side) as d:
            for first in range(1, d.ask("STAT") + 1, 50):
                d.retrieve(range(first, min(first + 50, d.count + 1)))

    def fetchmail(self, side, tls=None):
        """What fetchmail and getmail say: one message after the other."""
        with Drop(side, tls) as d:
            d.ask("STAT"), d.list("UIDL"), d.list("LIST")
            for k in range(1, d.count + 1):
                d.retrieve([k])
                d.ask(f"DELE {k}")

    def popping(self):
        fresh = lambda side: side.copy(self.corpus) or side.open() and side.drop()
        self.step("POP3 UIDL LIST, RETR DELE each", self.fetchmail, fresh)
        self.step("POP3 UIDL LIST, RETR DELE TLS", lambda side: self.fetchmail(side, self.tls), fresh)

    def writing(self):
        if not self.step("STORE all", lambda side: side.session.ask("STORE 1:* +FLAGS.SILENT (\\Answered)") and None,
                         lambda side: side.open()) and not self.o.steps:
            return
        ask = lambda line: lambda side: side.session.ask(line) and None
        n = self.o.messages
        ready = lambda side: side.session or side.open()
        self.step("STORE one, 100 times", lambda side: [side.session.ask(f"STORE {k} +FLAGS (\\Flagged)") for k in range(2, 1002, 10)] and None, ready)
        for side in self.sides:
            ready(side).ask("CREATE copies")
            side.session.ask("CREATE moved")
        self.step("COPY a tenth", ask(f"COPY 1:{n // 10} copies"), ready)
        self.step("MOVE a tenth", ask(f"MOVE 1:{n // 10} moved"), ready)
        self.step("EXPUNGE a tenth", ask("EXPUNGE"),
                  lambda side: ready(side).ask(f"STORE 1:{n // 10} +FLAGS.SILENT (\\Deleted)"))
        mail = b"From: a@example.net\r\nSubject: appended\r\n\r\n" + b"A line of a message that is appended.\r\n" * 60
        self.step("APPEND 100", lambda side: [side.session.ask(f"APPEND INBOX (\\Seen) {{{len(mail)}+}}", mail + b"\r\n")
                                              for _ in range(100)] and None, ready)

    def logins(self):
        def login(tls, select):
            def work(side):
                for _ in range(self.o.logins):
                    s = Session(side.secure if tls else side.plain, tls)
                    if select:
                        s.ask("SELECT empty")
                    s.ask("LOGOUT")
                    s.close()
                return self.o.logins
            return work

        for side in self.sides:
            side.open(select=False)
            if b"empty" not in side.session.ask('LIST "" empty'):
                side.session.ask("CREATE empty")
            side.drop()
        self.step("login", login(None, False))
        self.step("login TLS", login(self.tls, False))
        self.step("login and SELECT of an empty one", login(None, True))

    def tell(self):
        a, b = self.sides[0].name, self.sides[-1].name
        print(f"\n{'wall, CPU in ms':34}{a:>18}{b:>18}{'ratio wall':>12}{'CPU':>7}")
        for name, taken in self.taken.items():
            middle = [[statistics.median(x[i] for x in taken[side]) if side in taken else 0 for i in (0, 1)] for side in (a, b)]
            ratio = [f"{middle[0][i] / middle[1][i]:.2f}" if middle[1][i] else "-" for i in (0, 1)]
            print(f"  {name:32}{middle[0][0]:10.1f}{middle[0][1]:8.1f}{middle[1][0]:10.1f}{middle[1][1]:8.1f}{ratio[0]:>12}{ratio[1]:>7}")
        print(f"  load {os.getloadavg()[0]:.1f} to {self.load:.1f}, {os.cpu_count()} cores, {self.o.messages} messages"
              f"{' (tiny)' if self.o.tiny else ''}, {self.o.rounds} rounds")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--messages", type=int, default=10000)
    a.add_argument("--tiny", action="store_true", help="messages of a few lines")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--logins", type=int, default=200)
    a.add_argument("--steps", help="only steps whose name has this (regular expression)")
    a.add_argument("--only", choices=("ours", "theirs"))
    a.add_argument("--login-process-each", action="store_true", help="Dovecot's default: a login process for each client")
    o = a.parse_args()
    if os.getuid() != 0 or not shutil.which("dovecot"):
        raise SystemExit("root and Debian's dovecot-imapd and dovecot-pop3d are wanted")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    corpus = tempfile.mkdtemp(prefix="bench_corpus_")
    sides = []
    try:
        os.chmod(corpus, 0o755)
        size = imap_corpus.make(f"{corpus}/Maildir", o.messages, o.tiny, UID)
        print(f"{o.messages} messages, {size / 1e6:.0f} MB", flush=True)
        if o.only != "theirs":
            sides.append(Ours())
        if o.only != "ours":
            sides.append(Theirs(not o.login_process_each))
        for side in sides:
            side.group.enter()
            side.start()
            side.group.leave()
        b = Bench(o, sides, f"{corpus}/Maildir")
        b.load = os.getloadavg()[0]
        for _ in range(o.rounds):
            b.round()
            b.load = max(b.load, os.getloadavg()[0])
        b.tell()
    finally:
        for side in sides:
            side.stop()
            side.group.end()
        shutil.rmtree(corpus, ignore_errors=True)


if __name__ == "__main__":
    main()
