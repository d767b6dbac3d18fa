# SPDX-License-Identifier: LGPL-2.1-or-later
# The Python module: qcow2bm/*.py and the list of the API, put together in the build tree, where
# ./run and pip find it. Installed where configure finds python3, without a compiler.

python_modules = \
	libqcow2bm/python/qcow2bm/__init__.py \
	libqcow2bm/python/qcow2bm/_api.py \
	libqcow2bm/python/qcow2bm/chain.py \
	libqcow2bm/python/qcow2bm/check.py \
	libqcow2bm/python/qcow2bm/differ.py \
	libqcow2bm/python/qcow2bm/edit.py \
	libqcow2bm/python/qcow2bm/errors.py \
	libqcow2bm/python/qcow2bm/guest.py \
	libqcow2bm/python/qcow2bm/image.py \
	libqcow2bm/python/qcow2bm/records.py \
	libqcow2bm/python/qcow2bm/together.py \
	libqcow2bm/python/qcow2bm/undo.py \
	libqcow2bm/python/qcow2bm/values.py \
	libqcow2bm/python/qcow2bm/watch.py

EXTRA_DIST += $(python_modules) libqcow2bm/python/qcow2bm/py.typed
python_api = libqcow2bm/python/qcow2bm/api.json
CLEANFILES += $(python_api)

# Where source and build are two trees, links stand for the source's files.
$(python_api): libqcow2bm/qcow2bm-api.json libqcow2bm/python/local.mk
	$(AM_V_GEN)$(MKDIR_P) libqcow2bm/python/qcow2bm && \
	for file in $(python_modules) libqcow2bm/python/qcow2bm/py.typed; do \
		test -e $$file || $(LN_S) "$(abs_top_srcdir)/$$file" $$file || exit 1; \
	done && cp $< $@.new && mv $@.new $@
all-local: $(python_api)

distclean-local:
	-for file in $(python_modules) libqcow2bm/python/qcow2bm/py.typed; do \
		test ! -L $$file || rm -f $$file; \
	done

if HAVE_PYTHON
qcow2bmpythondir = $(pythondir)/qcow2bm
qcow2bmpython_DATA = $(python_modules) \
	libqcow2bm/python/qcow2bm/py.typed $(python_api)
endif
