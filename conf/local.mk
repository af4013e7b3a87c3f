# SPDX-License-Identifier: ISC
# A configuration that is there stays; new samples come beside it.
CONF_FILES = conf/main.cf conf/master.cf conf/aliases
DIRECT_TESTS += t/system/package.py t/system/systemd.py
t/system/systemd.log: t/system/package.log      # which makes the package
EXTRA_DIST += $(CONF_FILES) conf/postern.service conf/take-over conf/debian/build conf/debian/control \
	conf/debian/postinst conf/debian/postrm conf/debian/prerm t/system/systemd_host.sh
pkgconfdir = $(sysconfdir)/postern

install-data-local: manual/done
	$(MKDIR_P) $(DESTDIR)$(pkgconfdir)
	for f in $(CONF_FILES); do \
		to=$(DESTDIR)$(pkgconfdir)/`basename $$f`; \
		test -f $$to && to=$$to.sample; \
		$(INSTALL_DATA) $(top_srcdir)/$$f $$to || exit 1; \
	done
	$(MKDIR_P) $(DESTDIR)$(pkglibexecdir)
	for f in take-over postern.service; do \
		sed 's,[@]sbindir[@],$(sbindir),g; s,[@]sysconfdir[@],$(sysconfdir),g; s,[@]localstatedir[@],$(localstatedir),g' \
			$(top_srcdir)/conf/$$f >$(DESTDIR)$(pkglibexecdir)/$$f || exit 1; \
	done
	chmod 755 $(DESTDIR)$(pkglibexecdir)/take-over
	for s in man1 man5 man8; do \
		$(MKDIR_P) $(DESTDIR)$(mandir)/$$s && $(INSTALL_DATA) manual/$$s/* $(DESTDIR)$(mandir)/$$s || exit 1; \
	done
uninstall-local: manual/done
	for f in $(CONF_FILES); do \
		to=$(DESTDIR)$(pkgconfdir)/`basename $$f`; \
		if cmp -s $(top_srcdir)/$$f $$to; then rm -f $$to; fi; rm -f $$to.sample; \
	done
	rm -f $(DESTDIR)$(pkglibexecdir)/take-over $(DESTDIR)$(pkglibexecdir)/postern.service
	cd manual && for f in man?/*; do rm -f "$(DESTDIR)$(mandir)/$$f"; done
	cd $(DESTDIR)$(sbindir) && rm -f postfix mailq newaliases

# A Debian package, from a build of its own with Debian's paths.
deb:
	rm -rf deb/staged && mkdir -p deb && cd deb && \
		{ test -f Makefile || $(abs_top_srcdir)/configure -q --prefix=/usr --sysconfdir=/etc \
			--localstatedir=/var --libexecdir=/usr/lib --mandir=/usr/share/man; } && \
		$(MAKE) -s && $(MAKE) -s install DESTDIR=$(abs_builddir)/deb/staged && \
		sh $(abs_top_srcdir)/conf/debian/build $(abs_builddir)/deb/staged $(PACKAGE_VERSION) $(abs_builddir)
.PHONY: deb
