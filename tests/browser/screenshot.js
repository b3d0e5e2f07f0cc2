// Writes the screenshots of the documentation: node screenshot.js PAGE.html FOLDER

import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { launch } from "./fixture.js";

const [file, folder] = process.argv.slice(2);
const browser = await launch();
for (const colorScheme of ["light", "dark"]) {
  const page = await browser.newPage({ viewport: { width: 1920, height: 1000 }, colorScheme });
  await page.goto(pathToFileURL(file).href);
  await page.getByLabel("Model", { exact: true }).fill("claude");
  if (colorScheme === "dark") await page.getByRole("button", { name: "Claude Sonnet 4.5, eu-central-1: profile eu" }).click();
  await page.screenshot({ path: join(folder, `page-${colorScheme}.png`) });
}
await browser.close();
