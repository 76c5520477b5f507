/** Tests of links to many values as a body has them elsewhere: through an agent that fails when it is told to. */
import assert from "node:assert/strict";
import type { Bytes } from "../../core/bytes.ts";
import type {
  BoundBlobInput,
  BoundBlobLookup,
  BoundContents,
  BoundDocumentLookup,
  BoundItems,
  Content,
} from "../../mod.ts";
import { AgentClient } from "../../tasks/carried/agent.ts";
import type { CarriedMany } from "../../tasks/carried/context.ts";
import { documents } from "../../tasks/carried/documents.ts";
import { bindMany } from "../../tasks/carried/many.ts";
import { WorkerServer } from "./worker_server.ts";

const LARGE = Uint8Array.from({ length: 9 << 20 }, (_, i) => i * 31 >> 3);

/** A server in the place of an agent, and a body's side of it. */
class Bench implements AsyncDisposable {
  readonly server = new WorkerServer();
  readonly dir = Deno.makeTempDirSync();
  readonly stop = new AbortController();
  readonly agent: AgentClient;

  constructor(patienceMs = 20_000) {
    const { token, path, address } = this.server;
    this.agent = new AgentClient(address, { path, token, mark: "m4rk", patienceMs }, this.stop);
  }

  bind<T>(view: CarriedMany["view"], more: Partial<CarriedMany> = {}): T {
    const link = {
      kind: "blob",
      repository: "pages",
      view,
      cokeyed: {},
      keys: "allocated",
      ...more,
    } as const;
    return bindMany(
      { agent: this.agent, track: (write) => write, spool: `${this.dir}/spool` },
      "pages",
      link,
    ) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.dir, { recursive: true });
  }
}

const bytesOf = async (stream: ReadableStream<Bytes>): Promise<Uint8Array> =>
  new Uint8Array(await new Response(stream).arrayBuffer());

Deno.test("A value that is cut is gone on with where it was cut", async () => {
  await using bench = new Bench();
  const pages = bench.bind<BoundBlobLookup>("lookup");
  bench.server.put("pages/one", LARGE);
  const cuts = [{ cut: 1000 }, { cut: 1 << 20 }, { status: 503 }, { cut: 0 }];
  bench.server.faults.set("GET /in/pages/one", [...cuts]);
  assert.deepEqual(await pages.bytes("one"), LARGE);
  bench.server.faults.set("GET /in/pages/one", [...cuts]);
  assert.deepEqual(await bytesOf(await pages.open("one")), LARGE);
});

Deno.test("A value that is cut again and again, and of which nothing comes, is waited for as long as there is patience", async () => {
  await using bench = new Bench(1000);
  const pages = bench.bind<BoundBlobLookup>("lookup");
  bench.server.put("pages/one", LARGE);
  bench.server.faults.set("GET /in/pages/one", Array.from({ length: 1000 }, () => ({ cut: 0 })));
  await assert.rejects(async () => await bytesOf(await pages.open("one")), {
    code: "unavailable",
    message: /^Cannot read "one" of pages: .+, for \d+ seconds$/,
  });
  const { length } = bench.server.requests;
  assert(length > 1 && length < 20, `it was asked for ${length} times`);
});

Deno.test("Two versions of a value are never mixed", async () => {
  await using bench = new Bench();
  const pages = bench.bind<BoundBlobLookup>("lookup");
  bench.server.put("pages/one", LARGE);
  bench.server.faults.set("GET /in/pages/one", [{ cut: 1000 }]);
  const reader = (await pages.open("one")).getReader();
  await reader.read();
  bench.server.put("pages/one", "another");
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  }, {
    code: "conflict",
    message:
      "Cannot read on in a value of pages: the connection was cut, and the value is not the same any more; read it again",
  });
  // Who wants it whole gets the new one.
  bench.server.put("pages/one", LARGE);
  bench.server.faults.set("GET /in/pages/one", [{ cut: 1000 }]);
  const whole = pages.text("one");
  while (bench.server.requests.filter((request) => request === "GET /in/pages/one").length < 3) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  bench.server.put("pages/one", "another");
  assert.equal(await whole, "another");
});

Deno.test("All keys are listed, each once, also when a listing is cut", async () => {
  await using bench = new Bench();
  const pages = bench.bind<BoundBlobLookup>("lookup");
  const keys = Array.from({ length: 500 }, (_, n) => `key-${n}`);
  for (const key of keys) bench.server.put(`pages/${key}`, "x");
  bench.server.faults.set("GET /keys/pages", [{ cut: 100 }, { cut: 2001 }]);
  assert.deepEqual(await Array.fromAsync(pages.keys()), keys);
});

Deno.test("A stream goes on where it was with another agent, each item once", async () => {
  await using bench = new Bench();
  const { server } = bench;
  const pages = bench.bind<AsyncIterable<BoundBlobInput>>("stream");
  for (const key of ["a", "b", "c"]) server.put(`pages/${key}`, `page ${key}`);
  server.feeds.set("pages", { keys: ["a"], over: false, epoch: "x-" });
  const seen: string[] = [];
  for await (const page of pages) {
    seen.push(await page.text());
    if (seen.length > 1) continue;
    server.faults.set("GET /feed/pages", [{ status: 503 }]);
    server.feeds.set("pages", { keys: ["c", "a", "b"], over: true, epoch: "y-" });
  }
  assert.deepEqual(seen, ["page a", "page c", "page b"]);
});

