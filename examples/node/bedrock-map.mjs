// Reads a mounted map of bedrock-model-map. Built-in modules only; Node.js 20 or newer.
//
//   node bedrock-map.mjs /etc/bedrock eu-central-1 anthropic.claude-sonnet-4-5-20250929-v1:0
//
// prints the ID to pass. With the AWS SDK:
//
//   const modelId = invokeWith(read('/etc/bedrock'), 'eu-central-1', model);
//   await client.send(new ConverseCommand({ modelId, messages }));

import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';

const SCHEMA_VERSION = 1;
const MAX_BYTES = 64 * 1024 * 1024;
const ATTEMPTS = 16;

/** What the link names that the kubelet turns over with each change; '' in a plain folder. */
export function version(folder) {
  try {
    return readlinkSync(join(folder, '..data'));
  } catch {
    return '';
  }
}

/** A Map of {models, invocation, state} by region: all files are of one writing of the kubelet. */
export function read(folder) {
  for (let attempt = 1; ; attempt++) {
    const before = version(folder);
    try {
      return readOnce(join(folder, before));
    } catch (error) {
      // Unless the kubelet has removed what was being read.
      if (version(folder) === before || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The ID to pass to Converse or InvokeModel from that region. */
export function invokeWith(regions, region, modelId) {
  const known = regions.get(region);
  if (!known) throw new Error(`region ${region} is not available; available regions: ${[...regions.keys()].join(', ')}`);
  if (!Object.hasOwn(known.invocation, modelId)) throw new Error(`${region} has no model ${modelId}`);
  const id = known.invocation[modelId].invokeWith;
  if (id === null) throw new Error(`${modelId} has no ID to pass from ${region}`);
  return id;
}

function readOnce(folder) {
  const metadata = json(join(folder, 'metadata.json'));
  if (metadata.schemaVersion !== SCHEMA_VERSION) {
    throw new Error(`${folder}: schemaVersion ${metadata.schemaVersion}, not ${SCHEMA_VERSION}`);
  }
  if (!metadata.regions) {
    const models = json(join(folder, 'models.json'));
    const invocation = json(join(folder, 'invocation.json'));
    return new Map([[metadata.region, { models, invocation, state: metadata.state }]]);
  }
  const compressed = join(folder, 'mapping.json.gz');
  const mapping = json(existsSync(compressed) ? compressed : join(folder, 'mapping.json'));
  return new Map(Object.entries(mapping.models).map(([region, models]) => {
    const facts = Object.entries(models).map(([id, model]) => [id, { invokeWith: chosenId(model) }]);
    return [region, { models, invocation: Object.fromEntries(facts), state: metadata.regions[region].state }];
  }));
}

// The rule of the default policy: the merged map has no invocation.json.
function chosenId(model) {
  if (model.inferenceTypesSupported?.includes('ON_DEMAND')) return model.modelId;
  const usable = (model.referencedByInstanceProfiles ?? [])
    .filter((profile) => profile.type === 'SYSTEM_DEFINED' && profile.status === 'ACTIVE')
    .sort((a, b) => compare(preference(a), preference(b)));
  return usable[0]?.inferenceProfileId ?? null;
}

// A geography before the global profile, then the fewest destination regions, then the ID.
function preference(profile) {
  const id = profile.inferenceProfileId;
  const regions = (profile.models ?? []).map(({ modelArn = '' }) => modelArn.split(':')).filter((arn) => arn.length > 5);
  return [id.startsWith('global.'), new Set(regions.map((arn) => arn[3])).size, id];
}

function compare(a, b) {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at] < b[at] ? -1 : 1;
}

function json(path) {
  try {
    const bytes = readFileSync(path);
    return JSON.parse(path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: MAX_BYTES }) : bytes);
  } catch (cause) {
    throw new Error(`${path}: ${cause.message}`, { cause });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [folder, region, modelId] = process.argv.slice(2);
  try {
    console.log(invokeWith(read(folder), region, modelId));
  } catch (error) {
    console.error(`bedrock-map: ${error.message}`);
    process.exitCode = 1;
  }
}
