#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""states.py - how many of Postfix's parameters work here, by postconf -S

Grade A: each works, or is accepted without effect and the note says why; those that are not there yet are listed
by name, so that the list can only get shorter.  Grade B: at least 70 % of them.
"""
import collections, os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
# A parameters whose feature is not here yet
MISSING = set("""error_notice_recipient smtputf8_autodetect_classes
milter_command_timeout milter_connect_macros milter_connect_timeout milter_content_timeout milter_data_macros milter_default_action
milter_end_of_data_macros milter_helo_macros milter_macro_daemon_name milter_macro_v milter_mail_macros milter_protocol milter_rcpt_macros
non_smtpd_milters smtpd_milters
postscreen_access_list postscreen_bare_newline_action postscreen_bare_newline_enable postscreen_blacklist_action postscreen_denylist_action
postscreen_dnsbl_action postscreen_dnsbl_allowlist_threshold postscreen_dnsbl_reply_map postscreen_dnsbl_sites postscreen_dnsbl_threshold
postscreen_dnsbl_whitelist_threshold postscreen_greet_action postscreen_greet_banner postscreen_greet_ttl postscreen_greet_wait
postscreen_non_smtp_command_action postscreen_non_smtp_command_enable postscreen_pipelining_action postscreen_pipelining_enable
postscreen_upstream_proxy_protocol""".split())

with Instance() as i:
    r = subprocess.run([i.dir + "/sbin/postconf", "-c", i.dir + "/etc", "-S"], capture_output=True, text=True, timeout=60)
    rows = [l.split("\t") for l in r.stdout.splitlines()]
    t.ok(len(rows) == 941 and all(len(row) == 4 for row in rows), "a line for each graded parameter", len(rows), r.stderr)
    t.ok({row[2] for row in rows} <= {"works", "nothing", "later", "refused"}, "four states", {row[2] for row in rows})
    mute = [row[0] for row in rows if row[2] == "nothing" and len(row[3]) < 9]
    t.ok(not mute, "what has no effect says why", *mute)
    count = {g: collections.Counter(row[2] for row in rows if row[1] == g) for g in "ABC"}
    for g in "ABC":
        print("# grade", g, dict(count[g]))
    here = lambda row: row[2] in ("works", "nothing")
    missing = {row[0] for row in rows if row[1] == "A" and not here(row)}
    t.ok(missing <= MISSING, "grade A: nothing more is missing", *sorted(missing - MISSING))
    share = sum(map(here, (row for row in rows if row[1] == "B"))) / sum(count["B"].values())
    t.ok(share >= 0.70, f"grade B: {share:.0%} work or need not", *[row[0] for row in rows if row[1] == "B" and not here(row)])
    r = subprocess.run([i.dir + "/sbin/postconf", "-c", i.dir + "/etc", "-S", "biff", "myhostname"], capture_output=True, text=True)
    t.ok([l.split("\t")[:3] for l in r.stdout.splitlines()] == [["biff", "A", "nothing"], ["myhostname", "A", "works"]],
         "postconf -S name ...", r.stdout)
t.end()
