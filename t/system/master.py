#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""master.py - start, stop, reload, restart, limits, errors: master with a test service in smtpd's place"""
import fcntl, os, pwd, re, signal, socket, stat, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
ECHO = {"smtpd": "t/system/echo"}
ONLY = ("postlogd", "anvil")


def line(port, options="", maxproc="-"):
    return f"127.0.0.1:{port} inet n - n - {maxproc} smtpd {options}\n"


def pid_at(port):
    l = Line(port)
    pid = int(l.ask("pid"))
    l.close()
    return pid


def try_pid(port):
    try:
        return pid_at(port)
    except (OSError, ValueError):
        return 0


def waits(l):
    """True when the line gets no answer now, though it was sent."""
    l.f.write("hello\n")
    l.f.flush()
    l.s.settimeout(0.5)
    try:
        return not l.s.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        l.s.settimeout(20)


def test_life():
    a, b, c = free_port(), free_port(), free_port()
    master = line(a) + line(b, maxproc=2) + line(c, "-o smtpd_tasks=1", 2) + "tlsmgr unix - - n 1000? 1 tlsmgr\n"
    with Instance(master=master, programs=ECHO, only=ONLY) as i:
        i.may_crash = True
        r = i.run("status")
        t.ok(r.returncode == 1 and "is not running" in r.stderr, "status before", r)
        r = i.start()
        t.ok(r.returncode == 0, "start", r)
        t.ok(Line(a).ask("hello") == "hello", "the service answers when start returns")
        r = i.run("status")
        t.ok(r.returncode == 0 and f"is running: PID: {i.master_pid()}" in r.stderr, "status", r)
        r = i.run("start")
        t.ok(r.returncode != 0 and "already running" in r.stderr, "a second start is refused", r)
        env = dict(os.environ, MAIL_CONFIG=i.dir + "/etc")
        r = subprocess.run([i.dir + "/sbin/postern", "status"], env=env, capture_output=True, text=True)
        t.ok(r.returncode == 0, "MAIL_CONFIG names the directory", r)
        t.ok(wait_for(lambda: "daemon started -- version" in i.log()), "log: daemon started", i.log())

        pid = pid_at(a)
        os.kill(pid, signal.SIGKILL)
        new = wait_for(lambda: (p := try_pid(a)) != pid and p)
        t.ok(new and new != pid, "killed with -9: restarted")
        t.ok(wait_for(lambda: f"pid {pid} killed by signal 9" in i.log()), "and logged", i.log())
        l = Line(a)
        l.f.write("crash\n")
        l.f.flush()
        t.ok(wait_for(lambda: (p := try_pid(a)) and p != new), "crashed: restarted")

        one, two = Line(b), Line(b)
        t.ok(one.ask("x") == "x" and two.ask("x") == "x", "maxproc 2: two at once")
        t.ok(one.ask("pid") == two.ask("pid"), "in one process")
        three = Line(b)
        t.ok(waits(three), "never three")
        one.close()
        t.ok(three.f.readline() == "hello\n", "until one ends")
        t.ok(wait_for(lambda: 'has reached its process limit "2"' in i.log()), "log: process limit", i.log())
        two.close(), three.close()

        one, two = Line(c), Line(c)
        t.ok(one.ask("x") == "x" and two.ask("x") == "x", "tasks=1, maxproc 2: two at once")
        t.ok(one.ask("pid") != two.ask("pid"), "in two processes")
        three = Line(c)
        t.ok(waits(three), "never three")
        two.close()
        t.ok(three.f.readline() == "hello\n", "until one ends")
        one.close(), three.close()

        logger = wait_for(lambda: i.named("postlogd"))
        os.kill(logger[0], signal.SIGKILL)
        t.ok(Line(a).ask("hello") == "hello", "no logger: mail goes on")
        t.ok(wait_for(lambda: f"pid {logger[0]} killed by signal 9" in i.log()), "a new logger writes what waited", i.log())
        subprocess.run([i.dir + "/sbin/postlog", "-c", i.dir + "/etc", "-t", "script/x", "-p", "warn", "a line"],
                       stderr=subprocess.DEVNULL)
        t.ok(wait_for(lambda: "warning: a line" in i.log() and "script/x[" in i.log()), "postlog", i.log())
        r = i.run("logrotate")
        rotated = [n for n in os.listdir(i.dir) if n.startswith("mail.log.")]
        t.ok(r.returncode == 0 and len(rotated) == 1 and rotated[0].endswith(".gz"), "logrotate renames and compresses", r, rotated)
        Line(a).ask("x")
        t.ok(wait_for(lambda: "echo begins" in i.log()), "and the new file is written", i.log())

        l = Line(a)
        l.ask("x")
        ended = []
        stopper = threading.Thread(target=lambda: ended.append(i.run("stop")))
        stopper.start()
        t.ok(wait_for(lambda: "terminating on signal 15" in i.log()), "log: terminating on signal 15", i.log())
        t.ok(l.ask("more") == "more", "stop lets a session go on")
        t.ok(not ended, "and waits for it")
        l.close()
        stopper.join(30)
        t.ok(ended and ended[0].returncode == 0, "stop", ended)
        t.ok(i.run("status").returncode == 1, "not running")


