/**
 * MongoDB through a repository and through its client alone, in one run: writes, reads and listings a second, and their ratios.
 *
 * `MONGODB_URL=… deno run -A bench/mongodb.ts [documents]`
 *
 * @module
 */
import { type Document, MongoClient } from "../deps/mongodb.ts";
import { MongoMetadataRepository } from "../repositories/mongodb/mod.ts";
import { figure, median } from "./figure.ts";

/** How many writes are under way at a time. */
const WIDTH = 32;

/** How often each side is measured; the median of the ratios counts, since one round may differ from the next by a half. The sides take turns. */
const ROUNDS = 25;

interface Book {
  readonly title: string;
  readonly pages: number;
  readonly words: readonly string[];
  readonly parts: Readonly<Record<string, number>>;
}

/** A book as one round writes it: no round writes what is there already, which a server would pass over. */
function bookOf(i: number, round: number): Book {
  const words = Array.from({ length: 20 }, (_, n) => `word-${i}-${n}`);
  return { title: `Book ${i}`, pages: i + round, words, parts: { first: i, second: i / 2 } };
}

async function inParallel<T>(items: readonly T[], call: (item: T) => Promise<unknown>): Promise<void> {
  let at = 0;
  await Promise.all(Array.from({ length: WIDTH }, async () => {
    while (at < items.length) await call(items[at++]!);
  }));
}

const count = Number(Deno.args[0] ?? 5_000);
const client = new MongoClient(Deno.env.get("MONGODB_URL")!, { maxPoolSize: WIDTH });
const database = `bench_${crypto.randomUUID().replaceAll("-", "")}`;
const repository = new MongoMetadataRepository<Book>(client, { database, collection: "ours" });
const bare = client.db(database).collection<{ _id: string } & Document>("bare", {
  writeConcern: { w: "majority" },
});
const keys = Array.from({ length: count }, (_, i) => `book-${i}`);
let books = new Map<string, Book>();

/** Both sides: by the repository, and by the client alone. */
type Sides = readonly [ours: () => Promise<unknown>, bare: () => Promise<unknown>];

const many: Sides = [
  async () => {
    for (let at = 0; at < keys.length; at += 500) {
      await repository.setMany(keys.slice(at, at + 500).map((key) => [key, books.get(key)!] as const));
    }
  },
  async () => {
    for (let at = 0; at < keys.length; at += 500) {
      const writes = keys.slice(at, at + 500).map((_id) => ({
        replaceOne: { filter: { _id }, replacement: books.get(_id)!, upsert: true },
      }));
      await bare.bulkWrite(writes, { ordered: false });
    }
  },
];

/** What is measured. What inserts begins with nothing. */
const measures: Record<string, Sides> = {
  "insert": [
    () => inParallel(keys, (key) => repository.set(key, books.get(key)!, { ifAbsent: true })),
    () => inParallel(keys, (key) => bare.insertOne({ _id: key, ...books.get(key)! })),
  ],
  "replace": [
    () => inParallel(keys, (key) => repository.set(key, books.get(key)!)),
    () => inParallel(keys, (key) => bare.replaceOne({ _id: key }, books.get(key)!, { upsert: true })),
  ],
  "insert many": many,
  "write many": many,
  "read one at a time": [
    () => inParallel(keys, (key) => repository.get(key)),
    () => inParallel(keys, (key) => bare.findOne({ _id: key })),
  ],
  "read many": [
    async () => {
      for (let at = 0; at < keys.length; at += 1_000) await repository.getMany(keys.slice(at, at + 1_000));
    },
    async () => {
      for (let at = 0; at < keys.length; at += 1_000) {
        await bare.find({ _id: { $in: keys.slice(at, at + 1_000) } }, { batchSize: 1_000 }).toArray();
      }
    },
  ],
  "list keys": [
    () => Array.fromAsync(repository.pages()),
    () => bare.find({}, { projection: { _id: 1 }, batchSize: 5_000 }).toArray(),
  ],
};

try {
  await repository.prepare();
  for (const [name, sides] of Object.entries(measures)) {
    const best = [Infinity, Infinity];
    const ratios: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const took = [0, 0];
      books = new Map(keys.map((key, i) => [key, bookOf(i, round)]));
      for (const side of round % 2 ? [1, 0] : [0, 1]) {
        if (name.startsWith("insert")) {
          await client.db(database).collection(side === 0 ? "ours" : "bare").deleteMany({});
        }
        const start = performance.now();
        await sides[side as 0 | 1]();
        took[side] = performance.now() - start;
        best[side] = Math.min(best[side]!, took[side]!);
      }
      ratios.push(took[1]! / took[0]!);
    }
    const [ours, theirs] = best.map((ms) => Math.round(count / ms * 1_000));
    const ratio = median(ratios);
    console.log(`${name}: ${ours}/s, the client alone ${theirs}/s, ratio ${ratio.toFixed(2)}`);
    figure(`MongoDB: ${name}, to the client alone`, ratio, "x", { atLeast: 0.9 });
  }
} finally {
  await client.db(database).dropDatabase();
  await client.close();
}
