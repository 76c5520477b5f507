/** Large values are copied past their worker where that can be done, whatever goes wrong with it; and nothing else is. */
import assert from "node:assert/strict";
import { streamOf } from "../../core/bytes.ts";
import { FileRepository } from "../../mod.ts";
import type { RunFiles } from "../../executors/executor.ts";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import { endOf, type Machine, MACHINES, Worker as Shell } from "../tasks/worker_kit.ts";
import { grantOf, Place, type Worker } from "./kit.ts";

/** From how many bytes on values are copied here. */
const LEAST = 50_000;

/** How much is copied at once. */
const CHUNK = 64 * 1024;

/** What happens before a part of a copy; it is told how many were done, and what ends the copy. */
type Fault = (parts: number, signal: AbortSignal) => void | Promise<void>;

/** Copies files of a folder of this machine. */
class Files implements RunFiles {
  readonly least = LEAST;
  /** What was asked for. */
  readonly calls: string[] = [];
  /** What happens before each part of what is written, and read. */
  writing: Fault = () => {};
  reading: Fault = () => {};
  /** What is done to the bytes. */
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> = (bytes) => bytes;
  folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  write: RunFiles["write"] = async ({ job }, path, content, { start, signal }) => {
    this.calls.push(`${job} write ${path} ${start}`);
    await this.writing(0, signal!);
    using file = await Deno.open(`${this.folder}/${path}`, { write: true });
    await file.seek(start, Deno.SeekMode.Start);
    let parts = 0;
    for await (const chunk of content) {
      if (parts > 0) await this.writing(parts, signal!);
      signal?.throwIfAborted();
      const bytes = this.change(chunk);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      parts++;
    }
  };

  read: RunFiles["read"] = ({ job }, path, { start, end, signal }) => {
    this.calls.push(`${job} read ${path} ${start}-${end}`);
    const { reading, change, folder } = this;
    return streamOf(async function* (signal) {
      await reading(0, signal);
      using file = await Deno.open(`${folder}/${path}`);
      await file.seek(start, Deno.SeekMode.Start);
      for (let at = start, parts = 0; at < end; parts++) {
        if (parts > 0) await reading(parts, signal);
        const buffer = new Uint8Array(Math.min(CHUNK, end - at));
        const count = await file.read(buffer);
        if (count === null) throw new Error("the file ends");
        at += count;
        yield change(buffer.subarray(0, count));
      }
    }, signal);
  };
}

