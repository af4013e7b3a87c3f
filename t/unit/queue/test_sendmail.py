#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_sendmail.py - sendmail, postdrop and pickup: from a command line into the queue"""
import fcntl, os, resource, signal, struct, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *

tap = Tap()
h = House("command_directory = %s/cmd\ndaemon_directory = %s\nmessage_size_limit = 20000\nhopcount_limit = 5\nvirtual_alias_maps = pcre:{{/^(x*)loop@example.org$$/ $${1}xloop@example.org}}" %
          (os.path.abspath(BUILD), os.path.abspath(BUILD)))
SENDMAIL = os.path.abspath(BUILD) + "/cmd/sendmail"
POSTDROP = os.path.abspath(BUILD) + "/cmd/postdrop"
ENV = {**os.environ, "MAIL_CONFIG": h.dir}


def sendmail(*args, text=b"Subject: x\n\nbody\n", **more):
    p = subprocess.run([SENDMAIL, *args], input=text, capture_output=True, env=more.pop("env", ENV), timeout=30, **more)
    return p.returncode, p.stderr.decode(), p.stdout.decode()


def drops():
    return h.files("maildrop")


def records(path):
    data, out = open(path, "rb").read(), []
    while data:
        n = struct.unpack(">I", data[1:5])[0]
        out.append((data[:1].decode(), data[5:5 + n]))
        data = data[5 + n:]
    return out


def only():
    """The one file of maildrop, taken away."""
    names = drops()
    assert len(names) == 1, names
    r = records(h.queue + "/maildrop/" + names[0])
    os.unlink(h.queue + "/maildrop/" + names[0])
    return r


def fields(r, kind):
    return [v.decode() for k, v in r if k == kind]


# --- while the system is stopped ---
status, err, _ = sendmail("-f", "joe@example.org", "u@example.net", "a b <v@example.net>, w")
r = only() if status == 0 else []
tap.ok(status == 0 and fields(r, "S") == ["joe@example.org"] and fields(r, "R") == ["u@example.net", "v@example.net", "w"], "a message is dropped", (status, err, r))
tap.ok(b"".join(v for k, v in r if k == "D") == b"Subject: x\n\nbody\n", "with its content")
rows = [  # options, text, recipients, content, status
    (["-t"], b"To: a@x.org, \"q w\"@y.org\nCc: c (comment)\nBcc: d@x.org\nSubject: hi\n\nTo: no@x.org\n", ['a@x.org', '"q w"@y.org', 'c', 'd@x.org'], None, 0),
    (["-t", "e@x.org"], b"To: a@x.org\n\n", ["e@x.org", "a@x.org"], None, 0),
    (["-t"], b"To: a@x.org\nResent-To: r@x.org\n\n", ["r@x.org"], None, 0),
    (["-t"], b"To: a@x.org,\n b@x.org,\n\tgroup: c@x.org, d@x.org;\n\n", ["a@x.org", "b@x.org", "c@x.org", "d@x.org"], None, 0),
    (["-t"], b"Subject: nobody\n\n", None, None, 75),
    ([], b"", None, None, 75),
    (["u"], b"one\n.\ntwo\n", ["u"], b"one\n", 0),
    (["-i", "u"], b"one\n.\ntwo\n", ["u"], b"one\n.\ntwo\n", 0),
    (["-oi", "u"], b"one\n.\ntwo\n", ["u"], b"one\n.\ntwo\n", 0),
    (["u"], b"From me today\n>From him\nSubject: x\r\n\r\nFrom stays\r\nno end", ["u"], b"Subject: x\n\nFrom stays\nno end\n", 0),
    (["-bm", "-oem", "-om", "-o7", "-G", "-m", "-U", "-q15m", "-Lx", "-X", "/dev/null", "-h", "3", "-Am", "-oQ", "/x", "u"], b"x\n", ["u"], None, 0),
    (["-Z", "u"], b"", None, None, 75),
    (["-bx", "u"], b"", None, None, 75),
    (["-N", "sometimes", "u"], b"x\n", ["u"], None, 0),
    (["-R", "some", "u"], b"x\n", ["u"], None, 0),
    (["u"], b"x" * 30000, None, None, 75),
    (["--", "-u@x.org"], b"x\n", ["-u@x.org"], None, 0),
]
for options, text, rcpts, content, want in rows:
    status, err, _ = sendmail(*options, text=text)
    r = only() if drops() else []
    ok = status == want and (rcpts is None and not r or fields(r, "R") == rcpts)
    if content is not None:
        ok = ok and b"".join(v for k, v in r if k == "D") == content
    tap.ok(ok, "sendmail %s" % " ".join(options), (status, err, r))
