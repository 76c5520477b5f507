/** Runs a body whose large item breaks off, and says what became of it: for a test that looks at the folder for temporary files. @module */
import {
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  outputs,
  Pipeline,
} from "../../mod.ts";

const pages = new MemoryBlobRepository("pages");
const books = new MemoryBlobRepository("books");
const done = new MemoryMetadataRepository("done");
let during = 0;
const task = functionTask("work", {
  done,
  links: { books: input(books), pages: outputs(pages, { keys: "content" }) },
}, async ({ pages }) => {
  let n = 0;
  await pages.write(
    new ReadableStream({
      pull(controller) {
        if (++n <= 40) return controller.enqueue(new Uint8Array(65_536));
        during = [...Deno.readDirSync(Deno.env.get("TMPDIR")!)].length;
        controller.error(new Error("torn"));
      },
    }),
  );
});
await books.put("emma", "");
const outcome = await new Pipeline({ tasks: [task], state: null }).launch("work", "emma");
console.log(JSON.stringify({
  reason: outcome.reason,
  message: outcome.error?.message,
  keys: await Array.fromAsync(pages),
  during,
}));
