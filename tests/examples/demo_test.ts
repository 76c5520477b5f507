/** The first command of the README, in a copy of the repository in which nothing was ever run. */
import assert from "node:assert/strict";
import { ROOT } from "../../tools/entries.ts";
import { inFolder } from "../kit/folder.ts";

/** What a copy leaves out: what is not of the repository, or was made by runs. */
const MADE = new Set([".git", ".datatask", ".scratch", "coverage", "node_modules", "out"]);

/** Copies a folder of the repository. */
async function copied(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (MADE.has(name)) continue;
    if (isDirectory) await copied(new URL(`${encodeURIComponent(name)}/`, from), `${to}/${name}`);
    else if (isFile) {
      await Deno.copyFile(new URL(encodeURIComponent(name), from), `${to}/${name}`).catch((error) => {
        // What goes while it is copied is a temporary file of somebody else.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }
}

Deno.test("the first command of the README runs in a fresh copy, and has nothing to do the second time", () =>
  inFolder(async (folder) => {
    const readme = await Deno.readTextFile(new URL("README.md", ROOT));
    const line = /```sh\n([^\n#]*)/.exec(readme)![1]!.trim();
    const [program, ...args] = line.split(" ");
    assert.equal(program, "deno");
    const copy = `${folder}/datatask`;
    await copied(ROOT, copy);
    const demo = async (): Promise<string> => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd: copy,
        env: { NO_COLOR: "1" },
        stdin: "null",
      }).output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assert.equal(code, 0, err);
      return out!;
    };
    const first = await demo();
    assert.match(first, /: 12 succeeded, 0 failed\nThe reports are in (\S+), the ranks in (\S+)\n$/);
    const [, reports, ranks] = /reports are in (\S+), the ranks in (\S+)\n/.exec(first)!;
    for (const made of [reports, ranks]) {
      assert.equal((await Array.fromAsync(Deno.readDir(`${copy}/${made}`))).length, 6);
    }
    assert.match(await demo(), /^Nothing to do: 12 jobs done, 0 failed\nThe reports are in /m);
  }));
