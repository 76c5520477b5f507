/** A process that writes to a file of SQLite and says what it has written: `writer.ts <mode> <path> <name>`. */
import { SqliteMetadataRepository } from "../../../repositories/sqlite/mod.ts";
import { isDatataskError } from "../../../core/errors.ts";

const [mode, path, name] = Deno.args as [string, string, string];
using store = new SqliteMetadataRepository<{ text: string; count: number }>(path);

/** Says a line, whole: a reader never sees a part of one that it takes for another. */
function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (mode === "endless") {
  for (let round = 0;; round++) {
    const keys = Array.from({ length: 20 }, (_, i) => `${name}-${round}-${i}`);
    await Promise.all(keys.map((key) => store.set(key, { text: key.repeat(50), count: round })));
    say(keys.join(" "));
  }
}
if (mode === "count") {
  for (let added = 0; added < 50;) {
    const version = (await store.info("count"))!.version!;
    const { count } = await store.get("count");
    try {
      await store.set("count", { text: name, count: count + 1 }, { ifVersion: version });
      added++;
    } catch (error) {
      if (!isDatataskError(error, "conflict")) throw error;
    }
  }
}
if (mode === "claim") {
  for (let i = 0; i < 200; i++) {
    try {
      await store.set(`claim-${i}`, { text: name, count: i }, { ifAbsent: true });
      say(`claim-${i}`);
    } catch (error) {
      if (!isDatataskError(error, "already-exists")) throw error;
    }
  }
}
