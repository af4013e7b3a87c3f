#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""quota.py - one maildirsize for deliveries, IMAP, the policy service and Dovecot by turns

Limits of main.cf and of the userdb bind virtual and imapd alike; what one of them counts the
other sees; Dovecot's quota plugin goes on with the same file.  TAP.
"""
import atexit, glob, imaplib, os, pwd, re, shutil, smtplib, socket, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, by_policy, free_port, wait_for

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
DOVECOT = next((p for p in ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap") if os.path.exists(p)), None)
ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
tap = Tap()


def quota_of(m):
    told = m._simple_command("GETQUOTAROOT", "INBOX") and m.response("QUOTA")[1][0]
    return re.search(rb"\((.*)\)", told).group(1).decode()


def killed(i, mail, status, deliver, imap):
    """EXPUNGE dies between the last file and its line in maildirsize; a delivery's line makes the file look new."""
    if not shutil.which("strace") or (ROOT and not shutil.which("setpriv")):
        print("# no strace: no session is killed")
        return
    m = imaplib.IMAP4("127.0.0.1", imap)
    m.login("small@v.example", "secret")
    m.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"z" * 1500)
    m.logout()
    before = open(f"{mail}/maildirsize").read()
    user = ["setpriv", "--reuid", str(OWNER.pw_uid), "--regid", str(OWNER.pw_gid), "--clear-groups"] if ROOT else []
    script = b"a SELECT INBOX\r\nb STORE 1 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\nd LOGOUT\r\n"

    def session(where, *strace):
        return subprocess.run([*user, "strace", "-f", "-qq", "-o", f"{mail}.trace", "-e", "trace=openat2", *strace,
                               f"{BUILD}/t/system/imapd_stdio", f"maildir:{where}", "quota=maildir:User quota", "quota_rule=*:storage=2k"],
                              input=script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60).stdout

    subprocess.run([*user, "cp", "-a", mail, f"{mail}.rehearsal"], check=True)
    session(f"{mail}.rehearsal")
    opened = [line for line in open(f"{mail}.trace") if "openat2(" in line]
    counting = max(n for n, line in enumerate(opened) if '"maildirsize"' in line and "O_APPEND" in line)
    last = sum(line.split()[0] == opened[counting].split()[0] for line in opened[:counting + 1])      # of this process
    said = session(mail, "-e", f"inject=openat2:signal=KILL:when={last}")
    gone = not glob.glob(f"{mail}/???/*") and b"c OK" not in said
    tap.ok(gone and open(f"{mail}/maildirsize").read() == before, "a session is killed within EXPUNGE, before maildirsize knows", said, before)
    count = i.log().count("status=sent")
    deliver()
    wait_for(lambda: i.log().count("status=sent") > count)
    tap.ok(wait_for(lambda: open(f"{mail}/maildirsize").read().startswith(before)) and open(f"{mail}/maildirsize").read() != before,
           "a delivery adds its line behind that", open(f"{mail}/maildirsize").read())
    tap.ok(by_policy(status, "small@v.example", 1500) == "action=DUNNO", "and nobody is refused on that sum")
    tap.ok(by_policy(status, "small@v.example", 2500).startswith("action=552") and
           re.fullmatch(r"2048S\n\d+ 1  \n", open(f"{mail}/maildirsize").read()) is not None, "who is refused was counted")
    os.utime(f"{mail}/cur", (1, 1))
    os.utime(f"{mail}/new", (1, 1))
    by_policy(status, "small@v.example", 2500)
    counted = os.stat(f"{mail}/maildirsize")
    for n in range(3):
        by_policy(status, "small@v.example", 2500)
    after = os.stat(f"{mail}/maildirsize")
    tap.ok((counted.st_ino, counted.st_ctime_ns) == (after.st_ino, after.st_ctime_ns), "once, while nothing changes")


