import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Fixture } from "./fixture.js";

const SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0";

let fixture;
/** The page of the real catalogue. */
let catalogue;

before(async () => {
  fixture = await Fixture.start();
  catalogue = await fixture.discovered(await fixture.catalogue());
});
after(() => fixture?.clear());

const shownModels = (page) => page.locator("main tbody th[scope=row]:visible");
const shownRegions = (page) => page.locator("main thead tr:last-child th:visible");
const shownGeographies = (page) => page.locator("main thead th[scope=colgroup]:visible");
const cell = (page, name) => page.getByRole("button", { name, exact: true });
const focusedName = (page) => page.evaluate(() => document.activeElement.getAttribute("aria-label"));

test("page shows every model and region and loads nothing else", async () => {
  const { page, errors } = await fixture.show(catalogue);
  assert.equal(await page.locator("#count").textContent(), "144 models in 31 regions");
  assert.equal(await shownModels(page).count(), 144);
  assert.equal(await shownRegions(page).count(), 31);
  assert.equal(await page.locator("main tbody button").count(), 1840);
  // What a table is to those who do not see it.
  assert.equal(await page.locator("main thead th:not([scope=col], [scope=colgroup])").count(), 0);
  assert.deepEqual(await shownGeographies(page).allTextContents(), ["Africa", "Asia Pacific", "Canada", "Europe", "Israel", "Mexico", "South America", "United States"]);
  assert.equal(await page.locator("main tbody th:not([scope=row]):not([scope=rowgroup])").count(), 0);
  assert.equal(await page.getByRole("grid", { name: "How each model is invoked from each region" }).count(), 1);
  assert.deepEqual(errors, []);
});

test("each cell describes how its model is invoked", async () => {
  const { page } = await fixture.show(catalogue);
  for (const [name, label] of [
    ["Claude Sonnet 4.5, eu-central-1: profile eu", "eu"],
    ["Claude Opus 4.5, ap-southeast-2: global profile", "global"],
    ["Nova Lite, ap-southeast-2: on demand", "region"],
  ]) {
    assert.equal(await cell(page, name).first().textContent(), label, name);
  }
  assert.ok(await page.getByRole("button", { name: "Nova Lite, us-east-1: provisioned throughput only" }).count() > 0);
  assert.ok(await page.getByLabel("Jamba 1.5 Large, af-south-1: not there").count() === 1);
});

test("filters narrow models by name, provider and region", async () => {
  const { page, errors } = await fixture.show(catalogue);
  const count = page.locator("#count");
  assert.equal(await count.getAttribute("aria-live"), "polite");

  await page.getByLabel("Model", { exact: true }).fill("claude sonnet 4.5");
  assert.equal(await count.textContent(), "1 model in 31 regions");
  assert.deepEqual(await shownModels(page).locator(".id").allTextContents(), [SONNET]);

  await page.getByLabel("Region", { exact: true }).fill("eu-central, us-east-1");
  assert.equal(await count.textContent(), "1 model in 3 regions");
  assert.deepEqual(await shownRegions(page).allTextContents(), ["eu-central-1", "eu-central-2", "us-east-1"]);
  assert.equal(await page.locator("main tbody td:visible").count(), 3);

  await page.getByLabel("Model", { exact: true }).fill("");
  await page.getByLabel("Provider").selectOption("Cohere");
  const names = await shownModels(page).locator(".id").allTextContents();
  assert.ok(names.length > 0 && names.every((id) => id.startsWith("cohere.")), names.join());

  await page.getByLabel("Region", { exact: true }).fill("mars");
  assert.equal(await count.textContent(), "No model matches");
  await page.getByLabel("Region", { exact: true }).fill("");
  await page.getByLabel("Provider").selectOption({ label: "All" });
  assert.equal(await count.textContent(), "144 models in 31 regions");
  assert.deepEqual(errors, []);
});

test("wide screen shows every region at once", async () => {
  const { page } = await fixture.show(catalogue, { viewport: { width: 1920, height: 1080 } });
  const last = await shownRegions(page).last().boundingBox();
  assert.equal(await shownRegions(page).last().textContent(), "us-west-2");
  assert.ok(last.x + last.width <= 1920, JSON.stringify(last));
  // No label is cut.
  const cut = await page.evaluate(() => [...document.querySelectorAll("main button")].filter((button) => button.scrollWidth > button.clientWidth).length);
  assert.equal(cut, 0);
});

