#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imapsieve_dovecot.py - the same IMAPSIEVE configuration in Dovecot's Pigeonhole and, by import-dovecot, here

Each script is for a mailbox of its name; to each a message is copied, its flags changed, another appended.  What the piped
program got (input, arguments, environment, directory) and which flags the messages have then must be the same.
Needs root, as Dovecot does; skipped without it or without dovecot-sieve.  TAP.
"""
import glob, imaplib, os, pwd, re, shutil, signal, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import BUILD, Instance, Tap, free_port, wait_for

DOVECOT, DOVECONF = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin"), shutil.which("doveconf")
PLUGIN = glob.glob("/usr/lib*/dovecot/modules/lib95_imap_sieve_plugin.so") + glob.glob("/usr/local/lib/dovecot/lib95_imap_sieve_plugin.so")
if os.getuid() != 0 or not DOVECOT or not DOVECONF or not PLUGIN:
    print("1..0 # SKIP needs root and Dovecot with Pigeonhole")
    sys.exit(0)
try:
    owner = pwd.getpwnam("nobody")
    pwd.getpwnam("dovenull")
except KeyError:
    print("1..0 # SKIP Dovecot's users are missing")
    sys.exit(0)

OURS, THEIRS = free_port(), free_port()
MASTER = f"127.0.0.1:{OURS} inet n - n - - imap-login\n"
t = Tap()
MESSAGE = b"From: a@b.example\r\nReturn-Path: <rp@x.example>\r\nTo: c@d.example\r\nSubject: one\r\n\r\nline\r\nlast"
REQUIRE = ('require ["vnd.dovecot.pipe","vnd.dovecot.execute","copy","imapsieve","environment","variables","imap4flags","fileinto","mailbox",'
           '"vnd.dovecot.imapsieve","vnd.dovecot.environment"];\n')
SEEN = "".join(f'set "{v}" ""; if environment :matches "{item}" "*" {{ set "{v}" "${{1}}"; }}\n' for v, item in
               (("cause", "imap.cause"), ("box", "imap.mailbox"), ("user", "imap.user"), ("email", "imap.email"), ("changed", "imap.changedflags"),
                ("from", "vnd.dovecot.mailbox-from"), ("to", "vnd.dovecot.mailbox-to"), ("where", "location"), ("phase", "phase"), ("def", "vnd.dovecot.default-mailbox")))
SCRIPTS = {
    "seen": SEEN + 'pipe :copy "note" ["${cause}","${box}","${user}","${email}","${changed}","${from}","${to}","${where}","${phase}","${def}","a b","","$(x)"];',
    "nocopy": 'pipe "note" "n";', "try": 'pipe :try "fail";', "fail": 'pipe "fail";', "failcopy": 'pipe :copy "fail";', "early": 'pipe :copy "early";',
    "missing": 'pipe :copy "missing";', "discard": "discard;", "fileinto": 'fileinto :create "Other";', "filecopy": 'fileinto :copy :create "Other";',
    "nowhere": 'fileinto "Nowhere";', "addflag": 'addflag ["\\\\Flagged","$x"];', "setflag": 'setflag "$only";', "removeflag": 'removeflag "\\\\Flagged";',
    "keepflags": 'keep :flags "\\\\Answered";', "syntax": "foo", "reject": 'require "reject"; reject "x";', "vacation": 'require "vacation"; vacation "x";',
    "hasflag": 'if hasflag "\\\\Seen" { pipe :copy "note" "seen"; } else { pipe :copy "note" "unseen"; }',
    "run": 'execute :pipe :output "o" "count"; pipe :copy "note" "${o}";', "input": 'execute :input "words" :output "o" "count"; pipe :copy "note" "${o}";',
}
RULES = [(n, "", "", n) for n in SCRIPTS] + [("Junk", "*", "COPY", "nocopy"), ("*", "Junk", "COPY", "seen")]
NOTE = """#!/bin/sh
f=$(mktemp "$HOME/got.XXXXXX") || exit 9
{ echo "arg0=$0"; for a in "$@"; do echo "arg=[$a]"; done; env | sort; echo "cwd=$(pwd) umask=$(umask) id=$(id -u):$(id -g)"; echo ----; cat; } > "$f"
mv "$f" "$f.done"
"""


def prepare(d):
    for sub in ("run", "state", "bin", "scripts", "theirs", "ours"):
        os.makedirs(f"{d}/{sub}")
    os.chmod(d, 0o755)
    for name, text in {"note": NOTE, "fail": "#!/bin/sh\ncat > /dev/null\necho oops >&2\nexit 3\n", "early": "#!/bin/sh\nexit 0\n",
                       "count": "#!/bin/sh\nprintf n%d $(wc -c)\n"}.items():
        with open(f"{d}/bin/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{d}/bin/{name}", 0o755)
    for name, text in SCRIPTS.items():
        with open(f"{d}/scripts/{name}.sieve", "w") as f:
            f.write(REQUIRE + text)
    os.chmod(f"{d}/scripts", 0o777)
    for whose in ("theirs", "ours"):
        os.chown(f"{d}/{whose}", owner.pw_uid, owner.pw_gid)
        with open(f"{d}/{whose}.users", "w") as f:
            f.write(f"alice@x.example:{{PLAIN}}x:{owner.pw_uid}:{owner.pw_gid}::{d}/{whose}::\n")


def configuration(d, rules, whose):
    lines = "".join(f"  imapsieve_mailbox{i}_name = {n}\n" + (f"  imapsieve_mailbox{i}_from = {o}\n" if o else "")
                    + (f"  imapsieve_mailbox{i}_causes = {c}\n" if c else "") + f"  imapsieve_mailbox{i}_before = file:{d}/scripts/{s}.sieve\n"
                    for i, (n, o, c, s) in enumerate(rules, 1))
    with open(f"{d}/conf.{whose}", "w") as f:
        f.write(f"""base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/dovecot.log