def a_system():
    smtp, imap, status = free_port(), free_port(), free_port()
    base = tempfile.mkdtemp(prefix="quota_")
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    os.chmod(base, 0o755)
    os.chown(base, OWNER.pw_uid, OWNER.pw_gid)
    ids = f"{OWNER.pw_uid}:{OWNER.pw_gid}"
    with open(f"{base}/users", "w") as f:
        f.write(f"small@v.example:{{PLAIN}}secret:{ids}::{base}/small::userdb_quota_rule=*:storage=2k\n"
                f"wide@v.example:{{PLAIN}}secret:{ids}::{base}/wide::\n"
                f"few@v.example:{{PLAIN}}secret:{ids}::{base}/few::userdb_quota_rule2=*:messages=1\n"
                f"boxes@v.example:{{PLAIN}}secret:{ids}::{base}/boxes_::userdb_quota_rule2=*:mailboxes=2\n")
    with open(f"{base}/before.sieve", "w") as f:
        f.write('require "fileinto"; if size :under 450 { fileinto "Small"; } elsif size :over 3K { fileinto "Large"; }')
    os.chmod(f"{base}/before.sieve", 0o644)
    with open(f"{base}/boxes", "w") as f:
        for user in ("small", "wide", "few", "boxes"):
            f.write(f"{user}@v.example {user}{'_' * (user == 'boxes')}/Maildir/\n")
    main = f"""quota_status_timeout = 2s
virtual_mailbox_domains = v.example
mydestination =
virtual_mailbox_base = {base}
virtual_mailbox_maps = texthash:{base}/boxes
virtual_uid_maps = static:{OWNER.pw_uid}
virtual_gid_maps = static:{OWNER.pw_gid}
virtual_minimum_uid = 1
mail_location = maildir:%h/Maildir
auth_mechanisms = plain login
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
first_valid_uid = 1
quota = maildir:User quota
quota_rule = *:storage=1M
quota_grace = 0
sieve_before = {base}/before.sieve
lda_mailbox_autocreate = yes
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{status}, permit_mynetworks, reject_unauth_destination
"""
    master = f"""127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{smtp + 1 if smtp < 65535 else smtp - 1} inet n - n - - smtpd -o smtpd_recipient_restrictions=permit_mynetworks,reject
127.0.0.1:{imap} inet n - n - - imap-login
127.0.0.1:{status} inet n n n - - quota-status
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
virtual unix - n n - - virtual
"""
    unchecked = smtp + 1 if smtp < 65535 else smtp - 1

    def send(port, user, size=1200):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as s:
            s.ehlo("client.example")
            s.mail("<>", [f"SIZE={size}"])
            reply = s.rcpt(f"{user}@v.example")
            if reply[0] == 250:
                s.data(b"Subject: x\r\n\r\n" + b"y" * size + b"\r\n")
            return reply

    with Instance(main, master) as i:
        tap.ok(i.start().returncode == 0, "a system with quota starts")
        for n, user in enumerate(("small", "wide", "few", "few")):
            send(unchecked, user)
            wait_for(lambda: i.log().count("status=sent") + i.log().count("status=bounced") > n)
        tap.ok(len(re.findall(r"to=<few@v.example>.*dsn=5.2.2, status=bounced \(Quota exceeded", i.log())) == 1 and
               len(glob.glob(f"{base}/few/Maildir/new/*")) == 1, "the second message for who may have one is bounced with 5.2.2", i.log()[-1500:])
        for size in (10, 4000):
            send(unchecked, "boxes", size)
            wait_for(lambda: i.log().count("to=<boxes@v.example>") > (size > 10))
        boxes = f"{base}/boxes_/Maildir"
        tap.ok(len(glob.glob(f"{boxes}/.Small/new/*")) == len(glob.glob(f"{boxes}/new/*")) == 1 and not os.path.exists(f"{boxes}/.Large"),
               "no filter makes more mailboxes than there may be: INBOX gets that", glob.glob(f"{boxes}/*/*") + glob.glob(f"{boxes}/.*/new/*"), i.log()[-1500:])
        size = open(glob.glob(f"{base}/small/Maildir/maildirsize")[0]).read()
        tap.ok(re.fullmatch(r"2048S\n0 0  \n1\d\d\d 1\n", size) is not None, "virtual keeps maildirsize, with the limits of the userdb", size)
        send(unchecked, "small")
        tap.ok(wait_for(lambda: re.search(r"to=<small@v.example>.*status=bounced \(Quota exceeded \(mailbox for user is full\)\)", i.log())),
               "over his storage: bounced in quota_exceeded_message's words", i.log()[-1500:])
        m = imaplib.IMAP4("127.0.0.1", imap)
        m.login("small@v.example", "secret")
        tap.ok(quota_of(m) == "STORAGE 2 2", "IMAP tells what virtual counted, and his own limit", quota_of(m))
        tap.ok(m.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"z" * 1500)[0] == "NO", "APPEND beyond it is refused")
        with socket.create_connection(("127.0.0.1", status), timeout=30) as silent:
            tap.ok(silent.recv(1) == b"", "quota-status hangs up on a client that is silent")
        tap.ok(by_policy(status, "small@v.example", 5000) == "action=552 5.2.2 Quota exceeded (mailbox for user is full)",
               "quota-status: no room for that", by_policy(status, "small@v.example", 5000))
        tap.ok(by_policy(status, "small@v.example", 10) == "action=DUNNO" and by_policy(status, "nobody@v.example") == "action=DUNNO",
               "room for a small one; who is no user is somebody else's business")
        m.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"z" * 780)
        code, text = send(smtp, "small")
        tap.ok(code == 552 and b"5.2.2" in text and b"Quota exceeded" in text, "smtpd refuses a full mailbox at RCPT", code, text)
        tap.ok(send(smtp, "wide")[0] == 250, "and takes mail for another")
        m.select()
        m.store("1:*", "+FLAGS", "\\Deleted")
        m.expunge()
        tap.ok(quota_of(m) == "STORAGE 0 2" and send(smtp, "small")[0] == 250, "EXPUNGE makes room at once")
        wait_for(lambda: glob.glob(f"{base}/small/Maildir/new/*"))
        for path in glob.glob(f"{base}/small/Maildir/new/*"):
            os.unlink(path)
        tap.ok(by_policy(status, "small@v.example", 1900) == "action=DUNNO", "what rm takes away is counted before anybody is refused")
        m.logout()
        killed(i, f"{base}/small/Maildir", status, lambda: send(unchecked, "small", 100), imap)


