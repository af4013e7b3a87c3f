#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""scripts.py - the scripts that people have: installers, monitoring, hooks, maintainer scripts

What stands here are the calls as they are found in installers, packages, monitoring plugins and cron jobs,
run by sh, with the directory of our commands in PATH.
"""
import json, os, re, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *

t = Tap()
port = free_port()
MASTER = f"""smtp      inet  n       -       y       -       -       smtpd
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
smtp      unix  -       -       y       -       -       smtp
error     unix  -       -       y       -       -       error
local     unix  -       n       n       -       -       local
postlog   unix-dgram n  -       n       -       1       postlogd
""".replace("smtp      inet", f"127.0.0.1:{port} inet")


def names(i):
    for name, target in (("postfix", "postern"), ("mailq", "sendmail"), ("newaliases", "sendmail")):
        if not os.path.lexists(f"{i.dir}/sbin/{name}"):
            os.symlink(os.path.realpath(f"{i.dir}/sbin/{target}"), f"{i.dir}/sbin/{name}")


def sh(i, script, stdin=None):
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=90, input=stdin,
                          env=dict(os.environ, PATH=f"{i.dir}/sbin:/usr/bin:/bin", MAIL_CONFIG=i.dir + "/etc", D=i.dir, LC_ALL="C"))


def file(i, name):
    with open(f"{i.dir}/etc/{name}") as f:
        return f.read()


def installers(i):
    r = sh(i, """set -e
