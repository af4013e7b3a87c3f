#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mta.py - Postern and Postfix, alternately, on the same disk with the same durability

    mta.py [--messages 2000] [--rounds 3] [--sessions 10] [--sizes 1024,10240]
           [--to sink,maildir] [--flushes] [--distinct] [--before BUILD]

Both get the same work from Postfix's smtp-source over SESSIONS connections: mail
that is relayed to smtp-sink, or delivered to a virtual Maildir.  The clock runs
until the last message is out of the queue.  CPU is that of all processes of
the mail system, user and system, ended ones included.  Prints medians and
ratios.  --flushes counts fsync and fdatasync with strace in a run of its own.
--distinct gives each message a recipient of its own, so that nobody gains by
remembering the last one.  --before takes another build of Postern in, to
compare with what it was.
Needs root (Postfix does) and Debian's postfix package.
"""
import argparse, glob, os, pwd, shutil, signal, statistics, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import instance
from instance import Instance, free_port, wait_for

TICK = os.sysconf("SC_CLK_TCK")
NOBODY = pwd.getpwnam("nobody")


def tree_cpu(pid):
    """Seconds of pid and all below it, reaped children included."""
    total = 0.0
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total = sum(int(fields[n]) for n in (11, 12, 13, 14)) / TICK
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    total += tree_cpu(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def tree(pid):
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    yield from tree(int(child))
    except FileNotFoundError:
        pass


ROUTES = """
mydestination =
relayhost =
virtual_mailbox_domains = box.example.net
virtual_mailbox_base = {base}/mail
virtual_mailbox_maps = static:user/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
relay_domains = sink.example.net
relay_transport = smtp:[127.0.0.1]:{sink}
smtpd_client_connection_count_limit = 0
default_process_limit = 100
"""


class Postern:
    def __init__(self, sink, name="Postern", build=instance.BUILD):
        self.name = name
        instance.BUILD = build
        self.i = Instance()
        self.port = free_port()
        self.base = self.i.dir
        self.queue = f"{self.base}/queue"
        os.mkdir(f"{self.base}/mail")
        os.chown(f"{self.base}/mail", NOBODY.pw_uid, NOBODY.pw_gid)
        lines = f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "conf", "master.cf")) as f:
            lines += "".join(l for l in f if not l.startswith("smtp        inet"))
        self.i.configure(ROUTES.format(base=self.base, uid=NOBODY.pw_uid, gid=NOBODY.pw_gid, sink=sink), lines)

    def start(self):
        if self.i.start().returncode:
            sys.exit("Postern does not start")

    def pid(self):
        return self.i.master_pid()

    def stop(self):
        self.i.run("stop")
        shutil.rmtree(self.base, ignore_errors=True)


class Postfix:
    name = "Postfix"

    def __init__(self, sink):
        self.base = tempfile.mkdtemp(prefix="postfix.")
        os.chmod(self.base, 0o755)
        self.port = free_port()
        self.queue = f"{self.base}/queue"
        for d in ("etc", "queue", "data", "mail"):
            os.mkdir(f"{self.base}/{d}")
        owner = pwd.getpwnam("postfix")
        os.chown(f"{self.base}/data", owner.pw_uid, owner.pw_gid)
        os.chown(f"{self.base}/mail", NOBODY.pw_uid, NOBODY.pw_gid)
        with open(f"{self.base}/etc/main.cf", "w") as f:
            f.write(f"compatibility_level = 3.6\nqueue_directory = {self.queue}\ndata_directory = {self.base}/data\n"
                    f"daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\ninet_interfaces = loopback-only\n"
                    f"inet_protocols = ipv4\nmyhostname = mail.example.net\nalias_maps =\nmaillog_file = {self.base}/mail.log\n"
                    f"maillog_file_prefixes = {self.base}\nsmtputf8_enable = no\n"
                    + ROUTES.format(base=self.base, uid=NOBODY.pw_uid, gid=NOBODY.pw_gid, sink=sink))
        with open("/usr/share/postfix/master.cf.dist") as f, open(f"{self.base}/etc/master.cf", "w") as out:
            for line in f:
                fields = line.split()
                if fields[:2] == ["smtp", "inet"]:
                    line = f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
                elif len(fields) > 7 and not line.startswith(("#", " ")):
                    fields[4] = "n"
                    line = " ".join(fields) + "\n"
                out.write(line)
        subprocess.run(["postfix", "-c", f"{self.base}/etc", "set-permissions"], capture_output=True)

    def start(self):
        r = subprocess.run(["postfix", "-c", f"{self.base}/etc", "start"], capture_output=True, text=True)
        if r.returncode:
            sys.exit("Postfix does not start: " + r.stderr)

    def pid(self):
        with open(f"{self.queue}/pid/master.pid") as f:
            return int(f.read())

    def stop(self):
        subprocess.run(["postfix", "-c", f"{self.base}/etc", "stop"], capture_output=True)
        shutil.rmtree(self.base, ignore_errors=True)


def waiting(mta):
    count = 0
    for d in ("incoming", "active", "deferred", "maildrop"):
        for top, _, files in os.walk(f"{mta.queue}/{d}"):
            count += len(files)
    return count


distinct = []


def work(mta, to, size, messages, sessions):
    address = f"u@{'sink' if to == 'sink' else 'box'}.example.net"
    subprocess.run(["smtp-source", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "a@example.org",
                    *distinct, "-t", address, f"inet:127.0.0.1:{mta.port}"], check=True, capture_output=True, timeout=600)
    accepted = time.monotonic()
    if not wait_for(lambda: waiting(mta) == 0, 300):
        sys.exit(f"{mta.name}: {waiting(mta)} messages stay in the queue: {mta.base}")
    return accepted


def one_run(mta, to, size, messages, sessions):
    before = tree_cpu(mta.pid())
    begun = time.monotonic()
    accepted = work(mta, to, size, messages, sessions)
    ended = time.monotonic()
    shutil.rmtree(f"{mta.base}/mail/user", ignore_errors=True)
    return messages / (ended - begun), messages / (accepted - begun), (tree_cpu(mta.pid()) - before) / messages * 1000


def flushes(mta, to, size, messages, sessions):
    out = f"{mta.base}/strace"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-c", "-e", "trace=fsync,fdatasync", "-o", out]
                              + [w for p in tree(mta.pid()) for w in ("-p", str(p))], stderr=subprocess.DEVNULL)
    time.sleep(1)  # strace says nothing when it has attached to all
    work(mta, to, size, messages, sessions)
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    with open(out) as f:
        return sum(int(l.split()[3]) for l in f if l.rstrip().endswith(("fsync", "fdatasync"))) / messages


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--messages", type=int, default=2000)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--sessions", type=int, default=10)
    a.add_argument("--sizes", default="1024,10240")
    a.add_argument("--to", default="sink,maildir")
    a.add_argument("--flushes", action="store_true")
    a.add_argument("--distinct", action="store_true")
    a.add_argument("--before", metavar="BUILD")
    a = a.parse_args()
    distinct.extend(["-N"] if a.distinct else [])
    if os.getuid() or not shutil.which("smtp-source") or not shutil.which("postfix"):
        sys.exit("mta.py: needs root and the postfix package")
    sink_port = free_port()
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{sink_port}", "1000"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mtas = [Postern(sink_port), Postfix(sink_port)]
    if a.before:
        mtas.insert(0, Postern(sink_port, "before", a.before))
    try:
        for m in mtas:
            m.start()
        print(f"{a.messages} messages, {a.sessions} sessions, {a.rounds} rounds, alternately; medians")
        print(f"{'':24}{'messages/s':>12}{'accepted/s':>12}{'CPU ms/msg':>12}" + ("   flushes/msg" if a.flushes else ""))
        for to in a.to.split(","):
            for size in map(int, a.sizes.split(",")):
                got = {m.name: [] for m in mtas}
                for m in mtas:
                    one_run(m, to, size, 200, a.sessions)  # warm
                for _ in range(a.rounds):
                    for m in mtas:
                        got[m.name].append(one_run(m, to, size, a.messages, a.sessions))
                median = {n: [statistics.median(r[k] for r in rs) for k in range(3)] for n, rs in got.items()}
                for m in mtas:
                    extra = f"{flushes(m, to, size, 300, a.sessions):14.2f}" if a.flushes else ""
                    print(f"{to:8}{size:>7} {m.name:8}" + "{:12.0f}{:12.0f}{:12.2f}".format(*median[m.name]) + extra, flush=True)
                us, they = median["Postern"], median["Postfix"]
                print(f"{to:8}{size:>7} {'ratio':8}" + "".join(f"{x / y:12.2f}" for x, y in zip(us, they)), flush=True)
    finally:
        for m in mtas:
            m.stop()
        sink.terminate()


main()
