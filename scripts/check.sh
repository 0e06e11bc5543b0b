#!/bin/sh
# Everything that must hold before a change is done; what CI runs. Every step runs, also after one has failed, and
# the end is one line a step and the sum of all tests.
#
#   scripts/check.sh            all steps
#   scripts/check.sh unit lint  these
set -u

root=$(CDPATH='' cd -P -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1
export PATH="$root/node_modules/.bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# Tests must not hang on this terminal, nor depend on the caller's own settings for sallyport, Node or npm.
unset NODE_OPTIONS NODE_TEST_CONTEXT SALLYPORT_HOME SALLYPORT_TOKEN

all="format types lint unused layers unit fuzz package scenario terminal attack clients agents"
steps=${*:-$all}
reports=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-check.XXXXXX") || exit 1
trap 'rm -rf "$reports"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A group of test files under Node's runner: read on the screen, counted from the TAP file. No test is a failure, and so
# is a file that takes longer than the seconds given.
tests() {
  name=$1
  limit=$(($2 * 1000))
  shift 2
  node --disable-warning=ExperimentalWarning --test --test-timeout="$limit" \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$reports/$name.tap" "$@" </dev/null
  code=$?
  if [ "$(count "$name" tests)" = 0 ]; then
    echo "check: $name: no test ran" >&2
    return 1
  fi
  return $code
}

# The closing figure `# <what> N` of a group's report.
count() {
  sed -n "s/^# $2 \([0-9][0-9]*\)\$/\1/p" "$reports/$1.tap" 2>/dev/null | tail -n 1 | grep . || echo 0
}

step() {
  case $1 in
    format) biome check --linter-enabled=false . ;;
    types) tsc --noEmit ;;
    lint) biome lint --error-on-warnings . ;;
    unused) knip ;;
    layers) tests layers 60 'test/*.test.ts' ;;
    unit) tests unit 180 --test-concurrency=2 'src/**/*.test.ts' 'bin/**/*.test.ts' ;;
    fuzz) tests fuzz 300 --test-concurrency=2 'test/fuzz/**/*.test.ts' ;;
    package) tests package 300 --test-concurrency=1 'test/package/**/*.test.ts' ;;
    scenario) tests scenario 300 --test-concurrency=2 'test/scenario/**/*.test.ts' ;;
    terminal) tests terminal 300 --test-concurrency=1 'test/terminal/**/*.test.ts' ;;
    attack) tests attack 900 --test-concurrency=1 'test/attack/**/*.test.ts' ;;
    agents) tests agents 600 --test-concurrency=1 'test/agents/**/*.test.ts' ;;
    clients) tests clients 600 --test-concurrency=2 'test/clients/**/*.test.ts' ;;
    *)
      echo "check: no step is named $1; there are: $all" >&2
      return 2
      ;;
  esac
}

failed=
for name in $steps; do
  printf '\n== %s\n' "$name"
  started=$(date +%s)
  if step "$name"; then said=ok; else said=FAILED failed="$failed $name"; fi
  took=$(($(date +%s) - started))
  figures=
  if [ -f "$reports/$name.tap" ]; then
    figures="$(count "$name" pass) of $(count "$name" tests) tests passed"
  fi
  printf '%-9s %-7s %4s s  %s\n' "$name" "$said" "$took" "$figures" >>"$reports/summary"
done

printf '\n== check\n'
cat "$reports/summary"
for figure in tests pass fail cancelled skipped todo; do
  sum=0
  for name in $steps; do sum=$((sum + $(count "$name" "$figure"))); done
  printf '# %s %s\n' "$figure" "$sum"
done
if [ -n "$failed" ]; then
  echo "check: failed:$failed" >&2
  exit 1
fi