with open(h.dir + "/main.cf") as f:
    small = f.read()
with open(h.dir + "/main.cf", "w") as f:
    f.write(small.replace("message_size_limit = 20000", "message_size_limit = 0"))
status, err, _ = sendmail("-t", text=b"To: " + b",\n ".join(b"u%d@x.org" % k for k in range(100001)) + b"\n\nbody\n")
with open(h.dir + "/main.cf", "w") as f:
    f.write(small)
tap.ok(status == 75 and "too many recipients" in err and not drops(), "of too many recipients none is left out in silence", (status, err[:200], len(drops())))
for name in drops():
    os.unlink(h.queue + "/maildrop/" + name)
status, err, _ = sendmail("-f", "", "-N", "success,delay", "-R", "hdrs", "-V", "id-1", "-B", "8BITMIME", "-F", "A\nB", "-O", "smtputf8=yes", "-v", "u")
r = only()
tap.ok(fields(r, "S") == [""] and sorted(fields(r, "A")) == sorted(["notify=10", "ret=HDRS", "envid=id-1", "body=8BITMIME", "smtputf8=yes", "trace=yes"])
       and fields(r, "F") == ["A B"], "options become attributes", (status, err, r))
status, err, _ = sendmail("-XV", "-bv", "u")
tap.ok(sorted(fields(only(), "A")) == ["verify=yes", "verp=+="], "-XV and -bv")

status, err, _ = sendmail("u@example.net", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
tap.ok(status == 0 and only(), "a caller that ignores its children hears the truth", (status, err))

# --- hostile environments for postdrop ---
good = b"".join(k + struct.pack(">I", len(v)) + v for k, v in [(b"V", b"1"), (b"S", b"joe"), (b"R", b"u@example.net"), (b"D", b"x\n"), (b"E", b"")])


def postdrop(text=good, prepare=None, argv=None, env=ENV, **more):
    p = subprocess.run(argv or [POSTDROP], input=text, capture_output=True, env=env, preexec_fn=prepare, timeout=30,
                       executable=POSTDROP, **more)
    return p.returncode


def limit(which, value):
    return lambda: resource.setrlimit(which, (value, resource.getrlimit(which)[1] if value else value))


def hard(which, value):
    return lambda: resource.setrlimit(which, (value, value))


def several(*all):
    return lambda: [f() for f in all]


def close(*fds):
    def run():
        for fd in fds:
            os.close(fd)
    return run


def timer():
    signal.setitimer(signal.ITIMER_REAL, 0.001)


def blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))


def ignored():
    for n in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM, signal.SIGXFSZ, signal.SIGPIPE):
        signal.signal(n, signal.SIG_IGN)


def opened():
    for fd in range(20, 400):
        os.dup2(1, fd)


long_env = {**ENV, **{"V%d" % i: "x" * 1000 for i in range(100)}}
odd_env = {**ENV, "LD_PRELOAD": "/nonexistent.so", "IFS": "x", "TZ": "/etc/passwd", "PATH": "/nonexistent", "LC_ALL": "xx", "POSIXLY_CORRECT": "1",
           "MALLOC_CHECK_": "3", "LD_LIBRARY_PATH": "/nonexistent"}
