#!/bin/sh
# Registers the two agents, publishes the policy, and runs the service runner under it. Run it in this folder.
set -eu
policy=${1:-policy.toml}
sallyport auth init
sallyport auth create-agent --agent-id service-runner --owner ops@example.com
sallyport auth create-agent --agent-id notifier --owner ops@example.com
sallyport auth create-policy --policy-id incident --file "$policy"
SALLYPORT_TOKEN=$(sallyport auth issue-token --agent-id service-runner --policy-id incident --task incident)
export SALLYPORT_TOKEN
status=0
sallyport run -- python3 runner.py || status=$?
unset SALLYPORT_TOKEN
session=$(sallyport sessions list --agent service-runner --limit 1 | awk 'NR == 2 { print $1 }')
sallyport sessions show "$session" --tree
exit $status
