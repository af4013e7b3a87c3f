#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""neighbours_mail.py - programs that mail goes through, unmodified: amavisd-new behind the queue, postsrsd's tables; and
programs with the command lines of mailman, maildrop and procmail"""
import glob, os, pwd, re, shutil, signal, smtplib, socket, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
port, back, amavis_port, forward, reverse, nobody_there = (free_port() for _ in range(6))
user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
who = pwd.getpwnam(user)
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
local unix - n n - - local
virtual unix - n n - - virtual
smtp unix - - n - - smtp
"""


def skip(title, why):
    t.n += 1
    print(f"ok {t.n} - {title} # SKIP {why}", flush=True)


def listens(p):
    try:
        socket.create_connection(("127.0.0.1", p)).close()
        return True
    except OSError:
        return False


def greets(p):
    try:
        with socket.create_connection(("127.0.0.1", p), timeout=5) as s:
            return s.recv(100).startswith(b"220")
    except OSError:
        return False


def send(sender, *to, text="Subject: hello\r\n\r\nhello\r\n"):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
        c.ehlo("client.example.org")
        c.sendmail(sender, list(to), text)


def boxes(i, name):
    return [open(p).read() for p in glob.glob(f"{i.dir}/boxes/{name}/new/*")]


def virtual(i):
    os.mkdir(i.dir + "/boxes")
    os.chmod(i.dir + "/boxes", 0o777)
    return f"""mydestination =
virtual_mailbox_domains = example.net
virtual_mailbox_maps = inline:{{u@example.net=u/, v@example.net=v/}}
virtual_mailbox_base = {i.dir}/boxes
virtual_uid_maps = static:{who.pw_uid}
virtual_gid_maps = static:{who.pw_gid}
virtual_minimum_uid = 1
smtpd_peername_lookup = no
"""


# ---- amavisd-new, as its README.postfix has it ----

def amavis_program():
    return next((p for p in ("/usr/sbin/amavisd", "/usr/sbin/amavisd-new") if os.path.exists(p)), None)


def amavis(i):
    home = i.dir + "/amavis"
    runs_as = "amavis" if os.getuid() == 0 else user
    for d in ("", "/tmp", "/db", "/quarantine"):
        os.mkdir(home + d)
        if os.getuid() == 0:
            os.chown(home + d, pwd.getpwnam(runs_as).pw_uid, pwd.getpwnam(runs_as).pw_gid)
    with open(i.dir + "/amavis.conf", "w") as f:
        f.write(f"""use strict;
$max_servers = 2; $daemon_user = '{runs_as}'; $daemon_group = '{subprocess.run(["id", "-gn", runs_as], capture_output=True, text=True).stdout.strip()}';
$MYHOME = '{home}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{{TMPDIR}} = $TEMPBASE; $db_home = "$MYHOME/db"; $QUARANTINEDIR = "$MYHOME/quarantine";
$lock_file = "$MYHOME/lock"; $pid_file = "$MYHOME/pid"; $enable_db = 0; $enable_zmq = 0; $DO_SYSLOG = 0; $LOGFILE = "$MYHOME/log"; $log_level = 2;
$mydomain = 'example.net'; $myhostname = 'filter.example.net'; @local_domains_maps = (['.example.net']); @mynetworks = qw(127.0.0.0/8);
$inet_socket_port = {amavis_port}; $inet_socket_bind = '127.0.0.1'; $unix_socketname = undef;
$forward_method = 'smtp:[127.0.0.1]:{back}'; $notify_method = $forward_method;
@bypass_spam_checks_maps = (1); @bypass_virus_checks_maps = (1); $enable_dkim_verification = 0; $enable_dkim_signing = 0;
$final_banned_destiny = D_DISCARD; $banned_filename_re = new_RE(qr'.\\.exe$'i); $virus_admin = undef; $warnbannedsender = 0;
1;
""")
    os.chmod(i.dir + "/amavis.conf", 0o644)
    return home, subprocess.Popen([amavis_program(), "-c", i.dir + "/amavis.conf", "foreground"], stdout=open(home + "/out", "w"), stderr=subprocess.STDOUT)


