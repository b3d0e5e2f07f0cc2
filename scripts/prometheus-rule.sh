#!/bin/sh
# Prints the alerts as an object of the Prometheus operator, with the addresses of this version's runbook.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)

cat <<'END'
# Generated from rules.yaml by `make generate`. Do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: bedrock-model-map
spec:
END
sed -e '/^#/d' -e 's/^\(.\)/  \1/' -e "s|/blob/main/|/blob/v$version/|" config/prometheus/rules.yaml