def test_reload():
    a, b = free_port(), free_port()
    with Instance(master=line(a), programs=ECHO, only=ONLY) as i:
        i.start()
        l = Line(a)
        old = l.ask("pid")
        i.configure("", line(a) + line(b))
        r = i.run("reload")
        t.ok(r.returncode == 0, "reload", r)
        t.ok(wait_for(lambda: try_pid(b)), "a new line is served")
        t.ok(wait_for(lambda: (p := try_pid(a)) and p != int(old)), "new sessions have a new process")
        t.ok(l.ask("still") == "still", "the old session goes on")
        t.ok(alive(int(old)), "in the old process")
        l.close()
        t.ok(wait_for(lambda: not alive(int(old))), "which leaves when its sessions end")
        i.configure("", line(a) + "x unix - - n - - nosuchprogram\n")
        r = i.run("reload")
        t.ok(r.returncode != 0 and "nosuchprogram" in r.stderr, "reload with errors tells them", r)
        t.ok(Line(b).ask("x") == "x", "and changes nothing")
        i.configure("", line(a))
        i.run("reload")

        def refused():
            try:
                Line(b).close()
                return False
            except ConnectionRefusedError:
                return True
        t.ok(wait_for(refused), "a line that is gone is not served")
        t.ok(i.logged("reload -- version"), "log: reload", i.log())

        pid = pid_at(a)
        children = i.children()
        os.kill(i.master_pid(), signal.SIGKILL)
        t.ok(wait_for(lambda: not any(alive(p) for p in children)), "master killed: its children leave")
        t.ok(i.run("status").returncode == 1, "a stale pid file is not a running system")
        t.ok(i.start().returncode == 0 and try_pid(a) != pid, "start again after that")
        l = Line(a)
        l.ask("x")
        r = i.run("abort")
        t.ok(r.returncode == 0 and i.run("status").returncode == 1, "abort does not wait for sessions", r)


