import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteMetadataRepository } from "../../../repositories/sqlite/mod.ts";

type Document = { text: string; count: number };
const WRITER = new URL("./writer.ts", import.meta.url).href;

/** A process that writes to a file: it may touch that file and nothing else. */
function writer(mode: string, path: string, name: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      `--allow-read=${path}`,
      `--allow-write=${path}`,
      WRITER,
      mode,
      path,
      name,
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(`${dir}/values.db`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("SqliteMetadataRepository loses no update of processes that race", () =>
  inFolder(async (path) => {
    using store = new SqliteMetadataRepository<Document>(path);
    await store.set("count", { text: "", count: 0 });
    const ended = await Promise.all(["a", "b", "c"].map((name) => writer("count", path, name).output()));
    for (const { code, stderr } of ended) assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.equal((await store.get("count")).count, 150);
  }));

Deno.test("SqliteMetadataRepository gives each key to one of the processes that claim it", () =>
  inFolder(async (path) => {
    const ended = await Promise.all(["a", "b", "c"].map((name) => writer("claim", path, name).output()));
    const claimed: string[] = [];
    for (const { code, stdout, stderr } of ended) {
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      claimed.push(...new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== ""));
    }
    assert.equal(claimed.length, 200);
    assert.equal(new Set(claimed).size, 200);
  }));

Deno.test("SqliteMetadataRepository keeps what it said it wrote when its process is killed", () =>
  inFolder(async (path) => {
    const said = new Set<string>();
    for (const round of ["a", "b", "c"]) {
      const child = writer("endless", path, round);
      let text = "";
      let killed = false;
      const decoder = new TextDecoder();
      // Kills at a moment that the writer does not choose: in the midst of whatever follows its tenth line.
      for await (const chunk of child.stdout) {
        text += decoder.decode(chunk, { stream: true });
        if (killed || text.split("\n").length <= 10) continue;
        killed = true;
        child.kill("SIGKILL");
      }
      assert(killed, "the writer ended by itself");
      await child.stderr.cancel();
      await child.status;
      for (const line of text.split("\n").slice(0, -1)) for (const key of line.split(" ")) said.add(key);
    }
    using store = new SqliteMetadataRepository<Document>(path);
    const found = new Set<string>();
    for await (const [key, { text }] of store.entries()) {
      assert.equal(text, key.repeat(50));
      found.add(key);
    }
    assert(said.isSubsetOf(found), "a write was lost");
    // A transaction is there whole, or not at all: rounds of twenty.
    assert.equal(found.size % 20, 0);
    using database = new DatabaseSync(path);
    assert.deepEqual({ ...database.prepare("pragma integrity_check").get() }, { integrity_check: "ok" });
  }));
