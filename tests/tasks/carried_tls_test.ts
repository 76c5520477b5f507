/** Bodies and workers elsewhere speak TLS with an agent whose authority nobody knows but its coordinator, which tells them. */
import assert from "node:assert/strict";
import { api, docker } from "../executors/docker/kit.ts";
import { available } from "../executors/ssh/server.ts";
import { certificates } from "../kit/certificates.ts";
import { inFolder } from "../kit/folder.ts";
import { freePort } from "../kit/own_process.ts";
import { runAll, troubles } from "../pipeline/kit.ts";
import { mountsOf } from "./body_places.ts";
import { CHAPTERS, chaptersOf } from "./carried_coordinator.ts";

/** The address of this machine where containers are. */
async function gateway(): Promise<string> {
  const { IPAM } = await api<{ IPAM: { Config: { Gateway: string }[] } }>("GET", "/networks/bridge");
  return IPAM.Config[0]!.Gateway;
}

/** Where there is a curl, which the image of the tests has not. */
const CURL = ["/usr/bin/curl", "/bin/curl"].find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

for (const place of ["over SSH", "in Docker", "in Docker without shared files"]) {
  const contained = place !== "over SSH";
  Deno.test({
    name: `a body ${place} reads and writes over TLS, with the authority that it is told of`,
    // Without shared files a worker brings the modules, and the image has no client that speaks TLS.
    ignore: contained ? !docker.available || CURL === undefined : !available,
    fn: () =>
      inFolder(async (dir) => {
        const host = contained ? await gateway() : "127.0.0.1";
        const port = freePort();
        const tls = await certificates(dir, `IP:${host}`);
        const agent = {
          port,
          tls,
          ...(contained && { hostname: "0.0.0.0", url: `https://${host}:${port}` }),
        };
        const more = contained ? { agent, mounts: mountsOf(Deno.execPath(), CURL!) } : { agent };
        const { books, words, pages, marks, sums, pipeline } = chaptersOf(dir, { place }, more);
        await books.put("emma", "chapter");
        await words.put("word", "of");
        const { summary, events } = await runAll(pipeline);
        const told = JSON.stringify(events);
        assert.deepEqual([summary.failed, summary.stuck, troubles(events)], [0, 0, []], told);
        assert.deepEqual(await sums.get("emma"), { chapters: CHAPTERS });
        assert.equal((await Array.fromAsync(marks)).length, 1);
        const texts = await Promise.all((await Array.fromAsync(pages)).map((key) => pages.text(key)));
        assert.deepEqual(texts.sort(), Array.from({ length: CHAPTERS }, (_, n) => `of chapter ${n}`).sort());
      }),
  });
}
