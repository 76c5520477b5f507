/** Tests of what workers bring: whole, in parts, broken off and continued, as files and as trees. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { directoryDriver } from "../../repositories/directory.ts";
import type { GrantedOutput } from "../../tasks/agent.ts";
import { describeTree } from "../../testing/trees.ts";
import { until } from "../kit/waiting.ts";
import { grantOf, Place, type Worker } from "./kit.ts";
import { Raw } from "./raw.ts";
import { smallDisk } from "../kit/small_disk.ts";

const sha256 = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("hex");

function output(place: Place, tree = false): Record<string, GrantedOutput> {
  return { report: { kind: "file", path: `${place.folder}/out/report`, tree } };
}

async function received(worker: Worker, path = "/out/report"): Promise<number> {
  return Number((await worker.ask(path, { method: "HEAD" })).headers.get("x-datatask-received"));
}

/** Everything below a folder, by path. */
function namesIn(folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      found.push(`${path}/${name}`.slice(folder.length + 1));
      if (isDirectory) visit(`${path}/${name}`);
    }
  };
  visit(folder);
  return found.sort();
}

Deno.test("an output that is damaged on the way is refused, and nothing of it stays", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  const bad = await worker.put("/out/report", "1234", { "X-Datatask-Sha256": sha256("4321") });
  assert.equal(bad.status, 422);
  assert.match(bad.text, /its SHA-256 is 03ac.* was announced; upload it again/);
  assert.deepEqual(namesIn(`${place.folder}/out`), []);
  assert.equal((await worker.put("/out/report", "1", { "X-Datatask-Sha256": "xyz" })).status, 400);
  const good = await worker.put("/out/report", "1234", { "X-Datatask-Sha256": sha256("1234").toUpperCase() });
  assert.equal(good.status, 201);
  assert.deepEqual(namesIn(`${place.folder}/out`), ["report"]);
});

Deno.test("an empty output is one too", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  assert.equal((await worker.put("/out/report", "", { "X-Datatask-Sha256": sha256("") })).status, 201);
  assert.equal(await Deno.readTextFile(`${place.folder}/out/report`), "");
});

/** Uploads the beginning of a value over a connection that then breaks. */
async function breakOff(worker: Worker, whole: string, sent: number): Promise<void> {
  using raw = await Raw.open(worker.address);
  const { pathname } = new URL(worker.url("/out/report"));
  await raw.write(
    `PUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${worker.authorization.Authorization}\r\n` +
      `Content-Length: ${whole.length}\r\n\r\n${whole.slice(0, sent)}`,
  );
  await until(async () => await received(worker) === sent);
}

const LARGE = Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join("");

Deno.test("an upload that broke off is continued where it broke", async () => {
  await using place = await Place.make({ idleTimeout: 400 });
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  await breakOff(worker, LARGE, 300_000);
  const range = (from: number): Record<string, string> => ({
    "Content-Range": `bytes ${from}-${LARGE.length - 1}/${LARGE.length}`,
    "X-Datatask-Sha256": sha256(LARGE),
  });
  let answer = await worker.put("/out/report", LARGE.slice(300_000), range(300_000));
  // The agent may not have noticed yet that the connection has broken.
  while (answer.status === 409) {
    answer = await worker.put("/out/report", LARGE.slice(300_000), range(300_000));
  }
  assert.equal(answer.status, 201, answer.text);
  assert.equal(await Deno.readTextFile(`${place.folder}/out/report`), LARGE);
});

Deno.test("the next agent of the same state folder continues what the one before has begun", async () => {
  await using place = await Place.make();
  const grant = grantOf("emma", {}, output(place));
  const worker = await place.admit(grant);
  await breakOff(worker, LARGE, 200_000);
  const { address } = place;
  await place.stop();
  await place.start();
  assert.equal(place.address, address);
  // Before it is let in again, the worker is told to wait; it knows the address and the token of before.
  const waiting = await worker.ask("/out/report", { method: "HEAD" });
  assert.deepEqual([waiting.status, waiting.headers.get("retry-after")], [503, "2"]);
  await place.admit(grant);
  assert.equal(await received(worker), 200_000);
  const answer = await worker.put("/out/report", LARGE.slice(200_000), {
    "Content-Range": `bytes 200000-${LARGE.length - 1}/${LARGE.length}`,
    "X-Datatask-Sha256": sha256(LARGE),
  });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(await Deno.readTextFile(`${place.folder}/out/report`), LARGE);
});

Deno.test("parts that do not fit together are refused, and say what is there", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  const part = (range: string, text: string): Promise<{ status: number; text: string; headers: Headers }> =>
    worker.put("/out/report", text, { "Content-Range": range });
  assert.equal((await part("bytes 0-3/8", "abcd")).status, 202);
  const gap = await part("bytes 6-7/8", "gh");
  assert.deepEqual([gap.status, gap.headers.get("x-datatask-received")], [416, "4"]);
  assert.equal((await part("bytes 4-7/8", "efg")).status, 400);
  for (const wrong of ["bytes 4-3/8", "bytes 4-8/8", "bytes 4/8", "bytes a-b/c", "lines 1-2/3"]) {
    assert.equal((await part(wrong, "efgh")).status, 400, wrong);
  }
  // A part that was sent twice counts once.
  assert.equal((await part("bytes 2-5/8", "cdef")).status, 202);
  assert.equal((await part("bytes 6-7/*", "gh")).status, 202);
  assert.equal(await received(worker), 8);
  assert.equal((await part("bytes 6-7/8", "gh")).status, 201);
  assert.equal(await Deno.readTextFile(`${place.folder}/out/report`), "abcdefgh");
});

