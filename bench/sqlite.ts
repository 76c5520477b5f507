/**
 * How quick repositories in files of SQLite are, beside bare SQLite in the same run: `deno run -A bench/sqlite.ts [documents]`.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { SqliteMetadataRepository } from "../repositories/sqlite/mod.ts";
import { figure, median } from "./figure.ts";

const count = Number(Deno.args[0] ?? 100_000);
const GROUP = 1000;
const dir = await Deno.makeTempDir();

/** How many small documents a second are to be written in batches. */
const GOAL = { atLeast: 100_000 };

/** Runs something and says how many a second it did. */
async function rate(what: string, times: number, call: () => unknown): Promise<number> {
  const start = performance.now();
  await call();
  const perSecond = times / (performance.now() - start) * 1000;
  console.log(`${what.padEnd(48)} ${Math.round(perSecond).toLocaleString("en").padStart(10)} /s`);
  return perSecond;
}

const keys = Array.from({ length: count }, (_, i) => `key-${String(i).padStart(7, "0")}`);
const document = (i: number): object => ({ ok: true, attempt: 1, words: i, note: "a small document" });

function bare(): void {
  using database = new DatabaseSync(`${dir}/bare.db`);
  database.exec("pragma journal_mode = wal; pragma synchronous = normal");
  database.exec(
    "create table t (id integer primary key, key text not null unique, version, modified, document)",
  );
  const insert = database.prepare(
    "insert into t (key, version, modified, document) values (?, ?, ?, ?) on conflict (key) do update set document = excluded.document",
  );
  for (let at = 0; at < count; at += GROUP) {
    database.exec("begin immediate");
    for (let i = at; i < Math.min(count, at + GROUP); i++) {
      insert.run(keys[i]!, i, Date.now(), JSON.stringify(document(i)));
    }
    database.exec("commit");
  }
}

try {
  const floor = await rate("bare SQLite, transactions of 1,000", count, bare);
  for (const durability of ["none", "fsync"] as const) {
    using store = new SqliteMetadataRepository(`${dir}/${durability}.db`, { durability });
    const reached = await rate(`set(), 1,000 at once, ${durability}`, count, async () => {
      for (let at = 0; at < count; at += GROUP) {
        await Promise.all(keys.slice(at, at + GROUP).map((key, i) => store.set(key, document(at + i))));
      }
    });
    console.log(`${"  of bare SQLite".padEnd(48)} ${(reached / floor).toFixed(2).padStart(10)}`);
    figure(`SQLite: documents by set(), 1,000 at once, ${durability}`, reached, "/s", GOAL);
  }
  {
    // Pairs, so that both sides meet the same machine; the median counts.
    const ratios: number[] = [];
    const rates: number[] = [];
    for (let pair = 0; pair < 5; pair++) {
      await Deno.remove(`${dir}/bare.db`);
      const bareRate = await rate("bare SQLite, again", count, bare);
      using store = new SqliteMetadataRepository(`${dir}/many-${pair}.db`);
      const reached = await rate("setMany(), 1,000 at once", count, async () => {
        for (let at = 0; at < count; at += GROUP) {
          await store.setMany(keys.slice(at, at + GROUP).map((key, i) => [key, document(at + i)] as const));
        }
      });
      ratios.push(reached / bareRate);
      rates.push(reached);
    }
    console.log(`${"  of bare SQLite, median".padEnd(48)} ${median(ratios).toFixed(2).padStart(10)}`);
    figure("SQLite: documents by setMany(), 1,000 at once", median(rates), "/s", GOAL);
  }
  using store = new SqliteMetadataRepository(`${dir}/none.db`);
  const few = Math.min(count, 20_000);
  await rate("set(), one after the other", few, async () => {
    for (const key of keys.slice(0, few)) await store.set(key, document(0));
  });
  await rate("set(), 64 at a time", few, async () => {
    let at = 0;
    await Promise.all(Array.from({ length: 64 }, async () => {
      while (at < few) await store.set(keys[at++]!, document(1));
    }));
  });
  await rate("get(), one after the other", few, async () => {
    for (const key of keys.slice(0, few)) await store.get(key);
  });
  await rate("entries()", count, async () => {
    let seen = 0;
    for await (const _ of store.entries()) seen++;
    if (seen !== count) throw new Error(`${seen} of ${count}`);
  });
  await rate("keys, in pages", count, async () => {
    let seen = 0;
    for await (const page of store.pages()) seen += page.length;
    if (seen !== count) throw new Error(`${seen} of ${count}`);
  });
} finally {
  await Deno.remove(dir, { recursive: true });
}