const odd = (length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(length).map((_, i) => (i * 7 + (i >> 9)) % 256);

/** An agent, a worker of it that copies a book, and what copies its files. */
class Copying implements AsyncDisposable {
  readonly place: Place;
  readonly shell: Shell;
  readonly files: Files;
  readonly book: Uint8Array<ArrayBuffer>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    place: Place,
    shell: Shell,
    book: Uint8Array<ArrayBuffer>,
    stack: AsyncDisposableStack,
  ) {
    this.place = place;
    this.shell = shell;
    this.files = new Files(shell.folder);
    this.book = book;
    this.#stack = stack;
  }

  static async make(machine: Machine, length: number): Promise<Copying> {
    await using stack = new AsyncDisposableStack();
    const place = stack.use(await Place.make());
    const shell = stack.use(new Shell(machine));
    const book = odd(length);
    await new FileRepository(`${place.folder}/books`).put("emma", book);
    return new Copying(place, shell, book, stack.move());
  }

  /** The file of the output. */
  get output(): string {
    return `${this.place.folder}/out/report`;
  }

  /** Lets the attempt in; again, at the next agent. */
  admit() {
    const books = new FileRepository(`${this.place.folder}/books`);
    return this.place.agent.admit(grantOf("emma", {
      book: { kind: "value", repository: books, key: "emma" },
    }, {
      report: { kind: "file", path: this.output, tree: false },
    }, { runFiles: this.files }));
  }

  /** Starts the worker. */
  async start(script = `cat '${this.shell.folder}/in/book' >'${this.shell.folder}/out/report'`) {
    const { path, token } = await this.admit();
    const { folder } = this.shell;
    return this.shell.start(this.place.address, {
      path,
      token,
      copied: LEAST,
      inputs: [{ name: "book", path: `${folder}/in/book`, tree: false }],
      outputs: [{ name: "report", path: `${folder}/out/report`, tree: false }],
      script,
    });
  }

  /** Runs the worker: the output is the book. */
  async run(): Promise<void> {
    const child = await this.start();
    await child.stdin.close();
    const ended = await endOf(child);
    assert.deepEqual(ended, { code: 0, signal: null, stdout: "", stderr: "" }, this.files.calls.join(", "));
    assert.deepEqual(Deno.readFileSync(this.output), this.book);
  }

  /** Has the agent leave, and another one come. */
  async replace(): Promise<void> {
    await this.place.stop();
    await this.place.start();
    await this.admit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function each(name: string, length: number, body: (copying: Copying) => Promise<void>): void {
  for (const machine of MACHINES) {
    Deno.test(`${name} (${machine.name})`, async () => {
      await using copying = await Copying.make(machine, length);
      await body(copying);
    });
  }
}

/** The numbers of copied bytes: from workers, and to them. */
async function copied({ place }: Copying): Promise<string[]> {
  const text = await (await fetch(`${place.address}/metrics`)).text();
  return [...text.matchAll(/^datatask_agent_copied_bytes_total\S+ (\d+)$/gm)].map(([, count]) => count!);
}

each("a large value is copied to its worker and from it, and counted", 300_000, async (copying) => {
  await copying.run();
  assert.deepEqual(copying.files.calls, [
    "emma write .worker/main.part 0",
    "emma read out/report 0-300000",
  ]);
  assert.deepEqual(await copied(copying), ["300000", "300000"]);
});

each("a small value is not copied past its worker", LEAST - 1, async (copying) => {
  await copying.run();
  assert.deepEqual(copying.files.calls, []);
  assert.deepEqual(await copied(copying), ["0", "0"]);
});

for (const after of [0, 2]) {
  each(`what cannot be copied after ${after} parts comes and goes by HTTP`, 20 * CHUNK, async (copying) => {
    const { files } = copying;
    let failed = 0;
    files.writing = files.reading = (parts) => {
      if (parts !== after) return;
      failed++;
      throw new Error("no more");
    };
    await copying.run();
    assert.deepEqual(files.calls.map((call) => call.split(" ")[1]), ["write", "read"]);
    assert.equal(failed, 2);
  });
}

each("what was copied wrong comes and goes by HTTP", 20 * CHUNK, async (copying) => {
  copying.files.change = (bytes) => bytes.map((byte) => byte ^ 1);
  await copying.run();
  assert.deepEqual(copying.files.calls.map((call) => call.split(" ")[1]), ["write", "read"]);
});

each("who copies and sees other files changes nothing", 300_000, async (copying) => {
  copying.files.folder = `${copying.place.folder}/elsewhere`;
  Deno.mkdirSync(`${copying.files.folder}/.worker`, { recursive: true });
  Deno.writeTextFileSync(`${copying.files.folder}/.worker/main.part`, "");
  await copying.run();
  assert.deepEqual(copying.files.calls.map((call) => call.split(" ")[1]), ["write", "read"]);
});

each("a copy to a worker goes on with the next agent where it broke off", 40 * CHUNK, async (copying) => {
  const { files } = copying;
  let [calls, next] = [0, Promise.resolve()];
  files.writing = async (parts, signal) => {
    if (parts === 0) calls++;
    // The first takes longer than its turn.
    if (calls === 1 && parts > 0) await new Promise((resolve) => setTimeout(resolve, 400));
    if (calls === 2 && parts === 2) await ended(signal, () => next = copying.replace());
  };
  await copying.run();
  await next;
  const starts = files.calls.filter((call) => call.includes("write")).map((call) =>
    Number(call.split(" ")[3])
  );
  assert.equal(starts[0], 0);
  assert(starts[1]! >= CHUNK, `${starts}`);
  assert(starts[2]! > starts[1]!, `${starts}`);
});

each("a copy from a worker goes on with the next agent where it broke off", 20 * CHUNK, async (copying) => {
  const { files } = copying;
  let next: Promise<void> | undefined;
  files.reading = async (parts, signal) => {
    if (!next && parts === 5) await ended(signal, () => next = copying.replace());
  };
  await copying.run();
  await next;
  const reads = files.calls.filter((call) => call.includes("read"));
  assert.equal(reads.length, 2);
  assert.match(reads[1]!, new RegExp(`^emma read out/report [1-9]\\d+-${20 * CHUNK}$`));
});

/** Waits for the end of a copy that something brings about. */
async function ended(signal: AbortSignal, bring: () => unknown): Promise<void> {
  const over = new Promise((resolve) => signal.addEventListener("abort", resolve));
  bring();
  await over;
}

/** Paths that lead elsewhere, or could. */
const ELSEWHERE = [
  "/etc/passwd",
  "..",
  "../other/in/book",
  "in/../../other",
  "./in/book",
  "in//book",
  "in/",
  "in/a b",
  "in/%2e%2e",
  "in\\book",
  "in/b\u00fc",
  "~/book",
  "$HOME",
  "",
  "a".repeat(2000),
];

/** An attempt that may read a book and write a report, and what copies for it. */
async function target(): Promise<{
  readonly place: Place;
  readonly worker: Worker & { readonly leave: () => Promise<void> };
  readonly files: Files;
}> {
  const place = await Place.make({ maxUploadBytes: "1Mi" });
  const books = new MemoryBlobRepository("books");
  await books.put("emma", odd(100_000));
  const files = new Files(place.folder);
  const worker = await place.admit(grantOf(
    "emma",
    {
      book: { kind: "value", repository: books, key: "emma" },
    },
    { report: { kind: "file", path: `${place.folder}/out/report`, tree: false } },
    { runFiles: files },
  ));
  return { place, worker, files };
}

Deno.test("Files that a worker may not name are refused and told, and nothing is copied", async () => {
  const { place, worker, files } = await target();
  await using _ = place;
  for (const path of ELSEWHERE) {
    const headers = { "X-Datatask-File": path };
    const got = await worker.ask("/in/book", { headers });
    assert.equal(got.status, 400, path);
    assert.match(got.text, /X-Datatask-File is no path below the folder of the values/);
    const put = await worker.put("/out/report", "", { ...headers, "Content-Range": "bytes 0-99999/100000" });
    assert.equal(put.status, 400, path);
  }
  assert.deepEqual(files.calls, []);
  assert.match(place.notices[0]!, /^The agent has refused GET .* with the token of count\/emma.*: 400 /);
});

Deno.test("A copy of a file holds to what an upload may", async () => {
  const { place, worker, files } = await target();
  await using _ = place;
  const put = async (range: string, body = "", more: Record<string, string> = {}) =>
    (await worker.put("/out/report", body, { "X-Datatask-File": "report", "Content-Range": range, ...more }))
      .status;
  Deno.writeFileSync(`${place.folder}/report`, odd(100_000));
  assert.equal(await put("bytes 0-1048576/1048577"), 413);
  assert.equal(await put("bytes 0-9/100000"), 400);
  assert.equal(await put("bytes 0-99999/*"), 400);
  assert.equal(await put("bytes 0-99999/100000", "a body"), 400);
  assert.equal(await put("bytes 7-99999/100000"), 416);
  assert.deepEqual(files.calls, []);
  assert.equal(await put("bytes 0-99999/100000", "", { "X-Datatask-Sha256": "0".repeat(64) }), 422);
  assert.equal(await put("bytes 0-199999/200000"), 502);
  assert.equal(await put("bytes 0-99999/100000"), 201);
  assert.deepEqual(Deno.readFileSync(`${place.folder}/out/report`), odd(100_000));
});

Deno.test("Nothing is copied for an attempt whose executor cannot", async () => {
  await using place = await Place.make();
  const books = new MemoryBlobRepository("books");
  await books.put("emma", odd(100_000));
  const worker = await place.admit(grantOf("emma", {
    book: { kind: "value", repository: books, key: "emma" },
  }, { report: { kind: "file", path: `${place.folder}/out/report`, tree: false } }));
  const headers = { "X-Datatask-File": "in/book" };
  const got = await worker.fetch("/in/book", { headers });
  assert.deepEqual([got.status, (await got.bytes()).length], [200, 100_000]);
  const put = await worker.put("/out/report", "", { ...headers, "Content-Range": "bytes 0-99/100" });
  assert.equal(put.status, 502);
  assert.match(put.text, /nobody copies files of this attempt/);
});

Deno.test("A copy ends when its worker has gone, and when its attempt is over", async () => {
  const { place, worker, files } = await target();
  await using _ = place;
  let [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  files.write = async (_attempt, _path, content, { signal }) => {
    const reader = content.getReader();
    await reader.read();
    const over = new Promise((resolve) => signal!.addEventListener("abort", resolve));
    begun.resolve();
    await over;
    await reader.cancel();
    ended.resolve();
    throw signal!.reason;
  };
  const headers = { "X-Datatask-File": "book" };
  const leaving = new AbortController();
  const asked = worker.ask("/in/book", { headers, signal: leaving.signal });
  await begun.promise;
  leaving.abort();
  await assert.rejects(asked);
  await ended.promise;
  [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const again = worker.ask("/in/book", { headers });
  await begun.promise;
  await worker.leave();
  await ended.promise;
  assert.equal((await again).status, 410);
});
