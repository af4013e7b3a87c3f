#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postconf_compat.py - our postconf and Debian's print the same for the same files

Configurations are generated here, to exercise the syntax; the directory that POSTERN_CONFIGS names, of
other people's files, is read too when it is there.  What differs on purpose is in KNOWN.
"""
import os, re, shutil, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap, BUILD

t = Tap()
THEIRS = "/usr/sbin/postconf"
if not os.path.exists(THEIRS):
    print("1..0 # SKIP there is no postfix here to compare with")
    sys.exit(0)
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None      # both write through to the disk at every change
OURS = os.path.abspath(f"{BUILD}/cmd/postconf")
# values that are ours by intent: paths, users, identity, and the defaults of ARCHITECTURE.md
KNOWN = re.compile("^(mail_version|mail_release_date|process_id|process_id_directory|.*_directory|mail_owner|setgid_group|"
                   "smtpd_forbid_bare_newline|smtpd_forbid_unauth_pipelining|enable_long_queue_ids|.*_path|"
                   r"alias_maps|.*_tls_(mandatory_)?protocols|default_database_type|myhostname|mydomain|mynetworks|debugger_command)\b")
QUERIES = ["-n", "-nf", "-nh", "-nH", "-nx", "-M", "-Mf", "-F", "-P", "-Ph", "-PH", "-FH", "-M smtp/inet", "-M */unix", "-F smtp/inet",
           "-F */*/command", "-P */*/smtpd_milters", "myorigin", "-h myorigin", "-d myorigin", "-dh mydestination", "-x mydestination",
           "-o myorigin=other.example myorigin", "-C builtin -d alias_maps", "-C user", "-C user -n", "-C service -n", "-C all -n", "-f smtpd_relay_restrictions",
           "nonesuch", "-d nonesuch", "-H relayhost", "-xn", "-nC builtin"]
EDITS = ["-e myorigin=b.example", "relayhost=[x]:25", "-X relayhost", "-# myorigin", "-e newname=1", "-X nonesuch",
         "-M smtp/inet", "-Me x/unix=x_unix_-_-_n_-_-_smtp_-o_a=b", "-M x2/unix=x2_unix_-_-_n_-_-_smtp", "-MX smtp/unix", "-M# relay/unix",
         "-Fe smtp/inet/chroot=y", "-Fe */unix/process_limit=7", "-Pe smtp/inet/smtpd_milters=inet:localhost:1", "-PX submission/inet/syslog_name", "-Pe smtp/inet/a={x_y}"]
MAIN = [r"""# a comment
myhostname = mail.example.org
   # an indented comment
mydomain = example.org
mydestination = $myhostname, localhost.$mydomain,
    localhost
# between
    other.example
