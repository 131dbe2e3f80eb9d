# SPDX-License-Identifier: GPL-2.0-or-later
dist_man_MANS += \
	doc/rain-account.1 \
	doc/rain-agent.8 \
	doc/rain-audit.1 \
	doc/rain-balance.1 \
	doc/rain-brokerd.8 \
	doc/rain-bursts.1 \
	doc/rain-calibrate.1 \
	doc/rain-doctor.1 \
	doc/rain-estimate.1 \
	doc/rain-gatewayd.8 \
	doc/rain-grant.1 \
	doc/rain-guest-guard.8 \
	doc/rain-led.1 \
	doc/rain-ledger.1 \
	doc/rain-ledgerd.8 \
	doc/rain-migrate.8 \
	doc/rain-offers.1 \
	doc/rain-panel.1 \
	doc/rain-paneld.8 \
	doc/rain-panelweb.8 \
	doc/rain-peer.1 \
	doc/rain-rate.1 \
	doc/rain-recall.1 \
	doc/rain-reconcile.1 \
	doc/rain-refund.1 \
	doc/rain-relay.8 \
	doc/rain-report.1 \
	doc/rain-sandbox.8 \
	doc/rain-simulate.1 \
	doc/rain-stage.8 \
	doc/rain-statement.1 \
	doc/rain-transfer.1 \
	doc/rain.1 \
	doc/rain.conf.5 \
	doc/trainer.8
dist_doc_DATA = README.md NEWS doc/overhead.md doc/policy.md doc/protocol.txt doc/ledger-backup.txt doc/ledger-speed.md