Deno.test("two uploads of one value at once: the second waits, unless the first stands still", async () => {
  await using place = await Place.make({ idleTimeout: "1h" });
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  let push!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (push = controller) });
  push.enqueue(new TextEncoder().encode("first"));
  const first = worker.fetch("/out/report", { method: "PUT", body });
  await until(async () => await received(worker) === 5);
  const second = await worker.put("/out/report", "second");
  assert.deepEqual([second.status, second.headers.get("retry-after")], [409, "5"]);
  push.close();
  assert.equal((await first).status, 201);
  await (await first).body?.cancel();
  assert.equal(await Deno.readTextFile(`${place.folder}/out/report`), "first");
});

Deno.test("an upload that stands still gives way to one of the same value", async () => {
  await using place = await Place.make({ idleTimeout: "1s" });
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  using raw = await Raw.open(worker.address);
  const { pathname } = new URL(worker.url("/out/report"));
  await raw.write(
    `PUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${worker.authorization.Authorization}\r\nContent-Length: 9\r\n\r\nfir`,
  );
  await until(async () => await received(worker) === 3);
  let answer = await worker.put("/out/report", "second");
  while (answer.status === 409) answer = await worker.put("/out/report", "second");
  assert.equal(answer.status, 201);
  assert.match(await raw.head(), /^HTTP\/1\.1 4/);
  assert.equal(await Deno.readTextFile(`${place.folder}/out/report`), "second");
});

async function tarOf(place: Place, script: string): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ dir: place.folder });
  const { success, stdout } = await new Deno.Command("sh", {
    args: ["-ec", `cd "$1"; ${script}; tar -cf - .`, "sh", folder],
  }).output();
  assert(success);
  return stdout;
}

Deno.test("a tree is unpacked, whole, in place of the one before", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", {}, output(place, true)));
  await Deno.mkdir(`${place.folder}/out/report`, { recursive: true });
  const one = await tarOf(
    place,
    "mkdir -p a 'b c'; echo one > a/f; chmod 750 a/f; ln a/f a/g; ln -s ../a/f 'b c/l'; mkdir e",
  );
  const described = async (): Promise<unknown> =>
    await describeTree(await directoryDriver(`${place.folder}/out`).entries("report"));
  const put = await worker.put("/out/report", one, { "X-Datatask-Sha256": sha256(one) });
  assert.equal(put.status, 201, put.text);
  assert.deepEqual(await described(), {
    "a": "directory 755",
    "a/f": "file 750 one\n",
    "a/g": "file 750 one\n",
    "b c": "directory 755",
    "b c/l": "symlink -> ../a/f",
    "e": "directory 755",
  });
  assert.equal((await worker.put("/out/report", await tarOf(place, "echo two > h"))).status, 201);
  assert.deepEqual(await described(), { "h": "file 644 two\n" });
  assert.deepEqual(namesIn(`${place.folder}/out`).filter((name) => !name.startsWith("report")), [".lock"]);
});

Deno.test("what is no archive, or only a part of one, is refused, and the tree of before stays", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", {}, output(place, true)));
  const whole = await tarOf(place, "seq 20000 > f");
  assert.equal((await worker.put("/out/report", whole)).status, 201);
  const before = namesIn(`${place.folder}/out`);
  for (const wrong of [whole.subarray(0, 5000), new Uint8Array(3000).fill(65)]) {
    const { status, text } = await worker.put("/out/report", wrong);
    assert.equal(status, 400);
    assert.match(text, /^The tree is refused: .*tar archive is damaged, or is none/);
  }
  assert.deepEqual(namesIn(`${place.folder}/out`), before);
});

Deno.test("an upload that is too long is refused before it begins, or as soon as it is", async () => {
  await using place = await Place.make({ maxUploadBytes: "1Mi" });
  const worker = await place.admit(grantOf("emma", {}, output(place)));
  const stream = (): ReadableStream<Uint8Array> => {
    let left = 64;
    return new ReadableStream({
      pull: (controller) => left-- > 0 ? controller.enqueue(new Uint8Array(65_536)) : controller.close(),
    });
  };
  const long = new Uint8Array(2 ** 20 + 1);
  for (
    const [body, headers] of [
      [long, {}],
      [stream(), {}],
      ["x", { "Content-Range": "bytes 0-0/2000000" }],
    ] as const
  ) {
    const { status, text } = await worker.put("/out/report", body as BodyInit, headers);
    assert.equal(status, 413);
    assert.match(text, /longer than 1048576 bytes; write less, or raise \{ agent: \{ maxUploadBytes \} \}/);
  }
  assert.deepEqual(
    await Deno.stat(`${place.folder}/out`).then(() => namesIn(`${place.folder}/out`), () => []),
    [],
  );
  using raw = await Raw.open(worker.address);
  const { pathname } = new URL(worker.url("/out/report"));
  await raw.write(
    `PUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${worker.authorization.Authorization}\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n`,
  );
  // Who asks first is not told to go on.
  assert.match(await raw.head(), /^HTTP\/1\.1 413 /);
});

Deno.test("a full disk is told as one, and what did not fit is removed", async (t) => {
  await using place = await Place.make();
  const dir = `${place.folder}/out`;
  await Deno.mkdir(dir);
  await using disk = await smallDisk(dir, "256k");
  await t.step({
    name: "on a real one",
    ...disk.options,
    async fn() {
      const worker = await place.admit(grantOf("emma", {}, output(place)));
      const { status, text } = await worker.put("/out/report", new Uint8Array(2 ** 20));
      assert.equal(status, 507);
      assert.match(text, /the disk of the coordinator is full; free some space there/);
      assert.deepEqual(namesIn(dir), []);
      assert.equal((await worker.put("/out/report", "small")).status, 201);
    },
  });
});