def test_amavis():
    if not amavis_program():
        return skip("amavisd-new", "it is not installed")
    with Instance() as i:
        home, p = amavis(i)
        try:
            if not wait_for(lambda: greets(amavis_port) or p.poll() is not None, 30) or p.poll() is not None:
                return skip("amavisd-new", "it does not run privately here: " + (open(home + "/out").read() + (open(home + "/log").read() if os.path.exists(home + "/log") else ""))[-300:].replace("\n", " ").replace("#", ""))
            i.configure(virtual(i) + f"content_filter = smtp-amavis:[127.0.0.1]:{amavis_port}\n", MASTER + f"""
smtp-amavis unix - - n - 2 smtp
  -o smtp_data_done_timeout=1200
  -o smtp_send_xforward_command=yes
  -o disable_dns_lookups=yes
  -o max_use=20
127.0.0.1:{back} inet n - n - - smtpd
  -o content_filter=
  -o smtpd_delay_reject=no
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o smtpd_helo_restrictions=
  -o smtpd_sender_restrictions=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o smtpd_data_restrictions=reject_unauth_pipelining
  -o smtpd_end_of_data_restrictions=
  -o smtpd_restriction_classes=
  -o mynetworks=127.0.0.0/8
  -o smtpd_error_sleep_time=0
  -o smtpd_soft_error_limit=1001
  -o smtpd_hard_error_limit=1000
  -o smtpd_client_connection_count_limit=0
  -o smtpd_client_connection_rate_limit=0
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters
  -o local_header_rewrite_clients=
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
""")
            r = i.run("check")
            t.ok(r.returncode == 0, "amavis: check", r.stderr)
            t.ok(i.start().returncode == 0, "amavis: start", i.log())
            send("s@example.org", "u@example.net")
            got = wait_for(lambda: boxes(i, "u"), 40)
            t.ok(got and "by localhost (filter.example.net [127.0.0.1]) (amavis, port" in got[0], "amavis scans and hands back", got, i.log()[-3000:], open(home + "/log").read()[-1500:])
            t.ok(wait_for(lambda: re.search(r"postfix/smtp\[\d+\]: \S+: to=<u@example.net>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*status=sent \(250 2.0.0 from MTA\(smtp:\[127.0.0.1\]:"
                                             + str(back), i.log())), "and both queue ids are in the log", i.log()[-3000:])
            t.ok(re.search(r"client=unknown\[127.0.0.1\], orig_queue_id=\S+, orig_client=unknown\[127.0.0.1\]", i.log()), "XFORWARD comes through amavis", i.log()[-3000:])
            send("s@example.org", "v@example.net", text='Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name="a.exe"\r\n'
                 'Content-Disposition: attachment; filename="a.exe"\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n')
            t.ok(wait_for(lambda: "BANNED" in i.log() or "discarded" in i.log().lower(), 40) and not boxes(i, "v"), "what it bans does not come back", i.log()[-2000:])
            os.kill(p.pid, signal.SIGTERM)
            p.wait(30)
            send("s@example.org", "u@example.net", text="Subject: later\r\n\r\nx\r\n")
            t.ok(wait_for(lambda: re.search(r"postfix/smtp\[\d+\]: .*status=deferred \(connect to 127.0.0.1\[127.0.0.1\]:\d+: Connection refused\)", i.log())),
                 "amavis is away: mail waits", i.log()[-2000:])
        finally:
            if p.poll() is None:
                p.terminate()
                p.wait(30)


# ---- postsrsd ----

