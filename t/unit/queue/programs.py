# SPDX-License-Identifier: ISC
"""programs.py - runs single programs of ours without master, and speaks their frames

A program gets what service.h promises it: 3 the status socket, 4 the log,
5... its listeners; sockets lie in role/mail of a queue directory of the test's own.
"""
import os, signal, socket, struct, subprocess, sys, tempfile, threading, time, shutil

NOBODY = 65534          # run by root the programs are nobody, and so unprivileged: one owner of all
BUILD = os.environ.get("top_builddir", ".")


def frame(verb, *fields):
    out = verb.encode() + b"\0"
    for name, value in fields:
        if isinstance(value, bool):
            value = b"yes" if value else b"no"
        elif isinstance(value, int):
            value = str(value).encode()
        elif isinstance(value, str):
            value = value.encode()
        out += name.encode() + b"\0" + struct.pack(">I", len(value)) + value
    return out


def unframe(data):
    end = data.index(b"\0")
    verb, at, fields = data[:end].decode(), end + 1, []
    while at < len(data):
        end = data.index(b"\0", at)
        length = struct.unpack(">I", data[end + 1:end + 5])[0]
        fields.append((data[at:end].decode(), data[end + 5:end + 5 + length]))
        at = end + 5 + length
    return verb, fields


class Talk:
    def __init__(self, path, timeout=20):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(timeout)
        self.s.connect(path)

    def tell(self, verb, *fields):
        self.s.send(frame(verb, *fields))

    def hear(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.s, 70000, 4)
        except ConnectionResetError:
            data, fds = b"", []
        if not data:
            return None, {}, []
        verb, fields = unframe(data)
        return verb, dict(fields), fds

    def ask(self, verb, *fields):
        self.tell(verb, *fields)
        return self.hear()

    def close(self):
        self.s.close()


class House:
    """A queue, a main.cf, and the programs that were started in it."""

    def __init__(self, main_cf=""):
        self.dir = tempfile.mkdtemp(prefix="postern-queue-")
        self.queue = self.dir + "/queue"
        self.children, self.log = {}, []
        for d in "pid maildrop incoming active deferred hold corrupt ids public private role role/mail role/map data".split():
            os.makedirs(self.queue + "/" + d, exist_ok=True)
        for d, _, _ in os.walk(self.dir):
            if os.getuid() == 0:
                os.chown(d, NOBODY, NOBODY)
            os.chmod(d, 0o755)
        with open(self.dir + "/main.cf", "w") as f:
            f.write("queue_directory = %s\ndata_directory = %s/data\nmyhostname = mx.example.org\n"
                    "mydomain = example.org\nmyorigin = example.org\nmydestination = example.org, localhost\n"
                    "local_recipient_maps =\nalias_maps =\nalias_database =\ninet_interfaces = 127.0.0.1\nmynetworks = 127.0.0.0/8\n%s\n" % (self.queue, self.queue, main_cf))
        open(self.dir + "/master.cf", "w").close()
        self.log_in, self.log_out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        threading.Thread(target=self._read_log, daemon=True).start()

    def _read_log(self):
        while True:
            try:
                line = self.log_in.recv(4096)
            except OSError:
                return
            if not line:
                return
            self.log.append(line.decode("utf-8", "replace"))
            if os.environ.get("VERBOSE"):
                print("#", self.log[-1], file=sys.stderr)

    def start(self, program, path, *args, service=None, kind=socket.SOCK_SEQPACKET, env=None):
        binary = [b for b in ("qmgr/" + program, "guard/" + program) if os.path.isfile("%s/%s" % (BUILD, b))][0]
        listener = socket.socket(socket.AF_UNIX, kind)
        full = self.queue + "/" + path
        if os.path.exists(full):
            os.unlink(full)
        listener.bind(full)
        os.chmod(full, 0o666)
        listener.listen(50)
        link = self.queue + "/role/mail/" + program
        if not os.path.lexists(link):
            os.symlink(full, link)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = [theirs.fileno(), self.log_out.fileno(), listener.fileno()]

        def arrange():
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(wanted)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
        child = subprocess.Popen(
            ["%s/%s" % (BUILD, binary), "-n", service or program, "-t", "unix", "-c", self.dir, "-s", path, "-m", "100", "-k",
             "100", *args], preexec_fn=arrange, close_fds=False, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})})
        theirs.close()
        listener.close()
        ours.settimeout(20)
        said = ours.recv(4096).decode()
        self.children[program] = (child, ours)
        if said != "ready":
            raise RuntimeError("%s said %s" % (program, said))
        return child

    def stop(self, program, sig=signal.SIGKILL):
        child, ours = self.children.pop(program)
        ours.close()
        child.send_signal(sig)
        child.wait()

    def end(self):
        for program in list(self.children):
            self.stop(program)
        shutil.rmtree(self.dir, ignore_errors=True)

    def files(self, state):
        return sorted(os.listdir(self.queue + "/" + state))

    def messages(self, state):
        return [f for f in self.files(state) if not f.endswith(".part")]

    def wait(self, condition, seconds=20):
        until = time.time() + seconds
        while not condition():
            if time.time() > until:
                return False
            time.sleep(0.01)
        return True


