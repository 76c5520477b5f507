/** Attacks on the agent: all are refused and told, and nothing is read or written that was not granted. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { Channel } from "../../core/channel.ts";
import type { Bytes } from "../../core/bytes.ts";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import type { Grant, GrantedOutput } from "../../tasks/agent.ts";
import { until } from "../kit/waiting.ts";
import { attemptOf, grantOf, keyFeed, Place, type Send, type Worker } from "./kit.ts";
import { Raw } from "./raw.ts";

/** All names and contents below a folder, but for what the agent keeps for itself. */
function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      const inside = `${path}/${name}`;
      if (isDirectory) visit(inside);
      else found[inside] = Deno.readTextFileSync(inside);
    }
  };
  visit(folder);
  return found;
}

/** A place with something to steal, a grant, and what was asked of its parts. */
async function target(): Promise<{
  readonly place: Place;
  readonly grant: Grant;
  readonly worker: Worker & { readonly token: string; readonly leave: () => Promise<void> };
  readonly asked: string[];
}> {
  const place = await Place.make({ idleTimeout: "1s", maxUploadBytes: "1Mi" });
  await Deno.writeTextFile(`${place.folder}/secret.txt`, "the secret");
  const books = new MemoryBlobRepository("books");
  await books.put("emma", "a book");
  const asked: string[] = [];
  const files = (path: string): Promise<Bytes | undefined> => {
    asked.push(path);
    return Promise.resolve(undefined);
  };
  const publish = (): Promise<string> => Promise.resolve("key");
  const grant = grantOf("emma", {
    book: { kind: "value", repository: books, key: "emma" },
    any: { kind: "lookup", repository: books },
  }, {
    report: { kind: "file", path: `${place.folder}/out/report`, tree: false },
    pages: { kind: "items", tree: false, cokeyed: {}, publish },
  }, { files });
  return { place, grant, worker: await place.admit(grant), asked };
}

/** Sends a head as it is, and gives the status of the answer. */
async function status(worker: Worker, head: string): Promise<number> {
  using raw = await Raw.open(worker.address);
  await raw.write(head);
  return await raw.status();
}

const CLIMBS = [
  "..",
  "%2e%2e",
  "%2E%2e",
  ".%2e",
  "..%2fsecret.txt",
  "..%2f..%2f..%2fetc%2fpasswd",
  "%2fetc%2fpasswd",
  "..%5csecret.txt",
  "%5c%5chost%5cshare",
  "a%00b",
  "a%0ab",
  "%00",
  "%c0%ae%c0%ae",
  "%ff",
  "%",
  "%2",
  ".",
  "",
];

Deno.test("no part of a path climbs anywhere", async () => {
  const { place, worker, asked } = await target();
  await using _ = place;
  const before = snapshot(place.folder);
  const { Authorization } = worker.authorization;
  const { pathname } = new URL(worker.url(""));
  for (const climb of CLIMBS) {
    for (
      const path of [
        `/in/${climb}`,
        `/in/any/${climb}`,
        `/digest/any/${climb}`,
        `/feed/${climb}`,
        `/keys/${climb}`,
        `/files/${climb}`,
        `/files/a/${climb}`,
        `/${climb}/in/book`,
      ]
    ) {
      const found = await status(
        worker,
        `GET ${pathname}${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\n\r\n`,
      );
      assert.equal(found, 400, `GET ${path}`);
    }
    for (const path of [`/out/${climb}`, `/items/${climb}/1`]) {
      const head =
        `PUT ${pathname}${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\nContent-Length: 1\r\n\r\nx`;
      assert.equal(await status(worker, head), 400, `PUT ${path}`);
    }
  }
  assert.deepEqual(asked, []);
  assert.deepEqual(snapshot(place.folder), before);
  assert(
    place.notices.some((notice) =>
      /has refused GET .* with the token of count\/emma\/0\/1: 400/.test(notice)
    ),
  );
  assert(!place.notices.some((notice) => notice.includes(worker.token)));
});

