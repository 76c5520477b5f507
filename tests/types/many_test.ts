/**
 * What must not compile of links to many values. Each `@ts-expect-error` is an assertion: when the line below it compiles, the check of this
 * file fails.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  field,
  functionTask,
  lookup,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  outputs,
  requires,
  stream,
} from "../../mod.ts";

interface Page {
  readonly title: string;
  readonly n: number;
}

const blobs = new MemoryBlobRepository("blobs");
const pages = new MemoryMetadataRepository<Page>("pages");
const trees = new MemoryFilesystemRepository("trees");
const done = (): MemoryMetadataRepository => new MemoryMetadataRepository("done");

/** The type of one value is exactly another. */
type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_T extends true>(): void => {};

Deno.test("Bodies see links to many values as their repositories and options say", () => {
  // @ts-expect-error a document is never empty
  outputs(pages, { dropEmpty: true });
  const task = functionTask("many", {
    done: done(),
    links: {
      gate: requires(blobs),
      any: lookup(pages),
      every: stream(blobs, { cokeyed: { meta: pages } }),
      mine: stream(pages, { of: field("mine.title"), key: (job) => job }),
      named: outputs(blobs, {
        cokeyed: { meta: pages, rest: blobs },
        values: { meta: ({ name }) => ({ title: name }) },
      }),
      held: outputs(blobs, { keys: "content" }),
      facts: outputs(pages, { own: ({ job }) => ({ title: job }) }),
      forest: outputs(trees, { keys: "name" }),
      sifted: outputs(blobs, { dropEmpty: true }),
      sums: outputs(blobs, { keys: "content", dropEmpty: true }),
    },
  }, async ({ any, every, mine, named, held, facts, forest, sifted, sums }) => {
    holds<Is<Awaited<ReturnType<typeof sifted.write>>, string | undefined>>();
    holds<Is<Awaited<ReturnType<typeof sums.write>>, string | undefined>>();
    holds<Is<Awaited<ReturnType<typeof any.get>>, Page>>();
    for await (const page of mine) holds<Is<Awaited<ReturnType<typeof page.get>>, Page>>();
    for await (const blob of every) {
      holds<Is<Awaited<ReturnType<typeof blob.text>>, string>>();
      holds<Is<Awaited<ReturnType<typeof blob.meta.get>>, Page>>();
      // @ts-expect-error an item is read only
      blob.write("x");
      // @ts-expect-error there is no such cokeyed repository
      blob.mata;
    }
    holds<Is<Awaited<ReturnType<typeof named.write>>, string>>();
    await named.write("1", "text", { meta: { n: 1 }, rest: "text" });
    await held.write("text");
    await facts.write("1", { n: 1 });
    await forest.write("1", []);
    // @ts-expect-error a requested input is read only
    any.set;
    // @ts-expect-error there is no key
    any.get();
    // @ts-expect-error a stream is no value
    mine.get();
    // @ts-expect-error an item has a name
    await named.write("text");
    // @ts-expect-error an item is called by what it holds
    await held.write("name", "text");
    // @ts-expect-error blobs are no numbers
    await named.write("1", 5);
    // @ts-expect-error there is no such field
    await named.write("1", "text", { meta: { m: 1 } });
    // @ts-expect-error there is no such cokeyed repository
    await named.write("1", "text", { mata: {} });
    // @ts-expect-error a tree is no text
    await forest.write("1", "text");
    // @ts-expect-error nothing can be read from a streaming output
    named.text;
  });
  assert.equal(task.name, "many");
});

Deno.test("Links to many values that contradict themselves do not compile", () => {
  // @ts-expect-error whose key it is compared with, but not which key an item is for
  stream(blobs, { key: (job) => job });
  // @ts-expect-error there is no such kind of key
  outputs(blobs, { keys: "random" });
  // @ts-expect-error there is no cokeyed repository of this name
  outputs(blobs, { cokeyed: { meta: pages }, values: { mata: () => ({}) } });
  // @ts-expect-error there is no such field
  outputs(blobs, { cokeyed: { meta: pages }, values: { meta: () => ({ title: 5 }) } });
  // @ts-expect-error a document without automatic fields is written whole
  functionTask("whole", { done: done(), links: { a: outputs(pages) } }, ({ a }) => a.write("1", { n: 1 }));
  // @ts-expect-error it starts now, or with the first
  stream(blobs, { start: "last" });
  // @ts-expect-error a requested input takes no options
  lookup(blobs, { required: false });
  assert.equal(lookup(blobs).view, "lookup");
});
