# SPDX-License-Identifier: ISC
# manual.sh - every program that is installed has a page, and roff is content with all
cd "${top_builddir:?}" || exit 99
n=0
report() { # STATUS TITLE
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

programs=$(unset MAKEFLAGS MFLAGS MAKELEVEL; ${MAKE:-make} -s --no-print-directory installed-programs)
missing=
for program in $programs; do
	name=${program##*/}
	[ -s "manual/man1/$name.1" ] || [ -s "manual/man8/$name.8" ] || missing="$missing $name"
done
[ -n "$programs" ] && [ -z "$missing" ]
report $? "each installed program has a page${missing:+: none for$missing}"

missing=
for page in man5/postern-main.cf.5 man5/postern-tables.5 man5/master.cf.5 man1/mailq.1 man1/newaliases.1 man1/postfix.1; do
	[ -s "manual/$page" ] || missing="$missing $page"
done
[ -z "$missing" ]
report $? "the files and the other names have pages${missing:+: not$missing}"

missing=
for program in $programs; do
	case ${program##*/} in master | tables | smtpd-standalone | smtp-probe | qshape | post* | sendmail) continue ;; esac
	for parameter in $("./$program" --describe | grep -v '^@' | cut -f 1 | sed 's/-/\\-/g'); do
		grep -qF "\\fB$parameter\\fR" manual/man5/postern-main.cf.5 || missing="$missing $parameter"
	done
done
[ -z "$missing" ]
report $? "postern-main.cf(5) has each parameter${missing:+: not$missing}"

# A page of another name is one .so line; the rest begins with a comment and .TH, and has no long request.
if command -v groff >/dev/null; then
	complaints=$(cd manual && for page in man?/*; do groff -man -Tutf8 -ww -z "$page" 2>&1; done)
else
	complaints=$(for page in manual/man?/*; do
		sed -n '/^\.so man[158]\//q; 2{/^\.TH /!p;}; /^\.[^A-Zabfns\\]/p' "$page"
	done)
fi
[ -z "$complaints" ]
report $? "roff is content"
[ -z "$complaints" ] || echo "$complaints" | head -20 | sed 's/^/# /'
echo "1..$n"
