#!/bin/sh
# SPDX-License-Identifier: ISC
# test_mime_python.sh - lib/mail and Python's email package see the same parts, if Python is here
command -v python3 >/dev/null 2>&1 || { echo '1..0 # SKIP no python3'; exit 0; }
exec python3 "${top_srcdir:-.}/t/unit/mail/test_mime_python.py"
