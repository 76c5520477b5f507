/** Listings and reads of MongoDB that are interrupted half-way: the whole, or an error, and never a part that looks whole. */
import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import type { Repository } from "../../../repositories/repository.ts";
import { MongoBlobRepository, MongoMetadataRepository } from "../../../repositories/mongodb/mod.ts";
import { listKeys } from "../../../testing/suite.ts";
import { LossyProxy, ownServer, ownTest } from "./own_server.ts";
import { connected, freshDatabase, mongodb, test } from "./servers.ts";

/** A few more than come in one answer. */
const KEYS = Array.from({ length: 5_050 }, (_, i) => `key-${String(i).padStart(5, "0")}`);

function isUnavailable(operation: RegExp): (error: unknown) => true {
  return (error) => {
    assert(isDatataskError(error, "unavailable"), String(error));
    assert.match(error.message, operation);
    assert.equal(error.context.retry, "later");
    return true;
  };
}

/** Repositories of both kinds with many keys, as `at` reaches them. */
async function filled(
  stack: AsyncDisposableStack,
  url: string,
): Promise<readonly Repository[]> {
  const client = await connected(stack);
  const database = freshDatabase(client, stack);
  for (const collection of ["documents", "blobs.keys"]) {
    await client.db(database).collection<{ _id: string }>(collection).insertMany(
      KEYS.map((key) => ({ _id: key })),
    );
  }
  const behind = await connected(stack, url, { serverSelectionTimeoutMS: 2_000 });
  return [
    new MongoMetadataRepository(behind, { database, collection: "documents" }),
    new MongoBlobRepository(behind, { database, collection: "blobs" }),
  ];
}

test("a listing of MongoDB that loses a page in its midst is an error, and whole the next time", async (stack) => {
  const proxy = stack.use(new LossyProxy(mongodb.get("MONGODB_URL")));
  for (const repository of await filled(stack, proxy.url)) {
    const lost = proxy.lost;
    let left = 1;
    proxy.lose = (request) => request.includes("getMore") && left-- > 0;
    await assert.rejects(listKeys(repository.driver), isUnavailable(/^Cannot list mongodb /));
    assert.equal(proxy.lost, lost + 1, "no page was lost");
    assert.deepEqual(await listKeys(repository.driver), KEYS);
  }
});

ownTest(
  "a listing of MongoDB whose server is killed in its midst is an error, and whole the next time",
  async (stack) => {
    const server = await ownServer(stack);
    for (const repository of await filled(stack, server.url)) {
      let listed = 0;
      await assert.rejects(async () => {
        for await (const page of repository.pages()) {
          if (listed === 0) {
            await server.kill();
            await server.start();
          }
          listed += page.length;
        }
      }, isUnavailable(/^Cannot list mongodb /));
      assert(listed > 0 && listed < KEYS.length, `the kill was not in the midst: ${listed} keys`);
      assert.deepEqual(await listKeys(repository.driver), KEYS);
    }
  },
);

ownTest(
  "a blob of MongoDB whose server is killed while it is read comes whole, or ends with an error",
  async (stack) => {
    const server = await ownServer(stack);
    const database = freshDatabase(await connected(stack), stack);
    const own = await connected(stack, server.url, { serverSelectionTimeoutMS: 2_000 });
    const blobs = new MongoBlobRepository(own, { database, collection: "b" });
    const size = 24 * 2 ** 20;
    await blobs.put("large", new Uint8Array(size).fill(7));
    const read = async (half: () => Promise<void>): Promise<number> => {
      let seen = 0;
      let killed = false;
      for await (const chunk of await blobs.open("large")) {
        assert(chunk.every((byte) => byte === 7));
        seen += chunk.length;
        if (killed || seen < size / 3) continue;
        killed = true;
        await half();
      }
      return seen;
    };
    await assert.rejects(read(() => server.kill()), isUnavailable(/^Cannot read "large" of mongodb /));
    await server.start();
    const again = await read(async () => {
      await server.kill();
      await server.start();
    }).catch((error) => isUnavailable(/^Cannot read "large" of mongodb /)(error));
    assert(again === true || again === size, `a blob was cut short: ${again} bytes`);
    assert.equal(await read(() => Promise.resolve()), size);
  },
);

ownTest(
  "documents of MongoDB are read whole, or with an error, while their server is killed again and again",
  async (stack) => {
    const server = await ownServer(stack);
    const database = freshDatabase(await connected(stack), stack);
    const own = await connected(stack, server.url, { serverSelectionTimeoutMS: 1_000 });
    const values = new MongoMetadataRepository<{ key: string; text: string }>(own, {
      database,
      collection: "v",
    });
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    const document = (key: string) => ({ key, text: key.repeat(5_000) });
    await values.setMany(keys.map((key) => [key, document(key)] as const));
    let stop = false;
    let whole = 0;
    let failed = 0;
    const trouble = (error: unknown): void => {
      isUnavailable(/^Cannot read /)(error);
      failed++;
    };
    const one = (async () => {
      for (let i = 0; !stop; i++) {
        const key = keys[i % keys.length]!;
        await values.get(key).then((value) => {
          assert.deepEqual(value, document(key));
          whole++;
        }, trouble);
      }
    })();
    const many = (async () => {
      while (!stop) {
        await values.getMany(keys).then((found) => {
          assert.deepEqual([...found.keys()].sort(), keys.toSorted(), "documents were left out");
          whole++;
        }, trouble);
      }
    })();
    for (let round = 0; round < 4; round++) {
      const before = whole;
      while (whole < before + 5 + round) await new Promise((resolve) => setTimeout(resolve, 2));
      await server.kill();
      await server.start();
    }
    stop = true;
    await Promise.all([one, many]);
    assert.equal((await values.getMany(keys)).size, keys.length);
    assert(whole >= 20);
  },
);