test("models, regions and geographies without a match fold away", async () => {
  const { page } = await fixture.show(catalogue);
  await page.getByLabel("Model", { exact: true }).fill("jamba");
  assert.deepEqual(await shownRegions(page).allTextContents(), ["us-east-1"]);
  assert.deepEqual(await shownGeographies(page).allTextContents(), ["United States"]);
  assert.equal(await shownGeographies(page).getAttribute("colspan"), "1");

  await page.getByLabel("Model", { exact: true }).fill("");
  await page.getByLabel("Allowed destinations").fill("ca-*");
  await page.getByLabel("Only with an ID").check();
  assert.deepEqual(await shownRegions(page).allTextContents(), ["ca-central-1", "ca-west-1"]);
  assert.equal(await page.locator("#count").textContent(), `${await shownModels(page).count()} models in 2 regions`);
  assert.equal(await page.locator("#remaining").textContent(), "15 of 1840 have an ID");
});

/** What each cell says. */
const choices = (page) => page.evaluate(() => [...document.querySelectorAll("main tbody button")].map((button) => [button.getAttribute("aria-label"), button.dataset.id, button.dataset.why]));

test("policy of the page chooses as the program does", async () => {
  const { page, errors } = await fixture.show(catalogue);
  const published = await choices(page);
  const policies = [
    { preference: "InRegion, Geographic, Global", destinations: "", legacy: false },
    { preference: "Global,InRegion,Geographic", destinations: "", legacy: false },
    { preference: "geographic", destinations: "", legacy: true },
    { preference: "InRegion", destinations: "us-*", legacy: false },
    { preference: "Application,InRegion,Geographic,Global", destinations: "", legacy: false },
    { preference: "", destinations: "eu-*", legacy: false },
    { preference: "", destinations: "us-east-1, us-west-2", legacy: false },
    { preference: "", destinations: "ap-northeast-?", legacy: false },
    { preference: "", destinations: "*", legacy: true },
  ];
  for (const policy of policies) {
    const options = [];
    if (policy.preference) options.push("--preference", policy.preference.replaceAll(" ", ""));
    if (policy.destinations) options.push("--allowed-destination-region", policy.destinations.replaceAll(" ", ""));
    if (policy.legacy) options.push("--legacy", "Avoid");
    const { page: expected } = await fixture.show(await fixture.discovered(await fixture.catalogue(), ...options));
    await page.getByLabel("Preference").fill(policy.preference);
    await page.getByLabel("Allowed destinations").fill(policy.destinations);
    await page.getByLabel("Avoid LEGACY models").setChecked(policy.legacy);
    assert.deepEqual(await choices(page), await choices(expected), JSON.stringify(policy));
    const left = await expected.locator("#remaining").textContent();
    assert.equal(`${await page.locator("#remaining").textContent()}, as published`, left);
    await expected.close();
  }
  await page.getByLabel("Avoid LEGACY models").setChecked(false);
  await page.getByLabel("Allowed destinations").fill("");
  await page.getByLabel("Preference").fill("Fastest");
  assert.equal(await page.getByLabel("Preference").getAttribute("aria-invalid"), "true");
  assert.deepEqual(await choices(page), published);
  assert.deepEqual(errors, []);
});

test("click shows invocation id, profiles, destinations and end of life", async () => {
  const { page, errors } = await fixture.show(catalogue);
  await cell(page, "Claude Sonnet 4.5, eu-central-1: profile eu").click();
  const dialog = page.getByRole("dialog", { name: "Claude Sonnet 4.5 from eu-central-1" });
  await dialog.waitFor();
  const text = await dialog.innerText();
  for (const part of [SONNET, "the profile of the geography eu", `global.${SONNET}`, "any region", "eu-west-3", "Geographic", "EU Anthropic Claude Sonnet 4.5", `arn:aws:bedrock:eu-central-1:111122223333:inference-profile/eu.${SONNET}`, "LEGACY", "End of life", "2027-04-08 08:00 UTC"]) {
    assert.ok(text.includes(part), `${part}: ${text}`);
  }
  await dialog.getByRole("button", { name: "Copy" }).click();
  await dialog.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `eu.${SONNET}`);
  await dialog.getByRole("button", { name: "Close" }).click();
  assert.equal(await dialog.count(), 0);

  await page.getByRole("button", { name: "Nova Lite, us-east-1: provisioned throughput only" }).first().click();
  assert.match(await page.getByRole("dialog").innerText(), /No ID\.\s+only with provisioned throughput/);
  assert.deepEqual(errors, []);
});

