#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_virtual_pipe.py - virtual mailboxes, pipe(8) transports, spawn(8) services"""
import glob, os, pwd, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
MESSAGE = b"From: a@b\r\nSubject: hi\r\n\r\n.line\r\nFrom here\r\n"
UID = 5005 if ROOT else os.getuid()
GID = 5005 if ROOT else os.getgid()
MAIN = f"""virtual_mailbox_base = $DIR/vmail
virtual_mailbox_maps = texthash:$DIR/vmailbox
virtual_uid_maps = static:{UID}
virtual_gid_maps = static:{GID}
virtual_minimum_uid = 1
recipient_delimiter = +
"""
BOXES = """a@v.example v.example/a/
b@v.example v.example/b
bad@v.example ../../etc/x
@catch.example catch/all/
"""

with Site(MAIN, {"vmail": 5005}, {"vmailbox": BOXES}) as s:
    os.mkdir(f"{s.dir}/vmail")
    os.mkdir(f"{s.dir}/vmail/v.example")
    for d in ("vmail", "vmail/v.example"):
        os.chown(f"{s.dir}/{d}", UID, GID)
    s.start("local/virtual", "virtual")
    t.same(s.one("virtual", "a@v.example", MESSAGE), ("sent", "2.0.0", "delivered to maildir"), "a Maildir")
    files = glob.glob(f"{s.dir}/vmail/v.example/a/new/*")
    t.same([os.stat(f).st_uid for f in files], [UID], "with virtual_uid_maps' uid")
    t.same(open(files[0], "rb").read(), b"Return-Path: <sender@elsewhere.example>\nDelivered-To: a@v.example\nFrom: a@b\nSubject: hi\n\n.line\nFrom here\n", "its content")
    t.same(s.one("virtual", "A+ext@V.example", MESSAGE, queue_id="4Xv1")[0], "sent", "in any case, with an extension")
    t.same(s.one("virtual", "b@v.example", MESSAGE), ("sent", "2.0.0", "delivered to mailbox"), "an mbox")
    t.same(s.one("virtual", "any@catch.example", MESSAGE)[0], "sent", "a catch-all")
    t.same(s.one("virtual", "no@v.example", MESSAGE), ("bounced", "5.1.1", 'unknown user: "no@v.example"'), "unknown user")
    t.same(s.one("virtual", "bad@v.example", MESSAGE), ("deferred", "4.3.5", "mail system configuration error"), "a path that leaves the base")
    t.same(s.one("virtual", "a@v.example", b"Delivered-To: a@v.example\r\n" + MESSAGE, queue_id="4Xv2")[1], "5.4.6", "a loop")
    t.same(s.one("virtual", "a@v.example", MESSAGE, queue_id="4Xv3", verify_only="yes")[2], "delivers to maildir", "sendmail -bv")
    os.symlink("/etc", f"{s.dir}/vmail/v.example/c")
    with open(f"{s.dir}/vmailbox", "a") as f:
        f.write("c@v.example v.example/c/x\n")

WITH_ONE = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
            b"Content-Disposition: attachment\r\n\r\nx\r\n--b--\r\n")
with Site(MAIN + "mail_attachment_detection_options = add-flags\n", {"vmail": 5005}, {"vmailbox": BOXES}) as s:
    os.mkdir(f"{s.dir}/vmail")
    os.chown(f"{s.dir}/vmail", UID, GID)
    os.mkdir(f"{s.dir}/vmail/v.example")
    os.chown(f"{s.dir}/vmail/v.example", UID, GID)
    s.start("local/virtual", "virtual")
    t.same([s.one("virtual", "a@v.example", m, queue_id=q)[0] for q, m in (("4Xa1", MESSAGE), ("4Xa2", WITH_ONE))], ["sent", "sent"], "add-flags: two messages")
    files = {os.path.basename(f)[-4:]: open(f, "rb").read() for f in glob.glob(f"{s.dir}/vmail/v.example/a/cur/*")}
    t.same(open(f"{s.dir}/vmail/v.example/a/dovecot-keywords").read(), "0 $HasNoAttachment\n1 $HasAttachment\n", "two keywords")
    t.ok(sorted(files) == [":2,a", ":2,b"] and b".line" in files[":2,a"] and b"Disposition" in files[":2,b"], "the message with an attachment has the one, the other the other", files)
    t.same(s.one("virtual", "a@v.example", WITH_ONE, queue_id="4Xa2")[0], "sent", "a second try")
    t.same(len(glob.glob(f"{s.dir}/vmail/v.example/a/cur/*") + glob.glob(f"{s.dir}/vmail/v.example/a/new/*")), 2, "adds nothing")

with Site(MAIN + "virtual_mailbox_limit = 200\n", {"vmail": 5005}, {"vmailbox": BOXES}) as s:
    os.mkdir(f"{s.dir}/vmail")
    os.chown(f"{s.dir}/vmail", UID, GID)
    os.mkdir(f"{s.dir}/vmail/v.example")
    os.chown(f"{s.dir}/vmail/v.example", UID, GID)
    s.start("local/virtual", "virtual")
    t.same(s.one("virtual", "b@v.example", MESSAGE)[0], "sent", "below virtual_mailbox_limit")
    t.same(s.one("virtual", "b@v.example", MESSAGE)[:2], ("bounced", "5.2.2"), "a full mbox")
    t.same(s.one("virtual", "a@v.example", b"x" * 400)[:2], ("bounced", "5.2.2"), "a message too large for the limit")