def submit(talk, content, rcpts, sender="a@example.net", origin=(), envelope=(), edits=None, body=None):
    """One submission up to commit: the id and the last answer."""
    verb, fields, _ = talk.ask("open", ("origin", "smtpd"), *origin)
    if verb != "opened":
        return None, (verb, fields)
    ident = fields["queue_id"].decode()
    verb, fields, fds = talk.ask("content")
    if verb != "content":
        return ident, (verb, fields)
    at = int(fields["at"])
    os.pwrite(fds[0], content, at)
    for r in rcpts:
        talk.tell("rcpt", ("address", r))
    verb, fields, _ = talk.ask("prepare", ("sender", sender), ("length", len(content)), *envelope)
    if verb == "prepared":
        if edits:
            if callable(edits):
                edits = edits(fds[0], int(fields["end"]))
            talk.tell("edit", ("edits", edits))
        verb, fields, _ = talk.ask("commit")
    os.close(fds[0])
    if verb == "refused":
        talk.ask("abort")
    return ident, (verb, fields)


def edit(op, *fields):
    out = op.encode() + str(len(fields)).encode()
    for f in fields:
        f = f if isinstance(f, bytes) else str(f).encode()
        out += struct.pack(">I", len(f)) + f
    return out


def read_message(path):
    """Head, attributes, content in its pieces, recipients of a queue file."""
    data = open(path, "rb").read()
    head = dict(l.split(b"=", 1) for l in data[:504].split(b"\n") if b"=" in l)
    e, r, j = int(head[b"envelope"]), int(head[b"rcpts"]), int(head[b"journal"])
    _, attributes = unframe(b"x\0" + data[e:r])
    attributes = {k: v for k, v in attributes}
    content = b"".join(data[int(a):int(a) + int(l)] for a, l in (p.split(b"+") for p in attributes["pieces"].split(b",") if p))
    rcpts = []
    while r < j:
        a, o, p = struct.unpack(">HHH", data[r + 2:r + 8])
        rcpts.append((data[r:r + 1], data[r + 8:r + 8 + a].decode(), data[r + 8 + a:r + 8 + a + o].decode()))
        r += 8 + a + o + p
    return head, attributes, content, rcpts


class Tap:
    def __init__(self):
        self.n = self.bad = 0

    def ok(self, condition, name, detail=""):
        self.n += 1
        if not condition:
            self.bad += 1
        print("%sok %d - %s" % ("" if condition else "not ", self.n, name))
        if not condition and detail != "":
            print("# " + repr(detail))
        sys.stdout.flush()

    def done(self):
        print("1..%d" % self.n)
        sys.exit(1 if self.bad else 0)
