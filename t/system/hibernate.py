#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""hibernate.py - an idling IMAP session without a process (imap_hibernate_timeout)

The client of each case idles until its imapd is gone; then a message comes, a flag changes, or the
client speaks; and what it hears is what it would have heard from a process that had stayed: nothing twice,
nothing missed. Plain, TLS, COMPRESS; condstore and QRESYNC; "$"; a crowd with deliveries; a reload; a stop.
"""
import os, pwd, random, re, socket, ssl, subprocess, sys, threading, time, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

PORT, PORTS = free_port(), free_port()
MASTER = f"""
127.0.0.1:{PORT}   inet n - n - - imap-login
127.0.0.1:{PORTS}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
"""
CROWD = 40
t = Tap()
ok = t.ok


class Client:
    """Speaks IMAP by lines; may be inside TLS, and may deflate."""
    def __init__(self, port, tls=None):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=30)
        if tls:
            self.s = tls.wrap_socket(self.s)
        self.buf, self.z = b"", None
        self.n = 0
        self.line()

    def line(self, seconds=30):
        self.s.settimeout(seconds)
        while b"\n" not in self.buf:
            got = self.s.recv(65536)
            if not got:
                raise EOFError(self.buf)
            self.buf += self.z[1].decompress(got) if self.z else got
        line, self.buf = self.buf.split(b"\n", 1)
        return line.rstrip(b"\r").decode()

    def send(self, text):
        data = text.encode()
        if self.z:
            data = self.z[0].compress(data) + self.z[0].flush(zlib.Z_SYNC_FLUSH)
        self.s.sendall(data)

    def until(self, start):
        lines = []
        while True:
            lines.append(self.line())
            if lines[-1].startswith(start):
                return lines

    def ask(self, command):
        self.n += 1
        self.send(f"t{self.n} {command}\r\n")
        return self.until(f"t{self.n} ")

    def login(self, user="alice"):
        return self.ask(f"LOGIN {user} secret")

    def deflate(self):
        self.ask("COMPRESS DEFLATE")
        self.z = (zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15))

    def idle(self):
        self.send("idle IDLE\r\n")
        return self.until("+")

    def done(self):
        self.send("DONE\r\n")
        return self.until("idle ")

    def quiet(self, seconds=0.3):
        """True: nothing comes."""
        try:
            self.extra = self.line(seconds)
            return False
        except TimeoutError:
            return True


count = 0


def deliver(home, text=b"Subject: x\n\nx\n", flags=None, folder=""):
    global count
    count += 1
    name = f"{int(time.time())}.M{count}P{os.getpid()}.host"
    with open(f"{home}/Maildir/{folder}tmp/{name}", "wb") as f:
        f.write(text)
        os.fchown(f.fileno(), OWNER.pw_uid, OWNER.pw_gid)
    to = f"new/{name}" if flags is None else f"cur/{name}:2,{flags}"
    os.rename(f"{home}/Maildir/{folder}tmp/{name}", f"{home}/Maildir/{folder}{to}")
    return name


def make_home(path):
    for d in ("new", "cur", "tmp"):
        os.makedirs(f"{path}/Maildir/{d}", exist_ok=True)
    for top, dirs, files in os.walk(path):
        os.chown(top, OWNER.pw_uid, OWNER.pw_gid)


def asleep(i, n=0):
    return wait_for(lambda: i.sessions() == n, 30)


def flag(home, base, flags):
    for name in os.listdir(f"{home}/Maildir/cur"):
        if name.startswith(base):
            os.rename(f"{home}/Maildir/cur/{name}", f"{home}/Maildir/cur/{name.split(':')[0]}:2,{flags}")
            return
    raise FileNotFoundError(base)


def one_client(i, home, what, tls=None, deflate=False):
    port = PORTS if tls else PORT
    base = deliver(home, flags="S")
    c = Client(port, tls)
    c.login()
    if deflate:
        c.deflate()
    c.ask("ENABLE CONDSTORE" if not deflate else "NOOP")
    select = c.ask("SELECT INBOX")
    exists = int(next(re.match(r"\* (\d+) EXISTS", l) for l in select if "EXISTS" in l).group(1))
    c.ask("SEARCH RETURN (SAVE) ALL")
    c.idle()
    ok(asleep(i), f"{what}: the process of an idling client goes away")
    ok(c.quiet(), f"{what}: which the client does not notice")

    deliver(home)
    got = c.until(f"* {exists + 1} EXISTS")
    ok(len(got) == 1, f"{what}: a new message wakes it and is told once", got)
    c.until("* 1 RECENT")
    ok(asleep(i), f"{what}: and it sleeps again")
    ok(c.quiet(), f"{what}: in silence")
    flag(home, base, "FS")
    got = c.until("* ")
    ok("\\Flagged" in got[0] and "FETCH" in got[0], f"{what}: a flag that another program set is told", got)
    ok(asleep(i) and c.quiet(), f"{what}: once")
    got = c.done()
    ok(got == ["idle OK Idle completed."], f"{what}: DONE wakes it; the tag is the one of IDLE; nothing is told twice", got)
    got = c.ask("UID SEARCH UID $")
    ok(len(got[0].split()) == 2 + exists, f"{what}: what SEARCH saved is there", got)
    got = c.ask("NOOP")
    ok(len(got) == 1, f"{what}: NOOP has nothing to tell", got)
    c.idle()
    ok(asleep(i), f"{what}: it sleeps again")
    os.unlink(next(f"{home}/Maildir/cur/{n}" for n in os.listdir(f"{home}/Maildir/cur") if n.startswith(base)))
    got = c.until("* ")
    ok("EXPUNGE" in got[0], f"{what}: a message that was removed is told", got)
    asleep(i)
    c.send("DONE\r\nlast NOOP\r\n")
    got = c.until("last ")
    ok(got == ["idle OK Idle completed.", "last OK NOOP completed."], f"{what}: what is pipelined behind DONE is answered", got)
    c.ask("LOGOUT")


def unselected(i):
    c = Client(PORT)
    c.login()
    c.idle()
    ok(asleep(i), "without a mailbox: it sleeps")
    ok(c.done() == ["idle OK Idle completed."] and c.ask("NOOP")[-1].startswith("t2 OK"), "and goes on")
    c.ask("LOGOUT")


def qresync(i, home):
    a = deliver(home, flags="S")
    c = Client(PORT)
    c.login()
    c.ask("ENABLE QRESYNC")
    c.ask("SELECT INBOX")
    c.idle()
    asleep(i)
    os.unlink(f"{home}/Maildir/cur/{next(n for n in os.listdir(home + '/Maildir/cur') if n.startswith(a))}")
    got = c.until("* ")
    ok(got[0].startswith("* VANISHED "), "QRESYNC: VANISHED for what another program removed", got)
    c.done()
    c.ask("LOGOUT")


def other(i):
    """The same user at another client, whose session sleeps if it must, too."""
    c = Client(PORT)
    c.login()
    return c


def notified(i, home, what, tls=None, deflate=False):
    """NOTIFY: of other mailboxes, and of those that come and go, from a session that has no process meanwhile."""
    make = other(i)
    for line in ("CREATE One", "CREATE Two", "CREATE Two.Sub", "SUBSCRIBE Two"):
        make.ask(line)
    c = Client(PORTS if tls else PORT, tls)
    c.login()
    if deflate:
        c.deflate()
    c.ask("SELECT INBOX")
    c.ask("NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange MailboxName "
          "SubscriptionChange MailboxMetadataChange))")
    c.idle()
    make.s.close()
    ok(asleep(i), f"{what}: the process of a client of NOTIFY goes away, too")
    slept = True
    deliver(home, folder=".One/")
    got = c.until("* STATUS")
    ok(len(got) == 1 and "One" in got[0] and "MESSAGES 1" in got[0] and "UIDNEXT 2" in got[0], f"{what}: NOTIFY tells a sleeper of a delivery elsewhere", got)
    ok(c.quiet(), f"{what}: and of nothing else", getattr(c, "extra", ""))
    slept &= bool(asleep(i))
    uid = deliver(home)
    got = c.until("* ") + c.until("* ") + c.until("* ")
    ok(sum("FETCH (UID" in line for line in got) == 1 and sum(line.endswith(" EXISTS") for line in got) == 1, f"{what}: of one in the selected mailbox, with what it wants of it", got)
    c.quiet()
    slept &= bool(asleep(i))
    make = other(i)
    make.ask("CREATE Three")
    got = c.until("* LIST")
    ok("Three" in got[-1] and len(got) == 1, f"{what}: of a mailbox that was made", got)
    make.ask("UNSUBSCRIBE Two")
    make.ask("RENAME Two Four")
    c.done()
    c.quiet()
    make.ask("SUBSCRIBE Three")
    c.ask("NOOP")
    c.idle()
    make.s.close()
    slept &= bool(asleep(i))
    make = other(i)
    make.ask("RENAME Three Five")
    make.ask('SETMETADATA One (/private/comment "x")')
    got = c.until("* METADATA")
    listed = [line for line in got if line.startswith("* LIST")]
    ok(any("OLDNAME" in line and "Five" in line and "Three" in line for line in listed) and not any("Four" in line for line in listed) and "One /private/comment" in got[-1],
       f"{what}: of one that was renamed, of an annotation; of nothing that it knew", got)
    make.ask("SELECT One")
    make.ask("STORE 1 +FLAGS (\\Seen)")
    got = c.until("* STATUS")
    ok("One" in got[-1] and "UNSEEN 0" in got[-1], f"{what}: of a flag", got)
    make.s.close()
    slept &= bool(asleep(i))
    got = c.done() + c.ask("NOOP")
    ok("idle OK Idle completed." in got and got[-1].split()[1] == "OK", f"{what}: who speaks is heard", got)
    ok(c.ask("NOTIFY NONE")[-1].split()[1] == "OK", f"{what}: and may end it")
    c.idle()
    slept &= bool(asleep(i))
    deliver(home, folder=".One/")
    got = [line for line in c.done() + c.ask("NOOP") + c.ask("STATUS One (MESSAGES)") if line.startswith("* ")]
    ok(got == ["* STATUS One (MESSAGES 2)"], f"{what}: after NOTIFY NONE it is told of another mailbox when it asks, and not before", got)
    ok(slept, f"{what}: all of that out of its sleep")
    for line in ("DELETE One", "DELETE Four.Sub", "DELETE Four", "DELETE Five", "UNSUBSCRIBE Three"):
        c.ask(line)
    c.ask("LOGOUT")


def key_update(i):
    """TLS's own records (RFC 8446, 4.6.3) are no bytes of the client: a sleeper goes on sleeping, and the keys are new."""
    p = subprocess.Popen(["openssl", "s_client", "-crlf", "-tls1_3", "-connect", f"127.0.0.1:{PORTS}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def say(line, until):
        p.stdin.write(line)
        p.stdin.flush()
        while until not in (got := p.stdout.readline()):
            if not got:
                return False
        return True
    killer = threading.Timer(60, p.kill)      # a client that hangs must not hang the test
    killer.start()
    say(b"", b"* OK")
    say(b"a login alice secret\n", b"a OK")
    say(b"K\n", b"KEYUPDATE")
    ok(say(b"b select inbox\n", b"b OK"), "TLS: KeyUpdate with a request to do the same, and the session goes on")
    say(b"c idle\n", b"+ ")
    asleep(i)
    say(b"K\n", b"KEYUPDATE")
    ok(not wait_for(lambda: i.sessions(), 1), "a KeyUpdate does not wake a sleeper")
    ok(say(b"done\n", b"c OK"), "who speaks with the new keys when it wakes")
    killer.cancel()
    p.kill()
    p.wait()


def gone_mailbox(i, home):
    c = Client(PORT)
    c.login()
    c.ask("CREATE Away")
    c.ask("SELECT Away")
    c.idle()
    asleep(i)
    wait_for(lambda: subprocess.run(["rm", "-rf", f"{home}/Maildir/.Away"], capture_output=True).returncode == 0)  # a file may come meanwhile
    try:
        got = c.until("* BYE")
        ok(True, "a mailbox that was deleted meanwhile ends the session with BYE")
    except EOFError as e:
        ok(False, "a mailbox that was deleted meanwhile ends the session with BYE", e)


def crowd(i, tls):
    """Idle, sleep and wake with deliveries, against what each mailbox really holds."""
    clients = []
    random.seed(4)
    for n in range(CROWD):
        c = Client(PORTS if n % 2 else PORT, tls if n % 2 else None)
        c.login(f"u{n}")
        if n % 5 == 0:
            c.deflate()
        c.ask("SELECT INBOX")
        c.idle()
        c.home, c.want, c.seen = f"{i.dir}/home/u{n}", 0, 0
        clients.append(c)
    for _ in range(6):
        for c in random.sample(clients, CROWD // 2):
            deliver(c.home)
            c.want += 1
            if random.random() < 0.3:
                c.send("DONE\r\nagain IDLE\r\n")
        if random.random() < 0.5:
            asleep(i)
    bad = []
    for n, c in enumerate(clients):
        try:
            while c.seen < c.want:
                m = re.match(r"\* (\d+) EXISTS", c.line())
                if m:
                    if int(m.group(1)) <= c.seen:
                        bad.append((n, "twice", m.group(0)))
                    c.seen = int(m.group(1))
        except (TimeoutError, EOFError) as e:
            bad.append((n, c.seen, c.want, str(e)))
    ok(not bad, f"{CROWD} clients: all {sum(c.want for c in clients)} messages are told, none twice", bad)
    ok(asleep(i), "and all sleep")
    i.run("reload")
    for c in clients[:4]:
        c.buf = b""
        deliver(c.home)
    try:
        ok(all([c.until(f"* {c.want + 1} EXISTS") for c in clients[:4]]), "after a reload they still wake")
    except (TimeoutError, EOFError) as e:
        ok(False, "after a reload they still wake", e)
    return clients


def main():
    global OWNER
    root = os.getuid() == 0
    OWNER = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with Instance(master=MASTER) as i:
        home = f"{i.dir}/home/alice"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", f"{i.dir}/key.pem", "-out", f"{i.dir}/cert.pem"], check=True, capture_output=True)
        with open(f"{i.dir}/users", "w") as f:
            for user in ["alice"] + [f"u{n}" for n in range(CROWD)]:
                make_home(f"{i.dir}/home/{user}")
                f.write(f"{user}:{{PLAIN}}secret:{OWNER.pw_uid}:{OWNER.pw_gid}::{i.dir}/home/{user}::\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nmail_max_userip_connections = 0\n"
                    f"auth_userdb = passwd-file:{i.dir}/users\nauth_failure_delay = 0s\nimap_hibernate_timeout = 1s\n"
                    f"smtpd_tls_cert_file = {i.dir}/cert.pem\nsmtpd_tls_key_file = {i.dir}/key.pem\n", MASTER)
        if not ok(i.start().returncode == 0, "the system starts"):
            print(i.log())
            return
        one_client(i, home, "plain")
        one_client(i, home, "TLS", tls)
        one_client(i, home, "COMPRESS", None, True)
        one_client(i, home, "TLS and COMPRESS", tls, True)
        unselected(i)
        qresync(i, home)
        gone_mailbox(i, home)
        notified(i, home, "plain")
        notified(i, home, "TLS and COMPRESS", tls, True)
        key_update(i)
        c = Client(PORT)
        c.login()
        c.idle()
        asleep(i)
        c.s.close()
        ok(wait_for(lambda: "imap-hibernate(alice)" in i.log()), "a sleeper who hangs up is logged")
        clients = crowd(i, tls)
        i.run("stop")
        try:
            clients[5].until("* BYE")
            ok(True, "a stop is told to sleepers: BYE")
        except (EOFError, OSError) as e:
            ok(False, "a stop is told to sleepers: BYE", e)
        bad = [l for l in i.log().splitlines() if "cannot be woken" in l or "killed by signal" in l or "panic" in l or "cannot wake" in l]
        ok(len(bad) <= 1, "nothing went wrong on the way", *bad[:5])


main()
t.end()
