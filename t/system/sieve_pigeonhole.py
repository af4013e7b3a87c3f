#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sieve_pigeonhole.py - the same scripts and messages to Pigeonhole's sieve-test and to lib/sieve

Both must refuse the same scripts and do the same with a message.  What differs on purpose is said beside the script.
"""
import email.header, glob, os, re, shutil, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap

t = Tap()
BUILD = os.environ.get("top_builddir", ".")
ALL = ('require ["fileinto","envelope","variables","relational","comparator-i;ascii-numeric","imap4flags","copy","subaddress",'
       '"body","date","index","regex","mailbox","encoded-character","reject","vacation","editheader",'
       '"mime","foreverypart","extracttext","enotify",'
       '"spamtestplus","virustest","special-use","vnd.dovecot.environment","environment"];\n')

PLAIN = b"""Received: from a by b; Fri, 20 Nov 2026 09:00:00 +0000
Received: from c by d; Thu, 19 Nov 2026 08:30:00 +0100
From: Tim Ber <tim+lists@Example.NET>, second@example.org
To: "User, The" <user@example.com>
Cc: a@one.example, Group: b@two.example, c@three.example;
Subject: =?utf-8?q?L=C3=B6sung?= of the
  problem
Date: Fri, 20 Nov 2026 13:26:05 +0100
Message-ID: <one@example.net>
X-Score: 0012 points
X-Empty:
X-Stars: *****
X-Mixed: a (comment) b

The body of it.
Second line.
"""
MULTI = b"""From: a@b.example
To: user@example.com
Subject: parts
Date: 1 Feb 2024 00:30 -0800
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble word
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FCsse from here
--b
Content-Type: text/html
Content-Transfer-Encoding: base64

PGI+SGVsbG88L2I+Cg==
--b
Content-Type: application/octet-stream

binary stuff
--b--
epilogue word
"""
ODD = b"""From: <@route.example:routed@example.org>
To: undisclosed-recipients:;
Subject:
Subject: second
Cc: not an address at all
Resent-To: "quoted local"@example.org, plain@sub.example.org
Date: nonsense
X-Utf: =?iso-8859-1?B?5PY=?= =?utf-8?b?w7w=?= end

.
"""
NESTED = b"""From: a@b.example
To: user@example.com
Subject: parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble word
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable
X-Part: one

Gr=FCsse from here
--b
Content-Type: multipart/alternative; boundary="c d"
X-Part: two

--c d
Content-Type: TEXT/html; charset=utf-8; x*0="a"; x*1="b"
Content-Disposition: inline; filename="h.html"

<b>Hello</b>

--c d
Content-Transfer-Encoding: base64

cGxhaW4=
--c d--
--b
Content-Type: message/rfc822
Content-Disposition: attachment; filename*=utf-8''%c3%a4.eml

From: inner@x.example
Subject: inner
Content-Type: text/plain

inner body
--b
Content-Type: application/octet-stream
Content-Disposition: attachment
X-Part: four

