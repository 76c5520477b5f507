/** Tests of the agent of a pipeline: it starts when it is needed, and its coordinator may be killed. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import type { Agent } from "../../tasks/agent.ts";
import { functionTask } from "../../tasks/function.ts";
import { input } from "../../tasks/link.ts";
import type { Runner, RunnerOpen } from "../../tasks/runner.ts";
import { defineTask } from "../../tasks/task.ts";
import type { WorkerFile } from "./coordinator.ts";
import { until } from "../kit/waiting.ts";
import { grantOf } from "./kit.ts";
import { Raw } from "./raw.ts";

const LARGE = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join("");

function coordinator(folder: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("coordinator.ts", import.meta.url).pathname, folder],
    stdout: "piped",
  }).spawn();
}

async function workerIn(folder: string): Promise<WorkerFile> {
  let text: string | undefined;
  await until(async () =>
    (text = await Deno.readTextFile(`${folder}/worker.json`).catch(() => undefined)) !== undefined
  );
  return JSON.parse(text!);
}

Deno.test("a coordinator that is killed while a worker uploads: the next one takes the rest", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/books`);
  await Deno.writeTextFile(`${folder}/books/emma`, "handsome, clever, and rich");
  const first = coordinator(folder);
  const { url, token } = await workerIn(folder);
  const headers = { Authorization: `Bearer ${token}` };
  /** How much is there; nothing while nobody answers, or tells to wait. */
  const received = async (): Promise<number | undefined> => {
    const response = await fetch(`${url}/out/reports`, { method: "HEAD", headers }).catch(() => undefined);
    return response?.ok ? Number(response.headers.get("x-datatask-received")) : undefined;
  };
  const half = LARGE.length >> 1;
  {
    using raw = await Raw.open(url);
    await raw.write(
      `PUT ${new URL(url).pathname}/out/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Length: ${LARGE.length}\r\n\r\n${LARGE.slice(0, half)}`,
    );
    await until(async () => await received() === half);
    first.kill("SIGKILL");
    await first.output();
  }
  assert.equal(await received(), undefined);
  const second = coordinator(folder);
  await until(async () => await received() === half);
  const book = await fetch(`${url}/in/books`, { headers });
  assert.equal(await book.text(), "handsome, clever, and rich");
  const rest = await fetch(`${url}/out/reports`, {
    method: "PUT",
    body: LARGE.slice(half),
    headers: {
      ...headers,
      "Content-Range": `bytes ${half}-${LARGE.length - 1}/${LARGE.length}`,
      "X-Datatask-Sha256": createHash("sha256").update(LARGE).digest("hex"),
    },
  });
  assert.equal(rest.status, 201, await rest.text());
  const { stdout, success } = await second.output();
  assert(success);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), { succeeded: 1, started: 0, adopted: 1 });
  assert.equal(await Deno.readTextFile(`${folder}/reports/emma`), LARGE);
  await Deno.remove(folder, { recursive: true });
});

/** A runner that asks for the agent in each run. */
function asking(seen: Agent[], open: (options: RunnerOpen) => void): Runner {
  let agent: RunnerOpen["agent"];
  return {
    pool: { name: "asking", capacity: {}, width: 4 },
    defaultQuota: {},
    open(options) {
      agent = options.agent;
      open(options);
      return Promise.resolve();
    },
    async run({ job }) {
      const running = await agent!();
      seen.push(running);
      const { server, path, token, leave } = await running.admit(grantOf(job));
      const answer = await fetch(`http://${server.hostname}:${server.port}${path}/in/x`, {
        headers: { Authorization: `Bearer ${token}` },
      });
      await answer.body?.cancel();
      await leave();
      return { reason: answer.status === 403 ? "succeeded" : "failed" };
    },
  };
}

Deno.test("the agent of a pipeline in memory starts with the first job that asks, once, and leaves nothing", async () => {
  const books = new MemoryBlobRepository("books");
  for (const job of ["emma", "walden"]) await books.put(job, "x");
  const seen: Agent[] = [];
  const links = { books: input(books) };
  const runner = asking(seen, () => {});
  const task = defineTask("ask", "asking", { done: new MemoryMetadataRepository("done"), links }, runner);
  const troubles: string[] = [];
  const run = new Pipeline({ tasks: [task], state: null }).run();
  for await (const event of run) if (event.type === "trouble") troubles.push(event.message);
  assert.equal((await run.finished).succeeded, 2);
  assert.equal(new Set(seen).size, 1);
  // What was refused is told as an event of the run.
  assert.match(troubles[0]!, /^The agent has refused GET .* 403 count\/emma may not read "x"$/);
});

Deno.test("a pipeline that needs no agent has none", async () => {
  const state = await Deno.makeTempDir();
  const books = new MemoryBlobRepository("books");
  await books.put("emma", "x");
  const task = functionTask("read", {
    done: new MemoryMetadataRepository("done"),
    links: { books: input(books) },
  }, () => {});
  await new Pipeline({ tasks: [task], state, agent: { port: 1 } }).run().finished;
  await assert.rejects(Deno.stat(`${state}/pipeline/agent`), Deno.errors.NotFound);
  await Deno.remove(state, { recursive: true });
});

Deno.test("only a run has an agent: who looks gets none", async () => {
  const state = await Deno.makeTempDir();
  const books = new MemoryBlobRepository("books");
  const given: boolean[] = [];
  const runner: Runner = {
    ...asking([], ({ agent }) => void given.push(agent !== undefined)),
    async *find() {},
  };
  const links = { books: input(books) };
  const task = defineTask("ask", "asking", { done: new MemoryMetadataRepository("done"), links }, runner);
  const pipeline = new Pipeline({ tasks: [task], state });
  await pipeline.status();
  await pipeline.run().finished;
  assert.deepEqual(given, [false, true]);
  await Deno.remove(state, { recursive: true });
});

Deno.test("options of the agent that are wrong are faults of the pipeline", () => {
  const books = new MemoryBlobRepository("books");
  const task = functionTask("read", {
    done: new MemoryMetadataRepository("done"),
    links: { books: input(books) },
  }, () => {});
  assert.throws(() => new Pipeline({ tasks: [task], state: null, agent: { port: -1 } }), {
    code: "invalid-definition",
    message: "agent.port -1 is no port; give a whole number from 1 to 65535, or leave it out",
  });
});
