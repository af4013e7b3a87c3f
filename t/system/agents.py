# SPDX-License-Identifier: ISC
"""agents.py - play master and qmgr for one program of ours, without the rest

    with Site(main="...", users={"alice": 5001}) as s:
        local = s.start("local/local", "local")
        answers = s.deliver("local", ["alice@example.com"], b"Subject: x\r\n\r\nhi\r\n", sender="a@b")

Speaks lib/ipc/frame.h and deliver.h itself, so that both are tested from outside.
Users are made up by passwd_shim (as root with uids of their own, else all are the caller).
"""
import array, ctypes, os, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

TOP = os.environ.get("top_builddir", ".")
ROOT = os.getuid() == 0


def pack(verb, fields):
    out = verb.encode() + b"\0"
    for name, value in fields:
        value = value if isinstance(value, bytes) else str(value).encode()
        out += name.encode() + b"\0" + struct.pack(">I", len(value)) + value
    return out


def unpack(data):
    end = data.index(b"\0")
    verb, at, fields = data[:end].decode(), end + 1, []
    while at < len(data):
        end = data.index(b"\0", at)
        size = struct.unpack(">I", data[end + 1:end + 5])[0]
        fields.append((data[at:end].decode(), data[end + 5:end + 5 + size]))
        at = end + 5 + size
    return verb, fields


