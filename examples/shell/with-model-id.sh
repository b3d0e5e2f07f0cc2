#!/bin/sh
# Runs a command with MODEL_ID set to the ID to pass for a model:
#
#   with-model-id.sh claude-sonnet-4-5 sh -c 'aws bedrock-runtime converse --model-id "$MODEL_ID" …'
#
# The map is mounted at BEDROCK_MAP_DIR (default /etc/bedrock), the region is that of AWS_REGION.
set -eu

model=$1
shift
# Fails unless exactly one model matches and has an ID to pass; says why on stderr.
MODEL_ID=$(bedrock-model-map resolve "$model" --region "$AWS_REGION" --dir "${BEDROCK_MAP_DIR:-/etc/bedrock}" --output id)
export MODEL_ID
exec "$@"
