# SPDX-License-Identifier: ISC
# portable.sh - the files of other systems compile, as far as this one can tell
#
# Their own declarations are in t/portable.  That they run is for a machine of theirs to say.
cd "${top_srcdir:?}" || exit 99
n=0
command -v "${CC:-cc}" >/dev/null || { echo "1..0 # SKIP no compiler"; exit; }
for file in lib/*/*_openbsd.c lib/*/*_freebsd.c lib/*/*_portable.c; do
	n=$((n + 1))
	if said=$("${CC:-cc}" -std=gnu17 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror \
		-fsyntax-only -D_GNU_SOURCE -It/portable -Ilib -I"${top_builddir:?}" -include config.h "$file" 2>&1); then
		echo "ok $n - $file"
	else
		echo "not ok $n - $file"
		echo "$said" | sed 's/^/# /'
	fi
done
echo "1..$n"