class Site:
    def __init__(self, main="", users=None, tables=None):
        self.dir = tempfile.mkdtemp(prefix="agents.")
        os.chmod(self.dir, 0o755)
        self.programs, self.logs = {}, []
        for d in ("queue/private", "queue/role/root", "queue/role/map", "data", "home", "spool"):
            os.makedirs(f"{self.dir}/{d}")
        os.chmod(f"{self.dir}/spool", 0o1777)
        with open(f"{self.dir}/passwd", "w") as f:
            for name, uid in (users or {}).items():
                uid = uid if ROOT else os.getuid()
                home = f"{self.dir}/home/{name}"
                os.makedirs(home)
                os.chown(home, uid, uid if ROOT else os.getgid())
                f.write(f"{name}:x:{uid}:{uid if ROOT else os.getgid()}::{home}:/bin/sh\n")
        for name, text in (tables or {}).items():
            with open(f"{self.dir}/{name}", "w") as f:
                f.write(text.replace("$DIR", self.dir))
        owners = "".join(f"{r}_owner = nobody\n" for r in ("net", "dns", "auth", "map", "key", "log")) if ROOT else ""
        with open(f"{self.dir}/main.cf", "w") as f:
            f.write(f"compatibility_level = 3.6\nqueue_directory = {self.dir}/queue\ndata_directory = {self.dir}/data\n"
                    f"myhostname = mail.example.com\nmyorigin = example.com\nmydestination = example.com, mail.example.com\n"
                    f"alias_maps =\nmail_spool_directory = {self.dir}/spool\n{owners}" + main.replace("$DIR", self.dir))
        open(f"{self.dir}/master.cf", "w").close()
        self.log_in, self.log_out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            line = self.log_in.recv(65536)
            if not line:
                return
            self.logs.append(line.decode(errors="replace"))

    def logged(self, *words, seconds=20):
        """A line with all the words: lines come by a thread of their own."""
        end = time.monotonic() + seconds
        while not any(all(w in l for w in words) for l in list(self.logs)):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def start(self, program, name, *words, options=(), paths=None, tracer=(), kind=socket.SOCK_SEQPACKET):
        paths = paths or [f"queue/private/{name}", f"queue/role/root/{name}"]
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(f"{self.dir}/{paths[0]}")
        os.chmod(f"{self.dir}/{paths[0]}", 0o666)
        for p in paths[1:]:
            if os.path.lexists(f"{self.dir}/{p}"):
                os.unlink(f"{self.dir}/{p}")
            os.symlink(f"{self.dir}/{paths[0]}", f"{self.dir}/{p}")
        listener.listen(50)
        status, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def give():
            for i, s in enumerate([end, self.log_out, listener]):
                os.dup2(s.fileno(), 50 + i)
            for i in range(3):
                os.dup2(50 + i, 3 + i)
                os.set_inheritable(3 + i, True)
            os.closerange(6, 100)
            os.umask(0o22)

        env = dict(os.environ, LD_PRELOAD=f"{os.path.abspath(TOP)}/t/system/passwd_shim.so", TEST_PASSWD=f"{self.dir}/passwd")
        env["ASAN_OPTIONS"] = "detect_leaks=0:verify_asan_link_order=0:" + env.get("ASAN_OPTIONS", "")
        extra = [w for o in options for w in ("-o", o.replace("$DIR", self.dir))]
        p = subprocess.Popen([*tracer, f"{os.path.abspath(TOP)}/{program}", "-n", name, "-t", "unix", "-c", self.dir, "-s",
                              f"private/{name}", "-m", "20", "-k", "20", *extra, *words],
                             preexec_fn=give, close_fds=False, env=env, stdin=subprocess.DEVNULL)
        end.close()
        listener.close()
        self.programs[name] = (p, status)
        status.settimeout(20)
        said = status.recv(1000)
        if not said.startswith(b"ready"):
            raise RuntimeError(f"{program}: {said!r} {self.logs}")
        return p

    def connect(self, name, kind=socket.SOCK_SEQPACKET):
        s = socket.socket(socket.AF_UNIX, kind)
        s.settimeout(60)
        s.connect(f"{self.dir}/queue/private/{name}")
        return s

    def send(self, sock, recipients, content, sender="sender@elsewhere.example", queue_id="4XyZabc0z1", nexthop="mail.example.com",
             **more):
        path = f"{self.dir}/content"
        with open(path, "wb") as f:
            f.write(content)
        fd = os.open(path, os.O_RDONLY)
        os.unlink(path)
        fields = [("queue_id", queue_id), ("transport", "local"), ("nexthop", nexthop), ("sender", sender), ("size", len(content)),
                  ("arrival_us", 1795180000000000)]
        fields += [(k, v) for k, v in more.items()]
        fields += [("pieces", f"0+{len(content)}" if content else ""), ("content", 0), ("count", len(recipients))]
        for i, r in enumerate(recipients):
            r = r if isinstance(r, tuple) else (r, "")
            fields += [("index", i), ("address", r[0])] + ([("original", r[1])] if r[1] else [])
        fields.append(("last", "yes"))
        sock.sendmsg([pack("deliver", fields)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        os.close(fd)

    def answers(self, sock):
        """{index: (action, dsn, text)}; raises ConnectionError when the agent goes away."""
        out = {}
        while True:
            data = sock.recv(65536)
            if not data:
                raise ConnectionError(out)
            verb, fields = unpack(data)
            f = dict(fields)
            if verb == "done":
                return out
            out[int(f["index"])] = (f["action"].decode(), f["dsn"].decode(), f["text"].decode(errors="replace"))

    def deliver(self, name, recipients, content, **more):
        with self.connect(name) as s:
            self.send(s, recipients, content, **more)
            return self.answers(s)

    def one(self, name, recipient, content=b"Subject: x\r\n\r\nhello\r\n", **more):
        return self.deliver(name, [recipient], content, **more)[0]

    def home(self, user, path=""):
        return f"{self.dir}/home/{user}/{path}"

    def write(self, user, path, text, mode=0o644):
        full = self.home(user, path)
        with open(full, "w") as f:
            f.write(text.replace("$DIR", self.dir))
        os.chmod(full, mode)
        st = os.stat(self.home(user))
        os.chown(full, st.st_uid, st.st_gid)
        return full

    def stop(self, name):
        p, status = self.programs.pop(name)
        status.close()
        p.kill()
        p.wait()
        os.unlink(f"{self.dir}/queue/private/{name}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for name in list(self.programs):
            self.stop(name)
        shutil.rmtree(self.dir, ignore_errors=True)


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, name, *notes):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}")
        if not good:
            for note in notes:
                print("# " + str(note).replace("\n", "\n# "))
        sys.stdout.flush()
        return good

    def same(self, got, want, name):
        return self.ok(got == want, name, f"got  {got!r}", f"want {want!r}")

    def end(self):
        print(f"1..{self.n}")
        sys.exit(bool(self.failed))


class FakeCleanup:
    """Takes messages as cleanup would (lib/ipc/submit.h) and keeps them: [(sender, [recipients], bytes)]."""

    def __init__(self, site, refuse=None):
        self.site, self.got, self.refuse, self.n = site, [], refuse, 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(f"{site.dir}/queue/role/root/cleanup")
        self.listener.listen(10)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            c, _ = self.listener.accept()
            threading.Thread(target=self._talk, args=(c,), daemon=True).start()

    def _talk(self, c):
        rcpts, path, length, sender = [], None, 0, b""
        while True:
            data = c.recv(65536)
            if not data:
                return
            verb, fields = unpack(data)
            f = dict(fields)
            if verb == "open":
                self.n += 1
                rcpts, path = [], f"{self.site.dir}/queued{self.n}"
                if self.refuse:
                    c.send(pack("refused", [("status", self.refuse), ("reason", "not today")]))
                else:
                    c.send(pack("opened", [("queue_id", f"4Queued{self.n}")]))
            elif verb == "content":
                fd = os.open(path, os.O_RDWR | os.O_CREAT)
                c.sendmsg([pack("content", [("at", 64), ("file", 0)])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
                os.close(fd)
            elif verb == "rcpt":
                rcpts.append(f["address"].decode())
            elif verb == "prepare":
                sender, length = f["sender"], int(f["length"])
                c.send(pack("prepared", [("pieces", f"64+{length}"), ("size", length), ("end", 64 + length)]))
            elif verb == "commit":
                with open(path, "rb") as m:
                    self.got.append((sender.decode(), sorted(rcpts), m.read()[64:64 + length]))
                c.send(pack("committed", []))
            elif verb == "abort":
                c.send(pack("aborted", []))
