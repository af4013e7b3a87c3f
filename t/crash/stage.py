# SPDX-License-Identifier: ISC
"""stage.py - one of our programs alone on a stage, its peers played by this script

qmgr (or another program) is started as master would start it; rewrite, bounce
and the delivery agents are threads here that speak frames. So a test decides
what they answer, when they die, and sees what was asked.
"""
import array, fcntl, os, shutil, signal, socket, struct, subprocess, tempfile, threading, time

BUILD = os.environ.get("top_builddir", ".")


def become_nobody():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got or time.monotonic() > end:
            return got
        time.sleep(0.01)


class Frame:
    def __init__(self, verb, fields=(), fds=()):
        self.verb, self.fields, self.fds = verb, list(fields), list(fds)

    def get(self, name, default=None):
        for n, v in self.fields:
            if n == name:
                return v
        return default

    def all(self, name):
        return [v for n, v in self.fields if n == name]

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def send(sock, verb, *fields):
    out = verb.encode() + b"\0"
    for name, value in fields:
        value = value if isinstance(value, bytes) else str(value).encode()
        out += name.encode() + b"\0" + struct.pack(">I", len(value)) + value
    sock.send(out)


def receive(sock):
    data, anc, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(64))
    fds = array.array("i")
    for level, kind, body in anc:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
    if not data:
        for fd in fds:
            os.close(fd)
        return None
    verb, rest = data.split(b"\0", 1)
    fields = []
    while rest:
        name, rest = rest.split(b"\0", 1)
        (size,) = struct.unpack(">I", rest[:4])
        fields.append((name.decode(), rest[4:4 + size].decode("utf-8", "replace")))
        rest = rest[4 + size:]
    return Frame(verb.decode(), fields, fds)


class Player:
    """Listens on a path and answers each connection in a thread."""
    def __init__(self, path, serve):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            os.unlink(path)
        self.path, self.serve, self.open = path, serve, True
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(200)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while self.open:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(sock,), daemon=True).start()

    def run(self, sock):
        with sock:
            try:
                self.serve(sock)
            except (OSError, EOFError):
                pass

    def close(self):
        self.open = False
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def resolver(route):
    """rewrite: route(address) gives (transport, nexthop[, class])."""
    def serve(sock):
        while (f := receive(sock)) is not None:
            fields = []
            for address in f.all("address"):
                transport, nexthop = route(address)[:2]
                fields += [("transport", transport), ("nexthop", nexthop), ("recipient", address),
                           ("class", 4)] + ([("error", "")] if transport in ("error", "retry") else [])
            send(sock, "resolved", *fields)
    return serve


class Delivery:
    def __init__(self, sock, frame):
        self.sock, self.head = sock, frame
        self.id, self.nexthop = frame.get("queue_id"), frame.get("nexthop")
        self.rcpts = []
        while True:
            for name, value in frame.fields:
                if name == "index":
                    self.rcpts.append({"index": value})
                elif name in ("address", "original", "orcpt", "notify") and self.rcpts:
                    self.rcpts[-1][name] = value
            if frame.get("last") == "yes":
                break
            frame = receive(sock)
            if frame is None:
                raise EOFError

    def status(self, rcpt, action="sent", dsn=None, text="ok", **more):
        dsn = dsn or {"sent": "2.0.0", "deferred": "4.0.0", "bounced": "5.0.0"}[action]
        send(self.sock, "status", ("index", rcpt["index"]), ("action", action), ("dsn", dsn), ("text", text),
             *more.items())

    def done(self, *fields):
        send(self.sock, "done", *fields)


def agent(deliver):
    """A delivery agent: deliver(Delivery) reports; returning False ends the connection like a death."""
    def serve(sock):
        while (f := receive(sock)) is not None:
            d = Delivery(sock, f)
            try:
                if deliver(d) is False:
                    return
            finally:
                d.head.close()
    return serve


class Child:
    """A program with descriptors from 3 on, as master gives them."""
    def __init__(self, command, fds, env):
        self.code, self.pid = None, os.fork()
        if self.pid == 0:
            try:
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
                for i, fd in enumerate(fds):
                    os.dup2(fd, 3 + i)
                os.closerange(3 + len(fds), 1000)
                os.execve(command[0], command, env)
            finally:
                os._exit(127)

    def poll(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=30):
        wait_for(lambda: self.poll() is not None, seconds)
        return self.code