binary stuff
--b--
epilogue word
"""
MESSAGES = [PLAIN, MULTI, ODD, NESTED]

# conditions: each is asked of each message
CONDITIONS = r'''
header :is "subject" "parts"
header :is "subject" "Lösung of the  problem"
header :contains "subject" "LÖSUNG"
header :contains "subject" ["xx", "problem"]
header :matches "subject" "*of?the*"
header :matches "subject" "L?sung*"
header :matches "x-stars" "\\*\\*\\*\\*\\*"
header :matches "x-stars" "*\\*"
header :is "x-empty" ""
header :contains "x-empty" ""
header :contains "x-none" ""
header :is "x-mixed" "a (comment) b"
header :is "x-utf" "äöü end"
header :is "subject" ""
header :is "subject" "second"
header :index 2 :is "subject" "second"
header :index 1 :last :is "subject" "second"
header :comparator "i;octet" :contains "subject" "PARTS"
not header :contains "subject" "parts"
exists ["from", "to"]
exists ["from", "x-none"]
size :over 300
size :under 400
address :is "from" "tim+lists@example.net"
address :is "from" "TIM+LISTS@EXAMPLE.NET"
address :comparator "i;octet" :is "from" "tim+lists@example.net"
address :domain "from" "example.org"
address :localpart "from" "routed"
address :all :contains "cc" "three"
address :is "cc" "b@two.example"
address :count "ge" "cc" "3"
address :count "eq" "to" "1"
address :matches "to" "*@*"
address :localpart "resent-to" "quoted local"
address :user "from" "tim"
address :detail "from" "lists"
address :detail "from" ""
address :detail :contains "to" ""
address "cc" "not an address at all"
envelope :is "from" "s@example.org"
envelope :is "to" "user+detail@example.com"
envelope :detail "to" "detail"
envelope :user "to" "user"
envelope :domain ["from", "to"] "example.com"
header :value "gt" :comparator "i;ascii-numeric" "x-score" "11"
header :value "lt" :comparator "i;ascii-numeric" "x-score" "11"
header :value "eq" :comparator "i;ascii-numeric" "subject" "1"
header :value "ne" :comparator "i;ascii-numeric" "subject" "1"
header :value "ge" "subject" "m"
header :count "gt" ["received", "subject"] "1"
header :count "eq" "x-none" "0"
body :contains "second line"
body :contains "Grüsse"
body :text :contains "hello"
body :raw :contains "PGI+"
body :raw :contains "preamble"
body :raw :contains "Subject"
body :content "text" :contains "hello"
body :content "text/html" :contains "hello"
body :content "application" :contains "binary"
body :content "multipart" :contains "preamble"
body :content "image" :contains ""
body :is "Second line."
body :text :contains "<b>"
body :content "text" :contains "<b>"
body :content "text/html" :contains "<b>"
body :content "multipart" :contains "epilogue"
body :content "message/rfc822" :contains "inner@x"
body :content "message/rfc822" :contains "inner body"
body :content "message" :contains "inner@x"
body :content "text/plain" :contains "plain"
body :content "/plain" :contains "plain"
body :content "text/" :contains "plain"
body :content "text/plain/x" :contains "plain"
body :content "" :contains "binary stuff"
body :content "multipart/alternative" :contains "Hello"
body :text :contains "binary"
body :text :contains "inner body"
date :zone "+0000" :is "date" "hour" "12"
date :originalzone :is "date" "hour" "13"
date :originalzone :is "date" "time" "00:30:00"
date :originalzone :is "date" "year" "2024"
date :zone "+0000" :is "date" "date" "2024-02-01"
date :zone "+0000" :is "date" "julian" "60341"
date :zone "+0000" :is "date" "weekday" "4"
date :originalzone :is "date" "std11" "Thu, 01 Feb 2024 00:30:00 -0800"
date :originalzone :is "date" "iso8601" "2024-02-01T00:30:00-08:00"
date :originalzone :is "date" "zone" "-0800"
date :zone "-0530" :value "ge" "date" "hour" "06"
date :zone "+0000" :is "received" "date" "2026-11-20"
date :index 2 :zone "+0000" :is "received" "date" "2026-11-19"
currentdate :value "ge" "year" "2020"
header :regex "subject" "^l.*(of|at) the +problem$"
header :regex "x-score" "^[0-9]+ [[:alpha:]]+$"
string :matches "aXbXc" "a*c"
string :is "${unicode:e4}${hex:62}" "äb"
allof (true, header :is "subject" "parts", not false)
anyof (false, header :is "subject" "parts")
'''.strip().split("\n")

# and these of one with parts in parts
PARTS = [s.strip("\n") for s in r'''
foreverypart { set "n" "${n}x"; if header :mime :matches :contenttype "content-type" "*" { set "n" "${n}-${1}"; } }
---
foreverypart { extracttext "t"; if string :contains "${t}" ["Hello", "binary"] { set "t" "h"; } if string :matches "${t}" "*\n*" { set "t" "${1}"; } set "n" "${n}[${t}]"; }
---
foreverypart { if header :mime :contenttype "content-type" "text/plain" { extracttext :upper :first 2 "t"; set "n" "${n}[${t}]"; } }
---
foreverypart { if header :mime :matches "x-part" "*" { set "n" "${n}+${1}"; } }
---
foreverypart { if header :matches "x-part" "*" { set "n" "${n}+${1}"; } if header :matches "subject" "*" { set "n" "${n}.${1}"; } }
---
foreverypart { set "n" "${n}o"; foreverypart { set "n" "${n}i"; foreverypart { set "n" "${n}j"; } } }
---
foreverypart { if header :mime :anychild :is :subtype "content-type" "html" { set "n" "${n}y"; } else { set "n" "${n}n"; } }
---
foreverypart { if header :mime :matches :type "content-disposition" "*" { set "n" "${n}${1}"; } elsif header :mime :matches :subtype "content-type" "*" { set "n" "${n}n"; } }
---
foreverypart { if header :mime :matches :subtype "content-disposition" "*" { set "n" "${n}<${1}>"; } if header :mime :matches :contenttype "content-disposition" "*" { set "n" "${n}c<${1}>"; } }
---
foreverypart { if header :mime :matches :param ["FileName","charset","x"] ["content-disposition","content-type"] "*" { set "n" "${n}${1}"; } }
---
foreverypart { if header :mime :param "filename" :contains "content-disposition" ["exe", ".html"] { set "n" "${n}y"; } set "n" "${n}n"; }
---
foreverypart { if exists :mime ["content-type", "content-disposition"] { set "n" "${n}y"; } else { set "n" "${n}n"; } }
---
foreverypart { if exists :mime "x-part" { set "n" "${n}y"; } else { set "n" "${n}n"; } }
---
if header :mime :type "subject" "parts" { set "n" "y"; } else { set "n" "n"; }
---
if header :mime "subject" "parts" { set "n" "y"; } else { set "n" "n"; }
---
if header :mime :anychild "subject" "inner" { set "n" "y"; } else { set "n" "n"; }
---
if header :mime "subject" "inner" { set "n" "y"; } else { set "n" "n"; }
---
if header :mime :anychild :count "eq" "content-type" "7" { set "n" "y"; } else { set "n" "n"; }
---
if address :mime :anychild "from" "inner@x.example" { set "n" "y"; } else { set "n" "n"; }
---
if address :mime :domain "from" "x.example" { set "n" "y"; } else { set "n" "n"; }
---
foreverypart { set "n" "${n}x"; if header :mime "x-part" "two" { break; } }
---
foreverypart :name "a" { set "n" "${n}x"; foreverypart { set "n" "${n}y"; if header :mime "x-part" "two" { break :name "a"; } } }
---
foreverypart :name "a" { set "n" "${n}x"; foreverypart :name "a" { set "n" "${n}y"; break :name "a"; } }
---
set "n" "before"; foreverypart { set "n" "${n}x"; fileinto "inside"; stop; }
---
foreverypart { if body :content "text/plain" :contains "inner body" { set "n" "${n}y"; } }
'''.split("\n---\n")]

# whole scripts
SCRIPTS = [s.strip("\n") for s in r'''
keep;
---
discard;
---
stop; discard;
---
fileinto "a"; fileinto "b"; keep;
---
fileinto :copy "a";
---
redirect "x@example.org"; fileinto "a";
---
redirect :copy "x@example.org";
---
addflag "\\Seen"; keep;
---
addflag ["\\Seen", "x y"]; removeflag "x"; fileinto "f";
---
setflag "a"; addflag "b"; setflag "c"; keep;
---
fileinto :flags "\\Flagged" "f"; keep :flags "\\Seen";
---
set "d" "x${unknown}y"; fileinto "${d}";
---
set :lower :upperfirst "a" "jUMBLED"; fileinto "${a}";
---
set :upper :lowerfirst "a" "jUMBLED"; fileinto "${a}";
---
set :length "a" "Löwe"; fileinto "n${a}";
---
set :quotewildcard "a" "x*y?"; if string :matches "x*y?" "${a}" { fileinto "same"; }
---
if header :matches "from" "*<*@*>*" { fileinto "${2}-${3}"; }
---
if string :matches "one-two-three" "*-*" { fileinto "${1}.${2}"; }
---
if string :matches "abc" "a?*" { fileinto "x${1}${2}"; }
---
if string :regex "key=value" "([a-z]+)=([a-z]+)" { fileinto "${2}-${1}-${0}"; }
---
if header :contains "x-none" "" { discard; } elsif true { fileinto "else"; } else { discard; }
---
if true { if false { discard; } else { stop; } } discard;
---
set "a" "b"; set "b" "${a}"; set "a" "c"; fileinto "${b}${a}";
---
if string :is "${1}" "" { fileinto "empty"; }
---
set "x" "${1}"; if string :matches "q" "*" { set "x" "${1}"; } fileinto "m${x}";
---
if hasflag "a" { discard; } addflag "a"; if hasflag :is "A" { fileinto "yes"; }
---
addflag "v" ["p", "q"]; if hasflag :count "eq" "v" "2" { fileinto "two"; }
---
if string :count "eq" ["a", "", "b"] "2" { fileinto "two"; }
---
/* comment */ keep; # end
---
reject "no";
---
vacation "away"; discard;
---
fileinto "INBOX"; keep;
---
fileinto "inbox";
---
fileinto text:
long
.
;
---
fileinto "${hex:61}${unicode:62}";
---
if not not not false { discard; }
---
set "k" "v"; if string "${K}" "v" { discard; }
---
fileinto "${env.vnd.dovecot.default_mailbox}-${env.nothing}";
---
if environment :matches "vnd.dovecot.default-mailbox" "*" { fileinto "x${1}"; }
---
notify "mailto:a@b.example";
---
notify "mailto:a@b.example?subject=Hi%20there&body=text&cc=e@f.example&to=x@y.example"; discard;
---
notify :from "x@y.example" :importance "1" :message "hello" "mailto:a%40b.example?subject=other";
---
set "x" "a"; notify :message "${x}" "MAILTO:${x}@b.example";
---
notify "mailto:a@b.example"; notify "mailto:a@b.example?to=c@b.example"; reject "no";
---
if valid_notify_method ["mailto:a@b.example"] { discard; }
---
if valid_notify_method ["mailto:a@b.example", "http://x"] { discard; }
---
if valid_notify_method "mailto:nonsense" { discard; }
---
if notify_method_capability "mailto:a@b.example" "Online" "maybe" { discard; }
---
if notify_method_capability "mailto:a@b.example" "online" "yes" { discard; }
---
if notify_method_capability "mailto:a@b.example" "other" "maybe" { discard; }
---
set :encodeurl "x" "aä b?~%"; fileinto "${x}";
---
set :encodeurl :length "x" "a b"; fileinto "${x}";
---
set :encodeurl :quotewildcard :upper "x" "a*b"; fileinto "${x}";
'''.split("\n---\n")]

# refused, or not, without a message
CHECKS = [s.strip("\n") for s in r'''
keep
---
fileinto "x";
---
require "nonsense";
---
keep; require "fileinto";
---
require "fileinto"; fileinto ["a","b"];
---
require "fileinto"; fileinto 5;
---
if true keep;
---
if header "a" { }
---
if header :is :contains "a" "b" { }
---
if header :comparator "i;nonsense" "a" "b" { }
---
if header :comparator "i;ascii-numeric" "a" "b" { }
---
if size :over { }
---
if size 5 { }
---
if anyof true { }
---
if not true, false { }
---
else { keep; }
---
if true { } else { } else { }
---
if true { } elsif { }
---
"string";
---
redirect "nonsense";
---
redirect "a@b.example, c@d.example";
---
redirect "A <a@b.example>";
---
keep "x";
---
stop { }
---
require ["variables"]; set "1" "x";
---
require ["variables"]; set "a.b" "x";
---
require ["variables"]; set "a-b" "x";
---
require ["variables"]; set :lower :upper "a" "x";
---
require "regex"; if header :regex "a" "(" { }
---
require "relational"; if header :count "xx" "a" "1" { }
---
require "vacation"; vacation :days "x" "y";
---
require "vacation"; vacation :seconds 5 "y";
---
require "vacation"; vacation :from "nonsense" "y";
---
require "vacation"; vacation :subject "s" :days 3 :addresses ["a@b.example"] "y";
---
require "imap4flags"; addflag "v" "x";
---
require "envelope"; if envelope "nonsense" "x" { }
---
if header ["a", 5] "x" { }
---
if header "a" [] { }
---
/* not closed
---
require "fileinto"; fileinto "not closed;
---
keep;;
---
KEEP;
---
If TRUE { Discard; }
---
require "fileinto"; fileinto :copy "x";
---
require ["fileinto", "mailbox"]; fileinto :create "x";
---
require "body"; if body :raw :text "x" { }
---
require "date"; if date "date" "year" "2020" { }
---
require "date"; if date :zone "x" :originalzone "date" "year" "2020" { }
---
require "index"; if header :last "a" "b" { }
---
require "encoded-character"; if header "a" "${unicode:110000}" { }
---
require "ihave"; if ihave "nonsense" { nonsense; }
---
require "reject"; reject 5;
---
if header :is "a" "b" "c" { }
---
if true { keep; } }
---
if true { keep;
---
require "include"; include :global :personal "x";
---
require "subaddress"; if address :user :domain "from" "x" { }
---
if address :user "from" "x" { }
---
if exists { }
---
if size :over 1M { } if size :over 1X { }
---
require ["mime"]; if header :anychild "a" "b" { }
---
require ["mime"]; if header :type "a" "b" { }
---
require ["mime"]; if header :mime :type :subtype "a" "b" { }
---
require ["mime"]; if header :mime :param "a" :subtype "a" "b" { }
---
if header :mime "a" "b" { }
---
require ["mime"]; if address :mime :anychild "from" "b" { }
---
require ["mime"]; if exists :mime :anychild ["a", "b"] { }
---
require ["mime"]; if exists :mime :type ["a", "b"] { }
---
require ["mime"]; if size :mime :over 5 { }
---
require ["foreverypart"]; break;
---
require ["foreverypart"]; foreverypart { break :name "x"; }
---
require ["foreverypart"]; foreverypart :name "x" { if true { break :name "x"; } }
---
require ["foreverypart"]; foreverypart { }
---
require ["foreverypart"]; foreverypart;
---
foreverypart { }
---
require ["foreverypart"]; foreverypart { foreverypart { foreverypart { foreverypart { foreverypart { keep; }}}}}
---
require ["extracttext", "variables"]; extracttext "x";
---
require ["extracttext", "variables", "foreverypart"]; extracttext "x";
---
require ["extracttext", "foreverypart"]; foreverypart { extracttext "x"; }
---
require ["extracttext", "variables", "foreverypart"]; foreverypart { extracttext "1"; }
---
require ["extracttext", "variables", "foreverypart"]; foreverypart { extracttext :first 3 :lower "a"; }
---
require ["extracttext", "variables", "foreverypart"]; foreverypart { extracttext :lower :upper "a"; }
---
require "enotify"; notify "xmpp:a@b.example";
---
require "enotify"; notify "mailto:nonsense";
---
require "enotify"; notify "mailto:a@b.example%0d%0ax";
---
require "enotify"; notify "mailto:a@b.example?subject=%";
---
require "enotify"; notify "mailto:a@b.example?x-other=5";
---
require "enotify"; notify :importance "4" "mailto:a@b.example";
---
require "enotify"; notify :from "nonsense" "mailto:a@b.example";
---
require "enotify"; notify ["mailto:a@b.example"];
---
require "enotify"; notify :fcc "x" "mailto:a@b.example";
---
notify "mailto:a@b.example";
---
require "variables"; set :encodeurl "a" "b";
---
require "spamtestplus"; if spamtest :percent "5" { }
---
require "spamtest"; if spamtest :percent "5" { }
---
require "virustest"; if virustest :percent "5" { }
---
require ["special-use","fileinto"]; fileinto :specialuse "nonsense" "Spam";
---
require ["special-use","fileinto"]; fileinto :specialuse "\\Junk" "Spam";
---
require ["fileinto"]; fileinto :specialuse "\\Junk" "Spam";
---
require "special-use"; if specialuse_exists "\\Junk" { }
---
require "special-use"; if specialuse_exists "INBOX" "\\Junk" { }
---
require "special-use"; if specialuse_exists "INBOX" { }
---
require "editheader"; addheader "bad name" "x";
---
require "editheader"; addheader "bad:" "x";
---
require "editheader"; addheader "X-A";
---
require "editheader"; addheader :last :last "X-A" "x";
---
require "editheader"; addheader ["X-A"] "x";
---
require "editheader"; deleteheader "Received";
---
require "editheader"; deleteheader "Auto-Submitted";
---
require "editheader"; deleteheader :index 1 "X-A" ["a", "b"];
---
require "editheader"; deleteheader "X A";
---
deleteheader "X-A";
---
require ["editheader", "encoded-character"]; addheader "X-A" "${hex:00}";
'''.split("\n---\n")]

# what is stored, header and all
EDITS = [s.strip("\n") for s in r'''
addheader "X-New" "a value";
---
addheader :last "X-New" "a value"; addheader "X-New" "another";
---
addheader "X-New" "of some
  lines	and

	more";
---
addheader "X-Long" "abcdefghij abcdefghij abcdefghij abcdefghij abcdefghij abcdefghij abcdefghij abcdefghij abcdefghij abcdefghij";
---
addheader "X-Utf" "Löwe und 日本語のテキスト, Löwe und 日本語のテキスト, Löwe und 日本語のテキスト, Löwe";
---
deleteheader "Received"; deleteheader "x-stars"; deleteheader "X-None";
---
deleteheader "From" "nobody"; deleteheader :contains "Cc" "two"; deleteheader :matches "X-Score" "0012*";
---
deleteheader :index 1 "X-Score"; deleteheader :index 1 :last "X-Empty"; deleteheader :index 2 "Subject";
---
deleteheader "Subject"; addheader "Subject" "new";
---
addheader "X-A" "1"; addheader "X-A" "2"; addheader "X-A" "3"; deleteheader :index 2 "X-A";
---
addheader "X-A" "1"; addheader "X-A" "2"; addheader "X-A" "1"; deleteheader :index 1 :last "X-A" "2";
---
addheader "X-A" "1"; addheader "X-A" "2"; addheader "X-A" "1"; deleteheader :index 1 :last :is "X-A" "1";
---
addheader "X-A" "1"; fileinto :create "a"; addheader "X-A" "2"; fileinto :create "b"; keep; addheader "X-A" "3";
---
keep; addheader "X-A" "1"; keep;
---
addheader "X-A" "1"; set "n" "a b"; addheader "${n}" "2";
---
addheader "To" "c@d.example"; if address :domain "to" "d.example" { fileinto :create "to"; }
---
addheader "X-A" "ä"; if header :is "x-a" "Ä" { fileinto :create "octets"; } elsif header :is "x-a" "ä" { fileinto :create "equal"; }
'''.split("\n---\n")]

# what we say otherwise, and why
DIFFERS = {
    # told as an error there, too, and compiled
    'require "special-use"; if specialuse_exists "INBOX" { }': True,
    # what is not text has no text (RFC 5703, 7)
    PARTS[1]: {"store [][Grüsse from here][][h][plain][][inner body][]."},
    (2, 'address :count "eq" "to" "1"'): False,     # a group without members holds no address
    (0, 'date :index 2 :zone "+0000" :is "received" "date" "2026-11-19"'): True,    # RFC 5260, 6: :index holds for date, too
    'fileinto "inbox";': {"store INBOX"},            # RFC 3501, 5.1: in any case; there the mail store sees to it
    "fileinto text:\nlong\n.\n;": {"store INBOX", 'error: line 2: "long  " is not the name of a mailbox'},       # no mailbox has a line end in its name
}


def fields(header):
    """a header without its folds and codes: how lines are broken is not compared"""
    out = []
    for line in header.decode(errors="replace").split("\n"):
        if line[:1] in (" ", "\t") and out:
            out[-1] += " " + line.strip()
        elif line:
            out.append(line)
    return [re.sub(r"\s+", " ", str(email.header.make_header(email.header.decode_header(f)))).replace(": ", ":", 1).strip() for f in out]


class Pigeonhole:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="pigeonhole.")
        os.makedirs(f"{self.dir}/home/sieve")
        root = os.getuid() == 0
        self.uid = 65534 if root else os.getuid()
        self.gid = 65534 if root else os.getgid()
        with open(f"{self.dir}/dovecot.conf", "w") as f:
            f.write(f"mail_uid={self.uid}\nmail_gid={self.gid}\nmail_home={self.dir}/home\nmail_location=maildir:{self.dir}/home/Maildir\n"
                    f"base_dir={self.dir}/run\nlog_path=/dev/null\nrecipient_delimiter=+\n"
                    f"plugin {{\n  sieve_extensions=+editheader +spamtest +spamtestplus +virustest +special-use +vnd.dovecot.environment\n"
                    "  sieve_spamtest_status_type=score\n  sieve_spamtest_max_value=5.0\n"
                    "  sieve_spamtest_status_header=X-Spam-Score: (-?[[:digit:]]+\\.[[:digit:]]+).*\n"
                    "  sieve_virustest_status_type=text\n  sieve_virustest_status_header=X-Virus: Found to be (.+)\\.\n"
                    "  sieve_virustest_text_value1=clean\n  sieve_virustest_text_value2=unknown\n"
                    "  sieve_virustest_text_value3=cured\n  sieve_virustest_text_value5=infected\n"
                    f"  sieve=file:{self.dir}/home/sieve;active={self.dir}/home/.dovecot.sieve\n}}\n")
        self.become = ["setpriv", "--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups"] if root else []
        self.give()

    def give(self):
        if os.getuid() == 0:
            for top, dirs, files in os.walk(self.dir):
                for p in [top] + [f"{top}/{f}" for f in files]:
                    os.chown(p, self.uid, self.gid)

    def run(self, *words):
        env = {"PATH": os.environ["PATH"], "HOME": f"{self.dir}/home", "USER": "tester", "TZ": "UTC"}
        return subprocess.run([*self.become, *words], capture_output=True, text=True, env=env, timeout=60)

    def refuses(self, script):
        return self.run("sievec", "-c", f"{self.dir}/dovecot.conf", script, f"{script}.bin").returncode != 0

    def stored(self, script, message):
        shutil.rmtree(f"{self.dir}/home/Stored", ignore_errors=True)
        self.run("sieve-test", "-e", "-l", f"maildir:{self.dir}/home/Stored", "-c", f"{self.dir}/dovecot.conf",
                 "-r", "user+detail@example.com", "-a", "user+detail@example.com", "-f", "s@example.org", script, message)
        found = {}
        for path in glob.glob(f"{self.dir}/home/Stored/new/*") + glob.glob(f"{self.dir}/home/Stored/.*/new/*"):
            folder = path.split("/")[-3][1:] if path.split("/")[-3] != "Stored" else "INBOX"
            found[folder] = fields(open(path, "rb").read().split(b"\n\n")[0])
        return found

    def actions(self, script, message):
        r = self.run("sieve-test", "-c", f"{self.dir}/dovecot.conf", "-r", "user+detail@example.com", "-a", "user+detail@example.com",
                     "-f", "s@example.org", script, message)
        found = set()
        last, told = None, {}
        for line in r.stdout.splitlines():
            if m := re.match(r" \* store message in folder: (.*)", line):
                last = f"store {m[1]}"
                found.add(last)
            elif m := re.match(r"\s+\+ add IMAP flags:(.*)", line):
                found.discard(last)
                found.add(f"{last} ({' '.join(sorted(m[1].lower().split()))})")
            elif m := re.match(r" \* redirect message to: <?([^>]*)", line):
                found.add(f"redirect {m[1].strip()}")
            elif re.match(r" \* (send|.*) ?rejection message|.*reject", line) and line.startswith(" * "):
                found.add("reject")
            elif line.startswith(" * send notification"):
                told = {"subject": "", "importance": ""}
            elif m := re.match(r"    => (\w+)\s*: (.*)", line):
                told[m[1]] = m[2]
            elif m := re.match(r"\s+\+ (To|Cc): (.*)", line):
                found.add(f"notify {m[2]} {told['importance']} {told['subject']}")
            elif line.startswith(" * send vacation"):
                found.add("vacation")
        return found


def ours(script, message):
    r = subprocess.run([f"{BUILD}/t/unit/sieve/sieve_run", script, message, "s@example.org", "user+detail@example.com"],
                       capture_output=True, text=True, env=dict(os.environ, TZ="UTC"), timeout=60)
    found = set()
    for part in r.stdout.strip().split("; "):
        if m := re.match(r'(keep|fileinto)(?: "(.*?)")?(?: create)?(?: \((.*)\))?$', part):
            flags = f" ({' '.join(sorted(m[3].lower().split()))})" if m[3] else ""
            found.add(f"store {m[2] or 'INBOX'}{flags}")
        elif m := re.match(r'redirect "(.*)"', part):
            found.add(f"redirect {m[1]}")
        elif m := re.match(r'notify (.*) (.) "(.*?)" "(.*)"', part):
            found.update(f"notify {a} {m[2]} {m[3]}" for a in re.findall("<(.*?)>", m[1]))
        elif m := re.match(r"(reject|vacation) ", part):
            found.add(m[1])
        elif part.startswith(("error", "bad")):
            found.add(part.split("\r")[0].split("\n")[0])
    return found


def ours_stored(script, message):
    r = subprocess.run([f"{BUILD}/t/unit/sieve/sieve_run", "-h", script, message, "s@example.org", "user+detail@example.com"],
                       capture_output=True, env=dict(os.environ, TZ="UTC"), timeout=60)
    return {part.split(b"\n", 1)[0].decode(): fields(part.split(b"\n", 1)[1]) for part in r.stdout.split(b"=== ")[1:]}


def main():
    if not shutil.which("sieve-test") or not shutil.which("sievec"):
        print("1..0 # SKIP Pigeonhole (dovecot-sieve) is not installed")
        return
    p = Pigeonhole()
    try:
        mails = []
        for n, m in enumerate(MESSAGES):
            mails.append(f"{p.dir}/m{n}.eml")
            with open(mails[-1], "wb") as f:
                f.write(m)
        for n, text in enumerate(CHECKS):
            path = f"{p.dir}/c{n}.sieve"
            with open(path, "w") as f:
                f.write(text)
            p.give()
            theirs = p.refuses(path)
            mine = subprocess.run([f"{BUILD}/t/unit/sieve/sieve_run", path], capture_output=True, text=True)
            want = DIFFERS.get(text, theirs)
            t.ok((mine.returncode != 0) == want, f"{'refused' if want else 'taken'}: {text[:60]!r}", mine.stdout)
        # many conditions in one script: each files into a mailbox of its own
        for at in range(0, len(CONDITIONS), 20):
            some = CONDITIONS[at:at + 20]
            path = f"{p.dir}/q{at}.sieve"
            with open(path, "w") as f:
                f.write(ALL + "".join(f'if {c} {{ fileinto "c{at + i}"; }}\n' for i, c in enumerate(some)) + "discard;")
            p.give()
            for n, mail in enumerate(mails):
                theirs, mine = p.actions(path, mail), ours(path, mail)
                for i, c in enumerate(some):
                    name = f"store c{at + i}"
                    want = DIFFERS.get((n, c), name in theirs)
                    t.ok((name in mine) == want, f"message {n}: {'yes' if want else 'no '} {c}", sorted(mine)[-1:] if n else "")
        for n, text in enumerate(SCRIPTS):
            path = f"{p.dir}/s{n}.sieve"
            with open(path, "w") as f:
                f.write(ALL + text)
            p.give()
            theirs, mine = p.actions(path, mails[0]), ours(path, mails[0])
            t.ok(mine == DIFFERS.get(text, theirs), f"{' '.join(text.split())[:70]}", f"here {sorted(mine)}", f"there {sorted(theirs)}")
        for n, text in enumerate(PARTS):
            path = f"{p.dir}/p{n}.sieve"
            with open(path, "w") as f:
                f.write(ALL + 'set "n" "";' + text.replace("\\n", "\n") + 'fileinto "${n}.";')
            p.give()
            theirs, mine = p.actions(path, mails[3]), ours(path, mails[3])
            t.ok(mine == DIFFERS.get(text, theirs), f"parts: {' '.join(text.split())[:90]}", f"here {sorted(mine)}", f"there {sorted(theirs)}")
        path = f"{p.dir}/scanned.sieve"
        with open(path, "w") as f:
            f.write(ALL + 'if spamtest :matches "*" { set "a" "${1}"; } if spamtest :percent :matches "*" { set "b" "${1}"; } '
                    'if virustest :matches "*" { set "c" "${1}"; } if spamtest :value "ge" :comparator "i;ascii-numeric" "5" { set "d" "x"; } '
                    'fileinto "${a}-${b}-${c}-${d}";')
        for score in ("0.0 x", "-1.0", "0.5", "1.0", "1.1", "2.5 and more", "4.9", "4.99", "5.0", "6.5", "nonsense", "3", None):
            for virus in ("clean", "unknown", "cured", "infected", "INFECTED", "odd") if score == "0.5" else ("clean",):
                mail = f"{p.dir}/scanned.eml"
                with open(mail, "w") as f:
                    f.write((f"X-Spam-Score: {score}\n" if score else "") + f"X-Virus: Found to be {virus}.\nSubject: x\n\nb\n")
                p.give()
                theirs, mine = p.actions(path, mail), ours(path, mail)
                t.ok(mine == theirs, f"a score of {score}, a virus {virus}: {theirs}", f"here {mine}")
        for n, text in enumerate(EDITS):
            path = f"{p.dir}/e{n}.sieve"
            with open(path, "w") as f:
                f.write(ALL + text)
            p.give()
            theirs, mine = p.stored(path, mails[0]), ours_stored(path, mails[0])
            t.ok(theirs and mine == theirs, f"stored: {' '.join(text.split())[:70]}", f"here {mine}", f"there {theirs}")
    finally:
        shutil.rmtree(p.dir, ignore_errors=True)
    t.end()


main()
