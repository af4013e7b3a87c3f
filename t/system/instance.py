# SPDX-License-Identifier: ISC
"""instance.py - a private mail system in a directory of its own, for tests

    with Instance(main="...", master="...") as i:
        i.start(); i.port("smtp") ...

Programs are taken from the build tree (top_builddir); `programs` maps a name in
daemon_directory to a file of the build, so that a test service can stand in for
one of ours.  As root the role users are made up from existing ones.
"""
import atexit, glob, os, pwd, random, re, shutil, signal, smtplib, socket, struct, subprocess, sys, tempfile, time

BUILD = os.environ.get("top_builddir", ".")


def is_sanitized():
    try:
        with open(f"{BUILD}/config.h") as f:
            return "\n#define POSTERN_SANITIZER 1" in f.read()
    except OSError:
        return False


PATIENCE = 5 if is_sanitized() else 1        # a sanitizer's programs are that much slower
CRASH = re.compile(r"process \S+ pid \d+ killed by signal (4|5|6|7|8|11|31)\b|\]: (panic: |error: sanitizer: )")
crashes = []                                 # lines of all logs


@atexit.register
def fail_for_crashes():
    if crashes:
        print("# programs crashed:\n# " + "\n# ".join(crashes), flush=True)
        os._exit(1)


testing = os.getpid()


def end_of_test(number, frame):
    """A test whose time is over (timeout of `make check`) ends what it has started, as one that fails does; its forked children only themselves."""
    if os.getpid() == testing:
        sys.exit(128 + number)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


signal.signal(signal.SIGTERM, end_of_test)
FOLDERS = ("master", "smtpd", "qmgr", "smtp", "local", "pop3d", "imapd", "guard", "cmd")


def free_port():
    """Below the range from which the kernel takes the ports of clients: nobody connects from it before it is listened at."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(10000, 32000)))
                return s.getsockname()[1]
            except OSError:
                pass


def wait_for(what, seconds=20):
    """Waits for a condition, never for a time."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        got = what()
        if got or time.monotonic() > end:
            return got
        time.sleep(0.02)


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def state_of(pid):
    """As ps tells it, one letter; "" when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def alive(pid):
    return state_of(pid) not in ("", "Z", "X")


def descendants(pid):
    """All that live below it."""
    return set().union(*({c} | descendants(c) for c in children_of(pid) if alive(c)))


def attach(pid, *words):
    """strace, once it says that it has the process, which TracerPid shows before calls are seen; None where there is none, or it may not."""
    if not shutil.which("strace"):
        return None
    tracer = subprocess.Popen(["strace", "-f", *words, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    return tracer if any(" attached" in line for line in tracer.stderr) else None


def freeze(*pids):
    """Stops them; returns when each of their threads stands."""
    for pid in pids:
        assert pid > 0, pid                  # 0 would be ourselves and all who started us
        os.kill(pid, signal.SIGSTOP)
    return wait_for(lambda: all(state_of(f"{pid}/task/{thread}") == "T" for pid in pids for thread in os.listdir(f"/proc/{pid}/task")))


def by_policy(port, recipient, size=100):
    """What a policy service says of a recipient (SMTPD_POLICY_README)."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(f"request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient={recipient}\nsize={size}\n\n".encode())
        answer = b""
        while not answer.endswith(b"\n\n") and (more := s.recv(4096)):
            answer += more
    return answer.decode().strip()


def by_lmtp(port, recipient, content=None):
    """The last reply: the one to RCPT, or with content that of a recipient who was taken."""
    with smtplib.LMTP("127.0.0.1", port, timeout=60) as s:
        s.ehlo("client.example")
        s.mail("")
        code, text = s.rcpt(recipient)
        if content is not None and code == 250:
            code, text = s.data(content)
    return f"{code} {text.decode()}"


