#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Batches of UIDs (RFC 10022), limits on the messages of one command (RFC 9738), and rules that few clients try.
Prints TAP."""
import os, re, signal, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import imap_test
from imap_test import Client, MAIL, fresh, has, hasnt, is_last, main, path, results, test

results.clear()


def fill(*args, count=0):
    """A client with `count` messages in INBOX, put there without IMAP."""
    loc = fresh()
    Client(loc).close()
    for i in range(count):
        with open("%s/new/%06d.host" % (path(loc), i), "w") as f:
            f.write("Subject: x\n\nx\n")
    c = Client(loc, *args)
    c.ok("SELECT INBOX")
    return c


@test
def batches():
    c = fill(count=1201)
    has(c.ok("CAPABILITY"), r"\bUIDBATCHES\b")
    c.send("A UIDBATCHES 500\r\n")
    lines = c.until_tag("A")
    assert lines[0] == '* UIDBATCHES (TAG "A") 1201:702,701:202,201:1', lines
    assert lines[1].startswith("A OK"), lines
    # they are of messages, not of UIDs, and leave no gap
    c.ok(r"STORE 702:801,1001 +FLAGS.SILENT (\Deleted)")
    c.ok("EXPUNGE")
    has(c.ok("UIDBATCHES 500"), r"UIDBATCHES \(TAG \"a\d+\"\) 1201:601,600:101,100:1$")
    has(c.ok("UIDBATCHES 500 2:3"), r"\) 600:101,100:1$")
    has(c.ok("UIDBATCHES 500 2:2"), r"\) 600:101$")
    has(c.ok("UIDBATCHES 500 4:9"), r'^\* UIDBATCHES \(TAG "a\d+"\)$')
    has(c.ok("UIDBATCHES 4000000000"), r"\) 1201:1$")
    for count, batch in ((500, "1201:601"), (500, "600:101"), (100, "100:1")):
        lines = c.ok("UID SEARCH RETURN (COUNT) UID " + batch)
        has(lines, "COUNT %d$" % count)
    c.ok("ENABLE UIDONLY")
    has(c.ok("UIDBATCHES 1100"), r"\) 1201:1$")
    is_last(c.ask("UIDBATCHES 499"), r"NO \[TOOFEW\]")
    is_last(c.ask("UIDBATCHES 500 1:201"), r"NO \[TOOMANY\]")
    c.ok("UIDBATCHES 500 1:200")
    is_last(c.ask("UIDBATCHES 500 3:1"), r"BAD \[CLIENTBUG\]")
    for bad in ["", " x", " 0", " 500 1", " 500 0:1", " 500 1:*", " 500 1:2 3", " 500 -1:-2", ' "500"', " 500:600"]:
        is_last(c.ask("UIDBATCHES" + bad), "BAD ")
    c.ok("UNSELECT")
    is_last(c.ask("UIDBATCHES 500"), "BAD ")
    c.close()


@test
def batches_of_little():
    c = fill()
    has(c.ok("UIDBATCHES 500"), r'^\* UIDBATCHES \(TAG "a\d+"\)$')
    c.append("INBOX", MAIL)
    has(c.ok("UIDBATCHES 500"), r'\) 1:1$')
    c.close()


@test
def no_limit_is_announced():
    c = fill()
    hasnt(c.ok("CAPABILITY"), "MESSAGELIMIT|SAVELIMIT")
    c.close()


@test
def message_limit():
    c = fill("message_limit=5", count=12)
    has(c.ok("CAPABILITY"), r"\bMESSAGELIMIT=5\b")
    # from the highest down
    lines = c.ok("FETCH 1:10 (UID)")
    assert [l for l in lines if "FETCH (" in l] == ["* %d FETCH (UID %d)" % (n, n) for n in range(10, 5, -1)], lines
    is_last(lines, r"OK \[MESSAGELIMIT 5 6\]")
    assert c.ok("FETCH 1:5 (UID)")[0].startswith("* 1 FETCH")
    is_last(c.ok("FETCH 1:5 (UID)"), r"OK (?!\[)")
    is_last(c.ok("UID FETCH 1:* (UID) (PARTIAL -1:-5)"), r"OK (?!\[)")
    lines = c.ask("UID FETCH 1:* (UID) (PARTIAL -1:-6)")
    is_last(lines, r"NO \[MESSAGELIMIT 5\]")
    assert len(lines) == 1, lines
    lines = c.ok(r"UID STORE 1:9 +FLAGS (\Flagged)")
    assert [l.split()[1] for l in lines[:-1]] == ["9", "8", "7", "6", "5"], lines
    is_last(lines, r"OK \[MESSAGELIMIT 5 5\]")
    # messages that are searched count, not those that are found
    lines = c.ok("UID SEARCH FLAGGED")
    assert lines[0] == "* SEARCH 8 9", lines
    is_last(lines, r"OK \[MESSAGELIMIT 5 8\]")
    is_last(c.ok("UID SEARCH UID 5:9 FLAGGED"), r"OK (?!\[)")
    is_last(c.ok("SEARCH 1:3 UNFLAGGED"), r"OK (?!\[)")
    is_last(c.ok("UID SEARCH RETURN (SAVE) ALL"), r"OK \[MESSAGELIMIT 5 8\]")
    has(c.ok("UID SEARCH RETURN (COUNT) UID $"), "COUNT 5")     # 3.4: "$" is cut, too
    for sorted_by in ["SORT (DATE) UTF-8", "THREAD REFS UTF-8"]:
        is_last(c.ask(sorted_by + " ALL"), r"NO \[MESSAGELIMIT 5\]")
        c.ok(sorted_by + " UID 8:*")
    # 3.2
    has(c.ok("UID SEARCH UIDAFTER 10"), r"SEARCH 11 12$")
    has(c.ok("UID SEARCH UIDAFTER 12"), r"SEARCH$")
    has(c.ok("UID SEARCH UIDBEFORE 3"), r"SEARCH 1 2$")
    has(c.ok("UID SEARCH UIDBEFORE 1"), r"SEARCH$")
    for bad in ["UIDAFTER 0", "UIDBEFORE x", "UIDAFTER 1:2", "UIDAFTER"]:
        is_last(c.ask("UID SEARCH " + bad), "BAD ")
    # all or none
    c.ok("CREATE x")
    is_last(c.ask("UID COPY 1:8 x"), r"NO \[MESSAGELIMIT 5 4\]")
    has(c.ok("STATUS x (MESSAGES)"), "MESSAGES 0")
    c.ok("UID COPY 1:5 x")
    lines = c.ok("UID MOVE 1:8 x")
    has(lines, r"^\* OK \[COPYUID \d+ 4:8 6:10\]")
    is_last(lines, r"OK \[MESSAGELIMIT 5 4\]")
    has(c.ok("UID SEARCH UIDBEFORE 9"), r"SEARCH 1 2 3$")
    # UID EXPUNGE counts what is \Deleted; EXPUNGE has no limit
    c.ok("SELECT x")
    c.ok(r"STORE 1:5 +FLAGS.SILENT (\Deleted)")
    c.ok(r"STORE 6:7 +FLAGS.SILENT (\Deleted)")
    lines = c.ok("UID EXPUNGE 1:9")
    assert len([l for l in lines if "EXPUNGE" in l.split()]) == 5, lines
    is_last(lines, r"OK \[MESSAGELIMIT 5 3\]")
    c.ok(r"STORE 1:5 +FLAGS.SILENT (\Deleted)")
    c.send("m APPEND x" + " {3+}\r\nabc" * 6 + "\r\n")
    is_last(c.until_tag("m"), r"m NO \[MESSAGELIMIT 5\]")
    c.send("m APPEND x" + " {3+}\r\nabc" * 5 + "\r\n")
    is_last(c.until_tag("m"), r"m OK \[APPENDUID")
    c.ok(r"STORE 6:10 +FLAGS.SILENT (\Deleted)")
    lines = c.ok("EXPUNGE")
    assert len([l for l in lines if "EXPUNGE" in l.split()]) == 10, lines
    c.close()


@test
def two_codes():
    """Where another code stands in the tagged response, MESSAGELIMIT is told untagged (3.1)."""
    c = fill("message_limit=5", count=8)
    c.ok("ENABLE QRESYNC")
    c.ok("SELECT INBOX")
    c.ok(r"STORE 4:8 +FLAGS.SILENT (\Deleted)")
    c.ok(r"STORE 1:3 +FLAGS.SILENT (\Deleted)")
    lines = c.ok("UID EXPUNGE 1:*")
    has(lines, r"^\* NO \[MESSAGELIMIT 5 4\]")
    is_last(lines, r"OK \[HIGHESTMODSEQ")
    c.close()


@test
def save_limit():
    c = fill("save_limit=5", count=8)
    has(c.ok("CAPABILITY"), r"\bSAVELIMIT=5\b")
    hasnt(c.ok("CAPABILITY"), "MESSAGELIMIT")
    c.ok("CREATE x")
    is_last(c.ok("FETCH 1:* (UID)"), r"OK (?!\[)")
    is_last(c.ask("COPY 1:* x"), r"NO \[MESSAGELIMIT 5 4\]")
    has(c.ok("MOVE 1:* x"), r"COPYUID \d+ 1:8 1:8")
    c.send("m APPEND x" + " {3+}\r\nabc" * 6 + "\r\n")
    is_last(c.until_tag("m"), r"m NO \[MESSAGELIMIT 5\]")
    c.close()


@test
def attachments_are_marked():
    loc = fresh()
    with_one = ("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
                "Content-Disposition: attachment\r\n\r\nx\r\n--b--\r\n")
    c = Client(loc, "attachments=add-flags")
    c.append("INBOX", MAIL)
    c.append("INBOX", with_one, r" (\Seen other)")
    c.append("INBOX", MAIL, r" ($HasAttachment)")
    c.ok("SELECT INBOX")
    lines = c.ok("FETCH 1:* (FLAGS)")
    has(lines, r"^\* 1 FETCH \(FLAGS \((\\Recent )?\$HasNoAttachment\)\)")
    has(lines, r"^\* 2 FETCH \(FLAGS \(\\Seen (\\Recent )?(\$HasAttachment other|other \$HasAttachment)\)\)")
    has(lines, r"^\* 3 FETCH \(FLAGS \((\\Recent )?\$HasAttachment\)\)")
    has(c.ok("SEARCH KEYWORD $HasAttachment"), r"SEARCH 2 3$")
    c.close()
    c = Client(loc)                                # off unless it is asked for
    c.append("INBOX", with_one)
    c.ok("SELECT INBOX")
    has(c.ok("FETCH 4 (FLAGS)"), r"^\* 4 FETCH \(FLAGS \((\\Recent)?\)\)")
    c.close()


@test
def a_page_is_saved():
    """RFC 9394: SAVE with PARTIAL keeps the page, MIN and MAX besides; with COUNT all."""
    c = fill(count=9)
    for options, saved in [("SAVE PARTIAL 2:3", "2:3"), ("SAVE PARTIAL -1:-2 MIN", "1,8:9"), ("SAVE PARTIAL 20:30", None),
                           ("SAVE PARTIAL 2:3 COUNT", "1:9"), ("SAVE MIN", "1")]:
        c.ok("UID SEARCH RETURN (%s) ALL" % options)
        has(c.ok("UID SEARCH RETURN (ALL) UID $"), "UID ALL %s$" % saved if saved else "UID$")
    c.close()


@test
def no_numbers_with_uidonly():
    c = fill(count=3)
    c.ok("ENABLE QRESYNC UIDONLY")
    for command in ["SELECT INBOX (QRESYNC (1 1 1:3 (1:2 1:2)))", "SEARCH ALL", "UID SEARCH 1:2", "UID SEARCH RETURN (UPDATE) 1",
                    "THREAD REFS UTF-8 ALL", "UID THREAD REFS UTF-8 1", "UID SORT (DATE) UTF-8 1", "FETCH 1 FLAGS"]:
        is_last(c.ask(command), r"BAD \[UIDREQUIRED\]")
    c.ok("SELECT INBOX (QRESYNC (1 1 1:3))")
    c.close()


@test
def esearch_needs_the_right_to_read():
    c = fill("acl=vfile", count=1)
    c.ok("CREATE a")
    c.append("a", MAIL)
    has(c.ok("ESEARCH IN (personal) ALL"), "MAILBOX a ")
    c.ok("SETACL a %s la" % os.environ.get("USER", "test"))
    lines = c.ok("ESEARCH IN (personal) ALL")
    hasnt(lines, "MAILBOX a ")
    has(lines, "MAILBOX INBOX ")
    c.close()


if __name__ == "__main__":
    signal.alarm(300)                              # a line that never comes
    sys.exit(main())