def test_postsrsd():
    program = shutil.which("postsrsd") or next((p for p in ("/usr/sbin/postsrsd",) if os.path.exists(p)), None)
    if not program:
        return skip("postsrsd", "it is not installed")
    with Instance() as i:
        with open(i.dir + "/secret", "w") as f:
            f.write("not very secret\n")
        p = subprocess.Popen([program, "-4", "-s" + i.dir + "/secret", "-dexample.net", f"-f{forward}", f"-r{reverse}", "-Xexample.net"], stderr=subprocess.DEVNULL,
                             start_new_session=True)         # it forks for each connection
        try:
            if not wait_for(lambda: listens(forward) or p.poll() is not None) or p.poll() is not None:
                return skip("postsrsd", "this version does not run by these options")
            i.configure(virtual(i) + f"""sender_canonical_maps = tcp:127.0.0.1:{forward}
sender_canonical_classes = envelope_sender
recipient_canonical_maps = tcp:127.0.0.1:{reverse}
recipient_canonical_classes = envelope_recipient,header_recipient
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{nobody_there}
""", MASTER)
            t.ok(i.start().returncode == 0, "postsrsd: start", i.log())
            send("Some.One@Example.ORG", "u@example.net", text="From: Some.One@Example.ORG\r\nSubject: x\r\n\r\nhello\r\n")
            got = wait_for(lambda: boxes(i, "u"))
            srs = re.search(r"^Return-Path: <(SRS0=[^@]+=Example\.ORG=Some\.One@example\.net)>", got[0], re.M) if got else None
            t.ok(srs and "From: Some.One@Example.ORG" in got[0], "the envelope sender is rewritten, its case kept; the header is not", got, i.log()[-2000:])
            if srs:
                send("", srs.group(1))
                t.ok(wait_for(lambda: f"to=<Some.One@Example.ORG>, orig_to=<{srs.group(1)}>" in i.log()), "a bounce finds the way back", i.log()[-2000:])
            send("v@example.net", "u@example.net")
            t.ok(wait_for(lambda: any("Return-Path: <v@example.net>" in b for b in boxes(i, "u"))), "our own senders stay", i.log()[-2000:])
            os.killpg(p.pid, signal.SIGKILL)
            p.wait(20)
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
                c.ehlo("x")
                c.docmd("MAIL FROM:<other@example.com>")
                code = c.docmd("RCPT TO:<u@example.net>")[0]
                if code == 250:
                    code = c.docmd("DATA")[0]
                if code == 354:
                    c.send("Subject: x\r\n\r\nx\r\n.\r\n")
                    code = c.getreply()[0]
            t.ok(400 <= code < 500, "postsrsd is away: 4xx, not the old sender", code, i.log()[-2000:])
        finally:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait(20)


# ---- programs by pipe(8) and mailbox_command ----

SCRIPT = """#!/bin/sh
{
	for a; do printf '%s: %s\\n' ARG "$a"; done
	cat
} >OUT/$$.tmp
for a; do
	case $a in
	tempfail*) exit 75 ;;
	nouser*) echo "no such list: $a" >&2; exit 67 ;;
	esac
done
mv OUT/$$.tmp OUT/$$
"""
PROCMAIL = """#!/bin/sh
[ "$2" = wait ] && exit 75
{ echo "ARGS $*"; echo "USER $USER $LOGNAME"; echo "HOME $HOME"; echo "RECIPIENT $RECIPIENT"; echo "SENDER $SENDER"; echo "EXTENSION $EXTENSION"; cat; } >OUT/procmail.$$
"""