R = resource
environments = [
    ("plain", {}), ("no arguments", {"argv": [""]}), ("a long argument", {"argv": ["postdrop", "-c" + h.dir, "x" * 120000]}),
    ("an unknown option", {"argv": ["postdrop", "-Q"]}), ("a closed stdout", {"prepare": close(1)}), ("a closed stderr", {"prepare": close(2)}),
    ("all closed but stdin", {"prepare": close(1, 2)}), ("stdin closed", {"prepare": close(0)}), ("nothing open", {"prepare": close(0, 1, 2)}),
    ("400 descriptors", {"prepare": opened}), ("a large environment", {"env": long_env}), ("an odd environment", {"env": odd_env}),
    ("umask 0777", {"prepare": lambda: os.umask(0o777)}), ("umask 0", {"prepare": lambda: os.umask(0)}), ("a timer", {"prepare": timer}),
    ("all signals blocked", {"prepare": blocked}), ("signals ignored", {"prepare": ignored}), ("cwd gone", {"cwd": "/proc"}),
    ("cwd /", {"cwd": "/"}), ("file size 1, soft", {"prepare": limit(R.RLIMIT_FSIZE, 1)}), ("file size 1, hard", {"prepare": hard(R.RLIMIT_FSIZE, 1)}),
    ("file size 40, hard", {"prepare": hard(R.RLIMIT_FSIZE, 40)}), ("file size 0", {"prepare": hard(R.RLIMIT_FSIZE, 0)}),
    ("file size 10, SIGXFSZ blocked", {"prepare": several(blocked, hard(R.RLIMIT_FSIZE, 10))}),
    ("4 descriptors, hard", {"prepare": hard(R.RLIMIT_NOFILE, 4)}), ("6 descriptors, soft", {"prepare": limit(R.RLIMIT_NOFILE, 6)}),
    ("core unlimited", {"prepare": limit(R.RLIMIT_CORE, R.getrlimit(R.RLIMIT_CORE)[1])}), ("data 1 MiB, soft", {"prepare": limit(R.RLIMIT_DATA, 1 << 20)}),
    ("stack 64 KiB, soft", {"prepare": limit(R.RLIMIT_STACK, 65536)}), ("cpu 1 s", {"prepare": limit(R.RLIMIT_CPU, 1)}),
    ("nice 19", {"prepare": lambda: os.nice(19)}), ("an own session", {"start_new_session": True}),
    ("empty stdin", {"text": b""}), ("garbage", {"text": b"\0" * 100}), ("a cut record", {"text": good[:-7]}), ("no end", {"text": good[:-5]}),
    ("more behind the end", {"text": good + b"x"}), ("two messages", {"text": good + good}),
]
for name, how in environments:
    status = postdrop(**how)
    left = drops()
    whole = status == 0 and len(left) == 1 and records(h.queue + "/maildrop/" + left[0])[-1] == ("E", b"")
    mode = left and os.stat(h.queue + "/maildrop/" + left[0]).st_mode & 0o7777
    tap.ok((whole and mode == 0o444) or (status != 0 and not left), "postdrop: %s (status %d)" % (name, status), (status, left))
    for f in left:
        os.unlink(h.queue + "/maildrop/" + f)
p = subprocess.Popen([POSTDROP], stdin=subprocess.PIPE, env=ENV)
p.stdin.write(good[:-5])
p.stdin.flush()
h.wait(lambda: drops())
tap.ok(os.stat(h.queue + "/maildrop/" + drops()[0]).st_mode & 0o777 == 0o600, "a file that is being written is not ready")
p.kill()
p.wait()
tap.ok(len(drops()) == 1, "and stays when postdrop is killed")
half = drops()[0]

# --- pickup ---
def rec(kind, value):
    return kind.encode() + struct.pack(">I", len(value)) + value


