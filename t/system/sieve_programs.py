#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sieve_programs.py - pipe, filter and execute of Sieve scripts in delivery (Pigeonhole's extprograms), with real children

What a program gets of us, as whom it runs and what it finds open; what becomes of mail whose program fails, is missing, hangs
or is not allowed; that nobody names a program, or its user, who may not.
"""
import concurrent.futures, glob, os, re, sys, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *
from instance import attach, children_of, wait_for

t = Tap()
MESSAGE = b"From: s@x.example\r\nTo: alice@example.com\r\nSubject: hello\r\n\r\nline\r\n.dot\r\nlast"
USERS = {"alice": 5001, "bob": 5002}
REQUIRE = 'require ["vnd.dovecot.pipe","vnd.dovecot.filter","vnd.dovecot.execute","copy","variables","fileinto","mailbox","editheader","imap4flags"];\n'
NOTE = """#!/bin/sh
f=$(mktemp "$HOME/got.XXXXXX") || exit 9
{ echo "arg0=$0"; for a in "$@"; do echo "arg=[$a]"; done; env | sort; echo "cwd=$(pwd) umask=$(umask) id=$(id -u):$(id -G)"
  echo ----; cat; } > "$f"
mv "$f" "$f.done"
"""
PROGRAMS = {"note": NOTE, "fail": "#!/bin/sh\ncat > /dev/null\necho oops >&2\nexit 3\n", "early": "#!/bin/sh\nexit 0\n",
            "fds": "#!/bin/sh\nexec ls /proc/self/fd\n", "hang": "#!/bin/sh\nsleep 1000\n", "upper": "#!/bin/sh\ntr a-z A-Z\n",
            "say": '#!/bin/sh\nprintf "%s|" "$@"; cat\n', "flood": "#!/bin/sh\nyes 2> /dev/null | head -c 200000000\n",
            "stay": "#!/bin/sh\necho $PPID > $HOME/parent.new\nmv $HOME/parent.new $HOME/parent\nuntil [ -e $HOME/go ]; do sleep 0.01; done\n",
            "burst": "#!/bin/sh\ncat > /dev/null\nprintf 'Subject: burst\\n\\n%050000d\\nend\\n' 0\n",
            "crlf": "#!/bin/sh\ncr=$(printf '\\r')\nsed \"s/$/$cr/\"\n", "open": "#!/bin/sh\ncat > /dev/null\n", "plain": "#!/bin/sh\ncat > /dev/null\n"}
serial = 0


def qid():
    global serial
    serial += 1
    return f"4Pgm{serial:04d}z1"


def stored(s, user="alice", folder=""):
    return [open(p, "rb").read() for p in sorted(glob.glob(s.home(user, f"Maildir/{'.' + folder + '/' if folder else ''}[nc]*/*")))]


def got(s, user="alice", wait=False):
    end = time.monotonic() + (20 if wait else 0)
    while True:
        names = sorted(glob.glob(s.home(user, "got.*.done")))
        if names or time.monotonic() >= end:
            break
        time.sleep(0.01)
    out = []
    for name in names:
        with open(name, "rb") as f:
            head, body = f.read().split(b"----\n", 1)
        out.append((head.decode().splitlines(), body))
        os.unlink(name)
    return out


def programs(s):
    os.makedirs(f"{s.dir}/bin")
    os.makedirs(f"{s.dir}/global")
    for name, text in PROGRAMS.items():
        with open(f"{s.dir}/bin/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{s.dir}/bin/{name}", {"open": 0o777, "plain": 0o644}.get(name, 0o755))


def before(s, text):
    with open(f"{s.dir}/global/before.sieve", "w") as f:
        f.write(REQUIRE + text)


def own(s, user, text):
    s.write(user, ".dovecot.sieve", text)


def one(s, text, name="local", user="alice", content=MESSAGE):
    """What is told and stored of a message behind that global script."""
    before(s, text)
    had = stored(s, user)
    id = qid()
    told = s.one(name, f"{user}@example.com", f"X-Id: {id}\r\n".encode() + content, queue_id=id)
    return told, [x for x in stored(s, user) if x not in had]


def held_by_runner(s):
    """Descriptors of the program's parent, beside what all have, its socket and pipes."""
    parent = s.home("alice", "parent")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(one, s, 'execute "stay";')
        wait_for(lambda: os.path.exists(parent) or done.done())
        with open(parent) as f:
            pid = int(f.read())
        links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        s.write("alice", "go", "")
        done.result()
    return [x for x in links if x.startswith("anon_inode:")]