ssl = no
protocols = imap
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
passdb {{
  driver = passwd-file
  args = {d}/{whose}.users
}}
userdb {{
  driver = passwd-file
  args = {d}/{whose}.users
}}
protocol imap {{
  mail_plugins = imap_sieve
}}
plugin {{
  sieve_plugins = sieve_imapsieve sieve_extprograms
  sieve_global_extensions = +vnd.dovecot.pipe +vnd.dovecot.execute +vnd.dovecot.environment
  sieve_pipe_bin_dir = {d}/bin
  sieve_execute_bin_dir = {d}/bin
{lines}}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {THEIRS}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
""")
    return subprocess.run([DOVECONF, "-n", "-c", f"{d}/conf.{whose}"], capture_output=True, text=True).stdout


def told(home):
    """What programs got since: lines without what the shell adds, and input."""
    out = []
    for name in glob.glob(f"{home}/got.*.done"):
        with open(name, "rb") as f:
            head, body = f.read().split(b"----\n", 1)
        lines = [x.replace(home, "HOME") for x in head.decode().splitlines() if not re.match("(PWD|OLDPWD|_|SHLVL)=", x)]
        out.append((tuple(re.sub("^HOST=.*", "HOST=", x) for x in lines), body))
        os.unlink(name)
    return sorted(out)


def steps(port, home, names):
    """Each step's name, and what came of it."""
    m = imaplib.IMAP4("127.0.0.1", port)
    m.login("alice@x.example", "x")

    def flags(box):
        m.select(box)
        return sorted(tuple(sorted(set(re.search(rb"FLAGS \((.*?)\)", x).group(1).split()) - {b"\\Recent"})) for x in m.uid("FETCH", "1:*", "(FLAGS)")[1] if x)
    for box in names + ["Junk"]:
        m.create(box)
    m.append("INBOX", "(\\Flagged $kw)", None, MESSAGE)
    for n in names:
        m.select("INBOX")
        ok = m.copy("1", n)[0]
        yield f"{n}: COPY", (ok, told(home), flags(n))
        ok = m.store("1", "+FLAGS", "(\\Seen)")[0]
        yield f"{n}: +FLAGS", (ok, told(home), flags(n))
        ok = m.store("1", "+FLAGS", "(\\Seen)")[0]
        yield f"{n}: +FLAGS that it has", (ok, told(home), flags(n))
        ok = m.store("1", "FLAGS", "(\\Draft)")[0]
        yield f"{n}: FLAGS", (ok, told(home), flags(n))
        ok = m.append(n, "", None, MESSAGE)[0]
        yield f"{n}: APPEND", (ok, told(home), flags(n))
        ok = m.fetch("1", "(BODY[TEXT])")[0]
        yield f"{n}: FETCH", (ok, told(home), flags(n))
    m.select("INBOX")
    yield "into Junk", (m.uid("MOVE", "1", "Junk")[0], told(home), flags("Junk"))
    m.select("Junk")
    yield "out of Junk", (m.copy("1", "INBOX")[0], told(home), flags("INBOX"))
    if any("file" in n for n in names):
        yield "what was filed", flags("Other")
    m.logout()


def compare(part):
    rules = [r for r in RULES if r[0] in part] + RULES[-2:]
    with Instance(master=MASTER) as i:
        d = i.dir
        prepare(d)
        configuration(d, rules, "theirs")
        r = subprocess.run([f"{BUILD}/cmd/import-dovecot"], input=configuration(d, rules, "ours"), capture_output=True, text=True)
        t.ok(r.returncode == 0 and "NO EQUAL" not in r.stdout, "import-dovecot has an equal for all of it", r.stdout)
        i.configure(r.stdout + "auth_failure_delay = 0s\n", MASTER)
        started = i.start()
        t.ok(started.returncode == 0, "Postern starts with what it says", started.stderr, i.log())
        peer = subprocess.Popen([DOVECOT, "-F", "-c", f"{d}/conf.theirs"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            t.ok(wait_for(answers), "Dovecot starts")
            for (what, theirs), (_, ours) in zip(steps(THEIRS, f"{d}/theirs", part), steps(OURS, f"{d}/ours", part)):
                t.ok(theirs == ours, what, f"Dovecot: {theirs}", f"Postern: {ours}")
        finally:
            peer.send_signal(signal.SIGTERM)
            peer.wait(20)
        if t.failed:
            print("# " + i.log()[-3000:].replace("\n", "\n# "))


def answers():
    try:
        imaplib.IMAP4("127.0.0.1", THEIRS).logout()
        return True
    except (OSError, imaplib.IMAP4.error):
        return False


for part in (list(SCRIPTS)[:11], list(SCRIPTS)[11:]):      # as many rules as there can be
    compare(part)
t.end()
