import assert from "node:assert/strict";
import { FileRepository } from "../../repositories/files.ts";
import { currentOwner } from "../../repositories/file_temp.ts";
import { inFolder } from "../kit/folder.ts";

/** What is left of unfinished files, by whose they are, when some processes are known to be dead. */
const left = (owners: readonly string[], dead?: ReadonlySet<string>): Promise<string[]> =>
  inFolder(async (dir) => {
    for (const owner of owners) await Deno.writeTextFile(`${dir}/.tmp-${owner}-0a1b2c3d-0`, "half");
    await new FileRepository(dir).prepare({ ...(dead && { dead }) });
    const found = Array.from(Deno.readDirSync(dir), ({ name }) => name.split("-")[1]!);
    return owners.filter((owner) => found.includes(owner));
  });

const [here, pid, started] = currentOwner().split(".") as [string, string, string];
const elsewhere = [`0badcafe4026531836.3.77`, `0badcafe4026531836.4.78`];

Deno.test("Unfinished files of another life of the machine are removed when their process is known to be dead", async () => {
  assert.deepEqual(await left(elsewhere), elsewhere);
  assert.deepEqual(await left(elsewhere, new Set([elsewhere[0]!, ""])), [elsewhere[1]]);
});

Deno.test("Unfinished files of a process that can be seen to live are kept, whatever is said of it", async () => {
  assert.deepEqual(await left([currentOwner()], new Set([currentOwner()])), [currentOwner()]);
});

Deno.test("Unfinished files of a name that many processes may have are kept", async () => {
  assert.deepEqual(await left([`.${pid}.`], new Set([`.${pid}.`])), [`.${pid}.`]);
});

Deno.test({
  name: "Unfinished files of a process of this machine that is gone are removed",
  ignore: here === "",
  async fn() {
    assert.deepEqual(await left([`${here}.${pid}.${Number(started) + 1}`, `${here}.4194305.1`]), []);
  },
});
