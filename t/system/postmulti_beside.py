#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postmulti_beside.py - postmulti beside Debian's: the same calls in order, exit status, output, and what is then listed

Both manage a primary instance of their own, in a mount namespace, since Postfix's must be /etc/postfix.  Words are
compared but for the spelling of "Specity", and where the text of a program that was called is its own.
"""
import os, re, shutil, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap

if not os.path.exists("/usr/sbin/postmulti") or os.getuid():
    print("1..0 # SKIP needs root and a postfix to compare with")
    sys.exit(0)
if os.environ.get("POSTMULTI_INSIDE") != "1":
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        print("1..0 # SKIP no mount namespaces here")
        sys.exit(0)
    os.environ["POSTMULTI_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])

# B is where the instances lie: B/main etc.; {show} prints what a command is told
SHOW = "echo $MAIL_CONFIG $config_directory $queue_directory $data_directory $multi_instance_name:$multi_instance_group:$multi_instance_enable"
CALLS = [c.split("|") for c in """-z;-l;;-l|-x|true;-e|bogus;-e|create;-e|create|-I|postfix-a;-e|init|x=y;-l|-I|x;-l|-G|x;-e|init;-l
-e|create;-e|create|-I|foo;-e|create|-I|postfix-a/b;-e|create|-I|postfix-a b;-e|create|-I|postfix-a;-l;-e|create|-I|postfix-a;-e|create|-I|postfix-b|-G|mta;-e|create|-I|postfix-c|-G|b d
-e|create|-I|postfix-c|-G|in|-i|postfix-a;-e|create|-I|postfix-d|-g|mta;-e|create|-a|-I|postfix-e|queue_directory=S/q|data_directory=D/d;-l;-e|create|-I|postfix-f|foo=bar;-e|create|-I|postfix-f|relayhost=x
-e|create|-I|postfix-f|queue_directory=rel;-e|create|-I|postfix-f|queue_directory;-e|create|-I|postfix-f|queue_directory=S/q;-e|create|-I|postfix-f|config_directory=B/postfix-a
-e|create|-I|-|config_directory=B/postfix-g|queue_directory=S/qg|data_directory=D/dg;-l;-e|enable;-e|enable|-i|nosuch;-e|enable|-i|-;-e|enable|-i|postfix-a;-e|enable|-i|B/postfix-b;-e|enable|-i|postfix-a|-I|x
-e|enable|-i|postfix-a|x=y;-e|enable|-g|mta;-e|disable|-a;-l|-g|mta;-l|-i|postfix-a;-l|-R;-lR;-l|-i|-;-l|-i|nosuch;-l|-g|nosuch;-l|-i|postfix-a|-g|mta;-l|extra;-x;-x|true;-x|sh|-c|exit 3
-x|-i|postfix-a|sh|-c|SHOW;-x|-R|sh|-c|SHOW;-x|-g|mta|sh|-c|echo $multi_instance_name$(kill -9 $$);-x|-g|nosuch|true;-x|sh|-c|echo $multi_instance_name. && test $multi_instance_name. = postfix-e.;-p;-p|-R|status
-e|assign;-e|assign|-i|postfix-a;-e|assign|-i|postfix-a|-I|postfix-b;-e|assign|-i|postfix-a|-I|-|-G|x;-l;-e|assign|-i|B/postfix-a|-I|postfix-a|-G|-;-l;-e|assign|-i|-|-I|postfix-p|-G|prim;-l;-e|assign|-i|-|-I|-|-G|-
-e|assign|-i|postfix-a|-I|bad;-e|assign|-i|postfix-a|-I|postfix-z|-I|postfix-y;-e|destroy;-e|destroy|-i|-;-e|destroy|-i|postfix-a;-e|disable|-i|postfix-a;-e|destroy|-i|postfix-a|x=y;-e|destroy|-i|postfix-a;-l
-e|deport|-i|postfix-b;-e|deport|-i|-;-e|disable|-i|postfix-b;-e|deport|-i|postfix-b;-l;-e|import;-e|import|-I|postfix-q;-e|import|config_directory=B/nosuch;-e|import|-g|in|config_directory=B/postfix-b;-l
-e|import|config_directory=B/postfix-b;-e|import|queue_directory=/x|config_directory=B/postfix-b;-e|enable|-i|postfix-b|-g|mta;-l|-e|init;-e|create|-I|postfix-aa|-i|nosuch;-e|create|-I|postfix-aa|-g|nosuch
-e|create|-I|postfix-aa|-g|mta|-i|postfix-c;-e|assign|-i|postfix-d|a=b;-i|postfix-d|-l|status;-e|destroy|-i|postfix-d;-e|destroy|-i|postfix-e;-e|destroy|-i|postfix-c;-e|destroy|-i|B/postfix-g;-l""".replace("\n", ";").split(";")]
MAIN = "compatibility_level = 3.6\nmyhostname = mail.example.net\nalias_maps =\nalias_database =\ninet_interfaces = loopback-only\n"


def run(program, base, env, call):
    places = {"B": base["etc"], "S": base["spool"], "D": base["lib"]}
    words = [SHOW if w == "SHOW" else re.sub(r"(^|=)([BSD])/", lambda m: f"{m[1]}{places[m[2]]}/", w) for w in call if w]
    # Postfix speaks to its standard error only where that is a terminal
    r = subprocess.run(["script", "-qec", " ".join("'" + w.replace("'", "'\\''") + "'" for w in [program, *words]), "/dev/null"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=120, env=env)
    out = r.stdout.replace("\r", "")
    for place, short in ((base["primary"], "PRIMARY"), (base["spool"] + base["last"], "S/main"), (base["lib"] + base["last"], "D/main"), *((place, short) for short, place in places.items())):
        out = re.sub(re.escape(place) + r"(?![\w-])", short, out)
    out = re.sub(r"Specity", "Specify", re.sub(r"(?m)^(\S*postmulti\S*|postfix/\S+): ", "", re.sub(r"[Uu]sage:.*", "usage", out)))
    out = "\n".join(l for l in out.splitlines() if not re.match(r"\S*postconf|rmdir:|.*rehash|.*please verify|warning: open |.*fatal: open|postfix: |chown|.*set-permissions", l))
    return r.returncode, re.sub(r"warning: (execvp)", r"fatal: \1", out)


t = Tap()
for place in ("/etc/postfix", "/var/spool", "/var/lib/postfix"):
    keep = "/etc/postfix" == place and "/tmp/postmulti.etc"
    if keep:
        shutil.rmtree(keep, ignore_errors=True)
        shutil.copytree(place, keep, symlinks=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    if keep:
        shutil.copytree(keep, place, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(keep)
subprocess.run(["mount", "-t", "tmpfs", "none", "/srv"], check=True)
os.mkdir("/var/spool/postfix")
shutil.chown("/var/lib/postfix", "postfix")
with open("/etc/postfix/main.cf", "w") as f:
    f.write(MAIN)
subprocess.run(["postfix", "check"], capture_output=True, timeout=60)
before = {p: set(os.listdir(p)) for p in ("/etc", "/var/lib")}
try:
    with Instance(master="pickup unix n - n 60 1 pickup\n") as i:
        with open(i.dir + "/etc/main.cf", "a") as f:
            f.write(f"meta_directory = {i.dir}/none\n")
        theirs = {"primary": "/etc/postfix", "etc": "/etc", "spool": "/var/spool", "lib": "/var/lib", "last": "/postfix"}
        ours = {"primary": i.dir + "/c/main", "etc": i.dir + "/c", "spool": i.dir + "/s", "lib": i.dir + "/l", "last": "/main"}
        for d in ("c", "s", "l"):
            os.mkdir(f"{i.dir}/{d}")
        shutil.copytree(i.dir + "/etc", ours["primary"])
        with open(ours["primary"] + "/main.cf", "a") as f:
            f.write(f"queue_directory = {ours['spool']}/main\ndata_directory = {ours['lib']}/main\n")
        plain = {k: v for k, v in os.environ.items() if k != "MAIL_CONFIG"}
        for n, call in enumerate(CALLS):
            a = run("/usr/sbin/postmulti", theirs, plain, call)
            b = run(i.dir + "/sbin/postmulti", ours, dict(plain, MAIL_CONFIG=ours["primary"]), call)
            t.ok(a == b, f"{n}: postmulti {' '.join(call)}".replace("#", ""), "Postfix", a, "Postern", b)
finally:
    for place, names in before.items():
        for name in set(os.listdir(place)) - names:
            if name.startswith("postfix-") or name in ("d", "dg"):
                shutil.rmtree(f"{place}/{name}")
t.end()
