"""The seed's algorithm, naive, against whatever endpoint boto3 is pointed at.

It is the independent judge of the operator's mapping.json, and shares no code with it.
"""

import argparse
import concurrent.futures
import datetime
import fnmatch
import json
import logging
import pathlib
import sys
import threading
import time

import boto3

logger = logging.getLogger("oracle")

SETS = ("inputModalities", "outputModalities", "customizationsSupported", "inferenceTypesSupported")


# The algorithm.


local = threading.local()


def bedrock(region):
    """A client of the thread's session: a session is not safe to share."""
    if not hasattr(local, "session"):
        local.session = boto3.session.Session()
    return local.session.client("bedrock", region_name=region)


def get_all_models(region):
    return bedrock(region).list_foundation_models()["modelSummaries"]


def get_all_inference_profiles(region):
    paginator = bedrock(region).get_paginator("list_inference_profiles")
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


def get_region(region):
    """The models by ID; None without models, or after an error."""
    try:
        models = get_all_models(region)
        if not models:
            return None
        profiles = get_all_inference_profiles(region)
        models = associate_profiles_with_models(models, profiles)
        return {model["modelId"]: model for model in models}
    except Exception as error:
        logger.error("Error processing region %s: %s", region, error)
        return None


def build_region_based_model_structure(regions, threads):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        all_regions_data = zip(regions, pool.map(get_region, regions))
        return {"models": {region: data for region, data in all_regions_data if data is not None}}


# The routes.


def routes(mapping, policy):
    """{region: {modelId: [invokeWith, route or reason]}} under a spec.invocation, model by model."""
    return {
        region: {model_id: route(region, model, policy) for model_id, model in models.items()}
        for region, models in mapping["models"].items()
    }


def route(region, model, policy):
    if policy.get("legacy") == "Avoid" and model.get("modelLifecycle", {}).get("status") == "LEGACY":
        return [None, "Legacy"]
    types = model.get("inferenceTypesSupported", [])
    profiles = model.get("referencedByInstanceProfiles", [])
    found = [("InRegion", [region], model["modelId"])] if "ON_DEMAND" in types else []
    for profile in profiles:
        if profile.get("status") != "ACTIVE":
            continue
        arns = [entry.get("modelArn", "").split(":") for entry in profile.get("models", [])]
        destinations = sorted({arn[3] or "*" for arn in arns if len(arn) > 5})
        if profile.get("type") == "SYSTEM_DEFINED":
            is_global = profile["inferenceProfileId"].startswith("global.")
            found.append(("Global" if is_global else "Geographic", destinations, profile["inferenceProfileId"]))
        elif is_any(profile["inferenceProfileName"], policy.get("applicationProfiles", ["*"])):
            found.append(("Application", destinations, profile["inferenceProfileArn"]))
    preference = policy.get("preference", ["InRegion", "Geographic", "Global"])
    allowed = policy.get("allowedDestinationRegions")
    listed = [candidate for candidate in found if candidate[0] in preference]
    good = [candidate for candidate in listed if is_allowed(candidate[1], allowed)]
    if good:
        best = min(good, key=lambda c: (preference.index(c[0]), len(c[1]), c[2]))
        return [best[2], best[0]]
    application = any(profile.get("type") != "SYSTEM_DEFINED" for profile in profiles)
    if listed:
        return [None, "DestinationNotAllowed"]
    if any(candidate[0] != "Application" for candidate in found):
        return [None, "KindNotAllowed"]
    if application:
        return [None, "ApplicationOnly"]
    if "PROVISIONED" in types:
        return [None, "ProvisionedOnly"]
    return [None, "ProfileNotActive" if profiles else "NoRoute"]


def is_allowed(destinations, allowed):
    if allowed is None:
        return True
    return bool(destinations) and all(
        "*" in allowed if region == "*" else is_any(region, allowed) for region in destinations
    )


def is_any(text, globs):
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs)


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
    parser.add_argument("--regions", required=True, help="comma-separated")
    parser.add_argument("--threads", type=int, default=1, help="regions queried at once (1)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write there instead of stdout")
    parser.add_argument("--routes", type=json.loads, metavar="POLICY", help="print the routes under this spec.invocation")
    parser.add_argument("--time", action="store_true", help="print the seconds it took to stderr")
    arguments = parser.parse_args()

    begin = time.monotonic()
    mapping = build_region_based_model_structure(arguments.regions.split(","), arguments.threads)
    if arguments.routes is None:
        text = canonical_json(mapping)
    else:
        text = json.dumps(routes(mapping, arguments.routes), separators=(",", ":"), sort_keys=True)
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