test("keyboard reaches every function", async () => {
  const { page, errors } = await fixture.show(catalogue);
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await page.getByLabel("Model", { exact: true }).focus();
  await page.keyboard.type("claude sonnet 4.5");
  // Past the other filters the table is one stop of the Tab key, whatever it holds.
  await press(..."Tab ".repeat(7).trim().split(" "));
  assert.equal(await focusedName(page), "Claude Sonnet 4.5, af-south-1: global profile");
  await press("ArrowRight", "ArrowRight");
  assert.equal(await focusedName(page), "Claude Sonnet 4.5, ap-northeast-1: profile jp");
  await press("End");
  assert.equal(await focusedName(page), "Claude Sonnet 4.5, us-west-2: profile us");
  await press("ArrowRight");
  assert.equal(await focusedName(page), "Claude Sonnet 4.5, us-west-2: profile us");

  await press("Enter");
  await page.getByRole("dialog", { name: "Claude Sonnet 4.5 from us-west-2" }).waitFor();
  assert.ok(await page.evaluate(() => document.querySelector("dialog").contains(document.activeElement)));
  await press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.equal(await focusedName(page), "Claude Sonnet 4.5, us-west-2: profile us");

  await press("Home");
  assert.equal(await focusedName(page), "Claude Sonnet 4.5, af-south-1: global profile");
  await press("Shift+Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "invocable");
  assert.deepEqual(errors, []);
});

test("focused cell is not covered by headers", async () => {
  const { page } = await fixture.show(catalogue);
  await cell(page, "Claude Sonnet 4.5, eu-central-1: profile eu").focus();
  for (const key of [..."ArrowLeft ".repeat(12).trim().split(" "), ..."ArrowUp ".repeat(20).trim().split(" ")]) {
    await page.keyboard.press(key);
  }
  const isOnTop = await page.evaluate(() => {
    const box = document.activeElement.getBoundingClientRect();
    return document.activeElement.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
  });
  assert.ok(isOnTop);
});

test("colors follow the system scheme", async () => {
  const backs = [];
  for (const colorScheme of ["light", "dark"]) {
    const { page } = await fixture.show(catalogue, { colorScheme });
    backs.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
  }
  const brightness = (color) => color.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0);
  assert.ok(brightness(backs[0]) > 600 && brightness(backs[1]) < 150, backs.join());
});

test("hostile names are rendered as text", async () => {
  const names = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"'><svg onload=alert(3)>",
    "<!--<script>",
    "{{script}}${alert(4)}",
    "a\u2028alert(5)\u2029b",
    "__proto__",
  ];
  const models = names.map((name) => ({
    modelId: name, modelName: name, providerName: name, inferenceTypesSupported: ["ON_DEMAND"],
    modelLifecycle: { status: name, [name]: name, endOfLifeTime: "2030-01-01T00:00:00Z" },
  }));
  models.push({ modelId: "turned.\u202egpj", inferenceTypesSupported: ["ON_DEMAND"] });
  const file = await fixture.discovered(await fixture.models(models), "--region", "us-east-1");
  const { page, errors } = await fixture.show(file);
  assert.equal(await page.locator("#count").textContent(), `${models.length} models in 1 region`);
  const shown = await shownModels(page).allTextContents();
  for (const name of [...names, "turned.\ufffdgpj"]) assert.ok(shown.includes(name), name);
  for (const button of await page.locator("main tbody button").all()) {
    await button.click();
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
  }
  assert.equal(await page.locator("img, svg, main script").count(), 0);
  // Should a name ever become markup, it is still not carried out.
  const isExecuted = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.executed = true";
    document.body.append(script);
    return window.executed === true;
  });
  assert.equal(isExecuted, false);
  assert.equal(errors.length, 1, errors.join("\n"));
  assert.match(errors[0], /Content Security Policy/);
});
