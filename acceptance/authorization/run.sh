#!/usr/bin/env bash
# run.sh PORT: runs an authorization server on 127.0.0.1 until it is ended; the first call installs it.
#
# AUTHORIZATION_PYTHON  a Python 3.10 or newer, where python3 is none
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly home=$here/../../.authorization
readonly environment=$home/venv

install() {
  if cmp --silent "$here/requirements.txt" "$environment/complete"; then return; fi
  echo "Installing an authorization server; this takes a few seconds." >&2
  rm -rf "$environment"
  "${AUTHORIZATION_PYTHON:-python3}" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$environment/complete"
}

mkdir -p "$home"
# Two calls at once: the second waits for the first and finds it done.
exec 9>"$home/lock"
flock 9
install
exec 9>&-
exec "$environment/bin/python" "$here/server.py" "$1"