SETTINGS = """home_mailbox = Maildir/
sieve_before = $DIR/global/before.sieve
sieve_global_extensions = +vnd.dovecot.pipe +vnd.dovecot.filter +vnd.dovecot.execute
sieve_pipe_bin_dir = $DIR/bin
sieve_filter_bin_dir = $DIR/bin
sieve_execute_bin_dir = $DIR/bin
sieve_filter_input_eol = lf
sieve_pipe_exec_timeout = 1s
recipient_delimiter = +
"""
with Site(SETTINGS, USERS) as s:
    programs(s)
    before(s, "")
    queue = FakeCleanup(s)
    s.start("local/local", "local")
    st = os.stat(s.home("alice"))

    # what it gets
    told, new = one(s, 'pipe :copy "note" ["one", "two three", "", "$(id) `id` ; *"];')
    t.ok(told[0] == "sent" and len(new) == 1, "pipe :copy: the message is kept", told)
    (head, body), = got(s, wait=True)
    t.same(head[0], f"arg0={s.dir}/bin/note", "it is called by its path")
    t.same([x for x in head if x.startswith("arg=")], ["arg=[one]", "arg=[two three]", "arg=[]", "arg=[$(id) `id` ; *]"], "with its arguments as they are")
    env = dict(x.split("=", 1) for x in head if "=" in x and not x.startswith(("arg", "cwd")))
    t.same({k: v for k, v in env.items() if k not in ("PWD", "SHLVL", "_", "OLDPWD")},
           {"USER": "alice", "HOME": s.home("alice")[:-1], "HOST": "mail.example.com", "SENDER": "sender@elsewhere.example",
            "RECIPIENT": "alice@example.com"}, "the environment that Pigeonhole gives, and nothing else")
    t.ok(f"cwd={s.home('alice')[:-1]} umask=0077 id={st.st_uid}:{st.st_gid}" in head, "in the user's home, as the user, in his group alone", head)
    t.ok(body.endswith(b"Subject: hello\r\n\r\nline\r\n.dot\r\nlast\r\n") and b"\nDelivered-To: alice@example.com\r\n" in body, "the message, in CRLF", body)
    t.ok(b"\r" not in new[0] and body.replace(b"\r\n", b"\n") == new[0], "which is what is stored", new)
    told, new = one(s, 'pipe "note";')
    t.ok(told[0] == "sent" and "piped message to program `note'" in told[2] and not new and len(got(s, wait=True)) == 1,
         "without :copy it is not kept", told)
    told, new = one(s, 'fileinto :create "Box"; pipe "note"; keep;')
    t.ok(len(new) == 1 and len(stored(s, folder="Box")) == 1 and len(got(s, wait=True)) == 1, "beside fileinto and keep", told)
    told, new = one(s, 'addheader "X-New" "1"; pipe :copy "note";')
    (head, body), = got(s, wait=True)
    t.ok(body.startswith(b"X-New: 1\r\n") and body.endswith(b"last\r\n"), "an edited message as it is by then", body[:80])
    t.same(glob.glob(s.home("alice", "Maildir/tmp/*")), [], "nothing is left in tmp/")
    big = b"Subject: big\r\n\r\n" + b"0123456789" * 200000 + b"\r\n"
    told, new = one(s, 'pipe :copy "note";', content=big)
    t.ok(got(s, wait=True)[0][1].endswith(big), "one of 2 MB, whole")
    told, new = one(s, 'pipe :copy "early";', content=big)
    t.ok(told[0] == "sent" and len(new) == 1 and not s.logged("failed", "early", seconds=0), "a program that does not read is no trouble", told)

    # what fails
    for name, why in (("fail", "exit status 3"), ("missing", "No such file"), ("plain", "exit status 127"), ("open", "world-writable"), ("hang", "takes too long")):
        told, new = one(s, f'pipe "{name}";')
        t.ok(told[0] == "sent" and len(new) == 1, f"{name}: the message is kept", told)
        t.ok(s.logged("sieve: user=<alice>", f"failed to pipe message to program `{name}'", why), f"{name}: and it is logged: {why}", s.logs[-3:])
        told, new = one(s, f'pipe :try "{name}";')
        t.ok(told[0] == "sent" and not new, f"{name}: with :try it is as if it had gone well", told)
    t.ok(s.logged("program fail: oops"), "what it says on standard error is in the log")
    for text, why in (('pipe "../bin/note";', "invalid program name"), ('pipe "a/b";', "invalid program name"), ('pipe "";', "invalid program name"),
                      ('set "a" "note"; pipe "${a}";', "constant string"), ('pipe "note" "a\nb";', "argument"),
                      ('pipe ".note";', "invalid program name"), ('pipe "note" "%s";' % ("x" * 1025), "argument")):
        told, new = one(s, text)
        t.ok(told[0] == "sent" and len(new) == 1 and s.logged(why), f"refused: {text[:40]!r}", told)
    t.same(got(s), [], "none of them ran anything")
    before(s, "")
    own(s, "alice", 'require "vnd.dovecot.pipe"; pipe "note";')
    told = s.one("local", "alice@example.com", MESSAGE, queue_id=qid())
    t.ok(told[0] == "sent" and not got(s) and s.logged("unknown Sieve capability `vnd.dovecot.pipe'"), "a user's script may not, unless sieve_extensions says so", told)
    os.unlink(s.home("alice", ".dovecot.sieve"))
    os.makedirs(s.home("alice", "sieve"))
    s.write("alice", "sieve/p.sieve", 'require "vnd.dovecot.pipe"; pipe "note";')
    before(s, 'require "include"; pipe :copy "note" "before"; include :personal "p";')
    told = s.one("local", "alice@example.com", MESSAGE, queue_id=qid())
    t.ok(told[0] == "sent" and not got(s) and s.logged("p: line 1: unknown Sieve capability `vnd.dovecot.pipe'"),
         "nor when a global script includes it: the message is kept, and nothing runs", told, s.logs[-3:])

    # filter and execute
    told, new = one(s, 'filter "upper"; if header :is "subject" "HELLO" { fileinto :create "Upper"; }')
    t.ok(stored(s, folder="Upper")[-1:] and stored(s, folder="Upper")[-1].endswith(b"SUBJECT: HELLO\n\nLINE\n.DOT\nLAST\n"),
         "filter: tests see, and mailboxes get, what the program makes of it", told, stored(s, folder="Upper"))
    for extra in ("", ' addheader "X-New" "1";'):
        told, new = one(s, f'filter "crlf";{extra}')
        t.ok(len(new) == 1 and b"\r" not in new[0] and new[0].endswith(b"Subject: hello\n\nline\n.dot\nlast\n"),
             "what it prints in CRLF is stored in LF, as all is", told, new)
    told, new = one(s, 'if filter "fail" { discard; } else { addheader "X-After" "1"; }')
    t.ok(len(new) == 1 and b"X-After: 1\n" in new[0] and b"Subject: hello" in new[0], "one that fails is false, and changes nothing", told)
    told, new = one(s, 'filter "early"; keep;')
    t.ok(len(new) == 1 and b"Subject: hello" in new[0], "one that prints nothing leaves the message", told)
    told, new = one(s, 'filter "missing"; discard;')
    t.ok(len(new) == 1 and s.logged("filter: failed to execute program `missing'"), "one that is missing is an error: it is kept", told)
    told, new = one(s, 'filter "upper"; redirect "a@b.example";')
    t.ok(len(new) == 1 and not queue.got and s.logged("redirect behind filter"), "what a filter made is not sent: refused", told)
    told, new = one(s, 'set "v" "in put"; execute :input "${v}" :output "o" "say" ["a","${v2}"]; addheader "X-Out" "${o}";')
    t.ok(len(new) == 1 and b"X-Out: a||in put\n" in new[0], "execute :input :output", new[-1:])
    told, new = one(s, 'execute :pipe :output "o" "say" "m"; if string :contains "${o}" "Subject: hello" { addheader "X-Seen" "1"; }')
    t.ok(len(new) == 1 and b"X-Seen: 1\n" in new[0], "execute :pipe", new[-1:])
    told, new = one(s, 'execute :output "o" "fds"; addheader "X-Fds" "${o}";')
    t.ok(len(new) == 1 and b"X-Fds: 0 1 2 3\n" in new[0], "nothing is open but its three (and what ls opens)", new[-1:])
    t.same(held_by_runner(s), [], "nor has who runs it, as the user, anything of the keeper's, who is root")
    told, new = one(s, 'if execute "fail" { discard; } elsif execute "early" { addheader "X-Ok" "1"; }')
    t.ok(len(new) == 1 and b"X-Ok: 1\n" in new[0], "execute as a test", new[-1:])
    told, new = one(s, 'execute :output "o" "flood"; discard;')
    t.ok(len(new) == 1 and s.logged("it prints too much"), "a flood is cut off, and the message kept", told)
    told, new = one(s, 'execute :input "a" :pipe "say";')
    t.ok(len(new) == 1 and s.logged("conflicts with another tag"), ":input and :pipe exclude each other", told)

    # what is cut short is no message
    for what, program, words in (("a message that cannot be read to its end", "upper", ["-e", "trace=pread64", "-e", "inject=pread64:error=EIO:when=3"]),
                        ("a runner that is slow to read what the program printed", "burst", ["-e", "trace=read", "-e", "inject=read:delay_enter=150ms"])):
        tracer = attach(children_of(s.programs["local"][0].pid)[0], "-o", f"{s.dir}/trace", *words)
        if not tracer:
            t.ok(True, f"{what} # SKIP no strace that may attach to a process")
            continue
        told, new = one(s, f'filter "{program}";', content=b"Subject: big\r\n\r\n" + b"0123456789" * 2000 + b"\r\nend\r\n")
        tracer.terminate()
        tracer.wait()
        t.ok(told[0] == "sent" and len(new) == 1 and len(new[0]) > 20000 and new[0].endswith(b"\nend\n"), f"{what}: whole", told, [len(x) for x in new])
        with open(f"{s.dir}/trace") as f:
            t.ok(re.search(r"\((INJECTED|DELAYED)\)", f.read()), "it was met")

    # who runs what
    before(s, 'pipe :copy "note" "b";')
    for user in ("bob", "alice", "bob"):
        s.one("local", f"{user}@example.com", MESSAGE, queue_id=qid())
        (head, body), = got(s, user, wait=True)
        want = os.stat(s.home(user)).st_uid
        t.ok(any(f"id={want}:" in x for x in head), f"{user}'s programs run as {user}", head)
    log = open(s.home("alice", ".dovecot.sieve.log")).read()
    t.ok("failed to pipe message to program `missing'" in log, "his own log tells of his", log[-300:])

    # agents beside local
    s.stop("local")
    if ROOT:
        maps = [f"virtual_mailbox_base={s.dir}/home", "virtual_mailbox_maps=static:bob/Maildir/", f"virtual_uid_maps=static:{USERS['bob']}",
                f"virtual_gid_maps=static:{USERS['bob']}", "virtual_minimum_uid=1", "auth_userdb=", "virtual_mailbox_domains=example.com"]
        s.start("local/virtual", "virtual", options=maps)
        before(s, 'pipe "note" "virtual";')
        told = s.one("virtual", "bob@example.com", MESSAGE, queue_id=qid())
        all_ = [g for u in USERS for g in got(s, u)] or got(s, "bob", wait=True)
        t.ok(told[0] == "sent" and "piped" in told[2] and all_, "virtual, too", told, s.logs[-3:])

with Site(SETTINGS.replace("sieve_pipe_bin_dir = $DIR/bin", "sieve_pipe_socket_dir = sockets"), USERS) as s:
    programs(s)
    try:
        s.start("local/local", "local")
        t.ok(False, "a directory of sockets is refused")
    except RuntimeError as e:
        t.ok("sieve_pipe_socket_dir" in str(e), "a directory of sockets is refused, aloud", str(e))
with Site(SETTINGS, USERS) as s:
    try:
        s.start("local/local", "local")
        t.ok(False, "a directory that is not there is refused")
    except RuntimeError as e:
        t.ok("/bin" in str(e), "a directory that is not there is refused", str(e))
t.end()