def test_lock():
    """Who looks whether master runs holds its lock for an instant; one that was killed may take its time to die."""
    with Instance(master=line(free_port()), programs=ECHO, only=ONLY) as i:
        path = f"{i.dir}/queue/pid/master.pid"
        i.start()
        i.run("stop")
        with open(path, "w") as held:
            fcntl.flock(held, fcntl.LOCK_SH)
            p = subprocess.Popen([f"{i.dir}/libexec/master", "-c", f"{i.dir}/etc", "-f"], stderr=subprocess.PIPE, text=True)

            def has_it_open():
                fds = f"/proc/{p.pid}/fd"
                try:
                    return any(os.path.realpath(f"{fds}/{n}") == path for n in os.listdir(fds)) or p.poll() is not None
                except OSError:
                    return False
            wait_for(has_it_open)
        t.ok(wait_for(lambda: i.run("status").returncode == 0 or p.poll() is not None) and p.poll() is None, "a look at the lock keeps no master from starting",
             p.poll() is not None and p.stderr.read())
        p.terminate()
        p.wait()
        with open(path, "w") as held:
            print(p.pid, file=held, flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
            p = subprocess.Popen([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", "start"], stderr=subprocess.PIPE, text=True)
            refused = wait_for(lambda: p.poll() is not None, 2)
        t.ok(not refused and p.wait() == 0, "start waits for one that dies slowly", p.stderr.read())


def test_killed_in_reload():
    """Its look at the configuration outlives it, and must have none of what the next master needs."""
    a = free_port()
    with Instance(master=line(a), programs=ECHO, only=ONLY) as i:
        program, began = f"{i.dir}/libexec/smtpd", f"{i.dir}/check.pid"
        real = os.readlink(program)
        os.unlink(program)
        with open(program, "w") as f:
            f.write(f'#!/bin/sh\ncase "$1" in --check) echo $$ > {began}.new; mv {began}.new {began}; exec sleep 600;; esac\n'
                    f'exec {real} "$@"\n')
        os.chmod(program, 0o755)
        t.ok(i.start().returncode == 0 and try_pid(a), "start")
        old = i.children()
        os.kill(i.master_pid(), signal.SIGHUP)
        t.ok(wait_for(lambda: os.path.exists(began)), "reload looks at the configuration")
        with open(began) as f:
            check = int(f.read())
        try:
            os.kill(i.master_pid(), signal.SIGKILL)
            t.ok(wait_for(lambda: not any(alive(p) for p in set(old) - {check})), "master killed: its programs leave")
            r = i.start()
            t.ok(r.returncode == 0 and wait_for(lambda: try_pid(a)), "start works beside the check", r)
            t.ok(alive(check), "which is still there")
        finally:
            os.kill(check, signal.SIGKILL)


def auth_answers(i):
    """Whether authd speaks at the socket for other programs."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        try:
            s.connect(f"{i.dir}/queue/private/auth")
            return s.recv(100).startswith(b"VERSION\t")
        except OSError:
            return False


def test_left_authd():
    """At private/auth another program may serve; an authd that has not yet seen that its master is dead is none. We play it."""
    with Instance(only=ONLY + ("authd",)) as i:
        with open(f"{i.dir}/users", "w") as f:
            f.write("ann:{PLAIN}secret\n")
        i.configure(f"auth_passdb = passwd-file:{i.dir}/users\n", "")
        t.ok(i.start().returncode == 0 and auth_answers(i), "authd serves others", i.log())
        left = i.children()
        os.kill(i.master_pid(), signal.SIGKILL)
        wait_for(lambda: not any(alive(p) for p in left))
        os.unlink(f"{i.dir}/queue/private/auth")
        with socket.socket(socket.AF_UNIX) as authd:
            authd.bind(f"{i.dir}/queue/private/auth")
            authd.listen()
            authd.settimeout(60)
            starts = []
            starter = threading.Thread(target=lambda: starts.append(i.run("start")))
            starter.start()
            authd.accept()[0].close()        # the new master has looked
        starter.join(60)
        t.ok(starts and starts[0].returncode == 0 and wait_for(lambda: auth_answers(i)), "one that is left over gives way to the next", starts, i.log())


def test_errors():
    a, b = free_port(), free_port()
    busy = socket.socket()
    busy.bind(("127.0.0.1", 0))
    busy.listen()
    taken = busy.getsockname()[1]
    bad = line(a, "-o echo_limit=many") + line(taken) + "y unix - - n - - nosuchprogram\nz inet what\n"
    with Instance("ipc_timeout = later\n", bad, programs=ECHO, only=ONLY) as i:
        r = i.run("check")
        for what in ("echo_limit", "nosuchprogram", "master.cf, line 4", "ipc_timeout"):
            t.ok(r.returncode == 1 and what in r.stderr, f"check finds {what}", r.stderr)
        r = i.run("start")
        t.ok(r.returncode == 1, "start fails", r)
        for what in ("nosuchprogram", "master.cf, line 4", "ipc_timeout"):
            t.ok(what in r.stderr, f"start tells {what}", r.stderr)
        t.ok(i.run("status").returncode == 1, "and nothing runs")
        i.configure("", line(a, "-o echo_fail=prepare") + line(b, "-o echo_fail=begin"))
        r = i.run("start")
        t.ok(r.returncode == 1 and "echo_fail says prepare" in r.stderr and "echo_fail says begin" in r.stderr,
             "what programs say at start is told, all of it", r)
        t.ok(i.run("status").returncode == 1, "and nothing runs")
        r = i.run("check")
        t.ok(r.returncode == 1 and "echo_fail says prepare" in r.stderr, "check lets programs prepare", r)
        i.configure("", line(taken) + line(a))
        r = i.run("start")
        t.ok(r.returncode == 1 and "Address already in use" in r.stderr, "a port that is taken", r)
        i.configure("", line(a))
        incoming = f"{i.dir}/queue/incoming"
        if os.getuid() == 0:
            os.chown(incoming, 12345, 12345)    # as if it were another mail system's, which may be at work
        r = i.run("check")
        t.ok(r.returncode == 0, "check of what is right", r)
        only = "" if os.getuid() == 0 else " # SKIP only root can give them one"
        t.ok(only or os.stat(incoming).st_uid == 12345, f"check gives nobody's queue directories another owner{only}", os.stat(incoming))
        t.ok(i.start().returncode == 0, "start of it")
        owner = os.stat(f"{i.dir}/queue/active").st_uid
        t.ok(only or os.stat(incoming).st_uid == owner != 12345, f"start, who has the queue, does{only}", os.stat(incoming), owner)

        i.configure("echo_fail = begin\nservice_throttle_time = 3s\n", line(a))
        os.kill(i.master_pid(), signal.SIGHUP)  # postern reload would refuse nothing here: begin is not checked
        t.ok(wait_for(lambda: "bad command startup -- throttling" in i.log(), 30), "what keeps dying is throttled", i.log())
        i.configure("", line(a))
        t.ok(wait_for(lambda: try_pid(a), 30), "and tried again later", i.log())
    busy.close()


def test_lazy():
    a, b = free_port(), free_port()
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    master = f"127.0.0.1:{a} inet n n n - - spawn user={user} argv=/bin/cat\n" \
             f"127.0.0.1:{b} inet n n n - - spawn user=no-such-user argv=/bin/cat\n"
    with Instance(master=master, only=ONLY + ("spawn",)) as i:
        r = i.start()
        lines = [Line(a) for n in range(3)]
        t.ok([l.ask("hello") for l in lines] == ["hello"] * 3, "a program that forks serves many at once")
        for l in lines:
            l.close()
        i.run("abort")
        r = i.start()
        t.ok(r.returncode == 0, "a command of a user that is not there does not stop the start", r)
        t.ok("no-such-user" in i.run("check").stderr, "check warns of it")
        t.ok(not i.named("spawn"), "spawn is not started before it is asked")
        t.ok(Line(a).ask("hello") == "hello", "and then it is")
        t.ok(len(i.named("spawn")) == 1, "one of them")


def test_disable():
    a, b = free_port(), free_port()
    with Instance(f"master_service_disable = 127.0.0.1:{b}.inet, fifo\n", line(a) + line(b) + "f fifo n - n - - smtpd\n",
                  programs=ECHO, only=ONLY) as i:
        t.ok(i.start().returncode == 0 and try_pid(a) and not try_pid(b), "master_service_disable: a line is left out")
        t.ok(not os.path.exists(i.dir + "/queue/public/f"), "and all of a type")
        i.run("stop")
        i.main = i.main.replace("compatibility_level = 3.6\n", "")
        i.configure("", line(a))
        i.start()
        t.ok(wait_for(lambda: all(l in i.log() for l in ("Postfix is using backwards-compatible default settings",
                                        'To disable backwards compatibility use "postconf compatibility_level=3.6" and "postfix reload"'))),
             "an old compatibility_level is told in Postfix's words", i.log())


def test_two():
    a, b = free_port(), free_port()
    with Instance(master=line(a), programs=ECHO, only=ONLY) as i, Instance(master=line(b), programs=ECHO, only=ONLY) as k:
        t.ok(i.start().returncode == 0 and k.start().returncode == 0, "two instances start")
        t.ok(try_pid(a) and try_pid(b), "and serve side by side")
        t.ok(i.run("stop").returncode == 0 and try_pid(b), "one stops, the other does not notice")


def test_foreground():
    a = free_port()
    with Instance("maillog_file = /dev/stdout\nmaillog_file_prefixes = /dev/stdout\n", line(a), programs=ECHO, only=ONLY) as i:
        p = subprocess.Popen([i.dir + "/sbin/postern", "-c", i.dir + "/etc", "start-fg"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
        t.ok(wait_for(lambda: try_pid(a)), "start-fg serves")
        t.ok(p.poll() is None, "and stays in the foreground")
        os.killpg(p.pid, signal.SIGINT)
        out, err = p.communicate(timeout=30)
        t.ok(p.returncode == 0, "the terminal's interrupt stops it", p.returncode, err)
        t.ok("postfix/smtpd[" in out and "echo begins" in out, "the log went to its standard output", out, err)


def test_reload_limit():
    a = free_port()
    for options, title in (("-o smtpd_tasks=1", "processes"), ("", "tasks")):
        with Instance(master=line(a, options, 2), programs=ECHO, only=ONLY) as i:
            i.start()
            one, two = Line(a), Line(a)
            t.ok(one.ask("x") == "x" and two.ask("x") == "x", f"maxproc 2, {title}: two at once")
            old = one.ask("pid")
            i.run("reload")
            t.ok(wait_for(lambda: "reload -- version" in i.log()), "reload")
            three = Line(a)
            t.ok(waits(three), "old and new sessions together: never three")
            one.close()
            t.ok(three.f.readline() == "hello\n" and three.ask("pid") != old, "one ends, a new process takes the next")
            four = Line(a)
            t.ok(waits(four), "and not one more")
            two.close()
            t.ok(four.f.readline() == "hello\n", "until the last old one ends")
            three.close(), four.close()
            one, two = Line(a), Line(a)
            t.ok(one.ask("x") == "x" and two.ask("x") == "x", "then two again")
            one.close(), two.close()


def test_types():
    """fifo, pass, and wakeup for every type"""
    a = free_port()
    master = f"127.0.0.1:{a} inet n - n 1 - smtpd\nu unix n - n 1 - smtpd\nf fifo n - n - - smtpd\np pass - - n - - smtpd\n" \
             "q unix n - n 1? - smtpd\n"
    with Instance(master=master, programs=ECHO, only=ONLY) as i:
        r = i.start()
        t.ok(r.returncode == 0, "start", r)
        fifo = f"{i.dir}/queue/public/f"
        t.ok(stat.S_ISFIFO(os.stat(fifo).st_mode), "a fifo line makes a FIFO")
        t.ok(wait_for(lambda: i.log().count("echo begins") >= 3), "wakeup reaches inet and unix", i.log())
        with open(fifo, "wb") as f:
            f.write(b"W")
        t.ok(wait_for(lambda: len(set(re.findall(r"/smtpd\[(\d+)\]: echo begins", i.log()))) >= 4), "a byte in the FIFO is a trigger", i.log())
        ours, theirs = socket.socketpair()
        carrier = socket.socket(socket.AF_UNIX)
        carrier.connect(f"{i.dir}/queue/private/p")
        socket.send_fds(carrier, [b"\0"], [theirs.fileno()])
        carrier.close(), theirs.close()
        ours.settimeout(20)
        ours.sendall(b"by pass\n")
        t.ok(ours.recv(100) == b"by pass\n", "pass: the client comes as a descriptor")
        ours.close()
        carrier = socket.socket(socket.AF_UNIX)
        carrier.connect(f"{i.dir}/queue/private/p")
        carrier.send(b"x")
        carrier.close()
        t.ok(wait_for(lambda: "a connection without a client in it" in i.log()), "a carrier without one is told", i.log())


test_life()
test_reload()
test_lock()
test_killed_in_reload()
test_left_authd()
test_reload_limit()
test_types()
test_errors()
test_lazy()
test_disable()
test_two()
test_foreground()
t.end()