postconf -e 'myorigin = example.net'
postconf -e "mydestination = \\$myhostname, localhost"
postconf -e 'smtpd_sasl_type = dovecot' 'smtpd_sasl_path = private/auth' 'smtpd_sasl_auth_enable = no'
postconf -e "smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
postconf -# smtpd_sasl_path
postconf -X smtpd_sasl_type
postconf 'inet_protocols = ipv4'
postconf -M submission/inet="submission inet n - y - - smtpd"
postconf -P "submission/inet/syslog_name=postfix/submission"
postconf -P "submission/inet/smtpd_tls_security_level=encrypt"
postconf -F '*/inet/chroot=n'
postconf -M policyd-spf/unix="policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf"
postconf -MX submission/inet
test "$(postconf -h myorigin)" = example.net
""")
    main, master = file(i, "main.cf"), file(i, "master.cf")
    t.ok(r.returncode == 0, "an installer's postconf -e", r.stderr)
    t.ok("mydestination = $myhostname, localhost\n" in main and main.count("myorigin") == 1 and "#smtpd_sasl_path" in main and "smtpd_sasl_type" not in main,
         "main.cf is as it wants", main)
    t.ok("syslog_name=postfix/submission" not in re.sub(r"(?m)^#.*\n", "", master) and re.search(r"^policyd-spf +unix +- +n +n +- +0 +spawn", master, re.M)
         and "#submission inet" in master, "and master.cf; comments stay", master)
    sh(i, "postconf -MX policyd-spf/unix; postconf -# smtpd_sasl_auth_enable")
    r = sh(i, "postconf -n | grep -q '^myorigin = ' && postconf -h nosuchparameter")
    t.ok(r.returncode == 0 and "nosuchparameter: unknown parameter" in r.stderr, "unknown parameter", r.returncode, r.stderr)
    r = sh(i, "for p in queue_directory command_directory daemon_directory mail_owner setgid_group; do postconf -h $p || exit 1; done; postconf -dh mail_version; postconf -m | grep -x lmdb")
    t.ok(r.returncode == 0 and len(r.stdout.splitlines()) == 7, "what maintainer scripts ask for", r.stdout, r.stderr)


def aliases(i):
    with open(i.dir + "/etc/aliases", "w") as f:
        f.write("postmaster: root\nroot: admin@there.example.net\n")
    r = sh(i, f"postconf -e alias_maps=lmdb:$D/etc/aliases alias_database=lmdb:$D/etc/aliases && newaliases && postalias -q root lmdb:$D/etc/aliases")
    t.ok(r.returncode == 0 and r.stdout == "admin@there.example.net\n", "newaliases in a postinst", r.stdout, r.stderr)
    r = sh(i, "echo 'a@example.net b' > $D/etc/virtual && postmap $D/etc/virtual && postmap -q a@example.net lmdb:$D/etc/virtual && ! postmap -q c lmdb:$D/etc/virtual")
    t.ok(r.returncode == 0 and r.stdout == "b\n", "postmap, and its statuses", r.stdout, r.stderr)


def life(i):
    r = sh(i, "postfix check && postfix start && postfix status; echo $?; postfix start; echo $?")
    t.ok(r.stdout.split() == ["0", "1"] and "is running: PID:" in r.stderr and "already running" in r.stderr, "check, start, status, a second start", r.stdout, r.stderr)
    r = sh(i, "postfix reload >/dev/null 2>&1 && echo hook done; postfix nonsense; echo $?")
    t.ok(r.stdout.split() == ["hook", "done", "1"], "reload from a certificate hook", r.stdout, r.stderr)
    r = sh(i, "test -S $(postconf -h queue_directory)/public/cleanup -o -e $(postconf -h queue_directory)/public/pickup && kill -0 $(cat $(postconf -h queue_directory)/pid/master.pid)")
    t.ok(r.returncode == 0, "the pid file, by kill -0", r.stderr)
    r = sh(i, "postfix upgrade-configuration; echo $?; postfix tls all-default-client; echo $?")
    t.ok(r.stdout.split() == ["0", "0"], "upgrade-configuration; tls all-default-client", r.stdout, r.stderr)


def submission(i, server):
    with open(i.dir + "/msg", "w") as f:
        f.write("To: ok@there.example.net\nSubject: cron\n\ntext\n")
    r = sh(i, "sendmail -t < $D/msg; echo $?; sendmail -oi -f root ok@there.example.net < $D/msg; echo $?; sendmail -i -FCronDaemon -B8BITMIME -oem ok@there.example.net < $D/msg; echo $?")
    t.ok(r.stdout.split() == ["0", "0", "0"], "sendmail -t, -oi -f, and as cron calls it", r.stdout, r.stderr)
    r = sh(i, "printf 'Subject: x\\n\\nx\\n' | sendmail -t; echo $?; sendmail < /dev/null; echo $?; sendmail -Z a@b < /dev/null; echo $?; sendmail -bv -t </dev/null; echo $?")
    t.ok(r.stdout.split()[:3] == ["75", "75", "75"] and r.stdout.split()[3] != "0", "what goes wrong is 75, as Postfix has it", r.stdout, r.stderr)
    t.ok(wait_for(lambda: len(server.messages) >= 3), "they arrive", i.log()[-2000:])
    r = sh(i, "printf 'Subject: x\\r\\n\\r\\none\\r\\ntwo\\r\\n' | sendmail ok@there.example.net")
    t.ok(wait_for(lambda: any(b"\r\none\r\ntwo\r\n" in m for m in server.messages)), "sendmail_fix_line_endings = always", server.messages[-1:])


def senders(i):
    me = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    sh(i, f"postconf -e 'local_login_sender_maps = inline:{{ {{ {me} = {me} @allowed.example.net <> }} }}' 'recipient_delimiter = +'")
    good = [sh(i, f"sendmail -f '{s}' ok@there.example.net < $D/msg").returncode for s in (me, "any@allowed.example.net", "<>", f"{me}+x")]
    bad = [sh(i, f"sendmail -f '{s}' ok@there.example.net < $D/msg") for s in ("boss@elsewhere.example.net", "root2", f"{me}@evil.example.net")]
    t.ok(good == [0, 0, 0, 0], "local_login_sender_maps: what is allowed", good, sh(i, f"sendmail -f {me} ok@there.example.net < $D/msg").stderr)
    t.ok(all(r.returncode == 69 and "not authorized to send mail as" in r.stderr for r in bad), "and what is not", [(r.returncode, r.stderr) for r in bad])
    sh(i, "postconf -X local_login_sender_maps recipient_delimiter")


def queue(i):
    for n in range(4):
        sh(i, f"sendmail -f s{n}@example.net busy{n}@there.example.net < $D/msg")
    wait_for(lambda: i.log().count("status=deferred") >= 4)
    r = sh(i, """Q=$(postconf -h queue_directory)
