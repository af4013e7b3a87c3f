#!/bin/sh
# SPDX-License-Identifier: ISC
# mailbox.sh - all dialogues with IMAP and POP3, before login and after
exec "$top_srcdir/t/talk/talk" "$top_srcdir"/t/talk/imap/*.talk "$top_srcdir"/t/talk/pop3/*.talk