Deno.test("targets that mean something else to somebody else are refused", async () => {
  const { place, worker } = await target();
  await using _ = place;
  const { Authorization } = worker.authorization;
  const { pathname } = new URL(worker.url("/in/book"));
  for (
    const bad of [
      `http://elsewhere${pathname}`,
      `${pathname}#x`,
      `${pathname}?x=1`,
      `/${pathname}`,
      `${pathname}/`,
      "*",
      pathname.slice(1),
      `${pathname} x`,
      `/health?x`,
      `/in/book`,
      `/files/main.ts`,
      `/${"x".repeat(60_000)}`,
      `${pathname}/${"k".repeat(200)}`,
    ]
  ) {
    const found = await status(
      worker,
      `GET ${bad} HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\n\r\n`,
    );
    assert([400, 404, 431].includes(found), `${found} GET ${bad.slice(0, 80)}`);
  }
  for (const method of ["POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PUT"]) {
    const head =
      `${method} ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\nContent-Length: 0\r\n\r\n`;
    assert.equal(await status(worker, head), 405, method);
  }
});

/** Every request that an attempt can make. */
const REQUESTS: readonly (readonly [path: string, send: Send])[] = [
  ["/in/book", {}],
  ["/in/any/emma", {}],
  ["/digest/book", {}],
  ["/feed/book", {}],
  ["/keys/any", {}],
  ["/files/main.ts", {}],
  ["/out/report", { method: "PUT", body: "x" }],
  ["/out/report", { method: "HEAD" }],
  ["/items/pages/1", { method: "PUT", body: "x" }],
];

Deno.test("no token, a token that was tampered with, and one of another agent open nothing", async () => {
  const { place, worker, asked } = await target();
  await using _ = place;
  const before = snapshot(place.folder);
  const [name, proof] = worker.token.split(".") as [string, string];
  const other = btoa("count/walden/0/1").replace(/=+$/, "");
  const flipped = (proof[0] === "A" ? "B" : "A") + proof.slice(1);
  const guessed = createHmac("sha256", "guess").update("count/emma/0/1").digest("base64url");
  const headers: Record<string, string>[] = [{}];
  for (
    const token of [
      "",
      name,
      `.${proof}`,
      `${name}.`,
      `${name}.${flipped}`,
      `${other}.${proof}`,
      `${name}.${guessed}`,
      `${name}.${proof}A`,
      `${name}.${proof}.${proof}`,
      `${name}A.${proof}`,
      `${name}.${"A".repeat(43)}`,
      "x".repeat(5000),
    ]
  ) headers.push({ Authorization: `Bearer ${token}` });
  headers.push({ Authorization: `Basic ${worker.token}` }, { Cookie: `token=${worker.token}` });
  for (const header of headers) {
    for (const [path, send] of REQUESTS) {
      const { body, ...rest } = send;
      const response = await fetch(worker.url(path), { ...rest, ...(body && { body }), headers: header });
      await response.body?.cancel();
      assert.equal(response.status, 401, `${path} ${JSON.stringify(header).slice(0, 100)}`);
    }
  }
  assert.deepEqual(asked, []);
  assert.deepEqual(snapshot(place.folder), before);
  assert(place.notices.some((notice) => /: 401 The request has no token of this agent/.test(notice)));
});

Deno.test("a token opens its own links only, and each in its direction only", async () => {
  const { place, worker } = await target();
  await using _ = place;
  const thief = await place.admit(grantOf("walden", {}, {
    own: { kind: "file", path: `${place.folder}/own`, tree: false },
  }));
  for (const [path, send] of REQUESTS.filter(([path]) => !path.startsWith("/files"))) {
    const found = await thief.ask(path, send);
    assert.equal(found.status, 403, path);
    if (send.method !== "HEAD") assert.match(found.text, /^count\/walden may not /);
  }
  for (
    const [path, send] of [
      ["/in/report", {}],
      ["/in/pages", {}],
      ["/digest/report", {}],
      ["/feed/any", {}],
      ["/out/book", { method: "PUT", body: "x" }],
      ["/out/pages", { method: "PUT", body: "x" }],
      ["/items/report/1", { method: "PUT", body: "x" }],
      ["/items/pages.index/1", { method: "PUT", body: "x" }],
      ["/in/done", {}],
      ["/in/__proto__", {}],
      ["/in/constructor", {}],
    ] as const
  ) assert.equal((await worker.ask(path, send)).status, 403, path);
  await assert.rejects(Deno.stat(`${place.folder}/out`), Deno.errors.NotFound);
  assert(place.notices.some((notice) => notice.includes("with the token of count/walden/0/1: 403")));
});

