#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""NOTIFY (RFC 5465) between two or more sessions of one user: what another session, a delivery or a
program with no IMAP does is told while no command runs.  Prints TAP."""
import os, signal, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import imap_test
from imap_test import Client, MAIL, fresh, has, hasnt, is_last, main, path, results, test

results.clear()


def pair(*boxes, args=()):
    """Two sessions on a new Maildir with these mailboxes: who is told, and who does things."""
    loc = fresh()
    b = Client(loc, *args)
    for box in boxes:
        b.ok("CREATE " + box)
    return Client(loc, *args), b, loc


def deliver(loc, box, name, text=MAIL):
    """As a delivery agent does it: into new/, without a UID."""
    base = path(loc) + ("/." + box if box else "")
    with open(base + "/tmp/" + name, "w") as f:
        f.write(text.replace("\r\n", "\n"))
    os.rename(base + "/tmp/" + name, base + "/new/" + name)


def quiet(c, command="CAPABILITY"):
    """Nothing was to be told: the answer of this command has but its own lines."""
    lines = c.ok(command)
    assert [l for l in lines[:-1] if not l.startswith("* CAPABILITY")] == [], lines
    return lines


@test
def announced_and_grammar():
    c, b, loc = pair("x")
    has(c.ok("CAPABILITY"), r"\bNOTIFY\b")
    for bad in ["NOTIFY", "NOTIFY FOO", "NOTIFY SET", "NOTIFY SET STATUS", "NOTIFY NONE x", "NOTIFY SET (personal)",
                "NOTIFY SET (personal ())", "NOTIFY SET (personal MessageNew)",
                "NOTIFY SET (personal (MessageNew))", "NOTIFY SET (personal (MessageExpunge))",
                "NOTIFY SET (personal (FlagChange))", "NOTIFY SET (personal (AnnotationChange))",
                "NOTIFY SET (subtree (MessageNew MessageExpunge))", "NOTIFY SET (mailboxes () (MailboxName))",
                "NOTIFY SET (selected (MailboxName))",
                "NOTIFY SET (selected (MessageNew MessageExpunge MailboxName))",
                "NOTIFY SET (selected NONE) (selected-delayed NONE)", "NOTIFY SET (everything NONE)",
                "NOTIFY SET (personal (MessageNew (UID) MessageExpunge))",
                "NOTIFY SET (selected (MessageNew (NOSUCH) MessageExpunge))"]:
        is_last(c.ask(bad), "BAD ")
    # 3.1: an event that is not known is NO, and all that are known are named
    for event in ["(MessageNew MessageExpunge AnnotationChange)", "(PartyTime)"]:
        is_last(c.ask("NOTIFY SET (personal %s)" % event),
                r"NO \[BADEVENT \(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
                r"MailboxMetadataChange ServerMetadataChange\)\]")
    for good in ["NOTIFY NONE", "NOTIFY SET (selected NONE)", "notify set status (Personal (messagenew MESSAGEEXPUNGE))",
                 "NOTIFY SET (mailboxes (x nosuch a*b) (MessageNew MessageExpunge FlagChange))",
                 "NOTIFY SET (subtree x (MailboxName)) (inboxes (SubscriptionChange)) (subscribed NONE)",
                 "NOTIFY SET (selected-delayed (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS (From To)]) "
                 "MessageExpunge FlagChange))"]:
        is_last(c.ask(good), "OK ")
    # a mailbox named by a literal is remembered beyond the command
    c.send("z NOTIFY SET (mailboxes {1+}\r\nx (MessageNew MessageExpunge))\r\n")
    has(c.until_tag("z"), "z OK")
    b.append("x", MAIL)
    assert c.line().startswith("* STATUS x "), c
    c.close(), b.close()


@test
def status_first():
    c, b, loc = pair("a", "a.b", "z")
    b.append("a", MAIL, r" (\Seen)")
    b.append("a.b", MAIL)
    lines = c.ok("NOTIFY SET STATUS (subtree a (MessageNew MessageExpunge FlagChange)) "
                 "(mailboxes z (MessageNew MessageExpunge)) (inboxes (MailboxName))")
    has(lines, r"^\* STATUS a \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+ UNSEEN 0 HIGHESTMODSEQ \d+\)")
    has(lines, r"^\* STATUS a\.b \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+ UNSEEN 1 HIGHESTMODSEQ \d+\)")
    has(lines, r"^\* STATUS z \(MESSAGES 0 UIDNEXT 1 UIDVALIDITY \d+\)")
    hasnt(lines, r"STATUS INBOX")
    # not of the selected mailbox, and not without STATUS
    c.ok("SELECT a")
    lines = c.ok("NOTIFY SET STATUS (subtree a (MessageNew MessageExpunge))")
    hasnt(lines, r"STATUS a \(")
    has(lines, r"STATUS a\.b \(")
    hasnt(c.ok("NOTIFY SET (subtree a (MessageNew MessageExpunge))"), "STATUS")
    c.close(), b.close()


@test
def other_mailboxes():
    c, b, loc = pair("a", "b", "c")
    c.ok("NOTIFY SET (mailboxes (a b) (MessageNew MessageExpunge)) (selected (MessageNew MessageExpunge))")
    b.append("c", MAIL)
    b.append("a", MAIL)
    assert c.line().startswith("* STATUS a (MESSAGES 1 UIDNEXT 2 "), "append"
    deliver(loc, "b", "1.host")
    assert c.line().startswith("* STATUS b (MESSAGES 1 UIDNEXT 2 "), "delivery"
    deliver(loc, "", "2.host")
    b.ok("SELECT a")
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    quiet(c)                                  # FlagChange was not asked for, INBOX and c are not watched
    b.ok("EXPUNGE")
    assert c.line().startswith("* STATUS a (MESSAGES 0 UIDNEXT 2 "), "expunge"
    os.unlink(path(loc) + "/.b/new/1.host")
    assert c.line().startswith("* STATUS b (MESSAGES 0 "), "rm"
    # while it is selected, its own events are the selected mailbox's
    c.ok("SELECT a")
    deliver(loc, "a", "3.host")
    assert c.line() == "* 1 EXISTS"
    assert c.line().startswith("* 1 RECENT")
    c.ok("UNSELECT")
    deliver(loc, "a", "4.host")
    assert c.line().startswith("* STATUS a (MESSAGES 2 UIDNEXT 4 "), "after UNSELECT"
    c.close(), b.close()


@test
def flags_of_other_mailboxes():
    c, b, loc = pair("a")
    b.append("a", MAIL)
    c.ok("NOTIFY SET (mailboxes a (MessageNew MessageExpunge FlagChange))")
    b.ok("SELECT a")
    b.ok(r"STORE 1 +FLAGS (\Flagged)")        # 5.1: neither CONDSTORE nor UNSEEN: not told
    b.ok(r"STORE 1 +FLAGS (\Seen)")
    line = c.line()
    assert line.startswith("* STATUS a (") and "UNSEEN 0" in line and "UIDVALIDITY" in line, line
    c.ok("ENABLE CONDSTORE")
    b.ok(r"STORE 1 +FLAGS ($Junk)")
    line = c.line()
    assert line.startswith("* STATUS a (") and "HIGHESTMODSEQ" in line and "UIDVALIDITY" in line, line
    b.append("a", MAIL)
    line = c.line()
    assert "MESSAGES 2 UIDNEXT 3" in line and "HIGHESTMODSEQ" in line, line
    c.close(), b.close()


@test
def selected_at_once():
    c, b, loc = pair()
    b.append("INBOX", MAIL)
    b.append("INBOX", MAIL)
    c.ok("SELECT INBOX")
    b.ok("SELECT INBOX")
    b.append("INBOX", MAIL)
    # an implicit NOOP
    has(c.ok("NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge FlagChange))"),
        r"^\* 3 EXISTS")
    deliver(loc, "", "5.host")
    assert c.line() == "* 4 EXISTS"
    assert c.line().startswith("* ")          # RECENT
    line = c.line()
    assert line.startswith("* 4 FETCH (UID 4 BODY[HEADER.FIELDS (From)] {") and "fred@example.net" in line, line
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    line = c.line()
    assert line.startswith("* 1 FETCH (UID 1 FLAGS (") and "Deleted" in line, line
    b.ok("EXPUNGE")
    assert c.line() == "* 1 EXPUNGE"
    # its own message is not fetched for it (5.2)
    lines = c.append("INBOX", MAIL)
    has(lines, r"^\* 4 EXISTS")
    hasnt(lines, "FETCH")
    c.ok("NOTIFY NONE")
    deliver(loc, "", "6.host")
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    b.ok("EXPUNGE")
    quiet(c, "NOOP")                          # the mailbox stands still
    has(c.ok("UID FETCH 1:* (UID)"), r"^\* 4 FETCH \(UID 5\)")
    lines = c.ok("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
    has(lines, r"^\* 1 EXPUNGE")
    has(lines, r"^\* 4 EXISTS")
    c.close(), b.close()


@test
def selected_delayed():
    c, b, loc = pair()
    b.append("INBOX", MAIL)
    b.append("INBOX", MAIL)
    b.ok("SELECT INBOX")
    c.ok("SELECT INBOX")
    c.ok("NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))")
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    assert c.line().startswith("* 1 FETCH (UID 1 FLAGS")
    b.ok("EXPUNGE")
    b.ok(r"STORE 1 +FLAGS (\Flagged)")
    assert c.line().startswith("* 2 FETCH (UID 2 FLAGS")   # numbers stand until they may change
    hasnt(c.ask("FETCH 2 (UID)"), "EXPUNGE")
    has(c.ok("NOOP"), r"^\* 1 EXPUNGE")
    # IDLE is such a command
    b.append("INBOX", MAIL)
    assert c.line() == "* 2 EXISTS"
    c.line()
    c.send("i IDLE\r\n")
    assert c.line() == "+ idling"
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    assert "FETCH (UID 2" in c.line()
    b.ok("EXPUNGE")
    assert c.line() == "* 1 EXPUNGE"
    c.send("DONE\r\n")
    has(c.until_tag("i"), "i OK")
    c.close(), b.close()


@test
def exactly_what_was_asked_in_idle():
    c, b, loc = pair("x")
    b.append("INBOX", MAIL)
    b.ok("SELECT INBOX")
    c.ok("SELECT INBOX")
    c.ok("NOTIFY SET (selected (MessageNew MessageExpunge)) (mailboxes x (MessageNew MessageExpunge))")
    c.send("i IDLE\r\n")
    assert c.line() == "+ idling"
    b.ok(r"STORE 1 +FLAGS (\Flagged)")        # no FlagChange
    b.append("x", MAIL)
    assert c.line().startswith("* STATUS x (MESSAGES 1 ")
    deliver(loc, "", "7.host")
    assert c.line() == "* 2 EXISTS"
    c.line()
    c.send("DONE\r\n")
    lines = c.until_tag("i")
    hasnt(lines, "FETCH")
    # what was kept back comes when it is wanted
    has(c.ok("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))"), r"^\* 1 FETCH \(UID 1 FLAGS \(.*Flagged")
    c.close(), b.close()


@test
def qresync_and_uidonly():
    c, b, loc = pair("x")
    b.append("INBOX", MAIL)
    b.ok("SELECT INBOX")
    c.ok("ENABLE QRESYNC UIDONLY")
    c.ok("SELECT INBOX")
    c.ok("NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge FlagChange)) (mailboxes x (MessageNew MessageExpunge))")
    deliver(loc, "", "8.host")
    assert c.line() == "* 2 EXISTS"
    while True:
        line = c.line()
        if "UIDFETCH" in line:
            break
    assert line.startswith("* 2 UIDFETCH (FLAGS (") and "MODSEQ (" in line, line
    b.ok("NOOP")
    b.ok(r"STORE 2 +FLAGS (\Deleted)")
    assert c.line().startswith("* 2 UIDFETCH (FLAGS (")
    b.ok("EXPUNGE")
    assert c.line() == "* VANISHED 2"
    b.append("x", MAIL)
    line = c.line()
    assert line.startswith("* STATUS x (") and "HIGHESTMODSEQ" in line, line
    c.close(), b.close()


@test
def names():
    c, b, loc = pair("a", "a.b")
    c.ok("NOTIFY SET (personal (MailboxName))")
    b.ok("CREATE new")
    assert c.line() == r'* LIST (\HasNoChildren) "." new'
    b.ok("CREATE new.child")                  # 5.4: its parent is affected too
    assert c.line() == r'* LIST (\HasNoChildren) "." new.child'
    assert c.line() == r'* LIST (\HasChildren) "." new'
    b.ok("RENAME a other")                    # a.b goes along, untold
    assert c.line() == r'* LIST (\HasChildren) "." other ("OLDNAME" (a))'
    b.ok("DELETE new.child")
    assert c.line() == r'* LIST (\NonExistent \HasNoChildren) "." new.child'
    assert c.line() == r'* LIST (\HasNoChildren) "." new'
    # what it does itself it knows
    for own in ["CREATE mine", "RENAME mine mine2", "DELETE mine2", "RENAME other again"]:
        assert len(c.ok(own)) == 1, own
    quiet(c)
    b.ok("CREATE last.one")                   # a parent that is no mailbox itself
    assert c.line() == r'* LIST (\HasNoChildren) "." last.one'
    assert c.line() == r'* LIST (\NonExistent \HasChildren) "." last'
    # a subtree alone
    c.ok("NOTIFY SET (subtree again (MailboxName))")
    b.ok("CREATE outside")
    b.ok("CREATE again.inside")
    assert c.line() == r'* LIST (\HasNoChildren) "." again.inside'
    assert c.line() == r'* LIST (\HasChildren) "." again'
    c.close(), b.close()


@test
def mail_in_new_and_renamed_mailboxes():
    c, b, loc = pair("a")
    c.ok("NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))")
    b.ok("CREATE n")
    assert c.line().startswith("* LIST (")
    b.append("n", MAIL)
    assert c.line().startswith("* STATUS n (MESSAGES 1 ")
    b.ok("RENAME n m")
    assert "OLDNAME" in c.line()
    b.append("m", MAIL)
    assert c.line().startswith("* STATUS m (MESSAGES 2 UIDNEXT 3 ")
    c.ok("CREATE own")
    b.append("own", MAIL)
    assert c.line().startswith("* STATUS own (MESSAGES 1 ")
    # what it puts there itself is no news; what another puts there meanwhile is
    hasnt(c.append("m", MAIL), "STATUS")
    quiet(c)
    b.append("m", MAIL)
    assert c.line().startswith("* STATUS m (MESSAGES 4 UIDNEXT 5 ")
    c.ok("SELECT m")
    hasnt(c.ok("COPY 1 own"), "STATUS")
    hasnt(c.ok("MOVE 2 own"), "STATUS")
    quiet(c)
    c.close(), b.close()


@test
def subscriptions():
    c, b, loc = pair("a", "b")
    c.ok("NOTIFY SET (personal (SubscriptionChange)) (subscribed (MessageNew MessageExpunge))")
    b.append("a", MAIL)
    b.ok("SUBSCRIBE a")
    assert c.line() == r'* LIST (\Subscribed \HasNoChildren) "." a'
    b.append("a", MAIL)                       # 6.4: the list is looked at again
    assert c.line().startswith("* STATUS a (MESSAGES 2 ")
    b.ok("UNSUBSCRIBE a")
    assert c.line() == r'* LIST (\HasNoChildren) "." a'
    b.append("a", MAIL)
    assert len(c.ok("SUBSCRIBE b")) == 1
    b.append("b", MAIL)
    assert c.line().startswith("* STATUS b (MESSAGES 1 ")
    b.ok("DELETE b")
    b.ok("UNSUBSCRIBE b")
    assert c.line() == r'* LIST (\NonExistent \HasNoChildren) "." b'
    c.close(), b.close()


@test
def metadata():
    c, b, loc = pair("a")
    b.ok("STATUS a (UIDNEXT)")
    c.ok("NOTIFY SET (mailboxes (a INBOX) (MailboxMetadataChange)) (inboxes (ServerMetadataChange))")
    b.ok('SETMETADATA a (/private/comment "x")')
    assert c.line() == "* METADATA a /private/comment"
    b.ok('SETMETADATA a (/private/comment "y")')
    assert c.line() == "* METADATA a /private/comment"
    b.ok('SETMETADATA "" (/shared/vendor/a/b "y")')
    assert c.line() == '* METADATA "" /shared/vendor/a/b'
    b.ok('SETMETADATA a (/private/comment NIL)')
    assert c.line() == "* METADATA a /private/comment"
    assert len(c.ok('SETMETADATA INBOX (/private/comment "y")')) == 1
    quiet(c)
    c.ok("NOTIFY SET (mailboxes INBOX (MailboxMetadataChange))")
    b.ok('SETMETADATA a (/private/comment "z")')
    b.ok('SETMETADATA "" (/shared/vendor/a/b "z")')
    b.ok('SETMETADATA INBOX (/private/comment "z")')
    assert c.line() == "* METADATA INBOX /private/comment"
    c.close(), b.close()


@test
def too_many_mailboxes():
    c, b, loc = pair("a", "b", args=("notify_mailboxes=4",))
    c.ok("NOTIFY SET (personal (MessageNew MessageExpunge MailboxName)) (selected (MessageNew MessageExpunge))")
    b.ok("CREATE c")
    assert c.line().startswith("* LIST")
    b.ok("CREATE d")
    while True:
        line = c.line()
        if not line.startswith("* LIST"):
            break
    assert line.startswith("* OK [NOTIFICATIONOVERFLOW]"), line
    c.ok("SELECT INBOX")
    deliver(loc, "", "9.host")                # 5.8: as if NOTIFY NONE had come
    quiet(c, "NOOP")
    is_last(c.ask("NOTIFY SET (personal (MessageNew MessageExpunge))"), r"NO \[NOTIFICATIONOVERFLOW\]")
    has(c.ok("NOTIFY SET (selected (MessageNew MessageExpunge))"), "EXISTS")
    c.close(), b.close()


@test
def rights_lost_and_granted():
    c, b, loc = pair("a", args=("acl=vfile",))
    user = os.environ.get("USER", "test")
    b.ok("SETACL a %s la" % user)
    has(c.ok("NOTIFY SET STATUS (mailboxes a (MessageNew MessageExpunge))"), r'^\* LIST \(\\NoAccess .*"\." a$')
    deliver(loc, "a", "10.host")
    quiet(c)
    b.ok("SETACL a %s lrwstipekxa" % user)     # 5.9: it starts again
    line = c.line()
    assert line.startswith("* LIST (") and "NoAccess" not in line, line
    assert c.line().startswith("* STATUS a (MESSAGES 1 ")
    b.ok("SETACL a %s la" % user)
    assert r"\NoAccess" in c.line()
    c.close(), b.close()


@test
def a_crowd_of_deliveries():
    """Whatever is told last is true."""
    c, b, loc = pair(*["f%d" % i for i in range(20)])
    c.ok("NOTIFY SET (personal (MessageNew MessageExpunge))")
    for n in range(20):
        for i in range(20):
            deliver(loc, "f%d" % i, "%d.%d" % (n, i))
    seen = {}
    while sorted(seen.values()) != [20] * 20:
        line = c.line()
        box, count = line.split()[2], int(line.split("MESSAGES ")[1].split()[0])
        assert count >= seen.get(box, 0), line
        seen[box] = count
    quiet(c)
    c.close(), b.close()


if __name__ == "__main__":
    signal.alarm(300)                         # a line that never comes
    sys.exit(main())
