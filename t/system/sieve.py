#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sieve.py - users' Sieve scripts in local and virtual delivery, with real children

What a script files, forwards, answers and refuses; what becomes of mail whose script is broken or hostile.
"""
import fcntl, glob, os, sys, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
MESSAGE = (b"From: Sender <s@x.example>\r\nTo: alice@example.com\r\nSubject: hello\r\nMessage-ID: <1@x.example>\r\n\r\nline\r\n")
USERS = {"alice": 5001, "bob": 5002, "carol": 5003}
serial = 0


def qid():
    global serial
    serial += 1
    return f"4Xyz{serial:04d}z1"


def own(s, user, path):
    st = os.stat(s.home(user))
    os.lchown(path, st.st_uid, st.st_gid)


def script(s, user, text, name="main"):
    d = s.home(user, "sieve")
    if not os.path.isdir(d):
        os.mkdir(d)
        own(s, user, d)
    s.write(user, f"sieve/{name}.sieve", text)
    link = s.home(user, ".dovecot.sieve")
    if name == "main" and not os.path.lexists(link):
        os.symlink("sieve/main.sieve", link)
        own(s, user, link)


def stored(s, user, folder="", where="new"):
    return sorted(glob.glob(s.home(user, f"Maildir/{'.' + folder + '/' if folder else ''}{where}/*")))


def body(paths):
    return [open(p, "rb").read() for p in paths]


with Site("home_mailbox = Maildir/\nrecipient_delimiter = +\nsieve_vacation_min_period = 0\n", USERS) as s:
    queue = FakeCleanup(s)
    s.start("local/local", "local")

    script(s, "alice", 'require ["fileinto", "mailbox", "imap4flags", "envelope", "subaddress"];\n'
           'if envelope :detail "to" "lists" { fileinto :create :flags ["\\\\Seen", "$Work"] "Lists.Work"; }\n'
           'elsif header :contains "subject" "spam" { discard; }\n'
           'elsif header :contains "subject" "nowhere" { fileinto "Nowhere"; }\n')
    got = s.one("local", "alice@example.com", MESSAGE, queue_id=qid())
    t.same(got, ("sent", "2.0.0", "delivered to maildir"), "implicit keep")
    t.same(len(stored(s, "alice")), 1, "is in INBOX")
    first = qid()
    got = s.one("local", "alice+lists@example.com", MESSAGE, queue_id=first)
    t.same(got, ("sent", "2.0.0", "sieve: stored mail into mailbox 'Lists.Work'"), "fileinto :create")
    files = stored(s, "alice", "Lists.Work", "cur")
    t.same([f.rsplit(":", 1)[-1] for f in files], ["2,Sa"], "with \\Seen and a keyword")
    t.ok(b"$Work" in open(s.home("alice", "Maildir/.Lists.Work/dovecot-keywords"), "rb").read(), "that has its name")
    t.ok(b"\nSubject: hello\n" in body(files)[0] and b"Delivered-To: alice+lists@example.com\n" in body(files)[0], "and the content")
    t.same(len(stored(s, "alice")), 1, "INBOX has no more")
    t.same(os.stat(files[0]).st_uid, os.stat(s.home("alice")).st_uid, "it belongs to the recipient")
    got = s.one("local", "alice+lists@example.com", MESSAGE, queue_id=first)
    t.ok(got[0] == "sent" and "duplicate" in got[2], "a second try finds it", got)
    t.same(len(stored(s, "alice", "Lists.Work", "cur") + stored(s, "alice", "Lists.Work")), 1, "and stores nothing")
    got = s.one("local", "alice@example.com", MESSAGE.replace(b"hello", b"spam"), queue_id=qid())
    t.ok(got[0] == "sent" and "discard" in got[2], "discard", got)
    t.same(len(stored(s, "alice")), 1, "stores nothing")
    got = s.one("local", "alice@example.com", MESSAGE.replace(b"hello", b"nowhere"), queue_id=qid())
    t.ok(got[0] == "sent" and len(stored(s, "alice")) == 2, "a mailbox that is not there: INBOX", got)
    log = open(s.home("alice", ".dovecot.sieve.log")).read()
    t.ok("Nowhere" in log and "doesn't exist" in log, "and the user's log says why", log)
    t.same(os.stat(s.home("alice", ".dovecot.sieve.log")).st_uid, os.stat(s.home("alice")).st_uid, "which is his")
    t.same(glob.glob(s.home("alice", "Maildir/tmp/*")), [], "nothing is left in tmp/")

    # broken and hostile scripts keep the mail
    for name, text in (("a syntax error", "keep"), ("an unknown extension", 'require "nonsense";'),
                       ("bytes", "\x01\x02\x03"), ("deep nesting", "if not " * 5000 + "true {}"),
                       ("a redirect to a list of addresses", 'redirect "a@b.example, c@d.example";'),
                       ("too many redirects", "".join(f'redirect "x{i}@b.example";' for i in range(50))),
                       ("an expensive expression", 'require ["regex","variables"]; set "a" "%s!"; if string :regex "${a}" "^(a+)+$" { discard; }' % ("a" * 3000)),
                       ("an include of itself", 'require "include"; include "main";')):
        script(s, "bob", text)
        before = len(stored(s, "bob"))
        got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
        t.ok(got[0] == "sent" and len(stored(s, "bob")) == before + 1, f"{name}: the message is kept", got)
        t.ok(s.logged("warning", "sieve: user=<bob>"), f"{name}: and it is logged", s.logs[-3:])
    t.same(queue.got, [], "none of them sent anything")
    os.unlink(s.home("bob", ".dovecot.sieve"))
    os.mkfifo(s.home("bob", ".dovecot.sieve"))
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent", "a FIFO as a script holds nothing up", got)
    os.unlink(s.home("bob", ".dovecot.sieve"))
    os.symlink("/etc/shadow", s.home("bob", ".dovecot.sieve"))
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and (not ROOT or s.logged("sieve: user=<bob>", "Permission denied")),
         "a script that the user may not read keeps the mail, and it is logged", got)
    os.unlink(s.home("bob", ".dovecot.sieve"))

    # redirect
    script(s, "bob", 'redirect "friend@elsewhere.example"; redirect "other@elsewhere.example";')
    q = qid()
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=q)
    t.ok(got[0] == "sent" and "forwarded to <friend@elsewhere.example>" in got[2], "redirect", got)
    t.same([m[:2] for m in queue.got], [("sender@elsewhere.example", ["friend@elsewhere.example", "other@elsewhere.example"])],
           "one message, from the sender, to both")
    sent = queue.got[0][2]
    t.ok(b"\r\nDelivered-To: bob@example.com\r\n" in sent and b"\r\nX-Sieve-Redirected-From: bob@example.com\r\n" in sent
         and sent.endswith(MESSAGE), "with the headers by which it is known again, then as it came", sent)
    before = len(stored(s, "bob"))
    got = s.one("local", "bob@example.com", sent, queue_id=qid())
    t.same(got[:2], ("bounced", "5.4.6"), "one that comes back is a loop")
    t.same(len(queue.got), 1, "and goes nowhere")
    queue.refuse = "4.3.0"
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.same(got[:2], ("deferred", "4.3.0"), "a queue that does not take it defers the message")
    queue.refuse = None
    queue.got.clear()

    # a script that multiplies: each address is new, so that Delivered-To does not tell
    script(s, "bob", 'redirect "bob+x1@example.com"; redirect "bob+x2@example.com";')
    sent, hops = MESSAGE, 0
    while hops < 20:
        before, kept = len(queue.got), len(stored(s, "bob"))
        got = s.one("local", f"bob+{hops}@example.com", sent, queue_id=qid())
        if len(queue.got) == before:
            break
        sent, hops = queue.got[-1][2], hops + 1
    t.ok(hops == 5 and got[0] == "sent" and len(stored(s, "bob")) == kept + 1, "a message that was redirected five times is kept", hops, got)
    queue.got.clear()

    # duplicate (RFC 7352): a message that was deferred is no duplicate of itself
    script(s, "bob", 'require "duplicate"; if duplicate { discard; stop; } redirect "friend@elsewhere.example";')
    q, mail = qid(), MESSAGE.replace(b"<1@", b"<dup@")
    queue.refuse = "4.3.0"
    got = s.one("local", "bob@example.com", mail, queue_id=q)
    t.same(got[0], "deferred", "a message that is looked at for duplicates, and cannot be forwarded now")
    queue.refuse = None
    got = s.one("local", "bob@example.com", mail, queue_id=q)
    t.ok(got[0] == "sent" and len(queue.got) == 1, "is forwarded by the next try, not taken for a duplicate of itself", got)
    got = s.one("local", "bob@example.com", mail, queue_id=qid())
    t.ok("discard" in got[2] and len(queue.got) == 1, "another one of that Message-ID is", got)
    got = s.one("local", "bob+x@example.com", mail, queue_id=q)
    t.ok("discard" in got[2] and len(queue.got) == 1, "and so is the same for another of the user's addresses", got)
    queue.got.clear()
    script(s, "bob", 'require "copy"; redirect :copy "friend@elsewhere.example";')
    before = len(stored(s, "bob"))
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.ok(got[0] == "sent" and len(stored(s, "bob")) == before + 1 and len(queue.got) == 1, "redirect :copy keeps one", got)
    queue.got.clear()

    # editheader: what is stored and what is redirected, each as the header stood then
    script(s, "bob", 'require ["editheader", "copy", "fileinto", "mailbox"]; redirect :copy "plain@elsewhere.example"; '
           'addheader "X-First" "1"; deleteheader "Subject"; redirect :copy "friend@elsewhere.example"; redirect :copy "other@elsewhere.example"; '
           'fileinto :copy :create "Edited"; deleteheader "Received"; deleteheader "Delivered-To"; deleteheader "X-Sieve-Redirected-From"; '
           'addheader :last "X-Last" "Löwe"; redirect :copy "third@elsewhere.example";')
    mail = b"Received: from a\r\nX-Sieve-Redirected-From: c@example.com\r\n" + MESSAGE + b"\r\nanother line\r\n"
    before = len(stored(s, "bob"))
    got = s.one("local", "bob@example.com", mail, queue_id=qid())
    t.same(got[0], "sent", "a script that edits the header")
    t.same([m[1] for m in queue.got], [["plain@elsewhere.example"], ["friend@elsewhere.example", "other@elsewhere.example"], ["third@elsewhere.example"]],
           "redirects each version once")
    t.ok(queue.got[0][2].endswith(b"Redirected-From: bob@example.com\r\n" + mail), "the first as it came", queue.got[0][2])
    t.ok(queue.got[1][2].endswith(b"Redirected-From: bob@example.com\r\nX-First: 1\r\n" + mail.replace(b"Subject: hello\r\n", b"")),
         "the second edited, without what was put on top for the mailbox", queue.got[1][2])
    t.ok(queue.got[2][2].count(b"Received: ") == 2 and queue.got[2][2].count(b"X-Sieve-Redirected-From: ") == 2 and
         b"\r\nX-Last: =?utf-8?" in queue.got[2][2] and queue.got[2][2].endswith(b"\r\n\r\nline\r\n\r\nanother line\r\n"),
         "the third too, but what loops are known by stays", queue.got[2][2])
    inbox, edited = body(stored(s, "bob")), body(stored(s, "bob", "Edited"))
    t.ok(len(edited) == 1 and edited[0].startswith(b"X-First: 1\n") and b"\nDelivered-To: bob@example.com\n" in edited[0] and
         b"Subject:" not in edited[0] and b"X-Last" not in edited[0], "a folder has it as it stood then", edited)
    t.ok(len(inbox) == before + 1 and any(b"\nX-Last: " in m and b"X-First: 1\n" in m and m.endswith(b"\n\nline\n\nanother line\n") for m in inbox),
         "and INBOX as it stood at the end", inbox[-1])
    log = open(s.home("bob", ".dovecot.sieve.log")).read()
    t.ok("deleting specified header field `Received' is forbidden" in log, "the user's log says what was denied", log[-300:])
    queue.got.clear()
    queue.refuse = "4.3.0"
    got = s.one("local", "bob@example.com", mail, queue_id=qid())
    t.ok(got[:2] == ("deferred", "4.3.0") and not queue.got, "nothing is sent unless all can be", got)
    queue.refuse = None
    script(s, "bob", 'require ["editheader", "ihave"]; addheader "X-A" "1"; keep; error "broken";')
    before = stored(s, "bob")
    s.one("local", "bob@example.com", mail, queue_id=qid())
    new = body(set(stored(s, "bob")) - set(before))
    t.ok(len(new) == 1 and b"X-A" not in new[0], "a script in error has edited nothing", new)

    # mailboxes by what they are for and by their ids; copies of answers
    m = s.home("bob", "Maildir")
    script(s, "bob", 'require ["special-use", "mailboxid", "fileinto", "mailbox", "mboxmetadata", "servermetadata", "variables"]; '
           'if header "subject" "use" { if specialuse_exists "\\\\Junk" { set "there" "1"; } fileinto :specialuse "\\\\Junk" :create "Spam"; stop; } '
           'if header "subject" "id" { if mailboxidexists "0123456789abcdef0123456789abcdef" { fileinto :mailboxid "0123456789abcdef0123456789abcdef" "Nowhere"; stop; } } '
           'if metadata :matches "Spam" "/private/specialuse" "*" { if metadataexists "Spam" ["/private/specialuse", "/private/other"] { discard; } else { fileinto "Spam"; } }')
    mail = MESSAGE.replace(b"hello", b"use")
    s.one("local", "bob@example.com", mail, queue_id=qid())
    t.same(len(stored(s, "bob", "Spam")), 1, "fileinto :specialuse :create makes the mailbox when none is for that use")
    attributes = open(f"{m}/dovecot-attributes").read()
    t.ok(attributes.endswith("/specialuse\n\\Junk\n"), "which is for it then", attributes)
    os.rename(f"{m}/.Spam", f"{m}/.Moved")
    s.one("local", "bob@example.com", mail, queue_id=qid())
    t.same((len(stored(s, "bob", "Moved")), os.path.exists(f"{m}/.Spam")), (2, False), "and is found under another name")
    os.rename(f"{m}/.Moved", f"{m}/.Spam")
    s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.same(len(stored(s, "bob", "Spam")), 3, "metadata is what IMAP has set")
    guid = open(f"{m}/.Spam/dovecot-uidlist").readline().split(" G")[1].split()[0]
    s.write("bob", "sieve/main.sieve", open(s.home("bob", "sieve/main.sieve")).read().replace("0123456789abcdef0123456789abcdef", guid))
    s.one("local", "bob@example.com", MESSAGE.replace(b"hello", b"id"), queue_id=qid())
    t.same(len(stored(s, "bob", "Spam")), 4, "fileinto :mailboxid")
    script(s, "bob", 'require ["vacation", "fcc", "mailbox", "imap4flags", "vnd.dovecot.debug"]; debug_log "seen by ${1}"; vacation :fcc "Sent.Answers" :create :flags "\\\\Seen" "Away.";')
    s.one("local", "bob@example.com", MESSAGE.replace(b"alice@", b"bob@"), queue_id=qid())
    copies = body(stored(s, "bob", "Sent.Answers", "cur"))
    sent = queue.got[-1][2] if queue.got else b""
    t.ok(len(copies) == 1 and copies[0].startswith(b"Message-ID: ") and b"\nSubject: Auto: hello\n" in copies[0] and
         sent.endswith(b"\r\n" + copies[0].replace(b"\n", b"\r\n")), "vacation :fcc keeps a copy of what is sent", copies, sent)
    t.ok("line 1: DEBUG: seen by ${1}" in open(s.home("bob", ".dovecot.sieve.log")).read(), "debug_log is for the user's log")
    queue.got.clear()

    # notify
    script(s, "bob", 'require "enotify"; notify :message "Mail for you" :importance "1" "mailto:pager@elsewhere.example?cc=second@elsewhere.example&body=Look"; '
           'redirect "friend@elsewhere.example";')
    q = qid()
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=q)
    t.ok(got[0] == "sent" and "sent notification" in got[2], "notify", got)
    t.same([m[:2] for m in queue.got], [("sender@elsewhere.example", ["friend@elsewhere.example"]), ("", ["pager@elsewhere.example", "second@elsewhere.example"])],
           "a notice is from nobody to whom the script names")
    notice = queue.got[1][2]
    for line in (b"To: <pager@elsewhere.example>", b"Cc: <second@elsewhere.example>", b"From: bob@example.com", b"Subject: Mail for you", b"Importance: High",
                 b'Auto-Submitted: auto-notified; owner-email="bob@example.com"'):
        t.ok(b"\r\n" + line + b"\r\n" in notice, f"its {line.decode()}", notice)
    t.ok(notice.count(b"Message-ID:") == 1 and notice.count(b"\r\nDate:") == 1 and notice.endswith(b"\r\n\r\nLook\r\n"), "and what it says", notice)
    queue.got.clear()
    s.one("local", "bob@example.com", notice, queue_id=qid(), sender="")
    t.same([m[1] for m in queue.got], [["friend@elsewhere.example"]], "there is no notice of a notice")
    queue.got.clear()
    queue.refuse = "4.3.0"
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.same((got[0], len(queue.got)), ("deferred", 0), "a message that cannot be forwarded now is not notified of either")
    queue.refuse = None
    script(s, "bob", 'require "enotify"; ' + "".join(f'notify "mailto:p{n}@elsewhere.example";' for n in range(4)))
    for marks, wanted in ((0, 4), (1, 3), (4, 0)):
        got = s.one("local", "bob@example.com", b"X-Sieve-Redirected-From: c@example.com\r\n" * marks + MESSAGE, queue_id=qid())
        t.ok(got[0] == "sent" and len(queue.got) == wanted, f"redirected {marks} times: {wanted} notices", got, len(queue.got))
        queue.got.clear()
    script(s, "bob", 'require "vacation"; vacation :from "Björn B. <bob+x@example.com>" "Away.";')
    s.one("local", "bob@example.com", MESSAGE.replace(b"alice@", b"bob@"), queue_id=qid(), sender="new@elsewhere.example")
    t.ok(len(queue.got) == 1 and b"\r\nFrom: =?utf-8?" in queue.got[0][2] and b" <bob+x@example.com>\r\n" in queue.got[0][2], "a name in :from is encoded", queue.got)
    queue.got.clear()

    # reject
    script(s, "bob", 'require "reject"; reject text:\nGo away,\nplease.\n.\n;')
    got = s.one("local", "bob@example.com", MESSAGE, queue_id=qid())
    t.same(got, ("bounced", "5.7.1", "Rejected by recipient: Go away,  please."), "reject is a bounce of the queue")

    # vacation
    script(s, "carol", 'require "vacation"; vacation :days 7 :subject "Gone" "I am away.";')
    mail = MESSAGE.replace(b"alice@", b"carol@")
    got = s.one("local", "carol@example.com", mail, queue_id=qid())
    t.ok(got[0] == "sent" and "vacation" in got[2] and len(stored(s, "carol")) == 1, "vacation keeps", got)
    t.same([m[:2] for m in queue.got], [("", ["sender@elsewhere.example"])], "and answers, from nobody, to the sender")
    answer = queue.got[0][2]
    for line in (b"To: <sender@elsewhere.example>", b"From: carol@example.com", b"Subject: Gone", b"In-Reply-To: <1@x.example>",
                 b"Auto-Submitted: auto-replied (vacation)"):
        t.ok(b"\r\n" + line + b"\r\n" in answer, f"its {line.decode()}", answer)
    t.ok(answer.count(b"Message-ID:") == 1 and answer.count(b"\r\nDate:") == 1 and answer.endswith(b"\r\n\r\nI am away.\r\n"), "and what it says", answer)
    s.one("local", "carol@example.com", mail, queue_id=qid())
    t.same(len(queue.got), 1, "the same sender is answered once")
    s.one("local", "carol@example.com", mail, queue_id=qid(), sender="third@elsewhere.example")
    t.same(len(queue.got), 2, "another one too")
    for why, sender, more in (("the null sender", "", b""), ("a list", "x@y.example", b"List-Id: <l>\r\n"),
                              ("a robot", "x2@y.example", b"Auto-Submitted: auto-generated\r\n"),
                              ("an answer to itself", "x3@y.example", answer[:answer.index(b"\r\n\r\n") + 2]),
                              ("a request address", "l-request@y.example", b"")):
        s.one("local", "carol@example.com", more + mail, queue_id=qid(), sender=sender)
        t.same(len(queue.got), 2, f"{why} is not answered")
    # a memory that is full forgets what would end first, not what is new
    memory = s.home("carol", "Maildir/postern-sieve-memory")
    with open(memory, "a") as f:
        f.writelines(f"{n:040x} {int(time.time()) + 40 * 86400 + n}\n" for n in range(45000))
    for _ in range(2):
        s.one("local", "carol@example.com", mail, queue_id=qid(), sender="late@elsewhere.example")
    t.same(len(queue.got), 3, "a sender is answered once, however much is remembered")
    t.ok(20000 <= len(open(memory).readlines()) < 21000, "and the file has become shorter")
    s.one("local", "carol@example.com", mail, queue_id=qid(), sender="late@elsewhere.example")
    t.same(len(queue.got), 3, "the next time, too")
    os.unlink(memory)
    queue.got.pop()
    s.one("local", "carol@example.com", mail, queue_id=qid(), sender="x@y.example")
    queue.got.pop()
    with open(s.home("carol", "Maildir/postern-sieve-memory")) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        got = s.one("local", "carol@example.com", mail, queue_id=qid(), sender="fourth@elsewhere.example")
        t.ok(got[0] == "sent" and time.monotonic() - began < 60, "a user who holds his own file locked does not hold up the agent", got)
        t.same(len(queue.got), 2, "and nobody is answered, as it could not be remembered")
    queue.got.clear()
    if ROOT:
        t.same(os.stat(s.home("carol", "Maildir/postern-sieve-memory")).st_uid, 5003, "the memory is the user's")

# what an administrator may set, under Pigeonhole's names
with Site("home_mailbox = Maildir/\nrecipient_delimiter = +\nsieve_vacation_min_period = 0\nsieve_extensions = -editheader\n"
          "sieve_global_extensions = +editheader\nsieve_before = $DIR/before.sieve\nsieve_user_email = %u.own@example.com\n"
          "sieve_redirect_envelope_from = user_email\nsieve_notify_mailto_envelope_from = <pager@example.com>\n"
          "sieve_vacation_dont_check_recipient = yes\nsieve_vacation_send_from_recipient = yes\n", USERS) as s:
    queue = FakeCleanup(s)
    s.start("local/local", "local")
    with open(f"{s.dir}/before.sieve", "w") as f:
        f.write('require "editheader"; addheader "X-Site" "was here";')
    os.chmod(f"{s.dir}/before.sieve", 0o644)
    script(s, "alice", 'require "editheader"; addheader "X-User" "1";')
    got = s.one("local", "alice@example.com", MESSAGE, queue_id=qid())
    kept = body(stored(s, "alice"))
    t.ok(got[0] == "sent" and len(kept) == 1 and b"X-Site: was here\n" in kept[0] and b"X-User" not in kept[0] and
         s.logged("warning", "unknown Sieve capability `editheader'"), "sieve_extensions: a user's script may not what the site's may", kept)
    script(s, "alice", 'require ["vacation", "enotify"]; redirect "friend@elsewhere.example"; vacation "Away."; notify "mailto:c@elsewhere.example";')
    s.one("local", "alice+x@example.com", MESSAGE.replace(b"alice@", b"list@"), queue_id=qid())
    t.same(sorted(m[:2] for m in queue.got), [("alice+x@example.com", ["sender@elsewhere.example"]), ("alice.own@example.com", ["friend@elsewhere.example"]),
                                              ("pager@example.com", ["c@elsewhere.example"])],
           "who sends what: redirects, answers (though no field names him) and notices")
    t.ok(any(b'owner-email="alice.own@example.com"' in m[2] for m in queue.got), "sieve_user_email is the owner of a notice")
    queue.got.clear()
    s.one("local", "alice@example.com", MESSAGE, queue_id=qid(), sender="")
    t.same(sorted(m[:2] for m in queue.got), [("", ["c@elsewhere.example"]), ("", ["friend@elsewhere.example"])], "what came from nobody goes on from nobody")

with Site("virtual_mailbox_base = $DIR/mail\nvirtual_mailbox_maps = inline:{ ann@v.example=ann/Maildir/, box@v.example=box }\n"
          f"virtual_uid_maps = static:{5001 if ROOT else os.getuid()}\nvirtual_gid_maps = static:{5001 if ROOT else max(os.getgid(), 1)}\n"
          "virtual_minimum_uid = 1\nsieve_before = $DIR/before.sieve\nlda_mailbox_autocreate = yes\nlda_mailbox_autosubscribe = yes\n", {}) as s:
    os.makedirs(f"{s.dir}/mail/ann/sieve")
    with open(f"{s.dir}/before.sieve", "w") as f:
        f.write('require "fileinto"; if header "x-spam" "yes" { fileinto "Junk"; }')
    with open(f"{s.dir}/mail/ann/.dovecot.sieve", "w") as f:
        f.write('require ["fileinto", "include", "environment", "variables"]; include "more"; '
                'if environment :matches "host" "*" { fileinto "H\u00e4user/${1}"; }')
    with open(f"{s.dir}/mail/ann/sieve/more.sieve", "w") as f:
        f.write('if header "subject" "x" { redirect "far@elsewhere.example"; stop; }')
    for top, dirs, files in os.walk(f"{s.dir}/mail"):
        for f in [top] + [f"{top}/{x}" for x in files]:
            os.chown(f, 5001 if ROOT else -1, 5001 if ROOT else -1)
    queue = FakeCleanup(s)
    s.start("local/virtual", "virtual")
    got = s.one("virtual", "ann@v.example", MESSAGE, queue_id=qid())
    t.same(got[0], "sent", "virtual: a script beside Maildir")
    t.same(len(glob.glob(f"{s.dir}/mail/ann/Maildir/.H&AOQ-user.mail&AC4-example&AC4-com/new/*") +
               glob.glob(f"{s.dir}/mail/ann/Maildir/.H&AOQ-user.mail.example.com/new/*")), 1, "files in mUTF-7, and makes the mailbox")
    t.ok("H&AOQ-user" in open(f"{s.dir}/mail/ann/Maildir/subscriptions").read(), "subscribed to")
    s.one("virtual", "ann@v.example", b"X-Spam: yes\r\n" + MESSAGE, queue_id=qid())
    t.same(len(glob.glob(f"{s.dir}/mail/ann/Maildir/.Junk/new/*")), 1, "sieve_before comes first")
    got = s.one("virtual", "ann@v.example", MESSAGE.replace(b"hello", b"x"), queue_id=qid())
    t.ok([m[:2] for m in queue.got] == [("sender@elsewhere.example", ["far@elsewhere.example"])], "include, redirect and stop", got, s.logs[-3:])
    t.same(s.one("virtual", "box@v.example", MESSAGE, queue_id=qid())[0], "sent", "an mbox has no filter")

with Site("home_mailbox = Maildir/\nmail_attachment_detection_options = add-flags content-type=!text/x-none\n", USERS) as s:
    queue = FakeCleanup(s)
    s.start("local/local", "local")
    script(s, "alice", 'require ["fileinto", "mailbox", "imap4flags", "copy"];\n'
           'fileinto :copy :create :flags ["\\\\Flagged"] "Copies"; fileinto :copy :create :flags ["$HasNoAttachment"] "Mine";\n')
    one = b"Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n"
    t.same(s.one("local", "alice@example.com", one, queue_id=qid())[0], "sent", "add-flags with a script")
    marks = {}
    for folder in ("", "Copies", "Mine"):
        names = open(s.home("alice", f"Maildir/{'.' + folder + '/' if folder else ''}dovecot-keywords")).read().split()
        marks[folder] = [(os.path.basename(f).rsplit(":2,", 1)[1], names) for f in stored(s, "alice", folder, "cur")]
    t.same(marks, {"": [("a", ["0", "$HasAttachment"])], "Copies": [("Fa", ["0", "$HasAttachment"])], "Mine": [("a", ["0", "$HasNoAttachment"])]},
           "marks what is kept and what is filed, unless the script says otherwise")
    t.same(s.one("local", "bob@example.com", one, queue_id=qid())[0], "sent", "and without")
    t.same([os.path.basename(f)[-4:] for f in stored(s, "bob", "", "cur")], [":2,a"], "the same")
t.end()