class Instance:
    may_crash = False                        # the test makes programs crash

    def __init__(self, main="", master="", programs=None, only=None):
        self.dir = tempfile.mkdtemp(prefix="postern.")
        os.chmod(self.dir, 0o755)
        for d in ("etc", "libexec", "sbin"):
            os.mkdir(f"{self.dir}/{d}")
        for folder in FOLDERS + (".",):
            for path in glob.glob(f"{BUILD}/{folder}/*"):
                name = os.path.basename(path)
                if os.access(path, os.X_OK) and os.path.isfile(path) and open(path, "rb").read(4) == b"\x7fELF":
                    if only is not None and name not in only and folder != "cmd" and name != "master":
                        continue
                    if not os.path.lexists(f"{self.dir}/{'sbin' if folder == 'cmd' else 'libexec'}/{name}"):
                        os.symlink(os.path.abspath(path), f"{self.dir}/{'sbin' if folder == 'cmd' else 'libexec'}/{name}")
        for tool in ("tables", "auth-tool", "tls-tool"):     # of cmd/, and started by other programs
            if os.path.exists(f"{self.dir}/sbin/{tool}"):
                os.symlink(os.readlink(f"{self.dir}/sbin/{tool}"), f"{self.dir}/libexec/{tool}")
        for name, path in (programs or {}).items():
            target = f"{self.dir}/libexec/{name}"
            if os.path.lexists(target):
                os.unlink(target)
            os.symlink(os.path.abspath(f"{BUILD}/{path}"), target)
        owners = ""
        if os.getuid() == 0:
            owner = next((u for u in ("postern", "postfix", "mail", "daemon") if self._user(u)), "daemon")
            net = next((u for u in ("postern-net", "nobody") if self._user(u)), "nobody")
            owners = f"mail_owner = {owner}\nsetgid_group = {'postdrop' if self._group('postdrop') else 'mail'}\n"
            owners += "".join(f"{r}_owner = {net}\n" for r in ("net", "dns", "auth", "map", "key", "log"))
        self.main = f"""compatibility_level = 3.6
queue_directory = {self.dir}/queue
data_directory = {self.dir}/data
daemon_directory = {self.dir}/libexec
command_directory = {self.dir}/sbin
maillog_file = {self.dir}/mail.log
maillog_file_prefixes = {self.dir}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mail.example.net
alias_maps =
{owners}"""
        self.configure(main, master)

    @staticmethod
    def _user(name):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            return None

    @staticmethod
    def _group(name):
        import grp
        try:
            return grp.getgrnam(name)
        except KeyError:
            return None

    def configure(self, main, master):
        with open(f"{self.dir}/etc/main.cf", "w") as f:
            f.write(self.main + main)
        with open(f"{self.dir}/etc/master.cf", "w") as f:
            f.write(master)

    def run(self, *words, timeout=90):
        return subprocess.run([f"{self.dir}/sbin/postern", "-c", f"{self.dir}/etc", *words],
                              capture_output=True, text=True, timeout=timeout * PATIENCE)

    def start(self):
        r = self.run("start")
        if r.returncode:
            print("# start:", r.stdout, r.stderr.replace("\n", "\n# "))
        return r

    def log(self):
        try:
            with open(f"{self.dir}/mail.log") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def logged(self, text):
        """Whether the log has it, or soon has: a reply is sent before its line is in the file."""
        return wait_for(lambda: text in self.log())

    def master_pid(self):
        try:
            with open(f"{self.dir}/queue/pid/master.pid") as f:
                return int(f.read())
        except (FileNotFoundError, ValueError):
            return 0

    def children(self, pid=None):
        return children_of(pid or self.master_pid())

    def named(self, name):
        """Pids of master's children that run as `name`."""
        found = []
        for pid in self.children():
            try:
                with open(f"/proc/{pid}/cmdline") as f:
                    if os.path.basename(f.read().split("\0")[0]) == name:
                        found.append(pid)
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def sessions(self, name="imapd"):
        """How many processes of that name serve somebody (the parent of all not counted)."""
        return sum(len(children_of(p)) for p in self.named(name))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.run("status").returncode == 0:
            self.run("abort")
        if not self.may_crash:
            crashes.extend(line for line in self.log().splitlines() if CRASH.search(line))
        shutil.rmtree(self.dir, ignore_errors=True)


class Talk:
    """As a login program that was taken over would speak with authd and the dialer."""
    def __init__(self, i, service):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(60)
        self.s.connect(f"{i.dir}/queue/private/{service}")

    def ask(self, verb, **fields):
        self.s.send(verb.encode() + b"\0" + b"".join(k.encode() + b"\0" + struct.pack(">I", len(v)) + v for k, v in fields.items()))
        data, fds, _, _ = socket.recv_fds(self.s, 65536, 4)
        for fd in fds:
            os.close(fd)
        answer, rest = data.split(b"\0", 1)
        got = {"is": answer.decode(), "fds": len(fds)}
        while rest:
            name, rest = rest.split(b"\0", 1)
            n = struct.unpack(">I", rest[:4])[0]
            got[name.decode()], rest = rest[4:4 + n], rest[4 + n:]
        return got


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, name, *notes):
        self.n += 1
        if not good:
            self.failed += 1
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}")
        if not good:
            for note in notes:
                print("# " + str(note).replace("\n", "\n# "))
        sys.stdout.flush()
        return good

    def end(self):
        if crashes:
            self.ok(False, "no program crashes")
        print(f"1..{self.n}")
        sys.exit(1 if self.failed else 0)


class Line:
    """A client that sends a line and reads one."""
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.f = self.s.makefile("rw")

    def ask(self, text):
        self.f.write(text + "\n")
        self.f.flush()
        return self.f.readline().rstrip("\n")

    def close(self):
        self.f.close()
        self.s.close()
