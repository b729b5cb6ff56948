#!/usr/bin/env bash
# make example: signalbox with a backend behind it, and a page to try them with. BACKEND is node, python or go. Ctrl-C ends both.
set -euo pipefail
cd "$(dirname "$0")/.."
export HOOKS_SECRET="whsec_$(head -c 32 /dev/urandom | base64)" HOST=127.0.0.1
port=${PORT:-3000} backend_port=${BACKEND_PORT:-4000}
export SIGNALBOX="http://127.0.0.1:$port"
signalbox=${SIGNALBOX_BIN:-}
if [ -z "$signalbox" ]; then
	go build -o bin/signalbox ./cmd/signalbox
	signalbox=bin/signalbox
fi
case ${BACKEND:-node} in
node) backend=(node examples/backends/node/hook.mjs) ;;
python) backend=(python3 examples/backends/python/hook.py) ;;
go)
	go build -o bin/example-hook ./examples/backends/go/hook
	backend=(bin/example-hook)
	;;
*) echo "BACKEND is node, python or go" >&2; exit 2 ;;
esac
PORT=$backend_port "${backend[@]}" &
trap 'kill $!' EXIT
[ "${BACKEND:-node}" = node ] && echo "open http://127.0.0.1:$backend_port/ in two windows, and click"
PORT=$port HOOKS_URL="http://127.0.0.1:$backend_port/" HOOKS_EVENTS='/game:*' HOOKS_NOTIFY=disconnect,online,offline "$signalbox"
