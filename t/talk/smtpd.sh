#!/bin/sh
# SPDX-License-Identifier: ISC
# smtpd.sh - all dialogues with smtpd
exec "$top_srcdir/t/talk/talk" "$top_srcdir"/t/talk/smtpd/*.talk
