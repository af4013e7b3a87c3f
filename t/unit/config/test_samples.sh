#!/bin/sh
# SPDX-License-Identifier: ISC
# test_samples.sh - the sample configuration and real ones are read without an error
postconf=$top_builddir/cmd/postconf
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cp "$top_srcdir"/conf/main.cf "$top_srcdir"/conf/master.cf "$top_srcdir"/conf/aliases "$dir"
n=0
ok() { n=$((n + 1)); if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi; }

"$postconf" -c "$dir" -n >"$dir/out" 2>"$dir/err"
grep -Eq 'unused|error|fatal|bad|overriding' "$dir/err"; ok $((! $?)) "main.cf has no unknown name"
"$postconf" -c "$dir" -Mf >"$dir/out" 2>"$dir/err"; ok $? "master.cf is read"
[ -s "$dir/err" ]; ok $((! $?)) "and says nothing"
# every line again, as postconf prints it, is the same file
"$postconf" -c "$dir" -M >"$dir/first"; cp "$dir/first" "$dir/master.cf"
"$postconf" -c "$dir" -M | cmp -s - "$dir/first"; ok $? "master.cf printed and read again is the same"
cp "$dir/main.cf" "$dir/before"
"$postconf" -c "$dir" -e 'inet_interfaces = loopback-only' && "$postconf" -c "$dir" -e 'inet_interfaces = all'
cmp -s "$dir/before" "$dir/main.cf"; ok $? "an edit and back leaves main.cf as it was"
printf 'data_directory = %s/data\nalias_maps = hash:%s/aliases\n' "$dir" "$dir" >"$dir/main.cf"
"$top_builddir/cmd/tables" -c "$dir" 2>/dev/null; ok $? "tables builds what is named"
[ "$("$top_builddir/cmd/postalias" -c "$dir" -q Postmaster "hash:$dir/aliases")" = root ]; ok $? "postalias -q finds it"
"$top_builddir/cmd/postmap" -c "$dir" -q nobody "hash:$dir/aliases"; [ $? = 1 ]; ok $? "not found is status 1"
echo "1..$n"
