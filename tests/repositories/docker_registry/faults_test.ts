import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import type { Bytes } from "../../../core/bytes.ts";
import { digestOf } from "../../../repositories/docker_registry/digest.ts";
import {
  ArtifactRepository,
  DockerRegistryRepository,
  RegistryClient,
} from "../../../repositories/docker_registry/mod.ts";
import { PIECE } from "../../../repositories/docker_registry/upload.ts";
import { listKeys } from "../../../testing/suite.ts";
import { filesOf, imageOf } from "./layouts.ts";
import { fresh, ownRegistry, ownTest, test } from "./servers.ts";

/** Bytes that no two places of the test have alike. */
function noise(size: number): Bytes {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  }
  return bytes;
}

function isUnavailable(error: unknown): true {
  assert(isDatataskError(error, "unavailable"), String(error));
  assert.equal(error.context.retry, "later");
  assert.match(error.message, /^Cannot (write|read|list|look up|delete) /);
  return true;
}

test("DockerRegistryRepository sends large layers in pieces, and not again", async () => {
  const { client, repository } = fresh();
  const images = new DockerRegistryRepository(client, { repository });
  const layer = noise(2 * PIECE + 12_345);
  const layout = await imageOf(layer);
  await images.put("v1", layout.entries());
  const files = await filesOf(await images.entries("v1"));
  const digest = await digestOf(layer);
  assert.equal(await digestOf(files.get(`blobs/${digest.replace(":", "/")}`)!), digest);
  let opened = 0;
  await images.put(
    "v2",
    (async function* () {
      for await (const entry of layout.entries()) {
        if (entry.kind !== "file" || entry.size !== layer.length) yield entry;
        else yield { ...entry, open: () => (opened++, entry.open()) };
      }
    })(),
  );
  assert.equal(opened, 0, "a layer that the registry has was read again");
  for (const size of [PIECE - 1, PIECE, PIECE + 1]) {
    const artifacts = new ArtifactRepository(client, { repository: `${repository}/artifacts` });
    const value = noise(size);
    await artifacts.put("value", value);
    assert.equal(await digestOf(await artifacts.bytes("value")), await digestOf(value));
  }
});

ownTest(
  "DockerRegistryRepository shows nothing of an image whose registry dies in mid-write",
  async (stack) => {
    const server = await ownRegistry(stack);
    const images = new DockerRegistryRepository(new RegistryClient(server.url), { repository: "a" });
    await images.put("old", (await imageOf("old")).entries());
    const layer = noise(3 * PIECE);
    const layout = await imageOf(layer);
    const dying = (async function* () {
      for await (const entry of layout.entries()) {
        if (entry.kind !== "file" || entry.size !== layer.length) yield entry;
        else {
          const open = (): Promise<ReadableStream<Bytes>> =>
            Promise.resolve(ReadableStream.from((async function* () {
              yield layer.subarray(0, 2 * PIECE + 1);
              await server.kill();
              yield layer.subarray(2 * PIECE + 1);
            })()));
          yield { ...entry, open };
        }
      }
    })();
    await assert.rejects(images.put("new", dying), isUnavailable);
    await assert.rejects(images.has("old"), isUnavailable);
    await assert.rejects(listKeys(images.driver), isUnavailable);
    await server.start();
    assert.deepEqual(await listKeys(images.driver), ["old"]);
    assert.equal(await images.has("new"), false);
    await images.put("new", layout.entries());
    assert.deepEqual(await listKeys(images.driver), ["new", "old"]);
    const digest = await digestOf(layer);
    assert((await filesOf(await images.entries("new"))).has(`blobs/${digest.replace(":", "/")}`));
  },
);