Deno.test("when its attempt is over a token opens nothing, also when it is played again, and a late one disturbs no newer", async () => {
  const { place, worker, grant } = await target();
  await using _ = place;
  assert.equal((await worker.ask("/in/book")).status, 200);
  await worker.leave();
  const path = `${place.folder}/out/report`;
  const newer = await place.admit({ ...grant, attempt: attemptOf("emma", 2) });
  assert.equal((await newer.put("/out/report", "of the newer one")).status, 201);
  for (const [path, send] of REQUESTS) {
    assert.equal((await worker.ask(path, send)).status, 410, path);
  }
  assert.equal(await Deno.readTextFile(path), "of the newer one");
  // One that is not in yet is told to wait, and gets nothing either.
  const early = await place.admit(grantOf("walden"));
  await place.stop();
  await place.start();
  assert.deepEqual([(await early.ask("/in/book")).status, (await newer.ask("/in/book")).status], [503, 503]);
});

Deno.test("what is under way when its attempt ends is ended with it, and leaves nothing", async () => {
  const { place, worker } = await target();
  await using _ = place;
  using raw = await Raw.open(worker.address);
  const { pathname } = new URL(worker.url("/out/report"));
  await raw.write(
    `PUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${worker.authorization.Authorization}\r\nContent-Length: 100\r\n\r\nhalf`,
  );
  await until(async () =>
    (await worker.ask("/out/report", { method: "HEAD" })).headers.get("x-datatask-received") === "4"
  );
  await worker.leave();
  assert.match(await raw.head(), /^HTTP\/1\.1 410 /);
  await raw.write("x".repeat(96));
  await assert.rejects(Deno.stat(`${place.folder}/out/report`), Deno.errors.NotFound);
});

