/** A body that uses links of every kind, to one value and to many, and talks with another one while it runs. */
import type { BodyContext, TreeEntry } from "../../../mod.ts";
import type { everyLink } from "./links.ts";

/** So much is more than is sent at once. */
const LARGE = 9 << 20;

/** What went wrong, without what differs from place to place. */
async function fault(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return "nothing";
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    return [name, code, message];
  }
}

async function treeOf(entries: AsyncIterable<TreeEntry>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const entry of entries) {
    seen.push(
      entry.kind === "file" ? [entry.path, await new Response(await entry.open()).text()] : entry.path,
    );
  }
  return seen;
}

function file(path: string, text: string): TreeEntry {
  const bytes = new TextEncoder().encode(text);
  const open = () => Promise.resolve(new Blob([bytes]).stream());
  return { kind: "file", path, mode: 0o644, size: bytes.length, open };
}

function large(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = LARGE;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(Math.min(left, 1 << 18)).fill(7));
      if ((left -= 1 << 18) <= 0) controller.close();
    },
  });
}

export default async function (context: BodyContext<ReturnType<typeof everyLink>>): Promise<void> {
  const { job, books, settings, words, facts, shelves, chapters, pages, scans, albums, cards, sums } =
    context;
  const seen: Record<string, unknown> = {
    book: await books.text(),
    settings,
    keys: (await Array.fromAsync(words.keys())).sort(),
    has: [await words.has("one"), await words.has("none")],
    word: await words.text("one"),
    bytes: await words.bytes("one"),
    none: [await words.find("none"), await facts.find("none")],
    opened: await new Response(await words.open("two")).text(),
    fact: await facts.get("first"),
    shelf: await treeOf(await shelves.entries("top")),
    member: await new Response(await shelves.open("top", "folder/b")).text(),
    missing: [
      await fault(() => words.text("none")),
      await fault(() => facts.get("none")),
      await fault(() => shelves.entries("none")),
    ],
    invalid: await fault(() => words.has("no key")),
  };
  const read: unknown[] = [];
  const published: string[] = [];
  for await (const chapter of chapters) {
    const text = await chapter.text();
    const { title, at } = await chapter.titles.get();
    read.push([chapter.key, text, title, at, await treeOf(await chapter.plates.entries())]);
    // Whoever writes the chapters waits for this before the next.
    const bytes = Uint8Array.of(text.length, 255);
    published.push(await pages.write(`page/${title} 'ü'`, `${job}: ${text}`, { notes: { bytes } }));
  }
  seen.read = read;
  published.push(await pages.write("..", new TextEncoder().encode("again")));
  published.push(await pages.write("..", "the last one counts"));
  published.push(await pages.write("empty", ""));
  published.push(await scans.write(large()), await scans.write("small"));
  published.push(await albums.write("album", [file("a", "one"), file("folder/b", "two")]));
  published.push(await cards.write("card", { n: 2n ** 65n }));
  published.push(...await Promise.all(Array.from({ length: 40 }, (_, n) => scans.write(`scan ${n}`))));
  seen.published = published;
  seen.refused = [
    await fault(() => albums.write("no key", [])),
    await fault(() => pages.write("", "x")),
  ];
  await sums.write(seen);
  // Not waited for, and yet it is there in the end.
  void pages.write("forgotten", "it counts");
}
