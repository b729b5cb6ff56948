#!/bin/sh
# Before the package's files go, for good and not for a newer version: what runs of it ends.
case "$1" in
remove | 0) systemctl --no-reload disable --now signalbox.service signalbox.socket 2>/dev/null || true ;;
esac