relayhost =
myorigin=/etc/mailname
 mynetworks_ignored = 1
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, check_policy_service { inet:localhost:1, timeout = 5s }
mua_client_restrictions = permit_sasl_authenticated, reject
unused_thing = 3
local_thing = ${relayhost?{yes}:{no}} ${mydomain:x} ${{$mydomain} == {example.org} ? {same} : {other}}
virtual_alias_maps = $local_thing hash:/etc/virtual
compatibility_level = 3.6
smtpd_milters = unix:/x
milter_default_action = accept
smtpd_restriction_classes = klass
klass = permit
mydestination = $myhostname, twice.example
inet_protocols = all
alias_maps = hash:/etc/aliases
empty =
""", """compatibility_level=2
smtpd_tls_security_level = may
very_long = """ + " ".join(f"word{n}" for n in range(60)) + """
smtpd_client_restrictions = $very_long
slow_destination_recipient_limit = 1
nosuch_destination_recipient_limit = 1
mailbox_command = procmail -a "$EXTENSION" DEFAULT=$HOME/Maildir/
"""]
MASTER = [r"""# comment
smtp      inet  n       -       y       -       -       smtpd
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
# a comment within
  -o { smtpd_recipient_restrictions = permit_mynetworks, reject }
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o unknown_thing=$undefined
127.0.0.1:10025 inet n - n - - smtpd -v
[::1]:10026 inet n - n - 10 smtpd
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
smtp unix - - y - - smtp
relay unix - - y - - smtp -o syslog_name=postfix/$service_name
slow unix - - n - 1 smtp
flush unix n - y 1000? 0 flush
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
postlog   unix-dgram n  -       n       -       1       postlogd
smtpd     pass  -       -       y       -       -       smtpd
""", "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\npickup fifo n - n 60 1 pickup\nsubmission inet n - n - - smtpd -o syslog_name=x\n"]


def run(program, directory, words):
    words = [w.replace("_", " ") if "=x_" in w or "=x2_" in w or "{x_y}" in w else w for w in words]
    words = [w.replace("x unix - - n - - smtp -o a=b", "x unix - - n - - smtp -o a=b") for w in words]
    r = subprocess.run([program, "-c", directory, *words], capture_output=True, text=True, timeout=60,
                       env=dict(os.environ, LC_ALL="C"))
    return r


def lines(r, directory):
    out = [l.rstrip() for l in r.stdout.replace(directory, "DIR").replace("/var/lib/postern", "/var/lib/postfix").splitlines()]
    folded, kept = False, []
    for l in out:
        if not l.startswith(" "):
            folded = bool(KNOWN.match(l))
        if not folded:
            kept.append(l)
    return kept


def warnings(r, directory):
    return sorted(set(re.sub(r"^\S*postconf: ", "", l) for l in r.stderr.replace(directory, "DIR").splitlines()
                      if not l.startswith("warning: DIR/c/main.cf, line") and "unused parameter" in l or "unknown parameter" in l or "bad parameter" in l))


def compare(name, main, master):
    with tempfile.TemporaryDirectory(dir=MEMORY) as d:
        os.mkdir(d + "/c")
        wrong = []

        def fresh():
            for f, text in (("main.cf", main), ("master.cf", master)):
                with open(f"{d}/c/{f}", "w") as out:
                    out.write(text)
        fresh()
        for q in QUERIES:
            ours, theirs = run(OURS, d + "/c", q.split()), run(THEIRS, d + "/c", q.split())
            a, b = lines(ours, d), lines(theirs, d)
            if a != b or warnings(ours, d) != warnings(theirs, d) or ours.returncode != theirs.returncode:
                wrong.append((q, [f"-{x}" for x in b if x not in a][:6] + [f"+{x}" for x in a if x not in b][:6],
                              warnings(theirs, d), warnings(ours, d), theirs.returncode, ours.returncode,
                              theirs.stderr[:200] if theirs.returncode != ours.returncode else "", ours.stderr[:200] if theirs.returncode != ours.returncode else ""))
        t.ok(not wrong, f"{name}: {len(QUERIES)} queries", *wrong)
        wrong = []
        for e in EDITS if len(main) < 20000 else []:
            texts = []
            for program in (THEIRS, OURS):
                fresh()
                r = run(program, d + "/c", e.split())
                texts.append((open(d + "/c/main.cf").read(), open(d + "/c/master.cf").read(), r.returncode, r.stderr[:200]))
            if texts[0][:3] != texts[1][:3]:
                import difflib
                wrong.append((e, texts[0][2:], texts[1][2:], *[l for k in (0, 1) for l in difflib.unified_diff(texts[0][k].splitlines(), texts[1][k].splitlines(), lineterm="", n=0)][:12]))
        t.ok(not wrong, f"{name}: {len(EDITS)} edits", *wrong)


# what does not go together, and words that are none: exit codes and what is said, the same
TOGETHER = ["-aA", "-ad", "-aF", "-lh", "-mn", "-bt", "-bf", "-tx", "-bM", "-de", "-dn", "-dX", "-den", "-dhHn", "-ef", "-eh", "-ex", "-e#", "-FX", "-F#", "-Fd",
            "-FM", "-hH", "-fX", "-hX", "-Mh", "-Mhn", "-Mmde", "-MP", "-nP", "-P#", "-pP", "-X#", "-xX", "-e", "-X", "-#", "-Me", "-MX", "-M#", "-Fe", "-PX",
            "-d a=b", "-n a=b", "-h a=b", "-X a=b", "-# a=b", "-MX smtp/inet=x", "-l a=b", "-a x", "-o a=b -a", "-o a=b -e c=d", "-o noequals", "-C user,foo", "-T nosuch",
            "-T run-version", "-b a b", "-Ff maildrop", "-Fx relay/unix", "-Mx submission", "-Mxf submission", "-Px submission", "-Pfh submission",
            "-hn", "-Hn", "-fhn", "-FHh", "-PH submission", "-po myorigin=x myorigin", "-C user -M", "-Mo relayhost=x smtp/inet"]
WORDS = ["a=b", "a/b=c", "a/b/c", "=b", "a b=c", "#a=b", "", "a\n=b", "smtp/inet", "smtp/inet=foo unix - - - - - foo",
         "smtp/foo=smtp foo n - n - - smtpd", "smtp/inet=smtp inet n - n", "smtp/inet=smtp inet n - q - - smtpd", "smtp/inet/foo=x", "smtp/inet/private=q",
         "smtp/inet/type=unix", "smtp/inet/a=b c", "nosuch/inet/chroot=n", "*/inet/a=b", "smtp//x=y", "smtp/inet/=x", "smtp/*"]
KINDS = ["-e", "-X", "-#", "-Me", "-MX", "-Fe", "-Pe", "-PX"]


def said(r, directory):
    return sorted(l for l in (re.sub(r"^\S*(postconf|bounce): ", "", x) for x in r.stderr.replace(directory, "DIR").splitlines())
                  if l.startswith("fatal: ") or "unmatched" in l or "unknown 'postconf" in l)


def ask(program, directory, words):
    return subprocess.run([program, "-c", directory, *words], capture_output=True, text=True, timeout=60, env=dict(os.environ, LC_ALL="C"))


def write(directory, libexec=None):
    os.makedirs(directory, exist_ok=True)
    with open(directory + "/main.cf", "w") as f:
        f.write("compatibility_level = 3.6\nmyhostname = mail.example.org\nmua_client_restrictions = permit_sasl_authenticated, reject\nundefined = x\n")
        if libexec:
            f.write(f"daemon_directory = {libexec}\n")
    with open(directory + "/master.cf", "w") as f:
        f.write(MASTER[0])


def files(directory):
    return [open(f"{directory}/{f}").read() for f in ("main.cf", "master.cf")]


with tempfile.TemporaryDirectory(dir=MEMORY) as d:
    write(d + "/c")
    wrong = []
    for q in TOGETHER:
        ours, theirs = (ask(p, d + "/c", q.split()) for p in (OURS, THEIRS))
        a, b = lines(ours, d), lines(theirs, d)
        if (a, said(ours, d), ours.returncode) != (b, said(theirs, d), theirs.returncode):
            wrong.append((q, said(theirs, d), said(ours, d), theirs.returncode, ours.returncode, [x for x in b if x not in a][:4], [x for x in a if x not in b][:4]))
    t.ok(not wrong, f"{len(TOGETHER)} ways to combine options", *wrong)
    wrong = []
    for kind in KINDS:
        for word in WORDS:
            got = []
            for p in (OURS, THEIRS):
                write(d + "/c")
                r = ask(p, d + "/c", [kind, word])
                got.append((said(r, d), r.returncode, files(d + "/c")))
            if got[0] != got[1]:
                wrong.append((kind, word, got[1][:2], got[0][:2], *(x for k in (0, 1) for x in got[1][2][k].splitlines() if x not in got[0][2][k].splitlines())))
    t.ok(not wrong, f"{len(KINDS) * len(WORDS)} changes, good and bad", *wrong)

    write(d + "/c", os.path.abspath(f"{BUILD}/qmgr"))
    r = ask(OURS, d + "/c", ["-t"])
    heads = [l for l in r.stdout.splitlines() if l.endswith("_template = <<EOF")]
    t.ok(r.returncode == 0 and [h.split("_")[0] for h in heads] == ["failure", "delay", "success", "verify"] and "$myhostname" in r.stdout, "-t: four templates, nothing expanded", r.stdout, r.stderr)
    with open(d + "/t", "w") as f:
        f.write(r.stdout)
    again, theirs = ask(OURS, d + "/c", ["-t", d + "/t"]), ask(THEIRS, d + "/c", ["-t", d + "/t"])
    t.ok(again.stdout == r.stdout, "what -t prints is a template file that says the same", again.stdout, again.stderr)
    write(d + "/p")
    theirs = ask(THEIRS, d + "/p", ["-b", d + "/t"])
    ours = ask(OURS, d + "/c", ["-b", d + "/t"])
    t.ok(ours.returncode == 0 and "host mail.example.org." in ours.stdout and "expanded_verify_text = <<EOF" in ours.stdout and "$" not in ours.stdout
         and ours.stdout == ask(OURS, d + "/c", ["-b"]).stdout, "-b: the texts as they are sent", ours.stdout, ours.stderr)
    t.ok(theirs.stdout == ours.stdout, "Postfix expands them the same way", theirs.stdout, theirs.stderr)
    with open(d + "/t", "w") as f:
        f.write("failure_template = <<EOF\nSubject: hi\n\nTo $nosuch_name\nEOF\n")
    ours, theirs = ask(OURS, d + "/c", ["-b", d + "/t"]), ask(THEIRS, d + "/p", ["-b", d + "/t"])
    t.ok(ours.returncode == theirs.returncode == 1 and "nosuch_name" in ours.stderr, "a name that nobody knows is an error for both", ours.stderr, theirs.stderr)
    raw = ask(OURS, d + "/c", ["-t", d + "/t"]).stdout
    t.ok("Subject: hi\nPostmaster-Subject: Postmaster Copy" in raw and "\nTo $nosuch_name\nEOF\n" in raw and raw.count("<<EOF") == 4, "-t of a file: what it leaves out is ours", raw)

    # JSON: shapes as Postfix 3.11 has them
    import json
    write(d + "/c")
    with open(d + "/c/main.cf", "a") as f:
        f.write('smtpd_banner = say "hi" \\ t\n  more\nrelayhost =\n')
    j = lambda *w: [json.loads(l) for l in ask(OURS, d + "/c", w).stdout.splitlines()]
    t.ok({"smtpd_banner": 'say "hi" \\ t more'} in j("-jn") and all(len(o) == 1 for o in j("-jn")), "-jn: an object a line", j("-jn"))
    t.ok(j("-jM", "smtp/inet") == [{"smtp/inet": "smtp inet n - y - - smtpd"}], "-jM", j("-jM", "smtp/inet"))
    t.ok(j("-jF", "smtp/inet/chroot") == [{"smtp/inet/chroot": "y"}], "-jF", j("-jF", "smtp/inet/chroot"))
    t.ok({"submission/inet/smtpd_recipient_restrictions": "permit_mynetworks, reject"} in j("-jP", "submission"), "-jP", j("-jP", "submission"))
    t.ok(said(ask(OURS, d + "/c", ["-jh"]), d) == ["fatal: with option -j, do not specify -h"] and said(ask(OURS, d + "/c", ["-jm"]), d) == ["fatal: with option -m, do not specify -j"],
         "-j alone decides how values are shown", ask(OURS, d + "/c", ["-jh"]).stderr)

for n in range(len(MAIN)):
    compare(f"generated {n}", MAIN[n], MASTER[n])
others = os.environ.get("POSTERN_CONFIGS")
for path, _, files in sorted(os.walk(others))[int(os.environ.get("POSTERN_CONFIGS_FROM", "0")):] if others else []:
    if "main.cf" in files:
        master = f"{path}/master.cf" if "master.cf" in files else None
        main = open(f"{path}/main.cf", errors="surrogateescape").read()
        read = lambda name: open(name, errors="surrogateescape").read().rstrip("\n") + "\n"      # Postfix joins lines to a last one without end
        compare(os.path.relpath(path, others), main, read(master) if master else MASTER[0])
t.end()
