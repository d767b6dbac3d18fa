# SPDX-License-Identifier: LGPL-2.1-or-later
# Packages of distributions, made of the release that make dist makes: debian/ is put beside the
# sources there, for distributions keep that folder themselves.

EXTRA_DIST += \
	tools/packaging/Containerfile \
	tools/packaging/debian \
	tools/packaging/qcow2bm.rpmlintrc \
	tools/packaging/qcow2bm.spec

# Into deb/; DEB_FLAGS goes to dpkg-buildpackage. DEB_BUILD_OPTIONS=nocheck leaves out the tests.
deb: dist-gzip
	rm -rf deb && $(MKDIR_P) deb
	cp $(distdir).tar.gz deb/$(PACKAGE)_$(VERSION).orig.tar.gz
	tar -C deb -xf $(distdir).tar.gz
	cp -R deb/$(distdir)/tools/packaging/debian deb/$(distdir)/debian
	cd deb/$(distdir) && $(package_env) dpkg-buildpackage -us -uc $(DEB_FLAGS)

# Into rpm/; RPM_FLAGS goes to rpmbuild: --nocheck leaves out the tests.
rpm: dist-gzip
	rm -rf rpm && $(MKDIR_P) rpm
	$(package_env) rpmbuild -ba --define "_topdir $(abs_builddir)/rpm" \
		--define "_sourcedir $(abs_builddir)" $(RPM_FLAGS) \
		$(srcdir)/tools/packaging/qcow2bm.spec

# Nothing of this make reaches theirs.
package_env = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u TESTS
.PHONY: deb rpm
mostlyclean-local:
	-rm -rf deb rpm
