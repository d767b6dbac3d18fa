# SPDX-License-Identifier: LGPL-2.1-or-later
# The program. It sees the library through qcow2bm.h only.

tools_sources =

