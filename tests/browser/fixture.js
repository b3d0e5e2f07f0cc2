// A simulated Bedrock, the page that the program makes of it, and a browser that shows it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const { BIN, CHROMIUM } = process.env;

/** A browser that sends no request by itself. */
export const launch = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });

/** What is started is ended in the opposite order, whatever the test came to. */
export class Fixture {
  #undo = [];
  #catalogue;

  static async start() {
    const fixture = new Fixture();
    fixture.folder = await mkdtemp(join(tmpdir(), "model-map-page-"));
    fixture.#undo.push(() => rm(fixture.folder, { recursive: true, force: true }));
    const browser = await launch();
    fixture.browser = browser;
    fixture.#undo.push(() => browser.close());
    return fixture;
  }

  /** What else is to be undone. */
  onEnd(undo) {
    this.#undo.push(undo);
  }

  async clear() {
    for (const undo of this.#undo.reverse()) await undo();
  }

  /** The simulator with the real catalogue; its address. */
  async catalogue() {
    if (this.#catalogue) return this.#catalogue;
    const simulator = spawn(join(BIN, "bedrock-simulator"), { stdio: ["ignore", "pipe", "inherit"] });
    this.#undo.push(async () => {
      simulator.kill();
      await once(simulator, "exit");
    });
    const [line] = await once(createInterface(simulator.stdout), "line");
    this.#catalogue = line.replace("listening on ", "");
    return this.#catalogue;
  }

  /** A Bedrock with these models in every region; its address. */
  async models(modelSummaries) {
    const server = createServer((request, response) => {
      const isModels = request.url.startsWith("/foundation-models");
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(isModels ? { modelSummaries } : { inferenceProfileSummaries: [] }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#undo.push(() => server.close());
    return `http://127.0.0.1:${server.address().port}`;
  }

  /** The page that `discover` writes of the Bedrock at this address; the file. */
  async discovered(url, ...options) {
    const env = { AWS_ENDPOINT_URL: url, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_EC2_METADATA_DISABLED: "true" };
    const program = spawn(join(BIN, "bedrock-model-map"), ["discover", "-o", "html", ...options], { env, stdio: ["ignore", "pipe", "inherit"] });
    const chunks = [];
    program.stdout.on("data", (chunk) => chunks.push(chunk));
    const [code] = await once(program, "close");
    if (code !== 0) throw new Error(`discover ended with ${code}`);
    const file = join(this.folder, `${this.#undo.length}.html`);
    await writeFile(file, Buffer.concat(chunks));
    return file;
  }

  /** The file shown, and what went wrong with it or was loaded beside it. */
  async show(file, options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, permissions: ["clipboard-read", "clipboard-write"], ...options });
    this.#undo.push(() => context.close());
    const page = await context.newPage();
    const errors = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("dialog", (dialog) => {
      errors.push(`script executed: ${dialog.message()}`);
      return dialog.dismiss();
    });
    page.on("request", (request) => {
      if (!request.url().startsWith("data:") && request.url() !== pathToFileURL(file).href) errors.push(`loaded ${request.url()}`);
    });
    await page.goto(pathToFileURL(file).href);
    return { page, errors };
  }
}
