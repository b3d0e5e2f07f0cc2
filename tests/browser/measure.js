// Prints as JSON what a page of 35 regions and 150 models costs: bytes, and milliseconds until it can be used and until a
// keystroke in the filter is painted.

import { once } from "node:events";
import { readFile, readdir, stat } from "node:fs/promises";
import { createServer } from "node:http";

import { Fixture } from "./fixture.js";

const MODELS = 150;
const TYPED = "claude sonnet 4.5";

const CATALOG = new URL("../../tools/bedrock-simulator/catalog/", import.meta.url);
const { modelSummaries, inferenceProfileSummaries } = JSON.parse(await readFile(new URL("us-east-1.json", CATALOG)));

/** The 31 regions of the catalog and four more. */
const regions = [...(await readdir(CATALOG)).map((file) => file.replace(".json", "")), "eu-west-4", "me-central-1", "me-south-1", "us-east-3"];

/** Those of us-east-1, and copies under other names up to the number. */
const models = Array.from({ length: MODELS }, (_, index) => {
  const model = modelSummaries[index % modelSummaries.length];
  return index < modelSummaries.length ? model : { ...model, modelId: `copy.${model.modelId}`, modelName: `Copy of ${model.modelName}` };
});

/** A Bedrock that has the same in every region. */
const serve = async (fixture) => {
  const server = createServer((request, response) => {
    const region = request.headers.authorization?.split("/")[2];
    const located = ({ inferenceProfileArn, ...profile }) => ({ ...profile, inferenceProfileArn: inferenceProfileArn.replace("us-east-1", region) });
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const profiles = () => inferenceProfileSummaries.filter((profile) => profile.type === (searchParams.get("type") ?? profile.type)).map(located);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(pathname === "/foundation-models" ? { modelSummaries: models } : { inferenceProfileSummaries: profiles() }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  fixture.onEnd(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
};

/** Milliseconds from the input to its paint. */
const keystroke = (page, text) =>
  page.evaluate(async (value) => {
    const input = document.querySelector("#model");
    const started = performance.now();
    input.value = value;
    input.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    return performance.now() - started;
  }, text);

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const fixture = await Fixture.start();
try {
  const file = await fixture.discovered(await serve(fixture), ...regions.flatMap((region) => ["--region", region]));
  const { page } = await fixture.show(file);
  const interactive = await page.evaluate(() => Math.max(performance.getEntriesByType("navigation")[0].loadEventEnd, ...performance.getEntriesByName("first-contentful-paint").map((paint) => paint.startTime)));
  const keystrokes = [];
  for (let length = 1; length <= TYPED.length; length += 1) keystrokes.push(await keystroke(page, TYPED.slice(0, length)));
  const [cells, { size }] = [await page.locator("main tbody button").count(), await stat(file)];
  console.log(JSON.stringify({ regions: regions.length, models: MODELS, cells, bytes: size, interactive: Math.round(interactive), keystroke: Math.round(median(keystrokes)), slowest: Math.round(Math.max(...keystrokes)) }));
} finally {
  await fixture.clear();
}
