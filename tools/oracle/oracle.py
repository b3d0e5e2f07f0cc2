"""The seed's algorithm, naive, against whatever endpoint boto3 is pointed at.

It is the independent judge of the operator's mapping.json, and shares no code with it.
"""

import argparse
import datetime
import json
import logging
import pathlib
import sys
import time

import boto3

logger = logging.getLogger("oracle")

SETS = ("inputModalities", "outputModalities", "customizationsSupported", "inferenceTypesSupported")


# The algorithm.


def get_all_models(region):
    return boto3.client("bedrock", region_name=region).list_foundation_models()["modelSummaries"]


def get_all_inference_profiles(region):
    paginator = boto3.client("bedrock", region_name=region).get_paginator("list_inference_profiles")
    profiles = []
    for profile_type in ("SYSTEM_DEFINED", "APPLICATION"):
        for page in paginator.paginate(typeEquals=profile_type):
            profiles.extend(page["inferenceProfileSummaries"])
    return profiles


def associate_profiles_with_models(models, profiles):
    for profile in profiles:
        for model_ref in profile.get("models", []):
            model_arn = model_ref.get("modelArn", "")
            if "/" in model_arn:
                referenced_model_id = model_arn.split("/")[-1]
                for model in models:
                    if model["modelId"] == referenced_model_id:
                        if "referencedByInstanceProfiles" not in model:
                            model["referencedByInstanceProfiles"] = []
                        profile_id = profile["inferenceProfileId"]
                        profile_already_added = any(
                            p["inferenceProfileId"] == profile_id
                            for p in model["referencedByInstanceProfiles"]
                        )
                        if not profile_already_added:
                            model["referencedByInstanceProfiles"].append(profile)
    return models


def build_region_based_model_structure(regions):
    all_regions_data = {}
    for region in regions:
        try:
            models = get_all_models(region)
            if not models:
                continue
            profiles = get_all_inference_profiles(region)
            models = associate_profiles_with_models(models, profiles)
            all_regions_data[region] = {model["modelId"]: model for model in models}
        except Exception as error:
            logger.error("Error processing region %s: %s", region, error)
    return {"models": all_regions_data}


# The bytes.


def canonical_json(mapping):
    regions = {
        region: {model_id: normalized_model(model) for model_id, model in models.items()}
        for region, models in mapping["models"].items()
    }
    return json.dumps(
        {"models": regions},
        default=rfc3339,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )


def normalized_model(model):
    normalized = dict(model)
    for key in SETS:
        if key in model:
            normalized[key] = sorted(model[key])
    if "referencedByInstanceProfiles" in model:
        normalized["referencedByInstanceProfiles"] = sorted(
            map(normalized_profile, model["referencedByInstanceProfiles"]),
            key=lambda profile: profile["inferenceProfileId"],
        )
    return normalized


def normalized_profile(profile):
    normalized = dict(profile)
    if "models" in profile:
        normalized["models"] = sorted(profile["models"], key=lambda model: model.get("modelArn", ""))
    return normalized


def rfc3339(value):
    if not isinstance(value, datetime.datetime):
        raise TypeError(f"no JSON for {value!r}")
    text = value.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat()
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "Z"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", required=True, help="comma-separated; queried one after the other")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write there instead of stdout")
    parser.add_argument("--time", action="store_true", help="print the seconds it took to stderr")
    arguments = parser.parse_args()

    begin = time.monotonic()
    text = canonical_json(build_region_based_model_structure(arguments.regions.split(",")))
    elapsed = time.monotonic() - begin

    # No newline at the end: the bytes are those of mapping.json.
    if arguments.json:
        arguments.json.write_bytes(text.encode())
    else:
        sys.stdout.buffer.write(text.encode())
    if arguments.time:
        print(f"{elapsed:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
