#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""package.py - make deb: what is in the package, its unit as systemd sees it, and taking over a configuration where it lies"""
import os, re, shutil, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

SRC, BUILD = os.environ["top_srcdir"], os.environ["top_builddir"]
if not shutil.which("dpkg-deb"):
    print("1..0 # SKIP no dpkg-deb: not a Debian")
    sys.exit(0)
t = Tap()
environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, env=environment, **more)


def filled(path, root, **words):
    text = open(path).read()
    for name in ("sbindir", "sysconfdir", "localstatedir"):
        text = text.replace(f"@{name}@", words.get(name, f"{root}/{name}"))
    return text


def package(top):
    r = run("make", "-s", "-C", BUILD, "deb", timeout=900)
    built = [f for f in os.listdir(BUILD) if f.endswith(".deb")]
    if not t.ok(r.returncode == 0 and len(built) == 1, "make deb: one package", built, r.stdout[-2000:], r.stderr[-3000:]):
        return
    deb = f"{BUILD}/{built[0]}"
    control = run("dpkg-deb", "-f", deb).stdout
    t.ok(re.search(r"^Provides:.*\bmail-transport-agent\b", control, re.M) and re.search(r"^Conflicts:.*\bmail-transport-agent\b", control, re.M),
         "it provides mail-transport-agent, and there is one at a time", control)
    t.ok(re.search(r"^Depends:.*libc6.*libssl3", control, re.M), "it depends on its libraries", control)
    run("dpkg-deb", "-x", deb, f"{top}/tree")
    files = [os.path.relpath(os.path.join(d, f), f"{top}/tree") for d, ds, fs in os.walk(f"{top}/tree") for f in fs + [x for x in ds if os.path.islink(os.path.join(d, x))]]
    wanted = ["usr/sbin/sendmail", "usr/sbin/postfix", "usr/sbin/postern", "usr/bin/mailq", "usr/bin/newaliases", "usr/lib/sendmail",
              "usr/lib/postern/master", "usr/lib/postern/take-over", "lib/systemd/system/postern.service", "usr/share/man/man1/sendmail.1.gz"]
    t.ok(all(w in files for w in wanted), "what others call is where they call it", [w for w in wanted if w not in files])
    t.ok(not [f for f in files if f.startswith("etc/")], "the administrator's files are not the package's", files)
    links = [f for f in files if os.path.islink(f"{top}/tree/{f}") and not os.path.exists(f"{top}/tree/{f}")]
    t.ok(not links, "no link leads nowhere", links)
    text = open(f"{top}/tree/usr/lib/postern/take-over").read() + open(f"{top}/tree/lib/systemd/system/postern.service").read()
    t.ok("@" not in re.sub(r"postern-developers@\S+|\"\$@\"", "", text), "paths are filled in")


def unit(top):
    if not shutil.which("systemd-analyze"):
        t.ok(True, "the unit # SKIP no systemd-analyze")
        return
    os.makedirs(f"{top}/sbindir", exist_ok=True)
    shutil.copy(f"{BUILD}/cmd/postern", f"{top}/sbindir/postern")
    text = re.sub(r"^Documentation=.*\n", "", filled(f"{SRC}/conf/postern.service", top), flags=re.M)
    with open(f"{top}/postern.service", "w") as f:
        f.write(text)
    r = run("systemd-analyze", "verify", "--man=no", f"{top}/postern.service", timeout=60)
    t.ok(r.returncode == 0 and "postern" not in r.stderr, "systemd-analyze verify is content with the unit", r)


def take_over(top):
    with Instance(main="", master="") as i:
        i.configure("mail_name = Taken\n", "")
        own, script = f"{top}/sysconfdir/postern", f"{top}/take-over"
        os.makedirs(own)
        open(f"{own}/main.cf", "w").close()
        with open(script, "w") as f:
            f.write(filled(f"{SRC}/conf/take-over", top, sbindir=f"{i.dir}/sbin").replace("/etc/systemd/system", f"{top}/units"))
        before = {f: open(f"{i.dir}/etc/{f}").read() for f in ("main.cf", "master.cf")}
        take = lambda *words: run("sh", script, *words, timeout=60)
        r = take(f"{top}/nowhere")
        t.ok(r.returncode == 1 and not os.path.islink(own), "a directory without main.cf is refused", r)
        r = take("-n", f"{i.dir}/etc")
        t.ok(r.returncode == 0 and not os.path.islink(own), "-n only says whether it can be", r)
        r = take(f"{i.dir}/etc")
        t.ok(r.returncode == 0 and os.readlink(own) == f"{i.dir}/etc", "the configuration is taken over where it lies", r)
        t.ok(before == {f: open(f"{i.dir}/etc/{f}").read() for f in before}, "and not changed")
        t.ok(os.path.exists(f"{own}.before/main.cf"), "what was there is kept")
        os.unlink(own)                                   # as if -u had been killed there
        r = take("-u")
        t.ok(r.returncode == 0 and not os.path.islink(own) and os.path.exists(f"{own}/main.cf") and not os.path.exists(f"{own}.before"),
             "-u: what was killed halfway is undone", r)
        os.symlink(f"{i.dir}/etc", f"{own}.link")        # as if it had been killed before the link got its name
        r = take(f"{i.dir}/etc")
        t.ok(r.returncode == 0 and os.readlink(own) == f"{i.dir}/etc" and not os.path.lexists(f"{i.dir}/etc/etc"),
             "one that was killed before can be done again, and leaves nothing in the configuration", r)
        os.makedirs(f"{i.dir}/queue/import", exist_ok=True)
        os.makedirs(f"{i.dir}/queue/incoming", exist_ok=True)
        open(f"{i.dir}/queue/import/half", "w").close()
        r = take("-u")
        t.ok(r.returncode == 1 and os.path.islink(own) and "mail waits" in r.stderr, "-u: not while a message is half moved", r)
        os.unlink(f"{i.dir}/queue/import/half")
        r = take("-u")
        t.ok(r.returncode == 0 and not os.path.islink(own) and os.path.exists(f"{own}/main.cf"), "-u: back again", r)
        os.rename(own, f"{own}.aside")                   # where there was none before, and -u was killed behind its rm
        os.makedirs(f"{top}/units/postern.service.d")
        open(f"{top}/units/postern.service.d/take-over.conf", "w").close()
        r = take("-u")
        t.ok(r.returncode == 0 and not os.listdir(f"{top}/units"), "-u: what is left in the unit goes, too", r)
        r = take("-u")
        t.ok(r.returncode == 1 and "nothing was taken over" in r.stderr, "and then there is nothing left to undo", r)
        os.rename(f"{own}.aside", own)
        with open(f"{i.dir}/etc/main.cf", "a") as f:
            f.write("message_size_limit = nonsense\n")
        r = take(f"{i.dir}/etc")
        t.ok(r.returncode == 1 and not os.path.islink(own) and "message_size_limit" in r.stdout + r.stderr, "one with errors is not, and they are named", r)


with tempfile.TemporaryDirectory(prefix="postern.") as top:
    unit(top)
    take_over(top)
    package(top)
t.end()
