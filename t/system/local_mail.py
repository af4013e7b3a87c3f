#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_mail.py - a user without rights, set-gid postdrop and postqueue, and the whole system behind them

Run by root it uses a mount namespace of its own, in which the built-in
configuration directory names the instance in alternate_config_directories."""
import glob, os, pwd, re, shutil, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
root = os.getuid() == 0
USER = pwd.getpwnam("games").pw_uid if root else os.getuid()
if root and not os.environ.get("LOCAL_MAIL_NAMESPACE"):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0:
        os.environ["LOCAL_MAIL_NAMESPACE"] = "yes"
        os.execvp("unshare", ["unshare", "-m", sys.executable, os.path.abspath(__file__)])
    print("1..0 # SKIP no mount namespace")
    sys.exit(0)
top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
master = open(f"{top}/conf/master.cf").read().replace("\nsmtp        inet", f"\n127.0.0.1:{free_port()} inet", 1)


def built_in():
    """The directory that the programs were built with."""
    return re.search(rb"((?:/[\w.-]+)*/etc/postern)\0", open(os.path.realpath(i.dir + "/sbin/postdrop"), "rb").read()).group(1).decode()


with Instance(master=master) as i:
    os.mkdir(i.dir + "/boxes")
    os.chmod(i.dir + "/boxes", 0o777)
    uid = 5000 if root else os.getuid()
    i.configure(f"mydestination =\nvirtual_mailbox_domains = example.net\nvirtual_mailbox_maps = inline:{{u@example.net=u/}}\n"
                f"virtual_mailbox_base = {i.dir}/boxes\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{uid}\n"
                f"virtual_minimum_uid = 1\n", master)
    if root:
        import grp
        group = grp.getgrnam("postdrop" if i._group("postdrop") else "mail").gr_gid
        for name in ("postdrop", "postqueue"):
            path = f"{i.dir}/sbin/{name}"
            real = os.path.realpath(path)
            os.unlink(path)
            shutil.copy(real, path)
            os.chown(path, 0, group)
            os.chmod(path, 0o2755)
        place = built_in()
        parent = place
        while not os.path.isdir(parent):
            parent = os.path.dirname(parent)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["cp", "-a", parent, i.dir + "/parent"], check=True)      # /etc, perhaps: all else in it stays
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", parent], check=True)
        subprocess.run(["cp", "-a", i.dir + "/parent/.", parent], check=True)
        os.makedirs(place, exist_ok=True)
    os.symlink("sendmail", i.dir + "/sbin/mailq")

    def allow(text):
        if root:
            with open(place + "/main.cf", "w") as f:
                f.write(text)

    def run(*words, text="", config=True):
        env = {**os.environ, "MAIL_CONFIG": i.dir + "/etc"}

        def become():
            if root:
                os.setgroups([])
                os.setgid(USER)
                os.setuid(USER)
        return subprocess.run([f"{i.dir}/sbin/{words[0]}", *words[1:]], input=text, capture_output=True, text=True, env=env, preexec_fn=become, timeout=60, cwd="/")

    t.ok(i.start().returncode == 0, "start", i.log())
    t.ok(i.run("stop").returncode == 0, "stop: the directories are there")
    if root:
        allow("")
        r = run("sendmail", "u@example.net", text="Subject: x\n\n")
        t.ok(r.returncode == 77 and "unauthorized configuration directory" in r.stderr, "a set-gid program does not take anybody's configuration", r)
        allow(f"alternate_config_directories = {i.dir}/etc\n")
        d = os.stat(i.dir + "/queue/maildrop")
        t.ok(d.st_mode & 0o7777 == 0o1730 and d.st_gid == group, "maildrop has Postfix's mode", oct(d.st_mode))
        r = subprocess.run(["ls", i.dir + "/queue/maildrop"], capture_output=True, preexec_fn=lambda: os.setuid(USER))
        t.ok(r.returncode != 0, "and is closed to users")
    r = run("sendmail", "-f", "me@example.com", "u@example.net", text="Subject: while down\n\nhello\n")
    drops = glob.glob(i.dir + "/queue/maildrop/*")
    t.ok(r.returncode == 0 and len(drops) == 1, "mail is taken while the system is stopped", r)
    t.ok(os.stat(drops[0]).st_mode & 0o7777 == 0o444 and os.stat(drops[0]).st_uid == (USER if root else os.getuid()), "complete, and its writer's")
    r = run("postqueue", "-p")
    t.ok(r.returncode == 69 and "mail system is down" in r.stderr if root else r.returncode == 0, "the queue, shown to a user", r)
    t.ok(i.start().returncode == 0, "start")
    t.ok(os.stat(f"{i.dir}/queue/public/pickup").st_mode & 0o777 == 0o666, "sockets are for whom their directory lets in")
    t.ok(wait_for(lambda: len(glob.glob(i.dir + "/boxes/u/new/*")) == 1), "and delivered when it runs", i.log())
    for k in range(5):
        r = run("sendmail", "-t", text=f"To: u@example.net\nSubject: {k}\n\nhello\n")
        t.ok(r.returncode == 0, f"sendmail -t {k}", r)
    t.ok(wait_for(lambda: len(glob.glob(i.dir + "/boxes/u/new/*")) == 6), "delivered, too", i.log()[-3000:])
    text = open(sorted(glob.glob(i.dir + "/boxes/u/new/*"), key=os.path.getmtime)[0]).read()
    t.ok(f"from userid {USER if root else os.getuid()})" in text and "\nFrom: " in text and "\nMessage-Id: <" in text and "\nDate: " in text, "with the header that was missing", text)
    t.ok(i.logged(f"uid={USER if root else os.getuid()} from=<me@example.com>"), "uid= is logged")
    r = run("sendmail", "-bs", text="EHLO x\r\nMAIL FROM:<me@example.com>\r\nRCPT TO:<u@example.net>\r\nDATA\r\nSubject: bs\r\n\r\nby SMTP\r\n.\r\nQUIT\r\n")
    t.ok(r.returncode == 0 and r.stdout.startswith("220 ") and "\n221 " in r.stdout, "sendmail -bs", r)
    t.ok(wait_for(lambda: len(glob.glob(i.dir + "/boxes/u/new/*")) == 7), "and delivered", i.log()[-2000:])
    r = run("sendmail", "-f", "me@example.com", "nobody@example.net", text="Subject: lost\n\n")
    t.ok(r.returncode == 0, "to nobody: taken")
    r = run("postqueue", "-p")
    t.ok(r.returncode == 0, "postqueue -p asks qmgr", r)
    t.ok(run("mailq").returncode == 0, "mailq")
    t.ok(run("postqueue", "-f").returncode == 0, "postqueue -f")
    t.ok(wait_for(lambda: "to=<nobody@example.net>" in i.log() and "status=bounced" in i.log()), "bounced", i.log()[-3000:])
    r = subprocess.run([f"{i.dir}/sbin/postsuper", "-c", f"{i.dir}/etc", "-d", "ALL"], capture_output=True, text=True)
    t.ok(r.returncode == 0, "postsuper -d ALL", r)
    t.ok(wait_for(lambda: run("postqueue", "-p").stdout == "Mail queue is empty\n"), "Mail queue is empty", run("postqueue", "-p"))
    t.ok(i.run("stop").returncode == 0, "stop")
    t.ok("killed by signal" not in i.log(), "no program made a call that its sandbox forbids", [l for l in i.log().split("\n") if "signal" in l])

# a draft that another writer holds stands in nobody's way
with Instance(main="defer_transports = smtp\n", master="pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nsmtp unix - - n - - smtp\nrewrite unix - - n - - trivial-rewrite\n") as i:
    i.run("check")
    send = lambda n: subprocess.run([f"{i.dir}/sbin/sendmail", "-C", f"{i.dir}/etc", "-f", "me@example.com", f"u{n}@example.org"], input="Subject: x\n\nx\n", text=True, capture_output=True)
    drop = i.dir + "/queue/maildrop"
    for n in range(5):
        send(n)
    names = os.listdir(drop)
    import fcntl
    held = os.open(f"{i.dir}/queue/incoming/{names[0]}.part", os.O_CREAT | os.O_RDWR, 0o600)
    if os.getuid() == 0:
        owner = os.stat(i.dir + "/queue/incoming")
        os.chown(held, owner.st_uid, owner.st_gid)
    fcntl.flock(held, fcntl.LOCK_EX)
    i.start()
    t.ok(len(names) == 5 and wait_for(lambda: os.listdir(drop) == [names[0]]), "the mail behind a draft that is held is taken", names, os.listdir(drop), i.log()[-1500:])
    os.close(held)
    t.ok(wait_for(lambda: os.listdir(drop) == [], 90), "and that one when it is let go", os.listdir(drop), i.log()[-1500:])
t.end()
