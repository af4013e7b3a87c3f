#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_kill.py - a whole system, mail for a Maildir, and local killed again and again

Every message that sendmail took is in the Maildir once: none lost, none twice, none torn.
"""
import glob, os, random, shutil, signal, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from instance import *

COUNT, KILLS = 60, 40
t = Tap()
found = {n: p for n in ("cleanup", "pickup", "qmgr", "bounce") for p in (f"qmgr/{n}", n) if os.path.isfile(f"{BUILD}/{p}")}
if len(found) < 4 or not all(os.path.exists(f"{BUILD}/{p}") for p in ("master/master", "cmd/sendmail", "cmd/postern")):
    print("1..0 # SKIP the whole system is not built")
    sys.exit(0)
box = tempfile.mkdtemp(prefix="box.")
os.chmod(box, 0o777)
MASTER = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
local unix - n n - - local
virtual unix - n n - - virtual
mydrop unix - n n - - pipe flags=R user=USER argv=/bin/sh -c cat>>BOX/piped
smtp unix - - n - - smtp
postlog unix-dgram n - n - 1 postlogd
"""


def processes(instance, program):
    """Of this instance alone: the children of its master, and theirs."""
    out = []
    for pid in instance.children():
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                if os.path.basename(f.read().split("\0")[0]) == program:
                    out += [pid] + instance.children(pid)
                    for child in instance.children(pid):
                        out += instance.children(child)
        except OSError:
            pass
    return out


user = "games" if os.getuid() == 0 else __import__("pwd").getpwuid(os.getuid()).pw_name
with Instance(programs=found) as i:
    with open(f"{i.dir}/aliases", "w") as f:
        f.write(f"box: {box}/Maildir/\nfwd: box@v.example\nfail: \"|exit 67\"\n")
    i.main = i.main.replace("alias_maps =\n", f"alias_maps = texthash:{i.dir}/aliases\n")
    uid = 65534 if os.getuid() == 0 else os.getuid()
    i.configure(f"mydestination = mail.example.net, localhost\nmyorigin = mail.example.net\nvirtual_mailbox_domains = v.example\n"
                f"virtual_mailbox_maps = inline:{{box@v.example=vbox/}}\nvirtual_mailbox_base = {box}\nvirtual_minimum_uid = 1\n"
                f"virtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{uid}\ntransport_maps = inline:{{p.example=mydrop}}\n"
                "minimal_backoff_time = 1s\nqueue_run_delay = 1s\nmaximal_backoff_time = 2s\ntransport_retry_time = 1s\n",
                MASTER.replace("USER", user).replace("BOX", box))
    t.ok(i.start().returncode == 0, "start", i.log())

    def send(n, to):
        r = subprocess.run([f"{i.dir}/sbin/sendmail", "-f", "box@mail.example.net", to], input=f"Subject: m{n}\n\nbody {n}\nend\n".encode(),
                           capture_output=True, env=dict(os.environ, MAIL_CONFIG=f"{i.dir}/etc"))
        return r.returncode == 0

    def boxes(name):
        return glob.glob(f"{box}/{name}/new/*")

    t.ok(send("v", "fwd@mail.example.net") and wait_for(lambda: boxes("vbox")), "an alias to a virtual mailbox", i.log())
    t.ok(send("p", "x@p.example") and wait_for(lambda: os.path.exists(f"{box}/piped") and b"end" in open(f"{box}/piped", "rb").read()), "a pipe transport", i.log())
    t.ok(send("f", "fail") and wait_for(lambda: "sender non-delivery notification" in i.log()), "a bounce", i.log())
    t.ok(wait_for(lambda: len(boxes("Maildir")) == 1), "comes back to its sender", i.log())

    taken, kills = 0, 0
    random.seed(1)
    for n in range(COUNT):
        taken += send(n, "box")
        if kills < KILLS:
            wait_for(lambda: len(processes(i, "local")) > 1, 0.2)
            victims = processes(i, "local")
            victims = victims[1:] if n != 50 else victims[:1]      # the children, and once their parent
            if victims:
                try:
                    os.kill(random.choice(victims), signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
    t.ok(taken == COUNT, "sendmail took all", taken)
    wait_for(lambda: len(boxes("Maildir")) > COUNT and "removed" in i.log(), 60)
    bodies = []
    for f in boxes("Maildir"):
        text = open(f).read()
        if "Subject: m" in text and "\nSubject: m" in text.split("\n\n")[0]:
            bodies.append(text.split("Subject: m", 1)[1].split("\n", 1)[0])
        if "MAILER-DAEMON" not in text and not text.endswith("end\n"):
            t.ok(False, "a torn message", text)
    lost = [n for n in range(COUNT) if str(n) not in bodies]
    twice = sorted(b for b in set(bodies) if bodies.count(b) > 1)
    t.ok(not lost and not twice, f"{COUNT} messages, {kills} kills: none lost, none twice", f"lost {lost}", f"twice {twice}", i.log()[-3000:])
shutil.rmtree(box, ignore_errors=True)
print(f"1..{t.n}")
sys.exit(bool(t.failed))