def by_turns():
    root = tempfile.mkdtemp(prefix="quota_turns_")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    os.chmod(root, 0o777)
    user = "setpriv --reuid nobody --regid nogroup --clear-groups env USER=nobody" if ROOT else "env"
    with open(f"{root}/conf", "w") as f:
        f.write("protocols = imap\nssl = no\nlog_path = /dev/stderr\nmail_plugins = quota\n"
                "protocol imap {\n  mail_plugins = quota imap_quota\n}\n"
                "plugin {\n  quota = maildir:User quota\n  quota_rule = *:storage=100k:messages=50\n}\n"
                "namespace inbox {\n  inbox = yes\n  separator = /\n}\n")
    mail = f"{root}/mail"
    os.mkdir(mail)
    if ROOT:
        os.chown(mail, OWNER.pw_uid, OWNER.pw_gid)

    def ours():
        return imaplib.IMAP4_stream(f"{user} HOME={root} {BUILD}/t/system/imapd_stdio maildir:{mail} separator=/ "
                                    f"'quota=maildir:User quota' 'quota_rule=*:storage=100k:messages=50' 2>>{root}/log")

    def theirs():
        return imaplib.IMAP4_stream(f"{user} HOME={root} {DOVECOT} -c {root}/conf -o mail_location=maildir:{mail} 2>>{root}/log")

    good = True
    for turn in range(6):
        writer, reader = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
        m = writer()
        if turn == 0:
            m.create("Other")
        for k in range(3):
            m.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"y" * (700 + turn * 100 + k) + b"\r\n")
        m.select("INBOX")
        m.copy("1", "Other")
        m.store("1", "+FLAGS", "\\Deleted")
        m.expunge()
        told = quota_of(m)
        m.logout()
        lines = open(f"{mail}/maildirsize").read()
        files = glob.glob(f"{mail}/new/*") + glob.glob(f"{mail}/cur/*") + glob.glob(f"{mail}/.Other/???/*")
        true = f"STORAGE {(sum(map(os.path.getsize, files)) + 1023) // 1024} 100 MESSAGE {len(files)} 50"
        m = reader()
        seen = quota_of(m)
        m.logout()
        after = open(f"{mail}/maildirsize").read()
        summed = sum(int(line.split()[0]) for line in after.splitlines()[1:])
        tap.ok(told == seen == true and summed == sum(map(os.path.getsize, files)) and lines.startswith("102400S,50C\n"),
               f"turn {turn + 1}: what {writer.__name__} counted {reader.__name__} tells", told, seen, true, lines, after)
    if tap.failed and os.path.exists(f"{root}/log"):
        print("# " + open(f"{root}/log").read()[-2000:].replace("\n", "\n# "))


a_system()
if DOVECOT and (not ROOT or shutil.which("setpriv")):
    by_turns()
else:
    print("# Dovecot's imap is not installed: no turns with it")
tap.end()