with Site(MAIN + "default_delivery_status_filter = pcre:$DIR/filter\n", {"vmail": 5005},
          {"vmailbox": BOXES, "filter": "/^5\\.1\\.1 (unknown user.*)/ 4.1.1 not yet: $1\n/^4\\.3\\.5/ 5.3.5\n/^2/ 5.0.0 no\n"}) as s:
    os.mkdir(f"{s.dir}/vmail")
    os.chown(f"{s.dir}/vmail", UID, GID)
    os.mkdir(f"{s.dir}/vmail/v.example")
    os.chown(f"{s.dir}/vmail/v.example", UID, GID)
    s.start("local/virtual", "virtual")
    t.same(s.one("virtual", "no@v.example", MESSAGE), ("deferred", "4.1.1", 'not yet: unknown user: "no@v.example"'), "default_delivery_status_filter: never becomes not now")
    t.same(s.one("virtual", "bad@v.example", MESSAGE), ("bounced", "5.3.5", "mail system configuration error"), "and not now never, with the text as it was")
    t.same(s.one("virtual", "a@v.example", MESSAGE)[:2], ("sent", "2.0.0"), "what was delivered stays delivered")

user = "vmail"
SHOW = """#!/bin/sh
for a in "$@"; do printf '%s\\n' "$a" >> $DIR/out/args; done
id -u > $DIR/out/uid; cat > $DIR/out/mail; env > $DIR/out/env; pwd > $DIR/out/pwd
"""
with Site("recipient_delimiter = +\n", {"vmail": 5005}, {"show": SHOW}) as s:
    os.mkdir(f"{s.dir}/out")
    os.chmod(f"{s.dir}/out", 0o777)
    os.chmod(f"{s.dir}/show", 0o755)

    def run(flags, argv, recipients, extra=(), **more):
        for f in glob.glob(f"{s.dir}/out/*"):
            os.unlink(f)
        s.start("local/pipe", "mydrop", f"flags={flags}", f"user={user}", *extra, f"argv={s.dir}/show", *argv)
        got = s.deliver("mydrop", recipients, MESSAGE, **more)
        s.stop("mydrop")
        args = open(f"{s.dir}/out/args").read().splitlines() if os.path.exists(f"{s.dir}/out/args") else None
        return got, args

    got, args = run("R", ["-f", "${sender}", "-d", "${recipient}", "x$(user)/$extension"], ["joe+e@d.example", "$(id);x@d.example"])
    t.same(got, {0: ("sent", "2.0.0", "delivered via mydrop service"), 1: ("sent", "2.0.0", "delivered via mydrop service")}, "pipe to two recipients")
    t.same(args, ["-f", "sender@elsewhere.example", "-d", "joe+e@d.example", "$(id);x@d.example", "xjoe/e", "x$(id);x/"], "argv is repeated for each, without a shell")
    t.same(open(f"{s.dir}/out/mail", "rb").read(), b"Return-Path: <sender@elsewhere.example>\nFrom: a@b\nSubject: hi\n\n.line\nFrom here\n", "flag R")
    t.same(open(f"{s.dir}/out/uid").read().strip(), str(UID), "user=")
    got, args = run("DFORBhu.>", ["${recipient}", "${mailbox}", "${domain}", "${nexthop}", "${original_recipient}", "${size}", "${queue_id}", "${client_address}"],
                    [("Joe@D.Example", "Orig@X.Example")], nexthop="N.Example", client_address="192.0.2.1", sender="", extra=["null_sender=", "eol=\\r\\n", f"directory={s.dir}/out"])
    t.same(args, ["joe@d.example", "joe", "d.example", "n.example", "orig@x.example", str(len(MESSAGE)), "4XyZabc0z1", "192.0.2.1"], "macros, flags h and u")
    data = open(f"{s.dir}/out/mail", "rb").read()
    t.ok(re.fullmatch(rb"From MAILER-DAEMON  [^\n]+\r\nReturn-Path: <>\r\nX-Original-To: Orig@X\.Example\r\nDelivered-To: Joe@D\.Example\r\n"
                      rb"From: a@b\r\nSubject: hi\r\n\r\n\.\.line\r\n>From here\r\n\r\n", data), "flags F R O D . > B and eol", data)
    t.same(open(f"{s.dir}/out/pwd").read().strip(), f"{s.dir}/out", "directory=")
    evil = [a + "@d.example" for a in ("$(touch x)", "`touch x`", "a;touch x", "a|touch x", "a&touch x", "a>x", "a<x", "$HOME", "${recipient}", "$$", "a b",
            "'a", '"a', "a\\b", "*", "?", "[a]", "~root", "!x", "#x", "%s%n", "{a,b}", "a\tb", "(x)", "../../etc/passwd", "/etc/passwd", "\u00fc", "=x")]
    got, args = run("", ["${recipient}"], evil)
    t.same((args, {g[0] for g in got.values()}), (evil, {"sent"}), "addresses of every evil kind are one argument each")
    got, args = run("q", ["${recipient}", "${sender}"], ["two words@d.example"], sender="")
    t.same(args, ['"two words"@d.example', "MAILER-DAEMON"], "flag q, null_sender")
    got, args = run("", ["-f", "${sender}", "--", "${recipient}"], ["a@b.example"], sender="-oQ/tmp@x.example")
    t.same((got[0][:2], args), (("bounced", "5.1.3"), None), "a sender that looks like an option")
    got, args = run("", ["${client_address}", "${client_port}", "${client_hostname}", "${client_protocol}", "${client_helo}", "${sasl_method}", "${sasl_sender}", "${sasl_username}"], ["a@b.example"],
                    client_address="192.0.2.1", client_port="4711", client_name="c.example", protocol="ESMTPSA", helo="me", sasl_method="PLAIN", sasl_sender="x@c.example", sasl_user="joe")
    t.same(args, ["192.0.2.1", "4711", "c.example", "ESMTPSA", "me", "PLAIN", "x@c.example", "joe"], "macros about the client")
    if ROOT:
        root = f"{s.dir}/root"
        for path in ["/bin/sh", *re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout)]:
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            shutil.copy(path, root + path)
        os.mkdir(f"{root}/out")
        os.chmod(f"{root}/out", 0o777)
        s.start("local/pipe", "mydrop", "flags=", f"user={user}", f"chroot={root}", "argv=/bin/sh", "-c", 'pwd > /out/pwd; echo /* > /out/all; read a; echo "$$a" > /out/line')
        t.same(s.deliver("mydrop", ["a@b.example"], MESSAGE)[0][:2], ("sent", "2.0.0"), "chroot=")
        s.stop("mydrop")
        t.same([open(f"{root}/out/{n}").read().strip() for n in ("pwd", "line")], ["/", "From: a@b"], "the command runs there, and gets the message")
        t.ok("/etc" not in open(f"{root}/out/all").read().split(), "and sees nothing else")
        t.same(os.stat(f"{root}/out/pwd").st_uid, UID, "as user=")
        s.start("local/pipe", "mydrop", f"user={user}", "chroot=/nonexistent", "argv=/bin/true")
        t.same(s.deliver("mydrop", ["a@b.example"], MESSAGE)[0][0], "deferred", "a root that is not there")
        s.stop("mydrop")
    got, args = run("", ["x"], ["a@b.example"], extra=["size=10"])
    t.same(got[0][:2], ("bounced", "5.2.3"), "size=")
    with open(f"{s.dir}/show", "w") as f:
        f.write("#!/bin/sh\necho 'no such mailbox'; exit 67\n")
    t.same(run("", [], ["a@b.example"])[0][0], ("bounced", "5.1.1", "user unknown. Command output: no such mailbox"), "exit status 67")
    with open(f"{s.dir}/show", "w") as f:
        f.write("#!/bin/sh\nsleep 20\n")
    with open(f"{s.dir}/main.cf", "a") as f:
        f.write("mydrop_time_limit = 1s\n")
    t.same(run("", [], ["a@b.example"])[0][0][:2], ("bounced", "5.3.0"), "<transport>_time_limit")
    for words in (["user=vmail", "chroot=x", "argv=/bin/true"], ["user=vmail", "flags=Z", "argv=/bin/true"], ["argv=/bin/true"], ["user=vmail"],
                  ["user=no-such-user-x", "argv=/bin/true"], ["user=vmail", "color=red", "argv=/bin/true"]) + ((["user=root", "argv=/bin/true"],) if ROOT else ()):
        try:
            s.start("local/pipe", "bad", *words)
            said = "started"
        except RuntimeError as e:
            said = str(e)
        t.ok("fault" in said, f"refused: {' '.join(words)}", said)
        s.stop("bad")

with Site("", {"vmail": 5005}) as s:
    s.start("local/spawn", "policy", "user=vmail", "argv=/bin/sh", "-c", "read a; echo \"$a $(id -u)\"", kind=socket.SOCK_STREAM)
    with s.connect("policy", socket.SOCK_STREAM) as c:
        c.send(b"hello\n")
        t.same(c.recv(100), f"hello {UID}\n".encode(), "spawn: the connection is its standard input and output")
        t.same(c.recv(100), b"", "and ends with it")
with Site("late_time_limit = 1s\n", {"vmail": 5005}) as s:
    s.start("local/spawn", "late", "user=vmail", "argv=/bin/sh", "-c", "sleep 100 & echo begun; wait", kind=socket.SOCK_STREAM)
    with s.connect("late", socket.SOCK_STREAM) as c:
        c.settimeout(30)
        t.same(c.recv(100), b"begun\n", "spawn: a command that takes too long")
        t.same(c.recv(100), b"", "is ended after <service>_time_limit, with what it started")
t.end()
