#!/bin/sh
# Prints the alerts as an object of the Prometheus operator.
set -eu

cat <<'END'
# Generated from rules.yaml by `make generate`. Do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: bedrock-model-map
spec:
END
sed -e '/^#/d' -e 's/^\(.\)/  \1/' "$(dirname "$0")/../config/prometheus/rules.yaml"