echo deferred $(find $Q/deferred -type f | wc -l)
for q in maildrop incoming active hold corrupt; do echo $q $(find $Q/$q -type f | wc -l); done
echo ids $(postqueue -p | awk '/^[0-9A-Za-z]/ {print $1}' | tr -d '*!' | wc -l)
echo senders $(mailq | awk 'NR > 1 && /^[0-9A-Za-z]/ && NF >= 7 {print $NF}' | sort -u | grep -c '^s[0-9]@example.net$')
echo count $(mailq | grep -c '^[A-Za-z0-9]')
echo requests $(mailq | tail -n 1 | awk '{print $5}')
echo json $(postqueue -j | wc -l)
""")
    got = dict(l.split() for l in r.stdout.splitlines())
    t.ok(got.get("deferred") == "4" and all(got[q] == "0" for q in ("maildrop", "incoming", "active", "hold", "corrupt")), "files in the queue directories", got, r.stderr)
    t.ok(got["ids"] == "4" and got["senders"] == "4" and got["count"] == "4" and got["requests"] == "4" and got["json"] == "4", "postqueue -p | awk, mailq | grep -c, | tail -1", got)
    rows = [json.loads(l) for l in sh(i, "postqueue -j").stdout.splitlines()]
    t.ok(all(list(row) == ["queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", "recipients"] and
             list(row["recipients"][0]) == ["address", "delay_reason"] for row in rows), "postqueue -j has Postfix's fields in its order", rows)
    r = sh(i, """mailq | tail -n +2 | awk 'BEGIN { RS = "" } /s1@example.net/ { print $1 }' | tr -d '*!' | postsuper -d - ; echo $?""")
    t.ok(r.stdout.split()[-1] == "0" and "Deleted: 1 message" in r.stderr, "the well-known mailq | awk | postsuper -d -", r.stdout, r.stderr)
    one = rows[0]["queue_id"] if rows[0]["sender"] != "s1@example.net" else rows[1]["queue_id"]
    r = sh(i, f"postcat -q {one} | grep -c '^Subject: cron'; postcat -hq {one} | grep -ci '^subject:'; postcat -bq {one} | grep -c text; postcat -eq {one} | grep -c '^sender: '")
    t.ok(r.stdout.split() == ["1", "1", "1", "1"], "postcat -q, -hq, -bq, -eq", r.stdout, r.stderr)
    r = sh(i, f"postsuper -h {one} && postqueue -p | grep -c '^{one}!' && postsuper -H {one} && postqueue -i {one} && postqueue -f && sendmail -q; echo $?")
    t.ok(r.stdout.split() == ["1", "0"], "hold, release, flush", r.stdout, r.stderr)
    r = sh(i, "postsuper -d ALL; echo $?")
    empty = wait_for(lambda: sh(i, "postqueue -p; mailq").stdout == "Mail queue is empty\nMail queue is empty\n")     # some were being tried
    t.ok(r.stdout == "0\n" and empty and "Deleted: 3 messages" in r.stderr, "postsuper -d ALL, an empty queue", r.stdout, r.stderr)
    r = sh(i, "postsuper -d NOSUCHID; echo $?; postqueue -i NOSUCHID; echo $?; postqueue; echo $?; postqueue -x; echo $?; postsuper -d ALL bogus; echo $?")
    t.ok(r.stdout.split() == ["0", "0", "69", "69", "1"], "statuses of what is wrong, as Postfix has them", r.stdout, r.stderr)


def log(i):
    r = sh(i, "echo 'a line by script' | postlog -t my-script -p warn; postlog a b c; echo $?; postlog -p nonsense x; echo $?")
    t.ok(r.stdout.split()[0] == "0" and r.stdout.split()[1] != "0", "postlog", r.stdout, r.stderr)
    t.ok(wait_for(lambda: re.search(r"my-script\[\d+\]: warning: a line by script", i.log()) and re.search(r"postfix/postlog\[\d+\]: a b c", i.log())), "its lines", i.log()[-600:])


def down(i):
    r = sh(i, "postfix stop; echo $?; postfix status; echo $?; postfix stop; echo $?; postfix reload; echo $?; postfix flush; echo $?")
    t.ok(r.stdout.split() == ["0", "1", "1", "1", "1"] and r.stderr.count("not running") == 4, "stop, and all after it", r.stdout, r.stderr)
    r = sh(i, "sendmail ok@there.example.net < $D/msg; echo $?; postqueue -f; echo $?; mailq; echo $?; find $(postconf -h queue_directory)/maildrop -type f | wc -l")
    words = r.stdout.split()
    t.ok(words[:2] == ["0", "69"] and words[-1] == "1", "while it is down mail is taken, flush is 69", r.stdout, r.stderr)
    t.ok("Mail system is down -- accessing queue directly" in r.stderr or "mail system is down" in r.stderr, "and mailq says so", r.stderr)


with FakeServer({"RCPT": lambda s, a: "450 4.2.1 busy" if "<busy" in a else "250 2.1.5 ok"}) as server, Instance() as i:
    names(i)
    i.configure(f"""mynetworks = 127.0.0.0/8
transport_maps = inline:{{there.example.net=smtp:[127.0.0.1]:{server.port}}}
authorized_submit_users = static:anyone
""", MASTER)
    i.main = ""
    installers(i)
    aliases(i)
    life(i)
    submission(i, server)
    senders(i)
    queue(i)
    log(i)
    down(i)
t.end()
