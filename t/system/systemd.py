#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""systemd.py - the package on a host with Postfix and a real systemd: installed, taken over, started, reloaded, broken, removed

The host is this machine under an overlay, in namespaces of its own (systemd_host.sh). Postfix serves it first, with a message
that waits; then apt puts Postern in its place, as an administrator would.
"""
import glob, os, shutil, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

SRC, BUILD = os.environ["top_srcdir"], os.environ["top_builddir"]
MAIN = """compatibility_level = 3.6
myhostname = mail.example.net
mydestination = $myhostname, example.net, localhost
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
home_mailbox = Maildir/
alias_maps =
smtpd_banner = $myhostname ESMTP $mail_name
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
"""
DOVECOT = """disable_plaintext_auth = no
ssl = no
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0600
    user = postfix
    group = postfix
  }
}
passdb {
  driver = static
  args = password=secret
}
"""


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def control_groups(name):
    """Below ours, one in each hierarchy: those that a systemd makes are below it, and would stay."""
    unified = "" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "unified"
    made = []
    for _, which, path in (line.split(":", 2) for line in read("/proc/self/cgroup").splitlines()):
        group = os.path.normpath(f"/sys/fs/cgroup/{which.removeprefix('name=') or unified}/{path}/{name}")
        if which != "cpuset":                 # of which it makes none, and which takes no process unless it is told of CPUs
            try:
                os.mkdir(group)
                made.append(group)
            except OSError as e:
                print(f"# {group}: {e}")
    return made


def remove_control_groups(groups):
    def remove():
        try:
            for group in groups:
                for top, dirs, files in os.walk(group, topdown=False):
                    os.rmdir(top)
            return True
        except OSError:                       # who is dead may have to leave it yet
            return False
    return wait_for(remove)


def host_process(top, *instead, groups=()):
    """The host's first process, or a command in its place."""
    def enter():
        for group in groups:
            with open(f"{group}/cgroup.procs", "w") as f:
                f.write("0")

    return subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--net", "--cgroup",
                             "sh", f"{SRC}/t/system/systemd_host.sh", top, *instead], preexec_fn=enter,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def why_not_here():
    """What namespaces, an overlay or the mounts in it are refused for: without them there is no host to start a systemd on."""
    with tempfile.TemporaryDirectory(prefix="postern.") as top:
        probe = host_process(top, "/bin/echo", "all is mounted")
        said = probe.communicate(timeout=60)[0]
    return "" if probe.returncode == 0 and said == "all is mounted\n" else said.strip().replace("\n", "; ")[-200:] or f"status {probe.returncode}"


