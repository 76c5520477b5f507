import assert from "node:assert/strict";
import { FileRepository, functionTask, input, output, Pipeline, YamlMetadataRepository } from "../../mod.ts";
import { forgetOpen, leftOpen, sayOpened } from "../../pipeline/openings.ts";
import { faultyFiles } from "../../testing/mod.ts";
import { inFolder } from "../kit/folder.ts";

const names = (folder: string): string[] => [...Deno.readDirSync(folder)].map(({ name }) => name);

Deno.test("Who works with the stores is told from who was killed meanwhile, and from who has left in doubt", () =>
  inFolder(async (folder) => {
    const here = sayOpened(folder);
    const doubtful = sayOpened(folder);
    assert.deepEqual([names(folder).length, leftOpen(folder)], [2, []]);
    here.close(true);
    doubtful.close(false);
    const program = `
      import { sayOpened } from ${
      JSON.stringify(new URL("../../pipeline/openings.ts", import.meta.url).href)
    };
      sayOpened(${JSON.stringify(folder)});
      Deno.kill(Deno.pid, "SIGKILL");
    `;
    const args = ["eval", "--no-check", program];
    assert.equal((await new Deno.Command(Deno.execPath(), { args }).output()).signal, "SIGKILL");
    const left = leftOpen(folder);
    assert.deepEqual(left.map(({ dead }) => dead === "" ? "lives" : "died").sort(), ["died", "lives"]);
    const { dead } = left.find(({ dead }) => dead !== "")!;
    assert.match(dead, /^\w*\.\d+\.\d*$/);
    forgetOpen(left);
    forgetOpen(left);
    assert.deepEqual(names(folder), []);
  }));

Deno.test("What is no file among those who work with the stores is left alone", () =>
  inFolder(async (folder) => {
    const texts = new FileRepository(`${folder}/texts`);
    const copy = functionTask("copy", {
      done: YamlMetadataRepository.files(`${folder}/done`),
      links: { texts: input(texts), copies: output(new FileRepository(`${folder}/copies`)) },
    }, async ({ texts, copies }) => await copies.write(await texts.text()));
    await texts.put("one", "1");
    const open = `${folder}/state/open`;
    await Deno.mkdir(`${open}/folder`, { recursive: true });
    await Deno.symlink("nowhere", `${open}/link`);
    const { succeeded } = await new Pipeline({ tasks: [copy], state: `${folder}/state` }).run().finished;
    assert.equal(succeeded, 1);
    assert.deepEqual(names(open).sort(), ["folder", "link"]);
  }));

Deno.test("What could not be removed, in an opening or in a run, is removed by the next run", async (t) => {
  for (const [what, only] of [["an opening", ["remove"]], ["a write", ["file.write", "rename"]]] as const) {
    await t.step(what, () =>
      inFolder(async (folder) => {
        const files = (name: string, faults = {}): FileRepository =>
          new FileRepository(`${folder}/${name}`, { ...faults });
        const pipeline = (faults = {}): Pipeline => {
          const copy = functionTask("copy", {
            done: YamlMetadataRepository.files(`${folder}/done`),
            links: { texts: input(files("texts")), copies: output(files("copies", faults)) },
          }, async ({ texts, copies }) => await copies.write(await texts.text()));
          return new Pipeline({ tasks: [copy], state: `${folder}/state` });
        };
        await files("texts").put("one", "1");
        assert.equal((await pipeline().run().finished).succeeded, 1);
        await files("texts").put("two", "2");
        // From here on nothing can be done any more, as on a disk that goes away: not even removing what was begun.
        const away = faultyFiles({ at: 1, only, crash: true });
        const ended = await pipeline({ files: away }).run().finished.then(
          () => "it ended",
          () => "it failed",
        );
        assert.equal(ended, what === "an opening" ? "it failed" : "it ended");
        assert(away.struck);
        assert(names(`${folder}/copies`).some((name) => name.startsWith(".tmp-")));
        await remove(`${folder}/copies`);
        const next = pipeline();
        await next.retry("copy", "failed");
        assert.equal((await next.run().finished).succeeded, 1);
        assert.deepEqual(names(`${folder}/copies`).sort(), ["one", "two"]);
        assert.deepEqual(names(`${folder}/state/pipeline/open`), []);
      }));
  }
});

/** Has what is unfinished in a folder look as if a process had left it that is no more. */
async function remove(folder: string): Promise<void> {
  for (const name of names(folder).filter((name) => name.startsWith(".tmp-"))) {
    await Deno.rename(`${folder}/${name}`, `${folder}/${name.replace(/\.\d+\.\d+-\w+-/, ".1.1-00000000-")}`);
  }
}