Deno.test("What is published is sent again until it is there, whole", async () => {
  await using bench = new Bench();
  const { server } = bench;
  const pages = bench.bind<BoundItems<string | Content, object>>("items");
  const stream = () => new Blob([LARGE]).stream();
  const key = await pages.write("first", stream());
  const id = key.slice("key-of-".length);
  assert.deepEqual(server.sent.get(`pages/${id}`), LARGE);
  server.faults.set(`PUT /items/pages/${id}`, [{ cut: 1000 }, { status: 503 }, { cut: 100_000 }]);
  assert.equal(await pages.write("first", stream()), key);
  assert.deepEqual(server.sent.get(`pages/${id}`), LARGE);
  assert.deepEqual([...Deno.readDirSync(`${bench.dir}/spool`)], []);
  // An item that is called by what it holds has no name: another request each time.
  const contents = bench.bind<BoundContents<string | Content, object>>("items", { keys: "content" });
  assert.notEqual(await contents.write("x"), await contents.write("x"));
});

Deno.test("What no patience helps against is told at once, in the words of the agent", async () => {
  await using bench = new Bench();
  const facts = bench.bind<BoundDocumentLookup<unknown>>("lookup", { kind: "metadata", repository: "facts" });
  bench.server.put("pages/one", documents.encode({ n: 1n }));
  assert.deepEqual(await facts.get("one"), { n: 1n });
  bench.server.put("pages/two", "no document");
  await assert.rejects(facts.get("two"), { code: "invalid-value", message: /^Cannot read "two" of .*facts/ });
  bench.server.faults.set("GET /in/pages/one", [{ status: 403 }]);
  await assert.rejects(facts.get("one"), { code: "unsupported", message: "it is told to say 403" });
  assert.equal(bench.agent.lastWords, undefined);
});

Deno.test("When the attempt is over, links reject and the signal is aborted", async () => {
  await using bench = new Bench();
  const pages = bench.bind<BoundBlobLookup>("lookup");
  bench.server.put("pages/one", "x");
  bench.server.faults.set("GET /in/pages/one", [{ status: 410 }]);
  await assert.rejects(pages.text("one"), {
    message: 'Cannot read "one" of pages: the agent answers 410: it is told to say 410',
  });
  assert.equal((bench.stop.signal.reason as Error).name, "StopError");
  await assert.rejects(pages.text("one"), { name: "StopError" });
});

Deno.test("An agent that stays away is waited for as long as there is patience", async () => {
  await using bench = new Bench(300);
  const pages = bench.bind<BoundBlobLookup>("lookup");
  bench.server.faults.set("GET /in/pages/one", Array.from({ length: 50 }, () => ({ status: 503 })));
  await assert.rejects(pages.text("one"), {
    code: "unavailable",
    message: /^Cannot read "one" of pages: the agent answers 503: it is told to say 503, for \d+ seconds$/,
  });
  assert.match(bench.agent.lastWords!, /^datatask\[m4rk\] infrastructure: Cannot read "one" of pages: /);
});

Deno.test("A body whose agent has moved out of its reach does not wait for it", async () => {
  await using bench = new Bench();
  const file = `${bench.dir}/address`;
  const { token, path } = bench.server;
  const told = { token, path, mark: "m4rk", patienceMs: 3_600_000, file };
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `http://127.0.0.1:${gone.addr.port}`;
  gone.close();
  const agent = new AgentClient(address, told, bench.stop);
  await Deno.writeTextFile(file, `${bench.server.address}\n`);
  await assert.rejects(agent.ask("/in/pages/one", { doing: "read one" }), {
    code: "unavailable",
    message:
      `Cannot read one: the agent is at ${bench.server.address} now, and this body may talk to ${address} only; it is run again`,
  });
  assert(agent.lastWords);
});

for (const where of ["before it answers", "in the middle of its answer"]) {
  Deno.test(`An agent that falls silent ${where} is asked anew over another connection`, async () => {
    await using bench = new Bench();
    const { path, token } = bench.server;
    const head = `HTTP/1.1 200 OK\r\nX-Datatask-Agent: ${path.slice(1)}\r\nContent-Length: 4\r\n\r\n`;
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const connections: Deno.Conn[] = [];
    const serving = (async () => {
      for await (const connection of listener) {
        connections.push(connection);
        await connection.read(new Uint8Array(4096));
        const silent = connections.length === 1;
        const answer = silent ? where.startsWith("before") ? "" : `${head}fi` : `${head}fish`;
        await connection.write(new TextEncoder().encode(answer));
        if (!silent) break;
      }
    })();
    const agent = new AgentClient(
      `http://127.0.0.1:${listener.addr.port}`,
      { path, token, mark: "m4rk", patienceMs: 20_000 },
      bench.stop,
      100,
    );
    const { text } = await agent.tell("/in/pages/one", { doing: "read one" });
    assert.equal(text, "fish");
    await serving;
    assert.equal(connections.length, 2);
    for (const connection of connections) connection.close();
  });
}