Deno.test("who is slow with the head or with the body is left", async () => {
  const { place, worker } = await target();
  await using _ = place;
  const { Authorization } = worker.authorization;
  const { pathname } = new URL(worker.url("/out/report"));
  const silent = await Raw.open(worker.address);
  const head = await Raw.open(worker.address);
  await head.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\nX-Slow: `);
  const body = await Raw.open(worker.address);
  await body.write(
    `PUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\nContent-Length: 100000\r\n\r\nx`,
  );
  const drops = setInterval(() => void body.write("x"), 50);
  const answers = await Promise.all([silent.rest(), head.rest(), body.head()]);
  clearInterval(drops);
  assert.match(answers[0], /^(HTTP\/1\.1 408 .*)?/s);
  assert.match(answers[1], /^HTTP\/1\.1 408 /);
  assert.match(answers[2], /^HTTP\/1\.1 408 /);
  for (const each of [silent, head, body]) each[Symbol.dispose]();
  await assert.rejects(Deno.stat(`${place.folder}/out/report`), Deno.errors.NotFound);
  assert(place.notices.some((notice) => notice.includes("408")));
});

Deno.test("who does not take what was asked for is left", async () => {
  await using place = await Place.make({ idleTimeout: "500ms" });
  const books = new MemoryBlobRepository("books");
  await books.put("emma", new Uint8Array(64 * 2 ** 20));
  const worker = await place.admit(
    grantOf("emma", { book: { kind: "value", repository: books, key: "emma" } }),
  );
  using raw = await Raw.open(worker.address);
  const { pathname } = new URL(worker.url("/in/book"));
  await raw.write(
    `GET ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${worker.authorization.Authorization}\r\n\r\n`,
  );
  const metrics = async (): Promise<string> => await (await fetch(`${place.address}/metrics`)).text();
  await until(async () => /requests_total\{route="in",status="408"\} 1/.test(await metrics()));
  assert.match(await metrics(), /requests_in_flight 1$/m);
});

Deno.test("connections that say nothing do not keep others out, however many they are", async () => {
  const folder = await Deno.makeTempDir();
  const module = new URL("few_files.ts", import.meta.url).pathname;
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'ulimit -n 150; exec "$0" run -A --no-check "$1" "$2"',
      Deno.execPath(),
      module,
      `${folder}/agent`,
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const address = `http://127.0.0.1:${Number(new TextDecoder().decode(value))}`;
  const silent: Raw[] = [];
  for (let i = 0; i < 300; i++) silent.push(await Raw.open(address));
  await until(async () => {
    const answer = await fetch(`${address}/health`, { signal: AbortSignal.timeout(5000) }).catch(() =>
      undefined
    );
    await answer?.body?.cancel();
    return answer?.ok ?? false;
  });
  for (const each of silent) each[Symbol.dispose]();
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an attempt has so many requests under way and no more", async () => {
  await using place = await Place.make({ maxRequests: 3 });
  const repository = new MemoryBlobRepository("books");
  // Nothing ever comes.
  const keys = () => keyFeed(new Channel<string>());
  const worker = await place.admit(grantOf("emma", { books: { kind: "feed", repository, keys } }));
  const other = await place.admit(grantOf("walden", { book: { kind: "lookup", repository } }));
  await repository.put("emma", "a book");
  await place.stop();
  await place.start(60_000);
  const again = await place.admit(grantOf("emma", { books: { kind: "feed", repository, keys } }));
  const another = await place.admit(grantOf("walden", { book: { kind: "lookup", repository } }));
  assert.equal(another.token, other.token);
  const waiting = [1, 2, 3].map(() => worker.ask("/feed/books"));
  const metrics = async (): Promise<string> => await (await fetch(`${place.address}/metrics`)).text();
  await until(async () => (await metrics()).includes("requests_in_flight 4"));
  const { status, headers } = await worker.ask("/in/books/emma");
  assert.deepEqual([status, headers.get("retry-after")], [503, "1"]);
  assert.equal((await another.ask("/in/book/emma")).text, "a book");
  await again.leave();
  assert.deepEqual((await Promise.all(waiting)).map(({ status }) => status), [410, 410, 410]);
});

