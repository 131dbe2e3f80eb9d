# SPDX-License-Identifier: GPL-2.0-or-later
dist_man_MANS += \
	doc/rain.1 \
	doc/rain.conf.5
dist_doc_DATA = README.md NEWS doc/protocol.txt
