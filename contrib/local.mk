# SPDX-License-Identifier: GPL-2.0-or-later
exampledir = $(docdir)/examples
dist_example_DATA = contrib/examples/heat.c contrib/examples/heat.in contrib/examples/heat.sh