Deno.test("no request is smuggled in the body of another", async () => {
  const { place, worker } = await target();
  await using _ = place;
  const { Authorization } = worker.authorization;
  const { pathname } = new URL(worker.url("/out/report"));
  const start = `PUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\n`;
  const hidden = `GET ${pathname} HTTP/1.1\r\nHost: smuggled\r\n\r\n`;
  for (
    const bad of [
      `${start}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `${start}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden}`,
      `${start}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef${hidden}`,
      `${start}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
      `${start}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `${start}Transfer-Encoding: chunked\r\n\r\n5;a="\n"\r\nabcde\r\n0\r\n\r\n${hidden}`,
      `${start}Content-Length: +5\r\n\r\nabcde${hidden}`,
      `${start}Content-Length: 99999999999999999999\r\n\r\nabc`,
      `${start}Content-Length: -1\r\n\r\nabc`,
      `${start}X: a\r\n b\r\nContent-Length: 1\r\n\r\nx`,
      `${start.replaceAll("\r", "")}Content-Length: 1\n\nx`,
    ]
  ) {
    using raw = await Raw.open(worker.address);
    await raw.write(bad);
    const answer = await raw.rest();
    assert.match(answer, /^HTTP\/1\.1 400 /, bad);
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1, bad);
  }
  await assert.rejects(Deno.stat(`${place.folder}/out/report`), Deno.errors.NotFound);
});

const BLOCK = 512;

/** One member of a tar archive, as an attacker writes it. */
function member(name: string, type: string, content = "", linkname = ""): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK + Math.ceil(content.length / BLOCK) * BLOCK);
  const write = (at: number, text: string): void =>
    void new TextEncoder().encodeInto(text, bytes.subarray(at));
  write(0, name);
  write(100, "0000644\0");
  write(108, "0000000\0");
  write(116, "0000000\0");
  write(124, `${content.length.toString(8).padStart(11, "0")}\0`);
  write(136, "00000000000\0");
  write(148, "        ");
  write(156, type);
  write(157, linkname);
  write(257, "ustar\x0000");
  write(BLOCK, content);
  const sum = bytes.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  write(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

function archive(...members: readonly Uint8Array<ArrayBuffer>[]): Blob {
  return new Blob([...members, new Uint8Array(2 * BLOCK)]);
}

Deno.test("an archive that reaches out of its tree is refused, and nothing of it is left", async () => {
  await using place = await Place.make();
  const tree: GrantedOutput = { kind: "file", path: `${place.folder}/out/report`, tree: true };
  const published: string[] = [];
  const publish = ({ name = "" }: { name?: string | undefined }): Promise<string> =>
    Promise.resolve(name + published.push(name));
  const worker = await place.admit(grantOf("emma", {}, {
    report: tree,
    pages: { kind: "items", tree: true, cokeyed: {}, publish },
  }));
  await Deno.mkdir(`${place.folder}/out`);
  await Deno.writeTextFile(`${place.folder}/victim`, "untouched");
  const good = member("fine", "0", "fine");
  const [FILE, HARD, LINK, CHARACTER, BLOCKS, FIFO] = ["0", "1", "2", "3", "4", "6"] as const;
  const evil: Record<string, Blob> = {
    "climbs": archive(good, member("../victim", FILE, "x")),
    "climbs inside": archive(good, member("a/../../victim", FILE, "x")),
    "absolute": archive(good, member(`${place.folder}/victim`, FILE, "x")),
    "link to a file outside": archive(good, member("l", LINK, "", "../victim")),
    "absolute link": archive(good, member("l", LINK, "", "/etc/passwd")),
    "link by a link": archive(
      good,
      member("d", "5"),
      member("d/up", LINK, "", ".."),
      member("l", LINK, "", "d/up/../victim"),
    ),
    "through a link": archive(good, member("l", LINK, "", "."), member("l/x", FILE, "x")),
    "over a link": archive(good, member("l", LINK, "", "fine"), member("l", FILE, "x")),
    "hard link outside": archive(good, member("h", HARD, "", "../victim")),
    "hard link to nothing": archive(good, member("h", HARD, "", "/etc/passwd")),
    "device": archive(good, member("null", CHARACTER)),
    "block device": archive(good, member("sda", BLOCKS)),
    "fifo": archive(good, member("pipe", FIFO)),
    "twice": archive(good, member("fine", FILE, "x")),
    "damaged": new Blob([good, new Uint8Array(BLOCK).fill(0x41)]),
  };
  const before = snapshot(place.folder);
  for (const [what, body] of Object.entries(evil)) {
    for (const path of ["/out/report", "/items/pages/1"]) {
      const { status, text } = await worker.put(path, body);
      assert.equal(status, 400, `${what}: ${text}`);
      assert.match(text, /^The tree is refused: /, what);
    }
  }
  const after = Object.fromEntries(
    Object.entries(snapshot(place.folder)).filter(([path]) => !path.endsWith("/.lock")),
  );
  assert.deepEqual(after, before);
  assert.deepEqual(published, []);
  assert.equal((await worker.put("/out/report", archive(good))).status, 201);
  assert(place.notices.some((notice) => notice.includes(": 400 The tree is refused")));
});

Deno.test("what was refused is told once, and then counted", async () => {
  await using place = await Place.make();
  for (let i = 0; i < 50; i++) {
    await (await fetch(`${place.address}/${place.agent.id}/in/x`)).body?.cancel();
  }
  assert.equal(place.notices.length, 1);
  assert.match(
    place.notices[0]!,
    /^The agent has refused GET "\/[0-9a-f]{20}\/in\/x" from 127\.0\.0\.1: 401 The request has no token of this agent$/,
  );
  const metrics = await (await fetch(`${place.address}/metrics`)).text();
  assert.match(metrics, /^datatask_agent_requests_total\{route="in",status="401"\} 50$/m);
});
