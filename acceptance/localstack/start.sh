#!/usr/bin/env bash
# Runs LocalStack, a stand-in for AWS Secrets Manager, without Docker and without an account.
#
#   start.sh [start]   installs it at the first call, starts it, prints its endpoint once it answers
#   start.sh status    prints its endpoint, or "stopped" with exit code 1
#   start.sh stop      stops it; everything it held is gone
#
# LOCALSTACK_PORT     the port on 127.0.0.1 (4566)
# LOCALSTACK_WORKERS  requests served at once (1: they are served one after another, so that races are exact)
# LOCALSTACK_PYTHON   a Python 3.13 or newer, where none is found on PATH
set -euo pipefail

readonly version=4.14.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly home=$here/../../.localstack
readonly environment=$home/venv-$version
readonly port=${LOCALSTACK_PORT:-4566}
readonly endpoint=http://127.0.0.1:$port
readonly state=$home/port-$port
readonly pid_file=$state/pid
readonly log=$state/log

main() {
  case "${1:-start}" in
    start) start ;;
    status) status ;;
    stop) stop ;;
    *) fail "usage: start.sh [start|status|stop]" ;;
  esac
}

start() {
  mkdir -p "$state/files" "$state/config"
  # Two calls at once: the second waits for the first and finds it done.
  exec 9>"$home/lock"
  flock 9
  if ! healthy; then
    install
    launch
    await_health
  fi
  echo "$endpoint"
}

status() {
  if healthy; then
    echo "$endpoint"
  else
    echo stopped
    return 1
  fi
}

stop() {
  if running; then
    local pid
    pid=$(<"$pid_file")
    kill "$pid"
    for _ in {1..100}; do
      running || break
      sleep 0.1
    done
    if running; then kill -9 "$pid"; fi
  fi
  rm -rf "$state"
  echo stopped
}

install() {
  if [[ -e $environment/complete ]]; then return; fi
  local python
  python=$(find_python)
  echo "Installing LocalStack $version; this takes a minute or two." >&2
  rm -rf "$environment"
  "$python" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --constraint "$here/constraints.txt" \
    "localstack-core[base-runtime]==$version" moto-ext >&2
  touch "$environment/complete"
}

find_python() {
  local candidate
  for candidate in "${LOCALSTACK_PYTHON:-}" python3.14 python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[3-9]*/bin/python; do
    if [[ -n $candidate ]] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "LocalStack $version needs Python 3.13 or newer, and none was found." \
    "Install one (apt install python3.13 python3.13-venv, brew install python@3.13, pyenv install 3.13, uv python install 3.13)" \
    "or name one: LOCALSTACK_PYTHON=/path/to/python3.13"
}

launch() {
  # A bare environment: nobody's AWS_PROFILE and no proxy setting reaches it.
  setsid env --ignore-environment PATH=/usr/bin:/bin HOME="$state" LANG=C.UTF-8 \
    GATEWAY_LISTEN="127.0.0.1:$port" LOCALSTACK_HOST="127.0.0.1:$port" GATEWAY_WORKER_COUNT="${LOCALSTACK_WORKERS:-1}" \
    SERVICES=secretsmanager,kms,iam,sts EAGER_SERVICE_LOADING=1 OVERRIDE_IN_DOCKER=0 \
    DNS_ADDRESS=0 SKIP_SSL_CERT_DOWNLOAD=1 DISABLE_EVENTS=1 \
    FILESYSTEM_ROOT="$state/files" CONFIG_DIR="$state/config" \
    "$environment/bin/python" -m localstack.runtime.main >"$log" 2>&1 </dev/null 9>&- &
  echo $! >"$pid_file"
}

await_health() {
  for _ in {1..900}; do
    if healthy; then return; fi
    if ! running; then
      tail -n 20 "$log" >&2
      fail "LocalStack ended while it started; its log is $log"
    fi
    sleep 0.1
  done
  fail "LocalStack does not answer at $endpoint after 90 seconds; its log is $log"
}

healthy() {
  curl --fail --silent --max-time 3 "$endpoint/_localstack/health" 2>/dev/null | grep -q "\"version\": \"$version\""
}

running() {
  [[ -s $pid_file ]] && kill -0 "$(<"$pid_file")" 2>/dev/null
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

main "$@"
