#!/bin/sh
# After the package's files are there: the user, who may read the settings. Nothing is started or restarted.
set -e
systemd-sysusers signalbox.conf 2>/dev/null || id signalbox >/dev/null 2>&1 || useradd --system --home-dir /var/lib/signalbox --shell /usr/sbin/nologin signalbox
chgrp signalbox /etc/signalbox.yaml
systemctl daemon-reload 2>/dev/null || true
