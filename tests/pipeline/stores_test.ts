import assert from "node:assert/strict";
import {
  DirectoryRepository,
  FileRepository,
  type FunctionContext,
  functionTask,
  input,
  output,
  Pipeline,
  YamlMetadataRepository,
} from "../../mod.ts";
import { type Files, systemFiles } from "../../core/files.ts";
import { inFolder } from "../kit/folder.ts";

const refuse = (): never => {
  throw new Deno.errors.PermissionDenied("Read-only file system (os error 30)");
};

/** A file system that may only be read. */
const readOnlyFiles: Files = {
  ...systemFiles,
  // Making a folder that is there changes nothing.
  mkdir: (path, options) =>
    Deno.statSync(path).isDirectory ? Promise.resolve() : systemFiles.mkdir(path, options),
  writeNew: refuse,
  remove: refuse,
  rename: refuse,
};

const copy = async ({ books, copies }: FunctionContext & {
  books: { text(): Promise<string> };
  copies: { write(text: string): Promise<void> };
}): Promise<void> => await copies.write(await books.text());

Deno.test("A pipeline runs over inputs that may only be read, and refuses outputs that cannot be written", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/books`);
    await Deno.mkdir(`${dir}/trees/emma`, { recursive: true });
    await Deno.writeTextFile(`${dir}/books/emma`, "Emma Woodhouse");
    const files = readOnlyFiles;
    const pipeline = (copies: FileRepository): Pipeline =>
      new Pipeline({
        state: `${dir}/state`,
        tasks: [functionTask("copy", {
          done: YamlMetadataRepository.files(`${dir}/done`),
          links: {
            books: input(new FileRepository(`${dir}/books`, { files })),
            trees: input(new DirectoryRepository(`${dir}/trees`, { files })),
            copies: output(copies),
          },
        }, copy)],
      });
    await Deno.mkdir(`${dir}/locked`);
    await assert.rejects(pipeline(new FileRepository(`${dir}/locked`, { files })).run().finished, {
      code: "denied",
      message: `Cannot prepare files ${dir}/locked/*: cannot write in the directory: ` +
        "Read-only file system (os error 30); check its owner and mode",
    });
    const copies = new FileRepository(`${dir}/copies`);
    assert.equal((await pipeline(copies).run().finished).succeeded, 1);
    assert.equal(await copies.text("emma"), "Emma Woodhouse");
  }));

Deno.test("A pipeline makes every store ready before it starts anything, those under the same key among them", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/in`);
    await Deno.writeTextFile(`${dir}/in/emma`, "x");
    await Deno.writeTextFile(`${dir}/file`, "no folder");
    const index = new FileRepository(`${dir}/file`);
    let begun = false;
    const task = functionTask("task", {
      done: YamlMetadataRepository.files(`${dir}/done`),
      links: {
        given: input(new FileRepository(`${dir}/in`)),
        out: output(new FileRepository(`${dir}/out`), { cokeyed: { index } }),
      },
    }, () => void (begun = true));
    const run = new Pipeline({ tasks: [task], state: `${dir}/state` }).run();
    await assert.rejects(
      run.finished,
      (error: Error) => error.message.startsWith(`Cannot prepare ${index.name}: `),
    );
    assert.equal(begun, false);
  }));

Deno.test("A run after a kill removes what was left among the logs of the state folder", () =>
  inFolder(async (dir) => {
    const books = new FileRepository(`${dir}/books`);
    await books.put("emma", "Emma Woodhouse");
    const logs = `${dir}/state/pipeline/logs/copy`;
    await leaveUnfinished(logs);
    await Deno.writeTextFile(`${dir}/state/pipeline/lease`, '{"pid":1}\n');
    const task = functionTask("copy", {
      done: YamlMetadataRepository.files(`${dir}/done`),
      links: { books: input(books), copies: output(new FileRepository(`${dir}/copies`)) },
    }, copy);
    await new Pipeline({ state: `${dir}/state`, tasks: [task] }).run().finished;
    assert.deepEqual(await Array.fromAsync(Deno.readDir(logs), ({ name }) => name), []);
  }));

/** Has a process killed in the middle of a write into a folder. */
async function leaveUnfinished(dir: string): Promise<void> {
  const module = new URL("../../repositories/files.ts", import.meta.url).href;
  const child = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const { fileDriver } = await import(${JSON.stringify(module)});
      let pulls = 0;
      await fileDriver(${JSON.stringify(dir)}).write("emma", new ReadableStream({
        pull(c) { if (pulls++ < 3) c.enqueue(new Uint8Array(100000)); else Deno.kill(Deno.pid, "SIGKILL"); }
      }));`,
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  assert.equal(child.signal, "SIGKILL");
  const left = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  assert.equal(left.filter((name) => name.startsWith(".tmp-")).length, 1);
}
