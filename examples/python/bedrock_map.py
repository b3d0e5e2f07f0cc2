"""Reads a mounted map of bedrock-model-map. Standard library only; Python 3.9 or newer.

    regions = bedrock_map.read("/etc/bedrock")
    model_id = bedrock_map.invoke_with(regions, "eu-central-1", "anthropic.claude-sonnet-4-5-20250929-v1:0")

The folder is a mounted ConfigMap: a region's, or the merged one. All files are read from one
writing of the kubelet, and `version` is a cheap check for a newer one.
"""

import gzip
import json
import os
import pathlib

SCHEMA_VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
ATTEMPTS = 16


class UnreadableMap(Exception):
    """Says which folder or file cannot be read, and why."""


def version(folder):
    """What the link names that the kubelet turns over with each change; None in a plain folder."""
    try:
        return os.readlink(os.path.join(folder, "..data"))
    except OSError:
        return None


def read(folder):
    """{region: {"models": {id: summary}, "invocation": {id: facts}, "state": "Fresh" | "Stale"}}"""
    for _ in range(ATTEMPTS):
        before = version(folder)
        try:
            return _read_once(pathlib.Path(folder, before or ""))
        except UnreadableMap:
            # The kubelet has removed what was being read.
            if version(folder) == before:
                raise
    return _read_once(pathlib.Path(folder, version(folder) or ""))


def invoke_with(regions, region, model_id):
    """The ID to pass to Converse or InvokeModel from that region."""
    if region not in regions:
        raise LookupError(f"region {region} is not available; available regions: {', '.join(sorted(regions))}")
    facts = regions[region]["invocation"].get(model_id)
    if facts is None:
        raise LookupError(f"{region} has no model {model_id}")
    if facts["invokeWith"] is None:
        raise LookupError(f"{model_id} has no ID to pass from {region}")
    return facts["invokeWith"]


def _read_once(folder):
    metadata = _json(folder / "metadata.json")
    if metadata.get("schemaVersion") != SCHEMA_VERSION:
        raise UnreadableMap(f"{folder}: schemaVersion {metadata.get('schemaVersion')}, not {SCHEMA_VERSION}")
    if "regions" not in metadata:
        models, invocation = _json(folder / "models.json"), _json(folder / "invocation.json")
        return {metadata["region"]: {"models": models, "invocation": invocation, "state": metadata["state"]}}
    compressed = folder / "mapping.json.gz"
    mapping = _json(compressed if compressed.exists() else folder / "mapping.json")
    return {
        region: {
            "models": models,
            "invocation": {model_id: {"invokeWith": _invoke_with(model)} for model_id, model in models.items()},
            "state": metadata["regions"][region]["state"],
        }
        for region, models in mapping["models"].items()
    }


def _invoke_with(model):
    """The rule of the default policy: the merged map has no invocation.json."""
    if "ON_DEMAND" in model.get("inferenceTypesSupported", []):
        return model["modelId"]
    usable = [
        profile
        for profile in model.get("referencedByInstanceProfiles", [])
        if profile.get("type") == "SYSTEM_DEFINED" and profile.get("status") == "ACTIVE"
    ]
    chosen = min(usable, key=_preference, default=None)
    return chosen and chosen["inferenceProfileId"]


def _preference(profile):
    """A geography before the global profile, then the fewest destination regions, then the ID."""
    profile_id = profile["inferenceProfileId"]
    arns = (entry.get("modelArn", "") for entry in profile.get("models", []))
    regions = {arn.split(":")[3] for arn in arns if arn.count(":") >= 5}
    return profile_id.startswith("global."), len(regions), profile_id


def _json(path):
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UnreadableMap(f"{path}: more than {MAX_BYTES} bytes")
        value = json.loads(content)
    except (OSError, EOFError, ValueError) as error:
        raise UnreadableMap(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise UnreadableMap(f"{path}: not a JSON object")
    return value
