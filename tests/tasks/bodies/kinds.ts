/** A body that uses links of every kind. */
import type { BodyContext, TreeEntry } from "../../../mod.ts";
import type { allLinks } from "./links.ts";

export default async function (context: BodyContext<ReturnType<typeof allLinks>>): Promise<void> {
  const { job, task, attempt, replica, quota, signal, texts, documents, trees, value, key } = context;
  const seen: Record<string, unknown> = {
    about: { job, task, attempt, replica, quota, aborted: signal.aborted },
    text: await texts.text(),
    length: (await texts.bytes()).length,
    exists: [await texts.exists(), await context.outTexts.exists()],
    document: await documents.get(),
    found: await documents.find(),
    value,
    key,
    keys: [texts.key, context.outTexts.index.key],
  };
  const files: unknown[] = [];
  for await (const entry of await trees.entries()) {
    files.push(
      entry.kind === "file" ? [entry.path, await new Response(await entry.open()).text()] : entry.path,
    );
  }
  seen.files = files;
  seen.file = await new Response(await trees.open("folder/b")).text();
  seen.missing = await trees.open("not/there").catch((error) => [error.name, error.code, error.message]);
  await context.outTexts.write("text");
  const bytes = Uint8Array.of(0, 10, 255);
  await context.outTexts.index.write({
    at: new Date(0),
    big: 2n ** 70n,
    nan: NaN,
    nothing: undefined,
    bytes,
  });
  await context.outDocuments.write(seen);
  let size = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      size += chunk.length;
      controller.enqueue(chunk);
    },
  });
  await (await texts.stream()).pipeThrough(counted).pipeTo(context.outStreams.create());
  if (size !== seen.length) throw new Error(`${size} bytes of ${seen.length} have come`);
  await context.outTrees.write(async function* (): AsyncGenerator<TreeEntry> {
    yield { kind: "directory", path: "made", mode: 0o755 };
    for (const name of ["x", "y"]) {
      const bytes = new TextEncoder().encode(name.repeat(3));
      yield {
        kind: "file",
        path: `made/${name}`,
        mode: 0o644,
        size: bytes.length,
        open: () => Promise.resolve(new Blob([bytes]).stream()),
      };
    }
  }());
}