def test_pipes():
    with Instance() as i:
        out = i.dir + "/out"
        os.mkdir(out)
        os.chmod(out, 0o777)
        for name, text in (("postfix-to-mailman.py", SCRIPT), ("maildrop", SCRIPT), ("procmail", PROCMAIL)):
            with open(f"{i.dir}/{name}", "w") as f:
                f.write(text.replace("OUT", out))
            os.chmod(f"{i.dir}/{name}", 0o755)
        local = f"{user}@mail.example.net"
        i.configure(f"""relay_domains = lists.example.net
transport_maps = inline:{{lists.example.net=mailman:lists.example.net}}
mailman_destination_recipient_limit = 1
mydestination = mail.example.net
virtual_mailbox_domains = example.net
virtual_mailbox_maps = static:all
virtual_transport = maildrop
maildrop_destination_recipient_limit = 1
recipient_delimiter = +
mailbox_command = {i.dir}/procmail -a "$EXTENSION" DEFAULT=$HOME/Maildir/
local_recipient_maps =
smtpd_peername_lookup = no
require_home_directory = no
""", MASTER + f"""
mailman unix - n n - - pipe
  flags=FRX user={user} argv={i.dir}/postfix-to-mailman.py ${{nexthop}} ${{user}}
maildrop unix - n n - - pipe
  flags=DRXhu user={user} argv={i.dir}/maildrop -d ${{recipient}} ${{extension}} ${{sender}}
""")
        t.ok(i.start().returncode == 0, "pipes: start", i.log())

        def files():
            return [open(p).read() for p in glob.glob(out + "/*") if not p.endswith(".tmp")]
        send("S@Example.org", "Team@lists.example.net", "other-bounces@lists.example.net")
        got = wait_for(lambda: len(files()) == 2 and sorted(files(), key=lambda g: "bounces" in g))
        t.ok(got and got[0].startswith("ARG: lists.example.net\nARG: Team\nFrom S@Example.org  ") and "\nReturn-Path: <S@Example.org>\n" in got[0] and "X-Original-To" not in got[0]
             and "ARG: other-bounces\n" in got[1], "mailman's pipe: a process a recipient, From_ and Return-Path", got, i.log()[-2000:])
        send("s@example.org", "tempfail@lists.example.net", "nouser@lists.example.net")
        t.ok(wait_for(lambda: re.search(r"pipe\[\d+\]: .*to=<tempfail@lists.example.net>, relay=mailman, .*dsn=4.3.0, status=deferred \(temporary failure\)", i.log())), "75 defers", i.log()[-2000:])
        t.ok(wait_for(lambda: re.search(r"to=<nouser@lists.example.net>, relay=mailman, .*dsn=5.1.1, status=bounced \(user unknown. Command output: no such list: nouser", i.log())),
             "67 bounces, with what the command says", i.log()[-2000:])
        for p in glob.glob(out + "/*"):
            os.unlink(p)
        send("s@example.org", "Bob+Ext@Example.NET")
        got = wait_for(files)
        t.ok(got and got[0].startswith("ARG: -d\nARG: Bob+ext@example.net\nARG: ext\nARG: s@example.org\n".replace("Bob", "bob")) and "\nDelivered-To: Bob+Ext@Example.NET\n".lower() in got[0].lower()
             and got[0].count("Return-Path") == 1, "maildrop's pipe: lower case by flags hu, Delivered-To", got, i.log()[-2000:])
        for p in glob.glob(out + "/*"):
            os.unlink(p)
        if os.getuid() == 0 and who.pw_uid == 0:
            return skip("procmail", "nobody to deliver to")
        send("s@example.org", f"{user}+lists@mail.example.net")
        got = wait_for(files)
        t.ok(got and f"ARGS -a lists DEFAULT={who.pw_dir}/Maildir/\nUSER {user} {user}\nHOME {who.pw_dir}\nRECIPIENT {user}+lists@mail.example.net\nSENDER s@example.org\nEXTENSION lists\n" in got[0],
             "procmail as mailbox_command: arguments and environment", got, i.log()[-2000:])
        send("s@example.org", f"{user}+wait@mail.example.net")
        t.ok(wait_for(lambda: re.search(r"local\[\d+\]: .*\+wait@mail.example.net>, relay=local, .*status=deferred \(temporary failure", i.log())), "75 defers", i.log()[-2000:])


for test in {"amavis": [test_amavis], "postsrsd": [test_postsrsd], "pipes": [test_pipes]}.get((sys.argv + [""])[1], [test_amavis, test_postsrsd, test_pipes]):
    test()
t.end()
