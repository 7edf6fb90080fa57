#!/usr/bin/env bash
# The usual script: kubectl and the vendor's command line, in a loop.
#
# It keeps none of the operator's promises. TUNING=defaults takes one object after the other; TUNING=best takes four at
# once, which is as many as keep two cores busy: each call starts an interpreter.
# usage: loop.sh PYTHON TCCLI

set -euo pipefail

export cli="$1 $2" host="${ENDPOINT#*://}" PYTHONPATH="$(dirname "$(realpath "$0")")/site"
kind=sqlserverbackups.tencentdb.dev

# step NAMESPACE NAME INSTANCE REGION FLOW: submits, or looks.
step() {
    local answer flow status conditions now
    now="$(date --utc +%Y-%m-%dT%H:%M:%SZ)"
    # rows SUBMITTED READY RECONCILING REASON
    rows() {
        printf '[{"type":"Submitted","status":"%s"%s},{"type":"Ready","status":"%s"%s},{"type":"Reconciling","status":"%s"%s},{"type":"Stalled","status":"False"%s}]' \
            "$1" "$more" "$2" "$more" "$3" "$more" "$more"
    }
    if [[ -z $5 ]]; then
        answer="$($cli sqlserver CreateBackup --region "$4" --endpoint "$host" --InstanceId "$3" --Strategy 0 \
            --BackupName "${2//-/_}")" || return 0
        flow="$(sed -nE 's/.*"FlowId": ?([0-9]+).*/\1/p' <<<"$answer")"
        [[ -n $flow ]] || return 0
        local more=',"reason":"Running","message":"","lastTransitionTime":"'$now'"'
        conditions="$(rows True False True)"
        kubectl --namespace "$1" patch "$kind" "$2" --subresource status --type merge \
            --patch "{\"status\":{\"flowId\":$flow,\"conditions\":$conditions}}" >/dev/null
    else
        answer="$($cli sqlserver DescribeBackupByFlowId --region "$4" --endpoint "$host" --InstanceId "$3" --FlowId "$5")" \
            || return 0
        status="$(sed -nE 's/.*"Status": ?([0-9]+).*/\1/p' <<<"$answer")"
        [[ $status == 1 ]] || return 0
        local more=',"reason":"Completed","message":"","lastTransitionTime":"'$now'"'
        conditions="$(rows True True False)"
        kubectl --namespace "$1" patch "$kind" "$2" --subresource status --type merge \
            --patch "{\"status\":{\"conditions\":$conditions}}" >/dev/null
    fi
}
export -f step
export kind

at_once=1
if [[ $TUNING == best ]]; then
    at_once=4
fi
echo "peer is ready"
while true; do
    # Namespace, name, instance, region, FlowId and whether it is ready, of all.
    kubectl get "$kind" --all-namespaces --output jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name} {.spec.instanceId} {.spec.region} "{.status.flowId}" {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' |
        grep -v ' True$' | sed 's/ [A-Za-z]*$//' |
        xargs --no-run-if-empty --max-lines=1 --max-procs="$at_once" bash -c 'step "$@"' step || true
    sleep 2
done