head = rec("V", b"1") + rec("S", b"joe")
hostile = {
    "empty": b"", "one byte": b"V", "no version": rec("S", b"joe") + rec("R", b"u") + rec("E", b""), "another version": rec("V", b"2"),
    "no sender": rec("V", b"1") + rec("R", b"u") + rec("E", b""), "two senders": head + rec("S", b"x") + rec("R", b"u") + rec("E", b""),
    "no recipient": head + rec("E", b""), "an empty recipient": head + rec("R", b"") + rec("E", b""),
    "a recipient with LF": head + rec("R", b"u\nv") + rec("E", b""), "a recipient with NUL": head + rec("R", b"u\0v") + rec("E", b""),
    "a huge recipient": head + rec("R", b"u" * 3000) + rec("E", b""), "a huge record": head + b"R\x7f\xff\xff\xffu",
    "an unknown attribute": head + rec("A", b"uid=0") + rec("R", b"u") + rec("E", b""), "an attribute's value": head + rec("A", b"ret=ALL") + rec("R", b"u") + rec("E", b""),
    "a recipient behind content": head + rec("R", b"u") + rec("D", b"x") + rec("R", b"v") + rec("E", b""),
    "an unknown type": head + rec("R", b"u") + rec("Z", b"") + rec("E", b""), "more behind the end": head + rec("R", b"u") + rec("E", b"") + b"x",
    "cut": head + rec("R", b"u") + rec("D", b"xxxxx")[:7], "no end": head + rec("R", b"u") + rec("D", b"x"),
    "no address": head + rec("R", b"<<>>@") + rec("E", b""), "an end with bytes": head + rec("R", b"u") + rec("E", b"x"),
}
for i, (name, data) in enumerate(hostile.items()):
    path = "%s/maildrop/4gHb2X1Qzkz%d" % (h.queue, 1000 + i)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o444)
os.symlink("/etc/passwd", h.queue + "/maildrop/4gHb2X1Qzkz2000")
os.mkfifo(h.queue + "/maildrop/4gHb2X1Qzkz2001")
os.link(h.queue + "/maildrop/4gHb2X1Qzkz1001", h.queue + "/maildrop/4gHb2X1Qzkz2002")
tap.ok(sendmail("-F", "Joe", "-f", "joe", "u@example.net")[0] == 0, "sendmail while nothing runs")
good_one = [f for f in drops() if not f.startswith("4gHb2X1Qzk") and f != half]
h.start("rewrite", "private/rewrite")
h.start("cleanup", "public/cleanup")
h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: len(h.messages("incoming")) == 1), "what was dropped before is picked up", (drops(), h.log[-3:]))
head_, a, content, rcpts = read_message(h.queue + "/incoming/" + h.messages("incoming")[0])
tap.ok(content.startswith(b"Received: by mx.example.org (") and b"\r\n\tid " in content and b"\r\nSubject: x\r\n" in content and
       b"From: Joe <joe@example.org>\r\n" in content and content.endswith(b"\r\n\r\nbody\r\n"), "completed, in wire form", content)
tap.ok(a["sender"] == b"joe@example.org" and rcpts[0][1] == "u@example.net", "with its envelope", (a, rcpts))
tap.ok(any("uid=%d from=<joe>" % os.getuid() in l for l in h.log), "uid= is logged", h.log[-5:])
tap.ok(h.wait(lambda: len(h.files("corrupt")) >= len(hostile) - 2), "hostile files are set aside", (drops(), h.files("corrupt")))
h.wait(lambda: len(drops()) <= 3, 2)
tap.ok(half in drops() and len(h.messages("incoming")) == 1, "none of them became a message; the half-written one is left alone", drops())
tap.ok(os.path.exists("/etc/passwd") and h.wait(lambda: sum("saved in directory \"corrupt\"" in l for l in h.log) >= len(hostile) - 2), "with a warning each", h.log[-8:])
tap.ok(sorted(drops()) == sorted([half, "4gHb2X1Qzkz2000", "4gHb2X1Qzkz2001"]), "links and fifos are no messages", drops())
for f in drops():
    os.unlink(h.queue + "/maildrop/" + f)
before = time.time()
tap.ok(sendmail("u@example.net")[0] == 0 and h.wait(lambda: len(h.messages("incoming")) == 2, 5) and time.time() - before < 5, "a drop wakes pickup")
text = b"Subject: dots\n\n" + b"".join(b".%d line\n" % i for i in range(300)) + b"\xff\x00 8-bit and NUL\n"
sendmail("-i", "u@example.net", text=text)
h.wait(lambda: len(h.messages("incoming")) == 3)
bodies = [read_message(h.queue + "/incoming/" + f)[2] for f in h.messages("incoming")]
tap.ok(any(b.endswith(text.split(b"\n\n", 1)[1].replace(b"\n", b"\r\n")) for b in bodies), "bytes arrive as they were")

