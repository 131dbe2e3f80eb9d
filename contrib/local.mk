# SPDX-License-Identifier: GPL-2.0-or-later
exampledir = $(docdir)/examples
dist_example_DATA = contrib/examples/heat.c contrib/examples/heat.in contrib/examples/heat.sh \
	contrib/examples/led.sh contrib/examples/rain_led.h

configexampledir = $(docdir)/config
dist_configexample_DATA = \
	contrib/config/mpi.conf \
	contrib/config/plugstack.conf \
	contrib/config/rain.conf \
	contrib/config/slurm.conf.add

systemddir = $(prefix)/lib/systemd/system
units = \
	contrib/systemd/rain-brokerd.service \
	contrib/systemd/rain-gatewayd.service \
	contrib/systemd/rain-ledgerd.service \
	contrib/systemd/rain-paneld.service \
	contrib/systemd/rain-panelweb.service
nodist_systemd_DATA = $(units)
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
dist_sysusers_DATA = contrib/systemd/rain.sysusers.conf
dist_tmpfiles_DATA = contrib/systemd/rain.tmpfiles.conf
EXTRA_DIST += $(units:=.in)
CLEANFILES += $(units)

# Directories are known to make only, not to configure.
$(units): %: %.in Makefile
	$(AM_V_GEN)mkdir -p $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|@localstatedir[@]|$(localstatedir)|g' $(srcdir)/$@.in > $@

completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = contrib/completion/rain


# Everything that makes the two commands of the README work from a tarball too.
EXTRA_DIST += .ci/run $(srcdir)/contrib/trainer
