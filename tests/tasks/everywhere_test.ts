/** Tests that a body sees the same of its links wherever it runs: in process, in a worker, and as a process or in a container anywhere. */
import assert from "node:assert/strict";
import {
  allocated,
  functionTask,
  input,
  type Links,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  moduleBody,
  type ModuleTaskOptions,
  outputs,
  Pipeline,
  stream,
  type TreeEntry,
} from "../../mod.ts";
import { outcomes, runAll } from "../pipeline/kit.ts";
import { everyLink, type Everything } from "./bodies/links.ts";
import { CARRIED, inEach, NEAR, type Where } from "./body_places.ts";

const everything = moduleBody<typeof import("./bodies/everything.ts")>(
  import.meta.resolve("./bodies/everything.ts"),
);

const AT = new Date(86_400_000);

function file(path: string, text: string): TreeEntry {
  const bytes = new TextEncoder().encode(text);
  const open = () => Promise.resolve(new Blob([bytes]).stream());
  return { kind: "file", path, mode: 0o644, size: bytes.length, open };
}

async function filled(): Promise<Everything> {
  const stores: Everything = {
    books: new MemoryBlobRepository("books"),
    settings: new MemoryMetadataRepository("settings"),
    words: new MemoryBlobRepository("words"),
    facts: new MemoryMetadataRepository("facts"),
    shelves: new MemoryFilesystemRepository("shelves"),
    chapters: new MemoryBlobRepository("chapters"),
    titles: new MemoryMetadataRepository("titles"),
    plates: new MemoryFilesystemRepository("plates"),
    pages: new MemoryBlobRepository("pages"),
    notes: new MemoryMetadataRepository("notes"),
    scans: new MemoryBlobRepository("scans"),
    albums: new MemoryFilesystemRepository("albums"),
    cards: new MemoryMetadataRepository("cards"),
    sums: new MemoryMetadataRepository("sums"),
  };
  await stores.books.put("emma", "wörds \u{1f4d6} ' \" $HOME");
  await stores.settings.set("emma", { since: AT, big: 2n ** 70n });
  await stores.words.put("one", "first");
  await stores.words.put("two", "second".repeat(100_000));
  await stores.facts.set("first", { at: AT, set: new Set([1]), bytes: Uint8Array.of(0, 10, 255), nan: NaN });
  const long = `${"d".repeat(120)}/${"f".repeat(130)}`;
  await stores.shelves.put("top", [
    file("a", "one"),
    { kind: "directory", path: "folder", mode: 0o755 },
    file("folder/b", "two"),
    { kind: "symlink", path: "link", target: "a" },
    file(long, "deep"),
  ]);
  return stores;
}

/** What a task in this process does: it writes three chapters, each when the page of the last has come. */
function writer(stores: Everything) {
  const { books, chapters, titles, plates, pages } = stores;
  return functionTask("write", {
    done: outcomes("write-done"),
    links: {
      books: input(books),
      chapters: outputs(chapters, { cokeyed: { titles, plates } }),
      pages: stream(pages, { of: allocated() }),
    },
  }, async ({ chapters, pages }) => {
    const answers = pages[Symbol.asyncIterator]();
    for (const [n, title] of ["first", "second", "third"].entries()) {
      await chapters.write(title, `chapter ${n}`, {
        titles: { title, at: AT },
        plates: [file("plate", title)],
      });
      assert(!(await answers.next()).done);
    }
  });
}

/** What is in a repository, by key. */
async function contentsOf<T>(
  repository: AsyncIterable<string>,
  read: (key: string) => Promise<T>,
): Promise<Record<string, T>> {
  const keys = (await Array.fromAsync(repository)).sort();
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await read(key)] as const)));
}

/** Runs the body somewhere, and gives all that has come of it. */
async function results(where: Where, agent: object, state: string | null): Promise<Record<string, unknown>> {
  const stores = await filled();
  const options = { done: outcomes(), links: everyLink(stores), ...where };
  const task = functionTask("read", options as ModuleTaskOptions<typeof options.links & Links>, everything);
  await using pipeline = new Pipeline({ tasks: [writer(stores), task], state, agent });
  await runAll(pipeline);
  const outcome = await task.outcomes.done.get("emma");
  assert(outcome.success, outcome.error?.message ?? outcome.reason);
  const { pages, notes, scans, albums, cards, sums } = stores;
  return {
    sums: await sums.get("emma"),
    pages: await contentsOf(pages, (key) => pages.text(key)),
    notes: await contentsOf(notes, (key) => notes.get(key)),
    scans: await contentsOf(scans, async (key) => (await scans.bytes(key)).length),
    albums: await contentsOf(
      albums,
      async (key) => (await Array.fromAsync(await albums.entries(key))).map(({ path }) => path),
    ),
    cards: await contentsOf(cards, (key) => cards.get(key)),
  };
}

let expected: ReturnType<typeof results> | undefined;

inEach([...NEAR, ...CARRIED], "One body uses links of every kind", async ({ where, agent, state }) => {
  const there = await results(where, agent, state);
  const here = await (expected ??= results({}, {}, null));
  assert.deepEqual(there, here);
  const { pages, notes, scans, sums } = here as Record<string, Record<string, unknown>>;
  assert.deepEqual(Object.values(pages!).sort(), [
    "",
    "emma: chapter 0",
    "emma: chapter 1",
    "emma: chapter 2",
    "it counts",
    "the last one counts",
  ]);
  assert.equal(Object.values(notes!).filter((note) => (note as { of: string }).of === "emma").length, 6);
  assert.equal(Math.max(...Object.values(scans!) as number[]), 9 << 20);
  assert.equal((sums!.read as unknown[]).length, 3);
});