class Host:
    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="postern.")
        self.groups = control_groups(os.path.basename(self.top))
        self.process = host_process(self.top, groups=self.groups)
        self.pid = wait_for(lambda: self.first_process(), 60)

    def first_process(self):
        try:
            pid = children_of(self.process.pid)[0]
            return pid if os.readlink(f"/proc/{pid}/exe").endswith("systemd") else 0
        except (OSError, IndexError):
            return 0

    def run(self, *words, timeout=120, **more):
        """A command on the host, in its root and namespaces."""
        return subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", *words],
                              capture_output=True, text=True, timeout=timeout, **more)

    def unit(self, what, name="postern.service"):
        return self.run("systemctl", "show", "-P", what, name).stdout.strip()

    def file(self, path):
        return f"/proc/{self.pid}/root{path}"

    def log(self):
        return self.run("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "postern/master").stdout

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.pid:
            os.kill(self.pid, 9)          # the first process: with it everything in its namespace ends
        else:
            self.process.kill()
        self.process.wait(30)
        if not remove_control_groups(self.groups):
            print("# control groups are left:", *self.groups)
        shutil.rmtree(self.top, ignore_errors=True)


def greeting(host):
    return host.run("python3", "-c", "import socket; s = socket.create_connection(('127.0.0.1', 25), 10); print(s.recv(200).decode())").stdout


def login(host):
    return host.run("python3", "-c", "import smtplib; s = smtplib.SMTP('127.0.0.1', 25, timeout=20); s.ehlo(); print(s.login('ann', 'secret')[0])")


def mail(host, to, subject):
    return host.run("/usr/sbin/sendmail", "-f", "root@example.net", to, input=f"Subject: {subject}\n\nhello\n")


def arrived(host, subject):
    return any(f"Subject: {subject}\n" in open(path).read() for path in glob.glob(host.file("/home/ann/Maildir/new/*")))


def postfix_first(host):
    host.run("useradd", "-m", "ann")
    with open(host.file("/etc/postfix/main.cf"), "w") as f:
        f.write(MAIN)
    host.run("/usr/sbin/postfix", "set-permissions", "create-missing")
    with open(host.file("/etc/dovecot/dovecot.conf"), "w") as f:
        f.write(DOVECOT)
    host.run("systemctl", "start", "dovecot.service")
    r = host.run("systemctl", "start", "postfix.service")
    if not t.ok(r.returncode == 0 and "Postfix" in greeting(host), "Postfix serves the host", r, greeting(host)):
        return False
    t.ok(login(host).stdout.strip() == "235", "and asks Dovecot by its socket who may log in", login(host))
    host.run("/usr/sbin/postfix", "stop")
    mail(host, "ann@example.net", "waits in Postfix's queue")
    waiting = host.run("sh", "-c", "cat /var/spool/postfix/maildrop/* | grep -ac 'waits in'").stdout
    return t.ok(waiting.strip() == "1", "a message waits in its queue", waiting)


def installed(host):
    r = host.run("apt-get", "install", "-y", "/tmp/postern.deb", timeout=300,
                 env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    t.ok(r.returncode == 0, "apt installs the package in Postfix's place", r.stdout[-3000:], r.stderr[-3000:])
    state = host.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\\n", "postern", "postfix").stdout
    t.ok("ii  postern" in state and "ii  postfix" not in state, "which is gone, but for its files", state)
    t.ok(host.unit("ActiveState") == "inactive" and "postern take-over" in r.stdout,
         "where Postfix's configuration lies, nothing starts with another, and one is told what to do", r.stdout[-1000:], host.unit("ActiveState"))
    t.ok(host.unit("UnitFileState") == "enabled", "the unit is enabled")
    return r.returncode == 0


def taken_over(host):
    r = host.run("postern", "take-over")
    t.ok(r.returncode == 0 and os.readlink(host.file("/etc/postern")) == "/etc/postfix" and host.unit("PIDFile") == "/var/spool/postfix/pid/master.pid", "take-over: Postfix's configuration, and the unit's pid file with it",
         r, host.unit("PIDFile"))
    r = host.run("systemctl", "start", "postern.service")
    t.ok(r.returncode != 0 and wait_for(lambda: "import-queue" in host.run("journalctl", "-q", "--no-pager", "-o", "cat", "-u", "postern.service").stdout),
         "start refuses the queue of Postfix and says so in the journal", r, host.run("journalctl", "-q", "--no-pager", "-u", "postern.service").stdout)
    r = host.run("postern", "import-queue")
    t.ok(r.returncode == 0, "import-queue", r)
    r = host.run("systemctl", "start", "postern.service")
    t.ok(r.returncode == 0 and host.unit("ActiveState") == "active" and greeting(host).startswith("220 mail.example.net"), "systemctl start: the listener answers",
         r, host.run("systemctl", "status", "postern.service").stdout)
    pid = open(host.file("/var/spool/postfix/pid/master.pid")).read().strip()
    t.ok(host.unit("MainPID") == pid != "0", "systemd knows the master", host.unit("MainPID"), pid)
    t.ok(login(host).stdout.strip() == "235", "Dovecot's socket is found where it was, by whom it is for", login(host), host.log())
    t.ok(wait_for(lambda: arrived(host, "waits in Postfix's queue")), "what waited in Postfix's queue is delivered", host.log())


def served(host):
    mail(host, "ann@example.net", "by sendmail")
    t.ok(wait_for(lambda: arrived(host, "by sendmail")), "sendmail's mail is delivered")
    journal = lambda: host.run("journalctl", "-q", "--no-pager", "-u", "postern.service").stdout
    t.ok(wait_for(lambda: "status=sent" in journal()), "and the journal has it under the unit", journal()[-2000:])
    before = host.unit("MainPID")
    r = host.run("systemctl", "reload", "postern.service")
    t.ok(r.returncode == 0 and host.unit("MainPID") == before and greeting(host).startswith("220 "), "systemctl reload", r)
    host.run("kill", "-9", before)
    t.ok(wait_for(lambda: host.unit("ActiveState") == "active" and host.unit("MainPID") not in ("0", before), 60), "a master that was killed is started anew",
         host.run("systemctl", "status", "postern.service").stdout)
    mail(host, "ann@example.net", "after the fall")
    t.ok(wait_for(lambda: arrived(host, "after the fall"), 60), "and mail goes on")
    group = host.unit("ControlGroup")
    r = host.run("systemctl", "stop", "postern.service")
    left = [p for p in glob.glob("/proc/[0-9]*/cgroup") if group in read(p)]
    t.ok(r.returncode == 0 and host.unit("Result") == "success" and not left, "systemctl stop leaves no process", r, left, host.unit("Result"))


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def given_back(host):
    host.run("systemctl", "start", "postern.service")
    r = host.run("postern", "take-over", "-u")
    t.ok(r.returncode != 0 and "runs" in r.stderr, "take-over -u is refused while the mail system runs", r)
    host.run("systemctl", "stop", "postern.service")
    mail(host, "ann@example.net", "goes back")
    r = host.run("postern", "take-over", "-u")
    t.ok(r.returncode != 0 and "export-queue" in r.stderr, "and while mail waits in our form", r)
    r = host.run("postern", "export-queue", "/var/spool/postfix")
    t.ok(r.returncode == 0, "which goes back", r)
    back = host.run("sh", "-c", "cat /var/spool/postfix/maildrop/* | grep -ac 'goes back'").stdout
    t.ok(back.strip() == "1", "into Postfix's queue", back)
    r = host.run("postern", "take-over", "-u")
    t.ok(r.returncode == 0 and not os.path.islink(host.file("/etc/postern")), "then all is as it was", r)


def removed(host):
    host.run("systemctl", "start", "postern.service")
    t.ok(host.unit("ActiveState") == "active", "Postern's own configuration can be started, too", host.run("systemctl", "status", "postern.service").stdout)
    r = host.run("dpkg", "-P", "--force-depends", "postern")
    t.ok(r.returncode == 0 and host.unit("ActiveState") != "active", "purged: stopped", r)
    t.ok(not os.path.lexists(host.file("/etc/postern")) and not os.path.exists(host.file("/etc/systemd/system/postern.service.d")),
         "and nothing of the take-over is left", host.run("sh", "-c", "ls -la /etc/postern* /etc/systemd/system/postern*").stdout)
    t.ok(os.path.exists(host.file("/etc/postfix/main.cf")) and open(host.file("/etc/postfix/main.cf")).read() == MAIN, "Postfix's configuration is as it was")


if os.getuid():
    skip("root is needed")
for program in ("systemctl", "unshare", "nsenter", "ip", "apt-get", "useradd", "doveadm"):
    if not shutil.which(program):
        skip(f"no {program}")
if not os.path.exists("/usr/lib/postfix/sbin/master"):
    skip("no Postfix")
debs = glob.glob(f"{BUILD}/*.deb")
if not debs:
    skip("no package: package.py makes it")
if refused := why_not_here():
    skip("no namespaces or overlay here: " + refused)
t = Tap()
if not t.ok(len(debs) == 1, "there is one package", debs):
    t.end()
with Host() as host:
    if not t.ok(host.pid, "a systemd starts in namespaces of its own"):
        host.process.kill()
        print("# " + host.process.communicate()[0].replace("\n", "\n# "))
        t.end()
    if not t.ok(wait_for(lambda: host.run("systemctl", "is-active", "basic.target").stdout.strip() == "active", 90), "a systemd of its own runs",
                host.run("systemctl", "list-jobs").stdout):
        t.end()
    shutil.copy(debs[0], host.file("/tmp/postern.deb"))
    if postfix_first(host) and installed(host):
        taken_over(host)
        served(host)
        given_back(host)
        removed(host)
t.end()