ownTest(
  "DockerRegistryRepository loses nothing when its registry is killed again and again",
  async (stack) => {
    const server = await ownRegistry(stack);
    const images = new DockerRegistryRepository(new RegistryClient(server.url), { repository: "a" });
    const acknowledged = new Map<string, boolean>();
    const attempted = new Set<string>();
    let stop = false;
    const writers = Array.from({ length: 3 }, async (_, writer) => {
      for (let i = 0; !stop; i++) {
        const key = `w${writer}-${i}`;
        const layout = await imageOf(key);
        attempted.add(key);
        try {
          await images.put(key, layout.entries());
          acknowledged.set(key, true);
          if (i % 3 === 0) {
            acknowledged.delete(key);
            await images.delete(key);
            acknowledged.set(key, false);
          }
        } catch (error) {
          isUnavailable(error);
        }
      }
    });
    for (let round = 0; round < 5; round++) {
      const before = acknowledged.size;
      while (acknowledged.size < before + 2 + round) await new Promise((resolve) => setTimeout(resolve, 5));
      await server.kill();
      await server.start();
    }
    stop = true;
    await Promise.all(writers);
    // What was not acknowledged is done again, as whoever runs a pipeline again does it: that also mends a tag that the registry has torn.
    for (const key of attempted) {
      if (!acknowledged.has(key)) {
        await images.put(key, (await imageOf(key)).entries()).then(() => acknowledged.set(key, true));
      }
    }
    const swept = await images.sweep();
    for (const key of swept) assert(!acknowledged.get(key), `${key} was lost`);
    const listed = new Set(await listKeys(images.driver));
    for (const [key, there] of acknowledged) assert.equal(listed.has(key), there, key);
    for (const key of listed) {
      assert.equal(
        (await filesOf(await images.entries(key))).size,
        5,
        `${key} is not whole`,
      );
    }
  },
);

ownTest(
  "DockerRegistryRepository sends a blob again of which a killed registry has torn the note",
  async (stack) => {
    const server = await ownRegistry(stack);
    const images = new DockerRegistryRepository(new RegistryClient(server.url), { repository: "a" });
    const layer = noise(1000);
    const layout = await imageOf(layer);
    await images.put("v1", layout.entries());
    const [algorithm, hex] = (await digestOf(layer)).split(":");
    const link = `${server.dir}/data/docker/registry/v2/repositories/a/_layers/${algorithm}/${hex}/link`;
    assert(Deno.statSync(link).size > 0);
    await server.kill();
    Deno.truncateSync(link);
    await server.start();
    await images.put("v2", layout.entries());
    const files = await filesOf(await images.entries("v2"));
    assert.deepEqual(files.get(`blobs/${algorithm}/${hex}`), layer);
  },
);

ownTest("DockerRegistryRepository does what the registry did although its answer was lost", async (stack) => {
  const server = await ownRegistry(stack);
  let lost = 0;
  let lose = (_request: Request): boolean => false;
  await using proxy = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const body = ["PUT", "PATCH"].includes(request.method) ? await request.bytes() : undefined;
    const response = await fetch(server.url + url.pathname + url.search, {
      method: request.method,
      headers: request.headers,
      ...(body && { body }),
    });
    if (!lose(request)) return response;
    lost++;
    await response.body?.cancel();
    // An answer that breaks off: the client never learns what has become of its request.
    return new Response(new Blob(["cut"]).stream(), { status: 502, headers: { "Content-Length": "100" } });
  });
  const url = `http://127.0.0.1:${proxy.addr.port}`;
  const images = new DockerRegistryRepository(new RegistryClient(url), { repository: "a" });
  const layout = await imageOf("lost");
  lose = ({ method, url }) => method === "PUT" && url.includes("/manifests/v1");
  await assert.rejects(images.put("v1", layout.entries()), isUnavailable);
  lose = () => false;
  await images.put("v1", layout.entries());
  assert.equal((await filesOf(await images.entries("v1"))).size, 5);
  lose = ({ method, url }) => method === "DELETE" && url.includes("sha256:");
  await assert.rejects(images.delete("v1"), isUnavailable);
  lose = () => false;
  await images.delete("v1");
  assert.deepEqual(await listKeys(images.driver), []);
  assert(lost >= 2);
});