# --- killed between commit and removal: queued once ---
h.wait(lambda: not drops())
h.stop("pickup")
tap.ok(sendmail("once@example.net")[0] == 0 and len(drops()) == 1, "dropped while pickup is away")
(once,) = drops()
bytes_ = open(h.queue + "/maildrop/" + once, "rb").read()


def put_back():
    with open(h.queue + "/maildrop/" + once, "wb") as f:
        f.write(bytes_)
        os.fchmod(f.fileno(), 0o444)
        if os.getuid() == 0:
            os.fchown(f.fileno(), NOBODY, NOBODY)


h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: not drops() and once in h.messages("incoming")), "the message keeps the name that it had in maildrop", (once, h.messages("incoming")))
count = len(h.messages("incoming"))
for where in ("incoming", "active", "deferred", "hold", "corrupt"):
    h.stop("pickup")
    if where != "incoming":
        os.rename(h.queue + "/incoming/" + once, h.queue + "/" + where + "/" + once)
    put_back()
    h.start("pickup", "public/pickup")
    tap.ok(h.wait(lambda: not drops()) and len(h.messages("incoming")) == count - (where != "incoming"), "as it is in %s/, it is not queued again" % where,
           (drops(), h.log[-3:]))
    if where != "incoming":
        os.rename(h.queue + "/" + where + "/" + once, h.queue + "/incoming/" + once)
tap.ok(h.wait(lambda: sum(once + ": from maildrop: is in the queue already" in l for l in h.log) == 5), "and the log says so")
h.stop("pickup")
os.rename(h.queue + "/incoming/" + once, h.queue + "/incoming/" + once + ".part")
writer = open(h.queue + "/incoming/" + once + ".part", "r+")
fcntl.flock(writer, fcntl.LOCK_EX)
put_back()
h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: any("is being written: will try again" in l or "not taken" in l or "4.3.0" in l or "will try again" in l for l in h.log[-3:])) and drops() == [once],
       "while the cleanup before still writes it, it waits", h.log[-3:])
writer.close()
h.stop("pickup")
h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: not drops() and once in h.messages("incoming")), "and takes over what a dead one left", (drops(), h.log[-3:]))

# --- one that another pickup is at, and one that cannot be taken now, stand in nobody's way ---
h.stop("pickup")
count = len(h.messages("incoming"))
for to in ("loop@example.org", "busy@example.net", "u@example.net", "loop@example.org", "v@example.net"):
    sendmail(to)
held = [f for f in drops() if b"busy@" in open(h.queue + "/maildrop/" + f, "rb").read()]
lock = open(h.queue + "/maildrop/" + held[0])
fcntl.flock(lock, fcntl.LOCK_EX)
h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: len(h.messages("incoming")) == count + 2 and len(drops()) == 3), "what cannot be taken now delays no other message", (drops(), h.log[-8:]))
tap.ok(held[0] in drops(), "what another pickup is at is left to it")
lock.close()
for f in drops():
    if f != held[0]:
        os.unlink(h.queue + "/maildrop/" + f)
h.stop("pickup")
h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: not drops() and len(h.messages("incoming")) == count + 3), "until that is gone", drops())

# --- cleanup away: it stays, and nothing is lost ---
h.stop("cleanup")
os.unlink(h.queue + "/public/cleanup")
count = len(h.messages("incoming"))
tap.ok(sendmail("u@example.net")[0] == 0 and len(drops()) == 1, "dropped while cleanup is away")
time.sleep(0.3)
h.stop("pickup")
tap.ok(len(drops()) == 1, "it stays")
h.start("cleanup", "public/cleanup")
h.start("pickup", "public/pickup")
tap.ok(h.wait(lambda: not drops() and len(h.messages("incoming")) == count + 1), "and is picked up later", drops())
h.end()
tap.done()
