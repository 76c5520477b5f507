/**
 * What must not compile. Each `@ts-expect-error` is an assertion: when the line below it compiles, the check of this file fails.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  functionTask,
  inhibits,
  input,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  requires,
  status,
  type Task,
  type TaskOptions,
} from "../../mod.ts";

interface Book {
  readonly title: string;
}

const blobs = new MemoryBlobRepository("blobs");
const books = new MemoryMetadataRepository<Book>("books");
const counts = new MemoryMetadataRepository<number>("counts");
const trees = new MemoryFilesystemRepository("trees");
const done = (): MemoryMetadataRepository => new MemoryMetadataRepository("done");

/** The type of one value is exactly another. */
type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_T extends true>(): void => {};

Deno.test("Bodies see each link as its repository, direction and view say", () => {
  functionTask("views", {
    done: done(),
    links: {
      blob: input(blobs),
      book: input(books),
      value: input(books, { as: "value" }),
      key: input(blobs, { as: "key" }),
      tree: input(trees),
      out: output(blobs),
      optional: output(blobs, { required: false, once: true, gated: false }),
      count: output(counts),
      outKey: output(blobs, { as: "key" }),
      outTree: output(trees),
      notes: status(books),
      both: output(blobs, { cokeyed: { meta: books, n: counts } }),
      gate: requires(blobs),
      no: inhibits(blobs),
    },
  }, ({ job, attempt, signal, ...links }) => {
    holds<Is<typeof job, string>>();
    holds<Is<typeof attempt, number>>();
    holds<Is<typeof signal, AbortSignal>>();
    holds<Is<typeof links.value, Book>>();
    holds<Is<typeof links.key, string>>();
    holds<Is<typeof links.outKey, string>>();
    holds<Is<Awaited<ReturnType<typeof links.book.get>>, Book>>();
    holds<Is<Awaited<ReturnType<typeof links.book.find>>, Book | undefined>>();
    holds<Is<Parameters<typeof links.count.write>, [number]>>();
    holds<Is<Parameters<typeof links.both.meta.write>, [Book]>>();
    holds<Is<Parameters<typeof links.both.n.write>, [number]>>();
    holds<Is<typeof links.gate, never>>();
    holds<Is<typeof links.no, never>>();
    holds<Is<typeof links.blob.key, string>>();
    void (() => links.notes.write({ title: "x" }));
    void (() => links.optional.create());
    void (() => links.outTree.write([]));
    void (() => links.tree.open("x"));
  });
});

Deno.test("Bodies that use links wrongly do not compile", () => {
  const task = functionTask("wrong", {
    done: done(),
    links: {
      blob: input(blobs),
      book: input(books),
      value: input(books, { as: "value" }),
      count: output(counts),
      out: output(blobs),
      key: input(blobs, { as: "key" }),
    },
  }, (context) => {
    void (() => {
      // @ts-expect-error There is no such link.
      context.nothing;
      // @ts-expect-error An input is not written.
      context.blob.write("x");
      // @ts-expect-error An input has no stream to write.
      context.blob.create();
      // @ts-expect-error A document is not text.
      context.book.text();
      // @ts-expect-error A blob is no document.
      context.blob.get();
      // @ts-expect-error Not the type of the documents.
      context.count.write("seven");
      // @ts-expect-error A document is written whole, not as a stream.
      context.count.create();
      // @ts-expect-error The value itself has no methods of a repository.
      context.value.get();
      // @ts-expect-error A key is a text.
      context.key.text();
      // @ts-expect-error A blob is written as text, bytes or a stream.
      context.out.write({ title: "x" });
      // @ts-expect-error What a body gets cannot be replaced.
      context.job = "other";
    });
  });
  assert.equal(task.name, "wrong");
});

Deno.test("Definitions that make no sense do not compile", () => {
  void (() => {
    // @ts-expect-error A task needs a place for its outcomes.
    functionTask("task", { links: {} }, () => {});
    // @ts-expect-error Outcomes are documents.
    functionTask("task", { done: blobs }, () => {});
    // @ts-expect-error No such option.
    functionTask("task", { done: done(), tiemout: 5 }, () => {});
    // @ts-expect-error No such view.
    input(blobs, { as: "values" });
    // @ts-expect-error An input is not "once".
    input(blobs, { once: true });
    // @ts-expect-error Whether an output is expected is yes or no.
    output(blobs, { required: "yes" });
    // @ts-expect-error A gate has no view.
    requires(blobs, { as: "key" });
    // @ts-expect-error A link is to a repository.
    input("./books");
    // @ts-expect-error A pipeline has tasks.
    new Pipeline({ session: undefined });
    // @ts-expect-error No such option of a run.
    new Pipeline({ tasks: [] }).run({ task: "x" });
    // @ts-expect-error A task is read only.
    (null as unknown as Task).name = "other";
    // @ts-expect-error Retries are a number or a policy.
    ({ done: done(), retry: true }) satisfies TaskOptions;
  });
});
