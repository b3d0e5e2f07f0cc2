"""Invokes a model: finds the ID to pass in the mounted map, and calls Converse.

    python converse.py --dir /etc/bedrock anthropic.claude-sonnet-4-5-20250929-v1:0 'Hello'

The region is that of AWS_REGION. Needs boto3.
"""

import argparse
import os
import sys

import boto3
import botocore.exceptions

import bedrock_map


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default="/etc/bedrock", help="where the ConfigMap is mounted")
    parser.add_argument("model", help="the model's id, as ListFoundationModels has it")
    parser.add_argument("prompt")
    arguments = parser.parse_args()
    region = os.environ["AWS_REGION"]

    try:
        model_id = bedrock_map.invoke_with(bedrock_map.read(arguments.dir), region, arguments.model)
        client = boto3.client("bedrock-runtime", region_name=region)
        messages = [{"role": "user", "content": [{"text": arguments.prompt}]}]
        answer = client.converse(modelId=model_id, messages=messages)
    except (bedrock_map.UnreadableMap, LookupError, botocore.exceptions.ClientError) as error:
        sys.exit(f"converse.py: {error}")
    print(answer["output"]["message"]["content"][0]["text"])


if __name__ == "__main__":
    main()