class Stage:
    def __init__(self, main="", program="qmgr/qmgr"):
        self.dir = tempfile.mkdtemp(prefix="postern.")
        self.queue = f"{self.dir}/queue"
        self.program = program
        os.mkdir(f"{self.dir}/etc")
        with open(f"{self.dir}/etc/main.cf", "w") as f:
            f.write(f"queue_directory = {self.queue}\nmyhostname = mx.example.org\nmydomain = example.org\n"
                    f"data_directory = {self.dir}/data\n{main}\n")
        for d in ("private", "public", "role/mail"):
            os.makedirs(f"{self.queue}/{d}")
        self.lines, self.players, self.process = [], [], None
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(f"{self.dir}/log")
        self.log.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        threading.Thread(target=self.read_log, daemon=True).start()
        self.fill("incoming", 0)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.kill()
        for p in self.players:
            try:
                p.close()
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    def read_log(self):
        while True:
            line = self.log.recv(8192).decode("utf-8", "replace")
            self.lines.append(line)
            if os.environ.get("SHOW_LOG"):
                print("#", line, flush=True)

    def play(self, where, serve):
        p = Player(f"{self.queue}/{where}", serve)
        self.players.append(p)
        return p

    def fill(self, state, count, *rcpts, sender="a@example.org", due=0, **env):
        out = subprocess.run([f"{BUILD}/t/bench/queue_fill", self.queue, state, str(count), str(due), sender,
                              *(rcpts or ("x@y",))], check=True, capture_output=True, text=True,
                             env={**os.environ, **{k: str(v) for k, v in env.items()}})
        return out.stdout.split()

    def listen(self, kind, name):
        path = f"{self.queue}/{name}"
        if os.path.exists(path):
            os.unlink(path)
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(path)
        if kind != socket.SOCK_DGRAM:
            s.listen(100)
        return s

    def start(self, env=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.connect(f"{self.dir}/log")
        if not hasattr(self, "listeners"):
            self.listeners = [self.listen(socket.SOCK_SEQPACKET, "public/qmgr"),
                              self.listen(socket.SOCK_DGRAM, "private/qmgr-notice")]
        high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for s in [theirs, log, *self.listeners]]

        self.status = ours
        command = [f"{BUILD}/{self.program}", "-n", "qmgr", "-t", "unix", "-c", f"{self.dir}/etc",
                   "-s", "qmgr,private/qmgr-notice", *os.environ.get("STAGE_OPTIONS", "").split()]
        self.process = Child(command, high, {**os.environ, **(env or {})})
        for fd in high:
            os.close(fd)
        theirs.close()
        log.close()
        self.status.settimeout(20)
        assert self.status.recv(1000).startswith(b"ready"), "qmgr did not start"

    def notice(self, ident):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(f"{self.queue}/private/qmgr-notice")
            s.send(f"new {ident}".encode())

    def ask(self, verb, *fields):
        """What qmgr answers, frame by frame; None at the end when it died instead.  The listening socket is ours too,
        so that a connection which a dead qmgr had not accepted is not closed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(1)
            s.connect(f"{self.queue}/public/qmgr")
            send(s, verb, *fields)
            out, end = [], time.monotonic() + 60
            while True:
                try:
                    f = receive(s)
                except TimeoutError:
                    if self.process.poll() is not None:
                        return out + [None]
                    if time.monotonic() > end:
                        raise
                    continue
                out.append(f)
                if f is None or f.verb in ("done", "refused"):
                    return out

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def stop(self, seconds=30):
        self.status.send(b"stop")
        return self.process.wait(seconds)

    def ids(self, state):
        out = []
        for base, _, files in os.walk(f"{self.queue}/{state}"):
            out += [f for f in files if not f.endswith(".part")]
        return out

    def logged(self, text):
        return [line for line in list(self.lines) if text in line]


class Tap:
    def __init__(self):
        self.count, self.failed = 0, 0

    def ok(self, what, name):
        self.count += 1
        self.failed += not what
        print(f"{'ok' if what else 'not ok'} {self.count} - {name}", flush=True)

    def end(self):
        print(f"1..{self.count}", flush=True)
        raise SystemExit(1 if self.failed else 0)
